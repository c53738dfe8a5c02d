"""Intervals of a share, against statsmodels, published figures and their own laws."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from medtune.stats import clopper_pearson, wilson, wilson_lower, wilson_upper

COUNTS = st.integers(0, 400)


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


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("trials", [1, 2, 7, 50, 1273])
def test_clopper_pearson_is_that_of_statsmodels(trials, confidence):
    for successes in {0, 1, trials // 3, trials - 1, trials}:
        expected = proportion_confint(successes, trials, 1 - confidence, method="beta")
        found = clopper_pearson(successes, trials, confidence)
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("trials", "bound"), [(60, 0.049), (100, 0.030), (150, 0.020),
                                               (300, 0.010), (600, 0.005)])  # fmt: skip
def test_an_event_that_was_never_seen_still_has_a_share_that_cannot_be_excluded(trials, bound):
    # The rule of three: 95 %, one-sided (Hanley and Lippman-Hand 1983, JAMA 249:1743-1745).
    found = clopper_pearson(0, trials, 0.90)
    assert found.high == pytest.approx(bound, abs=5e-4)
    assert found.high == pytest.approx(1 - 0.05 ** (1 / trials), rel=1e-12)
    assert found.low == 0.0


@given(COUNTS, COUNTS, st.floats(0.01, 0.999))
def test_clopper_pearson_holds_the_share_and_mirrors(successes, failures, confidence):
    assume(successes + failures)
    low, high = clopper_pearson(successes, successes + failures, confidence)
    assert 0 <= low <= successes / (successes + failures) <= high <= 1
    mirrored = clopper_pearson(failures, successes + failures, confidence)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high))


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([0.01, 0.05, 0.2]))
def test_one_sided_bounds_are_the_ends_that_leave_twice_alpha_outside(successes, more, alpha):
    trials = successes + more
    expected = proportion_confint(successes, trials, 2 * alpha, method="wilson")
    found = (wilson_lower(successes, trials, alpha), wilson_upper(successes, trials, alpha))
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5), (1, 0)])
def test_what_is_no_proportion_has_no_exact_interval(successes, trials):
    with pytest.raises(ValueError, match=f"{successes} successes in {trials} trials"):
        clopper_pearson(successes, trials)
