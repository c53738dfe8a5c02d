"""Intervals for a share of independent items."""

from math import sqrt
from typing import NamedTuple

from scipy.special import betaincinv, ndtri


class Interval(NamedTuple):
    """A two-sided confidence interval."""

    low: float
    high: float


class NamedInterval(NamedTuple):
    """The same, and the method it was found by."""

    low: float
    high: float
    method: str


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Score interval for a proportion (Wilson 1927), in [0, 1].

    Raises:
        ValueError: There are no trials, or more successes than trials.
    """
    _require_proportion(successes, trials)
    z = float(ndtri((1 + confidence) / 2))
    centre = (successes + z * z / 2) / (trials + z * z)
    share = successes / trials
    half = z / (trials + z * z) * sqrt(trials * share * (1 - share) + z * z / 4)
    # Rounding must not push the bound past the edge that it touches exactly.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(low, high)


def wilson_lower(successes: int, trials: int, alpha: float = 0.05) -> float:
    """One-sided lower bound at level 1 - alpha: the low end of the interval at 1 - 2 alpha."""
    return wilson(successes, trials, 1 - 2 * alpha).low


def wilson_upper(successes: int, trials: int, alpha: float = 0.05) -> float:
    """One-sided upper bound at level 1 - alpha: the high end of the interval at 1 - 2 alpha."""
    return wilson(successes, trials, 1 - 2 * alpha).high


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Exact interval for a proportion (Clopper and Pearson 1934), in [0, 1].

    It never covers less often than it says, and is wider than Wilson's for that: for claims such
    as "none of 300 was missed". A one-sided bound at alpha is the end at confidence 1 - 2 alpha.

    Raises:
        ValueError: There are no trials, or more successes than trials.
    """
    _require_proportion(successes, trials)
    tail = (1 - confidence) / 2
    failures = trials - successes
    low = 0.0 if successes == 0 else float(betaincinv(successes, failures + 1, tail))
    high = 1.0 if failures == 0 else float(betaincinv(successes + 1, failures, 1 - tail))
    return Interval(low, high)


def _require_proportion(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes in {trials} trials is not a proportion")
