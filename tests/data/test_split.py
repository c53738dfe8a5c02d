"""Held-out splits: by group, for good, whatever is added or reordered."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from medtune.data.split import hold_out, split_of
from medtune.records import Example, Message

SEEDS = st.integers(0, 2**32 - 1)
FRACTIONS = st.floats(0, 0.5)
GROUPS = st.lists(st.text(max_size=3), max_size=40)


def examples(groups: list[str]) -> list[Example]:
    return [
        Example(
            id=str(number),
            where=f"rows.jsonl:{number}",
            messages=(Message(role="user", content="?"),),
            group=group,
            source="",
            licence="",
        )
        for number, group in enumerate(groups)
    ]


@given(GROUPS, SEEDS, FRACTIONS, FRACTIONS)
def test_every_row_is_on_exactly_one_side_in_its_old_order(groups, seed, test, validation):
    rows = examples(groups)
    sides = hold_out(rows, seed, test, validation)
    assert set(sides) == {"train", "validation", "test"}
    numbers = [[int(row.id) for row in side] for side in sides.values()]
    assert sorted(chain(*numbers)) == list(range(len(rows)))
    assert all(side == sorted(side) for side in numbers)


@given(GROUPS, SEEDS, FRACTIONS, FRACTIONS)
def test_no_group_stands_on_two_sides(groups, seed, test, validation):
    sides = hold_out(examples(groups * 2), seed, test, validation)
    seen = [{row.group for row in side} for side in sides.values()]
    assert sum(map(len, seen)) == len(set().union(*seen))


@given(GROUPS, SEEDS, FRACTIONS, FRACTIONS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_moves_none(groups, seed, test, validation, random):
    rows = examples(groups)
    sides = hold_out(rows, seed, test, validation)
    again = hold_out(random.sample(rows, len(rows)), seed, test, validation)
    for side, kept in sides.items():
        assert {row.id for row in again[side]} == {row.id for row in kept}


@given(GROUPS, GROUPS, SEEDS, FRACTIONS, FRACTIONS)
def test_rows_that_are_added_move_no_old_row(groups, added, seed, test, validation):
    rows = examples(groups + added)
    before = hold_out(rows[: len(groups)], seed, test, validation)
    after = hold_out(rows, seed, test, validation)
    for side, kept in before.items():
        assert after[side][: len(kept)] == kept


@given(st.text(), SEEDS, FRACTIONS, FRACTIONS, st.floats(0, 0.5))
def test_a_larger_share_for_the_test_takes_no_row_out_of_the_test(
    group, seed, test, validation, more
):
    if split_of(group, seed, test, validation) == "test":
        assert split_of(group, seed, min(1.0, test + more), validation) == "test"


@given(SEEDS)
def test_the_shares_are_roughly_met_on_many_groups(seed):
    sides = [split_of(f"patient-{number}", seed, 0.2, 0.1) for number in range(4000)]
    # Six standard deviations: fails by chance once in a thousand million seeds.
    assert abs(sides.count("test") / 4000 - 0.2) < 6 * (0.2 * 0.8 / 4000) ** 0.5
    assert abs(sides.count("validation") / 4000 - 0.1) < 6 * (0.1 * 0.9 / 4000) ** 0.5


@given(st.text(), SEEDS)
def test_nothing_is_held_out_where_nothing_was_asked_for(group, seed):
    assert split_of(group, seed, 0.0, 0.0) == "train"


def test_another_seed_makes_another_split():
    groups = [f"patient-{number}" for number in range(100)]
    sides = {seed: [split_of(group, seed, 0.3, 0.2) for group in groups] for seed in (1, 2)}
    assert sides[1] != sides[2]


def test_the_side_of_a_group_is_the_same_in_every_version():
    # Golden: a change of the hash would move patients from old test sets into training.
    sides = [split_of(f"patient-{number}", 17, 0.3, 0.3) for number in range(1, 5)]
    assert sides == ["validation", "validation", "test", "train"]
    assert split_of("é", 17, 0.3, 0.3) == "test"
