"""Two models on the same items, compared pair by pair.

``gained`` items are those that only the second is counted on, ``lost`` items those that only the
first is. Items on which both agree carry no information about the difference, beyond their number.
What is counted may be right answers or failures; where it matters, the arguments say which.
"""

from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtr, ndtri

from medtune.stats.proportions import Interval


def tango_score(gained: Any, lost: Any, pairs: int, difference: float) -> Any:  # noqa: ANN401
    """How far (gained - lost) / pairs lies from a true ``difference``, in standard errors.

    Score statistic of Tango (1998, Statistics in Medicine 17:891-908), with its nuisance
    parameter, the probability of a lost pair, at the restricted maximum likelihood: the larger
    root of a q^2 + b q + c. Counts are numbers or arrays of one shape.
    """
    a = 2 * pairs
    b = -gained - lost + (2 * pairs - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    q = (np.sqrt(np.maximum(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = pairs * (2 * q + difference * (1 - difference))
    return (gained - lost - pairs * difference) / np.sqrt(np.maximum(variance, 1e-12))


def tango_upper(gained: int, lost: int, pairs: int, alpha: float = 0.05) -> float:
    """One-sided upper bound at level 1 - alpha for the difference (gained - lost) / pairs.

    Tango's score bound holds its level where Wald and bootstrap bounds fail: few discordant
    pairs, or none. By enumeration at alpha 0.05 (`tango_power` with the difference at the margin),
    with 20 pairs or more and margins from 1 to 10 points, a model that is just too bad comes out
    below the margin at most 6 % of the time where the discordance is 1.25 times the margin or
    more. Where it is the margin itself (nothing improves) and the pairs barely suffice for a table
    without a loss, it is at most 7.2 %.

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
        return float(tango_score(gained, lost, pairs, difference)) + z

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

    Raises:
        ValueError: A count is negative.
    """
    return min(1.0, 2 * _tail(min(gained, lost), gained + lost))


def mcnemar_harm(regressions: int, improvements: int) -> float:
    """One-sided p-value of the exact McNemar test: are there more regressions than improvements?

    Five regressions without an improvement are the fewest that reach 0.05 (1 / 32). A small
    p-value shows harm; a large one does not show that there is none: for that, bound the
    difference with `tango_upper`.

    Args:
        regressions: Items that the first model passes and the second fails.
        improvements: Items that the first model fails and the second passes.

    Raises:
        ValueError: A count is negative.
    """
    return _tail(improvements, regressions + improvements)


def _tail(count: int, discordant: int) -> float:
    """Probability of at most so many heads of a fair coin."""
    if not 0 <= count <= discordant:
        raise ValueError(f"{count} of {discordant} discordant pairs cannot be counted")
    return float(bdtr(count, discordant, 0.5))
