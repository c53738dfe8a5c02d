"""Ranks of two groups, beside scipy and a resampling of the whole."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, ttest_ind

from medtune.stats.ranks import (
    auc,
    auc_interval,
    mean_rise_interval,
    rank_sum_above,
    rate_above,
)

scores = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)


@given(scores, scores)
def test_the_area_is_that_of_the_rank_sum(members, others):
    statistic = mannwhitneyu(members, others).statistic
    assert auc(members, others) == pytest.approx(statistic / len(members) / len(others))


@given(scores, scores)
def test_exchanging_the_groups_mirrors_area_and_interval(members, others):
    one, other = auc_interval(members, others), auc_interval(others, members)
    assert one.low == pytest.approx(1 - other.high, abs=1e-9)
    assert one.low - 1e-9 <= auc(members, others) <= one.high + 1e-9


def test_the_interval_covers_the_area_of_two_shifted_normals():
    # P(X > Y) for X ~ N(0.5, 1) and Y ~ N(0, 1) is Phi(0.5 / sqrt 2) = 0.6382.
    random, covered = np.random.default_rng(3), 0
    for _ in range(400):
        low, high, method = auc_interval(random.normal(0.5, 1, 60), random.normal(0, 1, 80))
        covered += low <= 0.6382 <= high
        assert method == "delong"
    assert 0.92 <= covered / 400 <= 0.98


def test_groups_that_do_not_overlap_leave_an_interval_with_a_width():
    low, high, _ = auc_interval([2.0] * 20, [1.0] * 300)
    assert high == 1.0
    assert 0.8 < low < 0.9


def test_the_rate_above_counts_members_beyond_all_but_a_share_of_the_others():
    others = [float(number) for number in range(100)]
    assert rate_above([98.5, 99.5, 97.0], others, 0.01)[0] == pytest.approx(2 / 3)
    assert rate_above([98.5, 99.5, 97.0], others, 0.0)[0] == pytest.approx(1 / 3)
    assert rate_above([1.0], [1.0], 0.0)[0] == 0.0


def test_members_that_stand_above_have_a_small_p_value():
    assert rank_sum_above([5.0, 6.0, 7.0, 8.0, 9.0], [1.0, 2.0, 3.0, 4.0]) == pytest.approx(1 / 126)


def test_the_interval_of_a_rise_covers_it_when_few_members_stand_above_many_others():
    random, covered = np.random.default_rng(5), 0
    for _ in range(400):
        low, high, method = mean_rise_interval(random.normal(2, 3, 6), random.normal(0, 1, 60))
        covered += low <= 2 <= high
        assert method == "welch_t"
    assert 0.92 <= covered / 400 <= 0.98


@given(scores, scores)
def test_the_interval_of_a_rise_is_that_of_scipy(members, others):
    assume(min(len({*members}), len({*others})) > 1)
    ours = mean_rise_interval(members, others, 0.9)
    theirs = ttest_ind(members, others, equal_var=False).confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_members_that_agree_leave_the_rise_with_the_spread_of_the_others():
    low, high, _ = mean_rise_interval([8.0] * 6, [1.0, 2.0, 3.0])
    # Mean 2, variance 1 of three: 6 -+ t(0.975, 2 degrees) * sqrt(1/3); t is 4.3027 in tables.
    assert (low, high) == pytest.approx((6 - 2.4842, 6 + 2.4842), abs=1e-3)


@pytest.mark.parametrize("groups", [([8.0], [1.0, 2.0]), ([8.0] * 6, [1.0] * 60)])
def test_a_rise_without_any_spread_has_no_interval(groups):
    assert mean_rise_interval(*groups) == (-math.inf, math.inf, "too_few")


@pytest.mark.parametrize(
    "call", [auc, auc_interval, mean_rise_interval, lambda a, b: rate_above(a, b, 0.1)]
)
def test_an_empty_group_is_refused(call):
    with pytest.raises(ValueError, match="others"):
        call([], [1.0])
