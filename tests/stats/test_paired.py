"""Comparisons pair by pair, against statsmodels, published figures and their own laws."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import t as student_t
from statsmodels.stats.contingency_tables import mcnemar

from medtune.stats import mcnemar_exact, mcnemar_harm, tango_interval, tango_score, tango_upper

COUNTS = st.integers(0, 400)


@st.composite
def paired(draw, most: int = 400) -> tuple[int, int, int]:
    """Gained, lost and all pairs."""
    gained, lost, agreed = draw(st.tuples(*[st.integers(0, most)] * 3))
    assume(gained + lost + agreed > 0)
    return gained, lost, gained + lost + agreed


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


def test_harm_is_the_upper_tail_of_a_fair_coin():
    for regressions in range(15):
        for improvements in range(15):
            if regressions + improvements == 0:
                assert mcnemar_harm(0, 0) == 1.0
                continue
            test = binomtest(regressions, regressions + improvements, 0.5, "greater")
            assert mcnemar_harm(regressions, improvements) == pytest.approx(test.pvalue, rel=1e-9)


def test_five_regressions_alone_are_the_fewest_that_show_harm():
    assert mcnemar_harm(4, 0) == 0.0625
    assert mcnemar_harm(5, 0) == 0.03125
    # Under Holm with twelve probes it takes eight.
    assert 12 * mcnemar_harm(7, 0) > 0.05 > 12 * mcnemar_harm(8, 0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_of_both_one_sided_tests_the_smaller_is_half_the_two_sided_one(regressions, improvements):
    one_sided = mcnemar_harm(regressions, improvements), mcnemar_harm(improvements, regressions)
    assert mcnemar_exact(regressions, improvements) == min(1.0, 2 * min(one_sided))
    # Both count the table itself.
    assert sum(one_sided) >= 1


@pytest.mark.parametrize("test", [mcnemar_exact, mcnemar_harm])
@pytest.mark.parametrize("counts", [(-1, 3), (3, -1), (-2, -2)])
def test_counts_below_none_have_no_p_value(test, counts):
    with pytest.raises(ValueError, match="cannot be counted"):
        test(*counts)


def test_the_score_of_many_tables_is_that_of_each():
    gained, lost = np.array([0.0, 1.0, 5.0]), np.array([0.0, 7.0, 2.0])
    each = [tango_score(*table, 21, 0.1) for table in zip(gained, lost, strict=True)]
    assert tango_score(gained, lost, 21, 0.1) == pytest.approx(each, rel=1e-12)
