"""Which rows a step sees, and what padding hides."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from medtune.data import Encoded
from medtune.training.batches import (
    Batch,
    Passes,
    batches,
    collate_packed,
    collate_padded,
    num_predicted,
    rows_of_step,
    share,
)

CPU = torch.device("cpu")
SIZES = {"num_rows": st.integers(1, 60), "batch_size": st.integers(1, 20)}
SEEDS = st.integers(0, 2**32 - 1)


def steps_of_pass(number: int, num_rows: int, batch_size: int) -> range:
    steps = -(-num_rows // batch_size)
    return range(number * steps + 1, (number + 1) * steps + 1)


@given(**SIZES, seed=SEEDS, number=st.integers(0, 5))
def test_a_pass_sees_every_row_exactly_once(
    num_rows: int, batch_size: int, seed: int, number: int
) -> None:
    seen = []
    for step in steps_of_pass(number, num_rows, batch_size):
        rows = rows_of_step(num_rows, batch_size, step, seed)
        assert 1 <= len(rows) <= batch_size
        seen += rows
    assert sorted(seen) == list(range(num_rows))


@given(**SIZES, seed=SEEDS, steps=st.permutations(range(1, 13)))
def test_a_step_sees_the_same_rows_whatever_was_done_before(
    num_rows: int, batch_size: int, seed: int, steps: list[int]
) -> None:
    in_order = {step: rows_of_step(num_rows, batch_size, step, seed) for step in sorted(steps)}
    assert {step: rows_of_step(num_rows, batch_size, step, seed) for step in steps} == in_order


def test_seeds_and_passes_have_orders_of_their_own() -> None:
    orders = [
        tuple(rows_of_step(50, 50, step, seed)) for seed in (0, 1, 2**32 - 1) for step in (1, 2, 3)
    ]
    assert len(set(orders)) == 9
    assert tuple(range(50)) not in orders


@st.composite
def encoded(draw: st.DrawFn) -> Encoded:
    ids = draw(st.lists(st.integers(0, 9), min_size=1, max_size=12))
    mask = draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    name = draw(st.text("ab", max_size=2))
    return Encoded(id=name, input_ids=tuple(ids), supervised=tuple(mask))


def predictions(batch: Batch) -> list[tuple[int, int]]:
    return list(zip(batch.positions_K.tolist(), batch.targets_K.tolist(), strict=True))


@given(st.lists(encoded(), min_size=1, max_size=6), st.integers(0, 9))
def test_padded_rows_can_be_read_back(examples: list[Encoded], pad: int) -> None:
    # The padding token also occurs inside of rows: it is masked by position, never by its id.
    batch = collate_padded(examples, pad, CPU)
    assert batch.ids == tuple(example.id for example in examples)
    longest = max(map(len, examples))
    assert batch.input_ids_BT.shape == (len(examples), longest)
    mask_BT = batch.inputs["attention_mask"]
    expected = []
    for row, example in enumerate(examples):
        length = len(example)
        assert tuple(batch.input_ids_BT[row, :length].tolist()) == example.input_ids
        assert batch.input_ids_BT[row, length:].tolist() == [pad] * (longest - length)
        assert mask_BT[row].tolist() == [1] * length + [0] * (longest - length)
        expected += [
            (row * longest + place - 1, example.input_ids[place])
            for place in range(1, length)
            if example.supervised[place]
        ]
    assert predictions(batch) == expected
    assert batch.num_tokens == sum(map(len, examples))
    assert batch.num_supervised == num_predicted(examples)


@given(st.lists(encoded(), min_size=1, max_size=6))
def test_packed_rows_stand_one_after_another_and_predict_only_their_own(
    examples: list[Encoded],
) -> None:
    batch = collate_packed(examples, CPU)
    everything = [token for example in examples for token in example.input_ids]
    assert batch.input_ids_BT.tolist() == [everything]
    assert batch.inputs["position_ids"].tolist() == [
        [place for example in examples for place in range(len(example))]
    ]
    starts = [sum(map(len, examples[:number])) for number in range(len(examples))]
    expected = [
        (start + place - 1, example.input_ids[place])
        for example, start in zip(examples, starts, strict=True)
        for place in range(1, len(example))
        if example.supervised[place]
    ]
    assert predictions(batch) == expected
    assert batch.num_tokens == len(everything)
    assert batch.inputs["cu_seq_lens_q"].tolist() == [*starts, len(everything)]


@given(st.lists(encoded(), min_size=1, max_size=10), st.integers(12, 40), st.booleans())
def test_passes_hold_every_example_once_and_no_more_tokens_than_allowed(
    examples: list[Encoded], tokens: int, packing: bool
) -> None:
    passes = Passes(packing=packing, tokens=tokens, pad_id=0)
    found = list(batches(examples, passes, CPU))
    assert sorted(name for batch in found for name in batch.ids) == sorted(
        example.id for example in examples
    )
    assert all(batch.input_ids_BT.numel() <= tokens for batch in found)
    assert sum(batch.num_supervised for batch in found) == num_predicted(examples)


@given(st.lists(encoded(), min_size=1, max_size=12), st.integers(1, 4))
def test_processes_share_a_step_without_loss_and_about_evenly(
    examples: list[Encoded], world_size: int
) -> None:
    shares = [share(examples, rank, world_size) for rank in range(world_size)]
    together = sorted(e.id for own in shares for e in own)
    assert together == sorted(e.id for e in examples)
    loads = [sum(map(len, own)) for own in shares]
    assert max(loads) - min(loads) <= max(map(len, examples))
