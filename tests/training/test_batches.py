"""Which rows a step sees, and what padding hides."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from medtune.data import Encoded
from medtune.training.batches import IGNORED, collate, micro_batches, rows_of_step

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


@given(st.lists(encoded(), min_size=1, max_size=6), st.integers(0, 9))
def test_collated_rows_can_be_read_back(examples: list[Encoded], pad: int) -> None:
    # The padding token also occurs inside of rows: it is masked by position, never by its id.
    batch = collate(examples, pad, CPU)
    assert batch.ids == tuple(example.id for example in examples)
    longest = max(map(len, examples))
    assert batch.input_ids_BT.shape == (len(examples), longest)
    for row, example in enumerate(examples):
        length = len(example)
        assert tuple(batch.input_ids_BT[row, :length].tolist()) == example.input_ids
        assert batch.input_ids_BT[row, length:].tolist() == [pad] * (longest - length)
        assert batch.attention_mask_BT[row].tolist() == [1] * length + [0] * (longest - length)
        expected = [
            token if supervised else IGNORED
            for token, supervised in zip(example.input_ids, example.supervised, strict=True)
        ]
        assert batch.labels_BT[row].tolist() == expected + [IGNORED] * (longest - length)
    assert batch.num_tokens == sum(map(len, examples))
    assert batch.num_supervised == sum(example.num_supervised for example in examples)


@given(st.lists(encoded(), min_size=1, max_size=10), st.integers(1, 4))
def test_micro_batches_hold_every_example_once_longest_first(
    examples: list[Encoded], size: int
) -> None:
    batches = list(micro_batches(examples, size, 0, CPU))
    assert sorted(name for batch in batches for name in batch.ids) == sorted(
        example.id for example in examples
    )
    assert all(len(batch.ids) == size for batch in batches[:-1])
    lengths = [n for batch in batches for n in batch.attention_mask_BT.sum(dim=1).tolist()]
    assert lengths == sorted(map(len, examples), reverse=True)
