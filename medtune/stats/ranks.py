"""Do the scores of one group stand above those of another? For attacks on members and secrets."""

from collections.abc import Sequence
from math import floor, inf, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from medtune.stats.proportions import Interval, NamedInterval, clopper_pearson, wilson


def auc(members: Sequence[float], others: Sequence[float]) -> float:
    """Probability that a member's score is above another's, ties counting half; in [0, 1].

    Raises:
        ValueError: One of the groups is empty.
    """
    return float(_placements(members, others)[0].mean())


def auc_interval(
    members: Sequence[float], others: Sequence[float], confidence: float = 0.95
) -> NamedInterval:
    """Interval of DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44:837-845), in [0, 1].

    Where the two groups do not overlap it has no width, which is no certainty: there the smaller
    group is taken for the number of trials of a Wilson interval. A group of one shows nothing.

    Raises:
        ValueError: One of the groups is empty.
    """
    of_members, of_others = _placements(members, others)
    value = float(of_members.mean())
    smaller = min(len(of_members), len(of_others))
    if smaller < 2:
        return NamedInterval(0.0, 1.0, "too_few")
    if value in (0.0, 1.0):
        low, high = wilson(round(value * smaller), smaller, confidence)
        return NamedInterval(low, high, "wilson_of_the_smaller_group")
    variance = of_members.var(ddof=1) / len(of_members) + of_others.var(ddof=1) / len(of_others)
    half = float(ndtri((1 + confidence) / 2)) * sqrt(variance)
    return NamedInterval(max(0.0, value - half), min(1.0, value + half), "delong")


def rate_above(
    members: Sequence[float], others: Sequence[float], false_rate: float, confidence: float = 0.95
) -> tuple[float, Interval]:
    """Share of members above the score that at most ``false_rate`` of the others exceed.

    Its interval is Clopper and Pearson's, for the threshold as it was found.

    Raises:
        ValueError: One of the groups is empty, or the rate is not in [0, 1).
    """
    if not len(members) or not len(others) or not 0 <= false_rate < 1:
        raise ValueError(f"{len(members)} members, {len(others)} others, rate {false_rate}")
    threshold = sorted(others, reverse=True)[floor(false_rate * len(others))]
    above = sum(score > threshold for score in members)
    return above / len(members), clopper_pearson(above, len(members), confidence)


def rank_sum_above(members: Sequence[float], others: Sequence[float]) -> float:
    """One-sided p-value of the Wilcoxon rank-sum test that members stand above the others.

    Exact for small groups without ties, as scipy chooses.

    Raises:
        ValueError: One of the groups is empty.
    """
    from scipy.stats import mannwhitneyu  # slow to load, and seldom asked

    return float(mannwhitneyu(members, others, alternative="greater").pvalue)


def mean_rise_interval(
    members: Sequence[float], others: Sequence[float], confidence: float = 0.95
) -> NamedInterval:
    """Welch's t interval (1947, Biometrika 34:28-35) for the members' mean less the others'.

    Without spread, or with a group of one, there is nothing to say: (-inf, inf).

    Raises:
        ValueError: One of the groups is empty.
    """
    if not len(members) or not len(others):
        raise ValueError(f"{len(members)} members, {len(others)} others")
    sizes = np.array([len(members), len(others)])
    if sizes.min() < 2 or len({*members}) == len({*others}) == 1:
        return NamedInterval(-inf, inf, "too_few")
    errors = np.array([np.var(members, ddof=1), np.var(others, ddof=1)]) / sizes
    degrees = errors.sum() ** 2 / (errors**2 / (sizes - 1)).sum()
    rise = float(np.mean(members) - np.mean(others))
    half = float(stdtrit(degrees, (1 + confidence) / 2)) * sqrt(errors.sum())
    return NamedInterval(rise - half, rise + half, "welch_t")


def _placements(
    members: Sequence[float], others: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each member the share of others below it; of each other the share of members above."""
    if not len(members) or not len(others):
        raise ValueError(f"{len(members)} members and {len(others)} others have no order")
    left, right = np.sort(np.asarray(members, float)), np.sort(np.asarray(others, float))

    def below(values: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
        strictly = np.searchsorted(among, values, "left")
        at_most = np.searchsorted(among, values, "right")
        share: NDArray[np.float64] = (strictly + at_most) / 2 / len(among)
        return share

    return below(left, right), 1 - below(right, left)
