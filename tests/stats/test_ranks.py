"""Ranks of two groups, beside scipy and a resampling of the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from medtune.stats.ranks import auc, auc_interval, rank_sum_above, rate_above

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


@pytest.mark.parametrize("call", [auc, auc_interval, lambda a, b: rate_above(a, b, 0.1)])
def test_an_empty_group_is_refused(call):
    with pytest.raises(ValueError, match="others"):
        call([], [1.0])
