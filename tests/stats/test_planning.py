"""Power and numbers of pairs, against enumeration, simulation and the tables of the design."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multinomial, norm

from medtune.stats import (
    approximate_pairs,
    detectable_difference,
    mcnemar_exact,
    required_pairs,
    smallest_margin,
    tango_power,
    tango_score,
    tango_upper,
)


@pytest.mark.parametrize(("discordance", "difference"), [(0.2, 0.0), (0.2, 0.15), (0.15, 0.15),
                                                         (0.0, 0.0), (1.0, 0.1)])  # fmt: skip
def test_power_is_the_probability_of_all_tables_whose_bound_is_below_the_margin(
    discordance, difference
):
    pairs, margin = 24, 0.15
    gain, loss = (discordance + difference) / 2, (discordance - difference) / 2
    expected = math.fsum(
        multinomial.pmf([gained, lost, pairs - gained - lost], pairs,
                        [gain, loss, 1 - discordance])
        for gained in range(pairs + 1)
        for lost in range(pairs + 1 - gained)
        if tango_upper(gained, lost, pairs) < margin
    )  # fmt: skip
    found = tango_power(pairs, margin, discordance, difference=difference)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("pairs", "improved", "margin", "error", "power"),
    [
        (50, 0.0, 0.05, 0.0, 0.0),
        (100, 0.01, 0.05, 3.8, 78.6),
        (200, 0.01, 0.05, 4.3, 98.4),
        (200, 0.005, 0.02, 4.1, 61.9),
        (500, 0.02, 0.02, 4.5, 68.1),
        (1000, 0.05, 0.03, 4.9, 89.7),
    ],
)
def test_error_and_power_are_those_simulated_for_the_design(pairs, improved, margin, error, power):
    # 1,500 repetitions a cell: the simulated figures are good to about two points.
    at_margin = tango_power(pairs, margin, 2 * improved + margin, difference=margin)
    assert 100 * at_margin == pytest.approx(error, abs=1.2)
    assert 100 * tango_power(pairs, margin, 2 * improved) == pytest.approx(power, abs=2.0)


@pytest.mark.parametrize("pairs", [60, 100, 200, 300, 1000])
@pytest.mark.parametrize("margin", [0.02, 0.03, 0.05, 0.1])
def test_a_model_that_is_just_too_bad_passes_at_most_six_in_a_hundred_times(pairs, margin):
    for discordance in (1.25 * margin, 1.5 * margin, 2 * margin, 0.2, 0.3, 0.6):
        assert tango_power(pairs, margin, discordance, difference=margin) <= 0.06
    # Where nothing improves the score bound is Wilson's, and near the edge of none lost.
    assert tango_power(pairs, margin, margin, difference=margin) <= 0.072


@pytest.mark.parametrize(
    ("pairs", "discordance", "margin"),
    [(100, 0.07, 0.05), (200, 0.10, 0.05), (300, 0.20, 0.05), (500, 0.06, 0.03), (800, 0.3, 0.05)],
)
def test_in_a_simulation_too_bad_a_model_passes_at_most_six_in_a_hundred_times(
    pairs, discordance, margin
):
    random = np.random.default_rng(20231127)
    cells = [(discordance + margin) / 2, (discordance - margin) / 2, 1 - discordance]
    tables = random.multinomial(pairs, cells, 20_000)
    passed = tango_score(tables[:, 0], tables[:, 1], pairs, margin) < norm.ppf(0.05)
    assert passed.mean() <= 0.06
    bounds = [tango_upper(gained, lost, pairs) for gained, lost, _ in tables[:100].tolist()]
    assert [bound < margin for bound in bounds] == passed[:100].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.03, 0.05, 0.1])
def test_at_no_number_of_pairs_does_too_bad_a_model_pass_more_often_than_documented(margin):
    for pairs in range(20, int(16 / margin)):
        for times in (1.25, 1.5, 2, 3, 5):
            error = tango_power(pairs, margin, times * margin, difference=margin)
            assert error <= 0.06, (pairs, times)
        assert tango_power(pairs, margin, margin, difference=margin) <= 0.072, pairs


@pytest.mark.parametrize(
    ("discordance", "expected"),
    [(0.02, (429, 191, 69)), (0.05, (1071, 476, 172)), (0.10, (2141, 952, 343)),
     (0.20, (4282, 1904, 686))],
)  # fmt: skip
def test_the_approximation_gives_the_table_of_the_design(discordance, expected):
    assert tuple(approximate_pairs(m, discordance) for m in (0.02, 0.03, 0.05)) == expected


def test_fifty_pairs_can_never_pass_a_margin_of_five_points():
    for discordance in (0.0, 0.005, 0.02, 0.1):
        assert tango_power(50, 0.05, discordance) <= 0.5
        assert required_pairs(0.05, discordance) > 50
    assert tango_power(51, 0.05, 0.0) == 0.0
    assert required_pairs(0.05, 0.0) == 52
    assert tango_upper(0, 0, 52) < 0.05 < tango_upper(0, 0, 51)


@pytest.mark.parametrize(
    ("margin", "discordance"),
    [(0.05, 0.005), (0.05, 0.02), (0.05, 0.1), (0.03, 0.04), (0.1, 0.3), (0.1, 0.05)],
)
def test_the_promised_power_is_there_with_as_many_pairs_and_with_more(margin, discordance):
    pairs = required_pairs(margin, discordance)
    assert pairs >= approximate_pairs(margin, discordance)
    assert tango_power(pairs - 1, margin, discordance) < 0.9
    for more in range(pairs, 2 * pairs, max(1, pairs // 50)):
        assert tango_power(more, margin, discordance) >= 0.9


def test_the_approximation_is_too_kind_to_few_discordant_pairs():
    # 69 pairs with one or two discordant ones: planned for 90 %, good for 68 %.
    assert tango_power(approximate_pairs(0.05, 0.02), 0.05, 0.02) < 0.7
    assert required_pairs(0.05, 0.02) > 1.6 * approximate_pairs(0.05, 0.02)


@given(st.integers(30, 300), st.floats(0.01, 0.5))
def test_the_smallest_margin_is_where_the_power_is_reached(pairs, discordance):
    margin = smallest_margin(pairs, discordance)
    assert tango_power(pairs, margin, discordance) >= 0.9
    assert tango_power(pairs, margin - 2e-6, discordance) < 0.9


def test_the_smallest_margin_of_the_required_pairs_is_within_the_margin():
    for margin, discordance in ((0.05, 0.02), (0.05, 0.1), (0.03, 0.04)):
        assert smallest_margin(required_pairs(margin, discordance), discordance) <= margin


@pytest.mark.parametrize(("pairs", "discordance"), [(300, 0.1), (1000, 0.2), (1273, 0.3)])
def test_a_detectable_difference_is_found_as_often_as_promised(pairs, discordance):
    difference = detectable_difference(pairs, discordance)
    random = np.random.default_rng(3)
    cells = [(discordance + difference) / 2, (discordance - difference) / 2, 1 - discordance]
    tables = random.multinomial(pairs, cells, 3000)
    # The plain (not continuity-corrected) McNemar test, which Connor's formula is for.
    statistic = (tables[:, 0] - tables[:, 1]) / np.sqrt(tables[:, 0] + tables[:, 1])
    assert (np.abs(statistic) > norm.ppf(0.975)).mean() == pytest.approx(0.9, abs=0.025)
    # The exact test is a little more careful.
    exact = np.mean([mcnemar_exact(*table[:2]) <= 0.05 for table in tables[:800].tolist()])
    assert 0.82 < exact < 0.93


def test_more_pairs_find_smaller_differences_and_too_few_find_none():
    found = [detectable_difference(pairs, 0.2) for pairs in (100, 400, 1600)]
    assert found == sorted(found, reverse=True)
    assert found[1] / found[2] == pytest.approx(2, rel=0.05)
    assert detectable_difference(10, 0.05) == math.inf
    assert detectable_difference(10, 0.0) == math.inf


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [((0, 0.05, 0.1), 0.0), ((50, 0.0, 0.1), 0.0), ((50, 1.0, 0.1), 0.0), ((50, 0.05, 1.1), 0.0),
     ((50, 0.05, 0.1), 0.2), ((50, 0.05, -0.1), 0.0)],
)  # fmt: skip
def test_a_test_that_cannot_be_has_no_power(arguments, difference):
    with pytest.raises(ValueError, match="make no test"):
        tango_power(*arguments, difference=difference)


@pytest.mark.parametrize("power", [0.0, 1.0, 90])
def test_certainty_cannot_be_planned_for(power):
    with pytest.raises(ValueError, match="cannot be planned for"):
        required_pairs(0.05, 0.1, power=power)
