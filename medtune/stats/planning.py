"""How many pairs a comparison needs, before any is measured.

Two questions. Non-inferiority: will a second model that is no worse be shown to be within a margin
of the first? Difference: how large must a true difference be for a test to find it? In both,
``discordance`` is the share of items on which the two are expected to differ in either direction,
and items are independent: items in groups need `design_effect` times as many.
"""

from math import ceil, inf, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import bdtr, gammaln, ndtri, xlog1py, xlogy

from medtune.stats.paired import tango_score


def tango_power(
    pairs: int, margin: float, discordance: float, *, difference: float = 0.0, alpha: float = 0.05
) -> float:
    """Probability that `tango_upper` comes out below the margin, summed over all tables.

    With ``difference`` at the margin it is the probability of passing a model that is just too bad.

    Args:
        pairs: Items that both answer.
        margin: The largest tolerated difference (gained - lost) / pairs, in (0, 1).
        discordance: True share of items that are gained or lost.
        difference: True share of items gained less that of items lost.
        alpha: One-sided error level.

    Raises:
        ValueError: The shares, the margin or the number of pairs cannot be.
    """
    if pairs < 1 or not 0 < margin < 1 or not abs(difference) <= discordance <= 1:
        raise ValueError(
            f"{pairs} pairs, margin {margin}, discordance {discordance} and difference "
            f"{difference} make no test"
        )
    gain, loss = (discordance + difference) / 2, (discordance - difference) / 2
    # Eight standard deviations and thirty pairs around the mean leave out less than 1e-12.
    reach = 8 * sqrt(pairs * loss * (1 - loss)) + 30
    lost = np.arange(
        max(0, int(pairs * loss - reach)), min(pairs, ceil(pairs * loss + reach)) + 1.0
    )
    log_probability = (
        gammaln(pairs + 1) - gammaln(lost + 1) - gammaln(pairs - lost + 1)
        + xlogy(lost, loss) + xlog1py(pairs - lost, -loss)
    )  # fmt: skip
    most = _most_gained(lost, pairs, margin, alpha)
    gain_where_not_lost = gain / (1 - loss) if loss < 1 else 0.0
    passes = bdtr(np.maximum(most, 0), (pairs - lost).astype(np.int64), gain_where_not_lost)
    return float((np.exp(log_probability) * np.where(most < 0, 0.0, passes)).sum())


def approximate_pairs(
    margin: float, discordance: float, *, alpha: float = 0.05, power: float = 0.9
) -> int:
    """Pairs by the normal approximation (z_alpha + z_beta)^2 discordance / margin^2.

    It promises too much where few discordant pairs are to be expected, under about ten: use
    `required_pairs` to plan, and this to see in one's head what the others cost.
    """
    z = float(ndtri(1 - alpha) + ndtri(power))
    return ceil(z * z * discordance / margin**2)


def required_pairs(
    margin: float, discordance: float, *, alpha: float = 0.05, power: float = 0.9
) -> int:
    """The fewest pairs with which a harmless second model is shown to be within the margin.

    By `tango_power` with a true difference of 0: what Tango's bound can do and not what the normal
    approximation says. Power rises in teeth, one for each further gained item that is not too
    many, about 1 / margin pairs long: it must hold for two teeth more.

    Raises:
        ValueError: The margin is not in (0, 1), the discordance not in [0, 1], or the power
            not in (0, 1).
    """
    if not 0 < power < 1:
        raise ValueError(f"a power of {power} cannot be planned for")

    def suffices(pairs: int) -> bool:
        return tango_power(pairs, margin, discordance, alpha=alpha) >= power

    z = float(ndtri(1 - alpha))
    # Without a discordant pair the bound is z^2 / (n + z^2): with fewer pairs nothing can pass.
    pairs = max(1, ceil(z * z * (1 - margin) / margin))
    while True:
        last = pairs + ceil(2 / margin)
        failing = next((n for n in range(last, pairs - 1, -1) if not suffices(n)), None)
        if failing is None:
            return pairs
        pairs = failing + 1


def smallest_margin(
    pairs: int, discordance: float, *, alpha: float = 0.05, power: float = 0.9
) -> float:
    """The smallest margin that a harmless second model is shown to be within; see `tango_power`."""

    def missing(margin: float) -> float:
        return tango_power(pairs, margin, discordance, alpha=alpha) - power

    # Power rises with the margin in steps: the far side of the step is the margin that suffices.
    low, high = 1e-9, 1 - 1e-9
    if missing(high) < 0:
        return 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if missing(middle) >= 0 else (middle, high)
    return high


def detectable_difference(
    pairs: int, discordance: float, *, alpha: float = 0.05, power: float = 0.9
) -> float:
    """The smallest true difference that a two-sided McNemar test finds with so many pairs.

    Normal approximation of Connor (1987, Biometrics 43:207-211). A difference cannot exceed the
    discordance: where even that would not be found it is infinite.

    Args:
        pairs: Items that both answer.
        discordance: Share of items that are gained or lost.
        alpha: Two-sided error level.
        power: Probability of finding it.
    """
    z_alpha, z_beta = float(ndtri(1 - alpha / 2)), float(ndtri(power))

    def excess(difference: float) -> float:
        noise = z_alpha * sqrt(discordance) + z_beta * sqrt(discordance - difference**2)
        return difference * sqrt(pairs) - noise

    if discordance == 0 or excess(discordance) < 0:
        return inf
    return float(brentq(excess, 0.0, discordance))


def _most_gained(
    lost: NDArray[np.float64], pairs: int, margin: float, alpha: float
) -> NDArray[np.float64]:
    """The most gained items with which the bound is below the margin; -1 where none is."""
    critical = -float(ndtri(1 - alpha))
    # The score rises with each gained item, so that halving finds where it ceases to pass.
    passing, failing = np.full_like(lost, -1.0), pairs - lost + 1
    while (failing - passing > 1).any():
        middle = np.floor((passing + failing) / 2)
        passes = tango_score(np.maximum(middle, 0), lost, pairs, margin) < critical
        is_open = failing - passing > 1
        passing = np.where(is_open & passes, middle, passing)
        failing = np.where(is_open & ~passes, middle, failing)
    return passing
