"""Means of grouped items, against statsmodels and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student_t
from statsmodels.regression.linear_model import OLS, WLS

from medtune.stats import (
    design_effect,
    effective_items,
    intraclass_correlation,
    mean_interval,
    ratio_interval,
)

VALUES = st.lists(st.floats(-100, 100), min_size=3, max_size=30)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_a_grouped_mean_is_that_of_statsmodels(seed, confidence):
    random = np.random.default_rng(seed)
    groups = random.integers(0, 12, 60)
    values = random.normal(size=60) + random.normal(size=12)[groups]
    # With one column, statsmodels' (N - 1) / (N - K) is 1: what is left is G / (G - 1).
    fit = OLS(values, np.ones(60)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "df_correction": True}, use_t=True
    )
    (expected,) = fit.conf_int(1 - confidence)
    found = mean_interval(list(values), [str(group) for group in groups], confidence)
    assert found == pytest.approx(tuple(expected), rel=1e-9)


@given(VALUES)
def test_with_a_group_for_each_value_it_is_the_ordinary_interval(values):
    low, high = mean_interval(values, [str(number) for number in range(len(values))])
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    half = student_t.ppf(0.975, len(values) - 1) * error
    expected = (np.mean(values) - half, np.mean(values) + half)
    assert (low, high) == pytest.approx(expected, abs=1e-9)


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_values_changes_no_digit_that_matters(values, random):
    rows = [(value, str(number % 3)) for number, value in enumerate(values)]
    shuffled = random.sample(rows, len(rows))
    before = mean_interval(*zip(*rows, strict=True))
    assert mean_interval(*zip(*shuffled, strict=True)) == pytest.approx(before, abs=1e-9)


def test_rows_that_repeat_each_other_are_no_new_evidence():
    values, groups = [0.0, 1.0, 1.0, 0.0, 1.0], ["a", "b", "c", "d", "e"]
    assert mean_interval(values * 10, groups * 10) == pytest.approx(mean_interval(values, groups))


def test_a_single_group_shows_no_spread():
    assert mean_interval([1.0, 2.0, 3.0], ["a", "a", "a"]) == (-math.inf, math.inf)
    assert mean_interval([1.0], ["a"]) == (-math.inf, math.inf)


@pytest.mark.parametrize(("values", "groups"), [([], []), ([1.0], []), ([1.0], ["a", "b"])])
def test_a_mean_needs_a_value_and_a_group_for_each(values, groups):
    with pytest.raises(ValueError, match=f"{len(values)} values and {len(groups)} groups"):
        mean_interval(values, groups)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_a_weighted_mean_is_that_of_a_weighted_regression(seed):
    random = np.random.default_rng(seed)
    groups = random.integers(0, 12, 60)
    values = random.normal(size=60) + random.normal(size=12)[groups]
    weights = random.uniform(1, 500, 60)
    # On a constant alone, weighted least squares is the ratio, and its sandwich the linearised
    # error of Cochran.
    fit = WLS(values, np.ones(60), weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "df_correction": True}, use_t=True
    )
    (expected,) = fit.conf_int(0.05)
    found = ratio_interval(list(values), list(weights), [str(group) for group in groups])
    assert found == pytest.approx(tuple(expected), rel=1e-9)
    assert sum(found) / 2 == pytest.approx(np.average(values, weights=weights))


@given(VALUES, st.floats(0.1, 1000))
def test_equal_weights_change_nothing(values, weight):
    groups = [str(number % 4) for number in range(len(values))]
    plain = mean_interval(values, groups)
    assert ratio_interval(values, [1.0] * len(values), groups) == plain
    same = ratio_interval(values, [weight] * len(values), groups)
    assert same == pytest.approx(plain, rel=1e-9, abs=1e-9)


@given(VALUES)
def test_the_unit_of_the_weights_does_not_matter(values):
    weights = [float(1 + number % 7) for number in range(len(values))]
    groups = [str(number) for number in range(len(values))]
    in_bytes = ratio_interval(values, weights, groups)
    in_kibibytes = ratio_interval(values, [weight / 1024 for weight in weights], groups)
    assert in_kibibytes == pytest.approx(in_bytes, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("weights", [[], [1.0], [1.0, 0.0], [1.0, -2.0], [1.0, math.inf],
                                     [1.0, math.nan]])  # fmt: skip
def test_a_weighted_mean_needs_a_positive_weight_for_each_value(weights):
    with pytest.raises(ValueError, match="as many weights above 0"):
        ratio_interval([1.0, 2.0], weights, ["a", "b"])


def test_the_clustered_interval_misses_at_most_six_in_a_hundred_times():
    random = np.random.default_rng(20231127)
    misses, repeats = 0, 1500
    sizes = random.integers(1, 9, 25)
    groups = [str(group) for group, size in enumerate(sizes) for _ in range(size)]
    for _ in range(repeats):
        shared = np.repeat(random.normal(size=25), sizes)
        low, high = mean_interval(list(shared + random.normal(size=len(groups))), groups)
        misses += not low <= 0 <= high
    assert 0.03 < misses / repeats <= 0.06


@pytest.mark.parametrize("seed", range(3))
def test_the_intraclass_correlation_is_that_of_the_analysis_of_variance(seed):
    random = np.random.default_rng(seed)
    groups = random.integers(0, 8, 50)
    values = random.normal(size=50) + 2 * random.normal(size=8)[groups]
    fit = OLS(values, (groups[:, None] == np.unique(groups)).astype(float)).fit()
    between = ((fit.fittedvalues - values.mean()) ** 2).sum() / (len(set(groups)) - 1)
    within = fit.mse_resid
    sizes = np.bincount(groups)
    typical = (50 - (sizes**2).sum() / 50) / (len(set(groups)) - 1)
    expected = (between - within) / (between + (typical - 1) * within)
    found = intraclass_correlation(list(values), [str(group) for group in groups])
    assert found == pytest.approx(expected, rel=1e-9)
    size = (sizes**2).sum() / 50
    effect = design_effect(list(values), [str(group) for group in groups])
    assert effect == pytest.approx(1 + (size - 1) * expected)


def test_copies_within_groups_are_worth_their_number_of_groups():
    values, groups = [0.0, 1.0, 1.0, 0.0, 1.0], ["a", "b", "c", "d", "e"]
    assert intraclass_correlation(values * 10, groups * 10) == pytest.approx(1.0)
    assert effective_items(values * 10, groups * 10) == pytest.approx(5.0)


def test_where_nothing_shows_how_alike_items_are_they_count_as_copies():
    assert effective_items([1.0] * 6, ["a", "a", "b", "b", "c", "c"]) == 3.0
    assert effective_items([0.0, 1.0, 1.0], ["a"] * 3) == 1.0
    assert effective_items([0.0, 1.0, 1.0], ["a", "b", "c"]) == 3.0


@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from("abcdef")), min_size=1, max_size=40))
def test_grouped_items_are_worth_between_one_and_their_number(items):
    values, groups = [value for value, _ in items], [group for _, group in items]
    assert 1 - 1e-9 <= effective_items(values, groups) <= len(items) + 1e-9


@pytest.mark.parametrize(("values", "groups"), [([], []), ([1.0], []), ([1.0], ["a", "b"])])
def test_a_correlation_needs_a_value_and_a_group_for_each(values, groups):
    with pytest.raises(ValueError, match=f"{len(values)} values and {len(groups)} groups"):
        design_effect(values, groups)
