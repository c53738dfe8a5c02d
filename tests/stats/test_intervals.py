"""Each figure has the interval of its kind, and repeated groups never count as independent."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from medtune.stats import mean_interval, tango_interval, wilson
from medtune.stats.intervals import (
    change_interval,
    fraction_change_interval,
    fraction_interval,
    loss_interval,
    share_interval,
)

LETTERS = st.sampled_from("abcdef")


def alone(values: list[float]) -> list[str]:
    return [f"item-{n}" for n in range(len(values))]


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60))
def test_a_share_of_independent_items_has_the_wilson_interval(right: list[float]) -> None:
    found = share_interval(right, alone(right))
    assert found[:2] == wilson(int(sum(right)), len(right))
    assert found.method == "wilson"


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60))
def test_a_change_of_independent_items_has_the_tango_interval(changes: list[float]) -> None:
    found = change_interval(changes, alone(changes))
    assert found[:2] == tango_interval(changes.count(1.0), changes.count(-1.0), len(changes))
    assert found.method == "tango"
    assert found.low <= sum(changes) / len(changes) <= found.high


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30, unique=True))
def test_a_loss_of_independent_items_has_students_interval(losses: list[float]) -> None:
    found = loss_interval(losses, alone(losses))
    assert found.method == "student_t"
    expected = ttest_1samp(losses, 0.0).confidence_interval(0.95)
    assert found[:2] == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30, unique=True))
def test_fractions_and_their_changes_have_students_interval_within_what_can_be(
    changes: list[float],
) -> None:
    for values, found, low in (
        (changes, fraction_change_interval(changes, alone(changes)), -1.0),
        ([abs(c) for c in changes], fraction_interval([abs(c) for c in changes],
                                                      alone(changes)), 0.0),
    ):  # fmt: skip
        expected = ttest_1samp(values, 0.0).confidence_interval(0.95)
        clamped = (max(low, expected.low), min(1.0, expected.high))
        assert found.method == "student_t"
        assert found[:2] == pytest.approx(clamped, rel=1e-6, abs=1e-9)
        repeated = fraction_change_interval(values * 2, alone(changes) * 2)
        assert repeated.method == "clustered_t"
        assert repeated[:2] == pytest.approx(
            fraction_change_interval(values, alone(changes))[:2], rel=1e-6, abs=1e-9
        )


def test_texts_that_all_score_nothing_or_do_not_change_are_no_certainty() -> None:
    groups = [f"visit-{n // 2}" for n in range(20)]
    assert fraction_interval([0.0] * 20, groups) == (*wilson(0, 10), "wilson_of_groups")
    assert fraction_change_interval([0.0] * 20, groups) == (
        *tango_interval(0, 0, 10), "tango_of_groups"
    )  # fmt: skip
    assert fraction_interval([0.5, 0.25], ["a"] * 2)[:2] == (0.0, 1.0)
    low, high, _ = fraction_change_interval([0.25] * 4, groups[::2][:4])
    assert low <= 0.25 <= high


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), LETTERS), min_size=7, max_size=60))
def test_repeated_groups_are_clustered(items: list[tuple[float, str]]) -> None:
    right, groups = [value for value, _ in items], [group for _, group in items]
    found = share_interval(right, groups)
    assert 0 <= found.low <= sum(right) / len(right) <= found.high <= 1
    if len(set(right)) == 1:
        assert found.method == "wilson_of_groups"
        number = len(set(groups))
        assert found[:2] == wilson(number * int(right[0]), number)
    else:
        low, high = mean_interval(right, groups)
        assert found == (max(0.0, low), min(1.0, high), "clustered_t")
    assert loss_interval(right, groups).method == "clustered_t"


@given(st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), LETTERS), min_size=7, max_size=60))
def test_changes_in_repeated_groups_are_clustered(items: list[tuple[float, str]]) -> None:
    changes, groups = [value for value, _ in items], [group for _, group in items]
    found = change_interval(changes, groups)
    assert -1 <= found.low <= sum(changes) / len(changes) <= found.high <= 1
    if len(set(changes)) == 1:
        number = len(set(groups))
        gained, lost = number * (changes[0] == 1), number * (changes[0] == -1)
        assert found == (*tango_interval(gained, lost, number), "tango_of_groups")
    else:
        assert found.method == "clustered_t"


@pytest.mark.parametrize("interval", [share_interval, change_interval])
def test_agreement_of_all_items_is_no_certainty(interval: object) -> None:
    for value in (0.0, 1.0):
        few = interval([value] * 4, ["a", "a", "b", "b"])
        many = interval([value] * 80, [f"g{n // 2}" for n in range(80)])
        assert few.high - few.low > many.high - many.low > 0.01
        assert few[:2] == interval([value] * 2, ["a", "b"])[:2], "items of a group count once"


def test_copies_of_items_in_their_groups_add_no_certainty() -> None:
    right = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    groups = [f"patient-{n}" for n in range(8)]
    once = share_interval(right * 2, groups * 2)
    often = share_interval(right * 50, groups * 50)
    assert often[:2] == pytest.approx(once[:2])
    assert often.high - often.low > 0.5


def test_a_single_group_says_nothing() -> None:
    found = share_interval([1.0, 0.0, 1.0], ["a"] * 3)
    assert found[:2] == (0.0, 1.0)
    assert change_interval([1.0, 0.0], ["a"] * 2)[:2] == (-1.0, 1.0)
    assert loss_interval([1.0, 0.0], ["a"] * 2)[:2] == (-math.inf, math.inf)
