"""How many steps and passes a run has, and a time that it cannot beat."""

from pathlib import Path

import pytest
import torch
from fixtures import recipe, write_questions
from hypothesis import given
from hypothesis import strategies as st

from medtune.data import Encoded
from medtune.inputs import Inputs, first_pass, gather, least_seconds, make_plan
from medtune.recipe import Recipe, Train
from medtune.training import least_seconds as estimate
from medtune.training import plan
from medtune.training.batches import Passes, batches, rows_of_step


def examples(lengths: list[int]) -> list[Encoded]:
    return [
        Encoded(id=f"row-{n}", input_ids=(1,) * length, supervised=(True,) * length)
        for n, length in enumerate(lengths)
    ]


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=60),
    st.integers(1, 9),
    st.integers(1, 3),
    st.booleans(),
)
def test_a_short_run_is_planned_to_the_token(
    lengths: list[int], batch_size: int, epochs: int, packing: bool
) -> None:
    section = Train(learning_rate=1e-3, epochs=epochs, batch_size=batch_size, packing=packing,
                    pack_tokens=64)  # fmt: skip
    found = plan(section, examples(lengths), pad_id=0, seed=3)
    steps = -(-len(lengths) // batch_size)
    assert (found.num_steps, found.steps_looked_at) == (steps * epochs, steps)
    assert found.tokens == sum(lengths)
    assert found.tokens_of_run == sum(lengths) * epochs
    assert found.passes >= -(-sum(lengths) // 64)
    assert 0 < found.efficiency <= found.positions / (64 * found.passes) <= 1
    if packing:
        assert found.positions == found.tokens


def test_of_a_long_run_the_first_steps_are_looked_at() -> None:
    section = Train(learning_rate=1e-3, epochs=2, batch_size=2, pack_tokens=64)
    found = plan(section, examples([10, 30] * 500), pad_id=0, seed=3)
    assert (found.num_steps, found.steps_looked_at) == (1000, 200)
    assert found.tokens_of_run == pytest.approx(40_000, rel=0.05)


@pytest.fixture
def inputs(tmp_path: Path, tiny_base: Path) -> Inputs:
    return gather(Recipe(**recipe(tiny_base, write_questions(tmp_path / "rows"))))


def test_the_first_pass_is_the_one_that_training_takes_first(inputs: Inputs) -> None:
    section = inputs.recipe.train
    rows = inputs.prepared.splits["train"].encoded
    step = [rows[row] for row in rows_of_step(len(rows), section.batch_size, 1, inputs.recipe.seed)]
    passes = Passes(packing=True, tokens=section.pack_tokens, pad_id=inputs.pad_id)
    first = next(iter(batches(step, passes, torch.device("cpu"))))
    assert tuple(example.id for example in first_pass(inputs)) == first.ids


def test_an_int8_base_has_no_estimate(inputs: Inputs) -> None:
    planned = make_plan(inputs)
    section = inputs.recipe.base.model_copy(update={"quantization": "int8"})
    assert estimate(inputs.located, section, planned, torch.device("cpu")) is None
    assert (least_seconds(inputs, planned) or 0) > 0
