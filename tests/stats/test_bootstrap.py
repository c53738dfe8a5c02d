"""The bootstrap of whole groups, against scipy's."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from medtune.stats import cluster_bootstrap, mean_interval


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("statistic", [np.mean, np.median, np.var])
def test_with_a_group_for_each_item_it_is_scipys_to_the_same_draws(statistic, confidence):
    values = np.random.default_rng(5).exponential(size=30)
    expected = bootstrap(
        (np.arange(30),), lambda items: statistic(values[items]), n_resamples=1000, method="BCa",
        vectorized=False, confidence_level=confidence, rng=np.random.default_rng(7),
    ).confidence_interval  # fmt: skip
    found = cluster_bootstrap(
        lambda items: float(statistic(values[items])), [str(item) for item in range(30)],
        seed=7, resamples=1000, confidence=confidence,
    )  # fmt: skip
    assert found[:2] == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert found.method == "bootstrap_bca"


def test_whole_groups_are_drawn():
    # scipy's bootstrap of the group sums is the same experiment, where groups are equally large.
    random = np.random.default_rng(2)
    values = np.repeat(random.exponential(size=20), 5) + random.normal(size=100)
    means = values.reshape(20, 5).mean(axis=1)
    expected = bootstrap(
        (means,), np.mean, n_resamples=1000, method="BCa", vectorized=False,
        rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    groups = [str(item // 5) for item in range(100)]
    found = cluster_bootstrap(
        lambda items: float(values[items].mean()), groups, seed=3, resamples=1000
    )
    assert found[:2] == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_the_order_in_which_items_of_groups_come_does_not_matter():
    values, groups = [1.0, 5.0, 2.0, 8.0, 3.0, 1.5], ["a", "b", "c", "a", "b", "c"]
    order = [0, 3, 1, 4, 2, 5]
    found = [
        cluster_bootstrap(lambda items, v=v: float(v[items].sum()), g, seed=1, resamples=200)
        for v, g in (
            (np.array(values), groups),
            (np.array(values)[order], [groups[n] for n in order]),
        )
    ]
    assert found[0] == pytest.approx(found[1])


def test_the_seed_decides_the_interval():
    values = np.random.default_rng(0).normal(size=40)
    groups = [str(item // 2) for item in range(40)]

    def found(seed):
        return cluster_bootstrap(
            lambda items: float(values[items].mean()), groups, seed=seed, resamples=300
        )

    assert found(1) == found(1) != found(2)
    low, high = mean_interval(list(values), groups)
    assert found(1)[:2] == pytest.approx((low, high), abs=0.15)


def test_where_the_correction_is_undefined_it_is_the_percentile_interval_and_says_so():
    groups = [str(item) for item in range(12)]
    # No resample has as many different items as there are.
    drawn = cluster_bootstrap(
        lambda items: float(len(set(items.tolist()))), groups, seed=4, resamples=400
    )
    assert drawn.method == "bootstrap_percentile"
    random = np.random.default_rng(4)
    sizes = [len(set(random.integers(0, 12, 12).tolist())) for _ in range(400)]
    assert drawn[:2] == tuple(np.quantile(sizes, [0.025, 0.975]))
    same = cluster_bootstrap(lambda items: 3.0, groups, seed=4, resamples=50)
    assert same == (3.0, 3.0, "bootstrap_percentile")


def test_a_single_group_shows_no_spread():
    found = cluster_bootstrap(lambda items: float(items.sum()), ["a"] * 5, seed=0)
    assert found == (-math.inf, math.inf, "single_group")


def test_a_statistic_that_is_no_number_is_not_passed_over():
    def ratio(items):
        rare = (items == 0).sum()
        return float(1 / rare) if rare else math.nan

    with pytest.raises(ValueError, match=r"not a finite number in [1-9]\d* of 200 resamples"):
        cluster_bootstrap(ratio, [str(item) for item in range(9)], seed=0, resamples=200)
    with pytest.raises(ValueError, match="no item to draw"):
        cluster_bootstrap(ratio, [], seed=0)
