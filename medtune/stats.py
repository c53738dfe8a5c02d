"""Intervals and tests for counts of right and wrong answers. No number without its interval.

Two models that answer the same items are compared pair by pair: ``gained`` items that only the
second answers correctly, ``lost`` items that only the first does. Items on which both agree carry
no information about the difference, beyond their number.
"""

from collections.abc import Sequence
from math import fsum, inf, sqrt
from typing import NamedTuple

from scipy.optimize import brentq
from scipy.special import bdtr, ndtri, stdtrit


class Interval(NamedTuple):
    """A two-sided confidence interval."""

    low: float
    high: float


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Score interval for a proportion (Wilson 1927), in [0, 1].

    Raises:
        ValueError: There are no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes in {trials} trials is not a proportion")
    z = float(ndtri((1 + confidence) / 2))
    centre = (successes + z * z / 2) / (trials + z * z)
    share = successes / trials
    half = z / (trials + z * z) * sqrt(trials * share * (1 - share) + z * z / 4)
    # Rounding must not push the bound past the edge that it touches exactly.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(low, high)


def tango_upper(gained: int, lost: int, pairs: int, alpha: float = 0.05) -> float:
    """One-sided upper bound at level 1 - alpha for the difference (gained - lost) / pairs.

    Score bound of Tango (1998, Statistics in Medicine 17:891-908). It holds its level where Wald
    and bootstrap bounds fail: few discordant pairs, or none.

    Args:
        gained: Items on which only the second of the two is counted.
        lost: Items on which only the first of the two is counted.
        pairs: All items, concordant ones included.
        alpha: One-sided error level.

    Raises:
        ValueError: The counts are negative or exceed the number of pairs, or there is no pair.
    """
    if gained < 0 or lost < 0 or pairs < 1 or gained + lost > pairs:
        raise ValueError(f"{gained} gained and {lost} lost do not fit in {pairs} pairs")
    if gained == pairs:
        return 1.0  # the score never falls below the critical value: there is no root to find
    z = float(ndtri(1 - alpha))
    estimate = (gained - lost) / pairs

    def excess(difference: float) -> float:
        # The nuisance parameter, the probability of a lost pair, at its restricted maximum
        # likelihood: the larger root of a q^2 + b q + c.
        a = 2 * pairs
        b = -gained - lost + (2 * pairs - gained + lost) * difference
        c = -lost * difference * (1 - difference)
        q = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = pairs * (2 * q + difference * (1 - difference))
        return (gained - lost - pairs * difference) / sqrt(max(variance, 1e-12)) + z

    return float(brentq(excess, estimate + 1e-12, 1 - 1e-9))


def tango_interval(gained: int, lost: int, pairs: int, confidence: float = 0.95) -> Interval:
    """Two-sided interval for the paired difference (gained - lost) / pairs, in [-1, 1]."""
    alpha = (1 - confidence) / 2
    return Interval(
        low=-tango_upper(lost, gained, pairs, alpha), high=tango_upper(gained, lost, pairs, alpha)
    )


def mcnemar_exact(gained: int, lost: int) -> float:
    """Two-sided p-value of the exact McNemar test: are gains and losses equally likely?

    Without a discordant pair nothing speaks against equality and the p-value is 1.
    """
    if gained + lost == 0:
        return 1.0
    one_sided = float(bdtr(min(gained, lost), gained + lost, 0.5))
    return min(1.0, 2 * one_sided)


def mean_interval(
    values: Sequence[float], groups: Sequence[str], confidence: float = 0.95
) -> Interval:
    """Student's t interval for a mean whose values are independent between groups only.

    The standard error sums deviations within a group before squaring them (Miller 2024,
    arXiv:2411.00640, section 2.2; with the usual G / (G - 1)), and the t distribution has G - 1
    degrees of freedom. With a group for each value it is the ordinary interval. A single group
    shows no spread: (-inf, inf).

    Raises:
        ValueError: There is no value, or not one group for each.
    """
    count = len(values)
    if count == 0 or len(groups) != count:
        raise ValueError(f"{count} values and {len(groups)} groups make no mean")
    mean = fsum(values) / count
    deviations: dict[str, float] = {}
    for value, group in zip(values, groups, strict=True):
        deviations[group] = deviations.get(group, 0.0) + value - mean
    num_groups = len(deviations)
    if num_groups == 1:
        return Interval(-inf, inf)
    squares = fsum(deviation**2 for deviation in deviations.values())
    error = sqrt(squares * num_groups / (num_groups - 1)) / count
    half = float(stdtrit(num_groups - 1, (1 + confidence) / 2)) * error
    return Interval(mean - half, mean + half)
