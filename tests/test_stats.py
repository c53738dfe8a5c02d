"""Intervals and tests, against statsmodels, published figures and their own laws."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import t as student_t
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from medtune.stats import (
    mcnemar_exact,
    mean_interval,
    tango_interval,
    tango_upper,
    wilson,
)

COUNTS = st.integers(0, 400)


@st.composite
def paired(draw, most: int = 400) -> tuple[int, int, int]:
    """Gained, lost and all pairs."""
    gained, lost, agreed = draw(st.tuples(*[st.integers(0, most)] * 3))
    assume(gained + lost + agreed > 0)
    return gained, lost, gained + lost + agreed


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("trials", [1, 2, 7, 50, 1273])
def test_wilson_is_that_of_statsmodels(trials, confidence):
    for successes in {0, 1, trials // 3, trials - 1, trials}:
        expected = proportion_confint(successes, trials, 1 - confidence, method="wilson")
        assert wilson(successes, trials, confidence) == pytest.approx(expected, abs=1e-12)


def test_wilson_reaches_the_edge_exactly_where_all_or_none_succeeded():
    assert wilson(0, 17).low == 0.0
    assert wilson(17, 17).high == 1.0
    assert wilson(0, 17).high == pytest.approx(1 - wilson(17, 17).low)


@given(COUNTS, COUNTS, st.floats(0.01, 0.999))
def test_wilson_holds_the_share_and_stays_a_proportion(successes, failures, confidence):
    assume(successes + failures)
    low, high = wilson(successes, successes + failures, confidence)
    assert 0 <= low <= successes / (successes + failures) <= high <= 1
    mirrored = wilson(failures, successes + failures, confidence)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high))


@given(st.integers(0, 399), st.integers(400, 800))
def test_one_more_success_raises_both_ends_of_wilson(successes, trials):
    fewer, more = wilson(successes, trials), wilson(successes + 1, trials)
    assert fewer.low < more.low
    assert fewer.high < more.high


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5), (1, 0)])
def test_what_is_no_proportion_has_no_wilson_interval(successes, trials):
    with pytest.raises(ValueError, match=f"{successes} successes in {trials} trials"):
        wilson(successes, trials)


def test_mcnemar_is_that_of_statsmodels():
    for gained in range(15):
        for lost in range(15):
            expected = mcnemar([[3, gained], [lost, 5]], exact=True).pvalue
            assert mcnemar_exact(gained, lost) == pytest.approx(min(1.0, expected), rel=1e-12)


def test_mcnemar_without_a_discordant_pair_says_nothing():
    assert mcnemar_exact(0, 0) == 1.0


@given(COUNTS, COUNTS)
def test_mcnemar_is_a_probability_and_does_not_ask_which_side(gained, lost):
    assert 0 < mcnemar_exact(gained, lost) <= 1
    assert mcnemar_exact(gained, lost) == mcnemar_exact(lost, gained)


@given(st.integers(0, 200), st.integers(0, 200))
def test_one_more_discordant_pair_on_the_larger_side_is_stronger_evidence(gained, lost):
    assume(gained > lost)
    assert mcnemar_exact(gained + 1, lost) < mcnemar_exact(gained, lost)


@pytest.mark.parametrize(("pairs", "bound"), [(50, 0.0513), (60, 0.0431), (100, 0.0263),
                                              (300, 0.0089)])  # fmt: skip
def test_no_discordant_pair_still_leaves_a_margin_that_shrinks_with_the_pairs(pairs, bound):
    assert tango_upper(0, 0, pairs) == pytest.approx(bound, abs=5e-5)
    # With no discordant pair the score bound has the closed form z^2 / (n + z^2).
    z_squared = 1.6448536269514722**2
    assert tango_upper(0, 0, pairs) == pytest.approx(z_squared / (pairs + z_squared), rel=1e-6)


def test_the_interval_is_that_of_the_published_airway_data():
    # Fagerland, Lydersen, Laake 2014, Statistics in Medicine 33:2850-2875: airway
    # hyper-responsiveness before and after stem cell transplantation, (1, 1, 7, 12).
    interval = tango_interval(gained=1, lost=7, pairs=21)
    assert interval == pytest.approx((-0.5172, -0.0260), abs=5e-5)


def score(gained: int, lost: int, pairs: int, difference: float) -> float:
    """Tango's statistic, with the restricted maximum likelihood found by search.

    It shares no formula with the module: the likelihood of the three cells is maximised as is.
    """
    low, high = max(0.0, -difference), (1 - difference) / 2

    def log_likelihood(q: float) -> float:
        cells = (
            (gained, q + difference),
            (lost, q),
            (pairs - gained - lost, 1 - 2 * q - difference),
        )
        return math.fsum(n * math.log(max(p, 1e-300)) for n, p in cells if n)

    for _ in range(200):  # the likelihood is concave in q: thirds close in on its top
        third = (high - low) / 3
        if log_likelihood(low + third) < log_likelihood(high - third):
            low += third
        else:
            high -= third
    q = (low + high) / 2
    variance = pairs * (2 * q + difference - difference**2)
    return (gained - lost - pairs * difference) / math.sqrt(variance)


@given(paired(most=60), st.sampled_from([0.005, 0.025, 0.05, 0.2]))
def test_at_the_bound_the_score_is_the_critical_value(counts, alpha):
    assume(counts[0] < counts[2])  # where all were gained the bound is the corner
    bound = tango_upper(*counts, alpha)
    assert score(*counts, bound) == pytest.approx(-student_t.isf(alpha, np.inf), abs=1e-3)


@given(paired())
def test_swapping_gained_and_lost_mirrors_the_interval(counts):
    gained, lost, pairs = counts
    low, high = tango_interval(gained, lost, pairs)
    assert tango_interval(lost, gained, pairs) == (-high, -low)


@given(paired())
def test_the_interval_holds_the_difference_and_stays_in_range(counts):
    gained, lost, pairs = counts
    low, high = tango_interval(gained, lost, pairs)
    assert -1 <= low <= (gained - lost) / pairs <= high <= 1


@given(paired())
def test_a_pair_that_is_gained_instead_of_agreed_raises_the_bound(counts):
    gained, lost, pairs = counts
    assert tango_upper(gained + 1, lost, pairs + 1) > tango_upper(gained, lost, pairs + 1)


@given(paired())
def test_a_pair_that_is_gained_instead_of_lost_raises_the_bound(counts):
    gained, lost, pairs = counts
    assert tango_upper(gained + 1, lost, pairs + 1) > tango_upper(gained, lost + 1, pairs + 1)


@given(paired(), st.floats(0.001, 0.4))
def test_more_confidence_raises_the_bound(counts, alpha):
    assume(counts[0] < counts[2])
    assert tango_upper(*counts, alpha) > tango_upper(*counts, alpha + 0.05)


@given(paired(), st.integers(2, 20))
def test_the_same_shares_of_more_pairs_lower_the_bound(counts, times):
    assume(counts[0] < counts[2])
    assert tango_upper(*(times * count for count in counts)) < tango_upper(*counts)


@pytest.mark.parametrize("pairs", [1, 2, 50, 1273])
def test_the_corners_have_a_bound(pairs):
    assert tango_upper(pairs, 0, pairs) == 1.0
    assert tango_interval(pairs, 0, pairs).high == 1.0
    assert tango_interval(0, pairs, pairs).low == -1.0
    # All lost is not all that can be lost: the bound stays above the estimate.
    assert -1 < tango_upper(0, pairs, pairs) < 1


@pytest.mark.parametrize("counts", [(-1, 0, 5), (0, -1, 5), (3, 3, 5), (0, 0, 0), (6, 0, 5)])
def test_counts_that_do_not_fit_have_no_bound(counts):
    with pytest.raises(ValueError, match="do not fit in"):
        tango_upper(*counts)


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
