"""Several tests at once, against statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from medtune.stats import holm, mcnemar_harm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@pytest.mark.parametrize("number", [1, 2, 3, 12, 40])
def test_adjusted_p_values_are_those_of_statsmodels(number):
    p_values = np.random.default_rng(number).random(number).round(1) ** 3  # with ties and zeros
    expected = multipletests(p_values, method="holm")[1]
    assert holm(list(p_values)) == pytest.approx(expected, abs=1e-12)


@given(P_VALUES)
def test_adjusting_keeps_the_order_and_never_lowers(p_values):
    adjusted = holm(p_values)
    pairs = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in pairs] == sorted(adjusted)
    assert all(p <= a <= 1 for p, a in pairs)


def test_a_single_test_and_none_are_left_alone():
    assert holm([0.03]) == (0.03,)
    assert holm([]) == ()


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_what_is_no_p_value_is_refused(wrong):
    with pytest.raises(ValueError, match="is not a p-value"):
        holm([0.5, wrong])


@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_harmless_suites_are_called_harmful_at_most_six_in_a_hundred_times(shared):
    # Twelve probes without harm, whose items partly flip together.
    random = np.random.default_rng(11)
    repeats, wrong = 2000, 0
    for _ in range(repeats):
        common = random.random(60) < 0.5
        p_values = []
        for _ in range(12):
            own = random.random(60) < 0.5
            regressed = np.where(random.random(60) < shared, common, own)
            p_values.append(mcnemar_harm(int(regressed.sum()), int(60 - regressed.sum())))
        wrong += min(holm(p_values)) <= 0.05
    assert wrong / repeats <= 0.06
