"""Interval for any figure of items that come in groups, by drawing whole groups again."""

from collections.abc import Callable, Sequence
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from medtune.stats.proportions import NamedInterval

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


def cluster_bootstrap(
    statistic: Callable[[Indices], float],
    groups: Sequence[str],
    *,
    seed: int,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> NamedInterval:
    """Interval of a statistic, bias-corrected and accelerated (Efron 1987, JASA 82:171-185).

    Whole groups are drawn, and left out in turn for the acceleration. Where the correction is
    undefined (all resamples lie on one side of the estimate, or leaving out a group changes
    nothing) the interval is the plain percentile one. The method is named: bootstrap_bca,
    bootstrap_percentile, or single_group, which shows no spread: (-inf, inf).
    Where no resample differs the interval has no width, which is no certainty: prefer an interval
    of `proportions` or `paired` for counts.

    Args:
        statistic: The figure of the items at the given positions, which may repeat. It is called
            once for each resample and each group.
        groups: Of each item.
        seed: The same seed gives the same interval.
        resamples: How often as many groups are drawn as there are.
        confidence: Of both sides together.

    Raises:
        ValueError: There is no item, or the statistic of some resample is not a finite number.
    """
    members = _Members(groups)
    num_groups = len(members.sizes)
    if num_groups == 1:
        return NamedInterval(-inf, inf, "single_group")
    estimate = statistic(np.arange(len(groups)))
    random = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    for number in range(resamples):
        chosen = random.integers(0, num_groups, num_groups)
        drawn[number] = statistic(members.of(chosen))
    if not (isfinite(estimate) and np.isfinite(drawn).all()):
        bad = int((~np.isfinite(drawn)).sum())
        raise ValueError(
            f"the statistic is {estimate} and not a finite number in {bad} of {resamples} resamples"
        )
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    corrected = _correct(tails, estimate, drawn, statistic, members)
    low, high = np.quantile(drawn, tails if corrected is None else corrected)
    method = "bootstrap_percentile" if corrected is None else "bootstrap_bca"
    return NamedInterval(float(low), float(high), method)


class _Members:
    """Which items are in which group; groups are numbered in the order in which they appear."""

    def __init__(self, groups: Sequence[str]) -> None:
        if not groups:
            raise ValueError("there is no item to draw")
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        group_of = np.array([numbers[group] for group in groups])
        self.sizes = np.bincount(group_of)
        self._items = np.argsort(group_of, kind="stable")
        self._firsts = np.cumsum(self.sizes) - self.sizes

    def of(self, chosen: Indices) -> Indices:
        """Positions of all items of the chosen groups, one group behind the other."""
        sizes = self.sizes[chosen]
        firsts = np.repeat(self._firsts[chosen] - (np.cumsum(sizes) - sizes), sizes)
        found: Indices = self._items[firsts + np.arange(len(firsts))]
        return found


def _correct(
    tails: Floats,
    estimate: float,
    drawn: Floats,
    statistic: Callable[[Indices], float],
    members: _Members,
) -> Floats | None:
    """The quantiles of the resamples to read in place of ``tails``; None where undefined."""
    # Resamples that equal the estimate count half: figures of few items take few values.
    below = (np.mean(drawn < estimate) + np.mean(drawn <= estimate)) / 2
    if not 0 < below < 1:
        return None
    every = np.arange(len(members.sizes))
    left_out = np.array([statistic(members.of(np.delete(every, group))) for group in every])
    deviations = left_out.mean() - left_out
    squares = float((deviations**2).sum())
    if squares == 0 or not isfinite(squares):
        return None
    acceleration = float((deviations**3).sum()) / (6 * squares**1.5)
    bias = ndtri(below)
    shifted = bias + ndtri(tails)
    slope = 1 - acceleration * shifted
    if (slope <= 0).any():
        return None
    corrected: Floats = ndtr(bias + shifted / slope)
    return corrected
