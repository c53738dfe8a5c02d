"""Brier score and calibration error, against their papers and a simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.stats import (
    brier,
    calibration_error_interval,
    expected_calibration_error,
    mean_interval,
    wilson,
)


def test_brier_of_sure_and_of_even_answers_is_known():
    scores = brier([[1, 0, 0, 0], [0, 1, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]], [0, 0, 3, 1])
    # (1 - 1/4)^2 + 3 (1/4)^2 = 0.75
    assert scores == pytest.approx([0.0, 2.0, 0.75, 0.5])


def test_of_two_options_brier_is_twice_the_squared_error_of_one():
    # Rain at 70 % and it rains: 0.09 by the one-sided definition; at 30 %: 0.49; at 50 %: 0.25
    # (the examples of Wikipedia's article).
    scores = brier([[0.7, 0.3], [0.3, 0.7], [0.5, 0.5]], [0, 0, 0])
    assert scores / 2 == pytest.approx([0.09, 0.49, 0.25])


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6), st.data())
def test_brier_lies_in_its_range_and_ignores_options_that_are_impossible(raw, data):
    shares = np.array(raw) / sum(raw)
    right = data.draw(st.integers(0, len(raw) - 1))
    (score,) = brier([shares], [right])
    assert 0 <= score <= 2
    assert brier([[*shares, 0.0]], [right]) == pytest.approx([score])


@pytest.mark.parametrize(
    ("probabilities", "right", "message"),
    [
        ([[0.5, 0.4]], [0], "row 0 is no distribution"),
        ([[0.5, 0.5], [1.5, -0.5]], [0, 0], "row 1 is no distribution"),
        ([[0.5, float("nan")]], [0], "row 0 is no distribution"),
        ([[0.5, 0.5]], [2], "not one of 2"),
        ([[0.5, 0.5]], [-1], "not one of 2"),
        ([[0.5, 0.5]], [0, 1], "a row for each item"),
        ([0.5, 0.5], [0, 1], "a row for each item"),
    ],
)
def test_what_is_no_distribution_has_no_brier_score(probabilities, right, message):
    with pytest.raises(ValueError, match=message):
        brier(probabilities, right)


def plain_calibration_error(confidences, rights, bins):
    """The formula of Guo et al., bin by bin."""
    error = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [
            (c, r)
            for c, r in zip(confidences, rights, strict=True)
            if low < c <= high or c == low == 0
        ]
        if inside:
            sure = sum(c for c, _ in inside) / len(inside)
            right = sum(r for _, r in inside) / len(inside)
            error += len(inside) / len(confidences) * abs(right - sure)
    return error


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0, 1])), min_size=1, max_size=40),
    st.sampled_from([1, 2, 8, 16]),
)
def test_the_calibration_error_is_that_of_the_formula(items, bins):
    # Numbers of bins whose edges are exact in binary: on others an item on an edge may fall to
    # either side of it.
    confidences, rights = [c for c, _ in items], [r for _, r in items]
    expected = plain_calibration_error(confidences, rights, bins)
    assert expected_calibration_error(confidences, rights, bins) == pytest.approx(expected)


def test_fifteen_bins_are_meant_unless_told_otherwise():
    random = np.random.default_rng(0)
    confidences, rights = random.random(200), random.integers(0, 2, 200)
    expected = plain_calibration_error(confidences, rights, 15)
    assert expected_calibration_error(confidences, rights) == pytest.approx(expected)


def test_an_edge_belongs_to_the_bin_below_it():
    # In [0, 0.5] and (0.5, 1]: 0.5 and 0.3 share a bin, in which their gaps cancel out.
    assert expected_calibration_error([0.5, 0.3], [0, 1], 2) == pytest.approx(0.1)
    assert expected_calibration_error([0.5, 0.6], [0, 1], 2) == pytest.approx(0.45)
    assert expected_calibration_error([0.0, 1.0], [0, 1], 2) == 0.0


@pytest.mark.parametrize(
    ("confidences", "rights", "message"),
    [([], [], "do not match"), ([0.5], [1, 0], "do not match"), ([1.2], [1], "no.* probability"),
     ([-0.2], [1], "not a probability"), ([float("nan")], [1], "not a probability"),
     ([0.5], [0.5], "neither right")],
)  # fmt: skip
def test_what_is_no_confidence_has_no_calibration_error(confidences, rights, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(confidences, rights)


def alone(number: int) -> list[str]:
    return [str(item) for item in range(number)]


@pytest.mark.parametrize("overconfidence", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("clusters", [1, 4])
def test_the_interval_covers_the_truth_that_the_estimate_misses(overconfidence, clusters):
    random = np.random.default_rng(8)
    hits, estimates, repeats, number = 0, [], 40, 240
    groups = [str(item // clusters) for item in range(number)]
    for _ in range(repeats):
        # Groups share their confidence and the luck of their answers.
        sure = np.repeat(random.uniform(0.3, 1, number // clusters), clusters)
        luck = np.repeat(random.random(number // clusters), clusters)
        rights = (luck < sure - overconfidence).astype(float)
        low, high, method = calibration_error_interval(sure, rights, groups, seed=1)
        assert method == "calibration_bounds"
        estimates.append(expected_calibration_error(sure, rights))
        assert low <= estimates[-1] <= high
        hits += low <= overconfidence <= high
    assert hits / repeats >= 0.95 - 0.05
    if overconfidence == 0:
        assert min(estimates) > 0.02, "which no interval around the estimate alone would reach"


def test_the_high_end_is_students_bound_of_the_mean_gap_where_all_gaps_point_one_way():
    random = np.random.default_rng(4)
    sure = random.uniform(0.9, 1, 120)
    rights = (random.random(120) < 0.3).astype(float)
    found = calibration_error_interval(sure, rights, alone(120), seed=0, bins=1)
    assert found.high == pytest.approx(mean_interval(list(sure - rights), alone(120)).high)


def test_the_low_end_allows_for_the_error_of_few_groups():
    # Gaps of 0.7 and 0.5: resamples of two groups miss the mean by 0.1 or not at all, and vary by
    # half of what samples do.
    rights = [1, 0, 0, 0, 0, 1, 1, 0, 0, 0]
    found = calibration_error_interval([0.9] * 10, rights, ["a"] * 5 + ["b"] * 5, seed=0, bins=1)
    assert found.low == pytest.approx(0.6 - 0.1 * 2**0.5)


def test_all_right_and_sure_is_no_certainty():
    found = calibration_error_interval([1.0] * 30, [1] * 30, alone(30), seed=0)
    assert found[:2] == pytest.approx((0.0, wilson(0, 30).high))
    grouped = calibration_error_interval([1.0] * 30, [1] * 30, ["a", "b", "c"] * 10, seed=0)
    assert grouped.high == pytest.approx(wilson(0, 3).high)


def test_a_single_group_shows_nothing_and_groups_must_match():
    found = calibration_error_interval([0.5, 0.7], [1, 0], ["a", "a"], seed=0)
    assert found == (0.0, 1.0, "single_group")
    with pytest.raises(ValueError, match="2 items and 1 groups"):
        calibration_error_interval([0.5, 0.7], [1, 0], ["a"], seed=0)


def test_the_seed_decides_the_interval_and_copies_add_nothing():
    random = np.random.default_rng(0)
    sure, rights = random.uniform(0.3, 1, 80), random.integers(0, 2, 80)
    once = calibration_error_interval(sure, rights, alone(80), seed=3)
    assert once == calibration_error_interval(sure, rights, alone(80), seed=3)
    often = calibration_error_interval(np.tile(sure, 5), np.tile(rights, 5), alone(80) * 5, seed=3)
    assert often[:2] == pytest.approx(once[:2])
