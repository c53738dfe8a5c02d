"""Whether probabilities mean what they say."""

# I items, K options, G groups, B bins, R resamples

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medtune.stats.clustered import mean_interval
from medtune.stats.proportions import NamedInterval, wilson

ROUNDING = 1e-6
"""By which probabilities that were computed in single precision may miss what they should be."""


def brier(probabilities_IK: ArrayLike, right_I: ArrayLike) -> NDArray[np.float64]:
    """Brier score of each item, summed over the options: 0 (sure and right) to 2 (sure and wrong).

    Brier 1950, Monthly Weather Review 78:1-3. Items with fewer options than others are filled up
    with zeros, which add nothing.

    Args:
        probabilities_IK: Of each option, adding up to 1.
        right_I: Position of the right option.

    Raises:
        ValueError: A row is no distribution, or a position is not one of the options.
    """
    probabilities = np.asarray(probabilities_IK, dtype=np.float64)
    right = np.asarray(right_I, dtype=np.intp)
    if probabilities.ndim != 2 or right.shape != probabilities.shape[:1]:
        raise ValueError(
            f"probabilities of shape {probabilities.shape} and {right.size} right options: "
            "there must be a row for each item"
        )
    is_one = np.abs(probabilities.sum(axis=1) - 1) <= ROUNDING * probabilities.shape[1]
    is_distribution = is_one & (probabilities >= -ROUNDING).all(axis=1)
    if not is_distribution.all():
        row = int(np.argmin(is_distribution))
        raise ValueError(f"row {row} is no distribution: it adds up to {probabilities[row].sum()}")
    if ((right < 0) | (right >= probabilities.shape[1])).any():
        raise ValueError(f"a right option is not one of {probabilities.shape[1]}")
    hit = np.zeros_like(probabilities)
    hit[np.arange(len(right)), right] = 1.0
    scores: NDArray[np.float64] = ((probabilities - hit) ** 2).sum(axis=1)
    return scores


def expected_calibration_error(confidences: ArrayLike, rights: ArrayLike, bins: int = 15) -> float:
    """Mean distance between confidence and share of right answers, from 0 to 1.

    Guo et al. 2017, arXiv:1706.04599, equation 3: over bins of equal width, open below and closed
    above, weighted by their items. On few items it is above 0 for the best calibrated model.

    Args:
        confidences: Probability of the chosen option of each item.
        rights: Whether it was right: 1 or 0.
        bins: Number of bins.

    Raises:
        ValueError: There is no item, not one confidence for each, or one outside [0, 1].
    """
    confidence, right = _checked(confidences, rights)
    return _calibration_error(confidence, right, bins)


def calibration_error_interval(
    confidences: ArrayLike,
    rights: ArrayLike,
    groups: Sequence[str],
    *,
    seed: int,
    bins: int = 15,
    confidence: float = 0.95,
) -> NamedInterval:
    """Bounds for the expected calibration error of all such items, in [0, 1].

    The estimate is too high, the more so the better the calibration: a bootstrap interval around it
    mostly misses the truth. With g the true gaps of the bins and e their errors, the estimate
    |g + e| (summed over bins) is at least the sum of g + e with the signs of g, and at most
    |g| + |e|. So the high end is Student's t bound of a mean, clustered by group, and the low end
    is the estimate less a quantile of |e|, found by drawing whole groups again. Both are careful:
    the interval covers more often than it says. Where all answers are right, or all wrong, it
    reaches as far again as the share of an event that none of so many groups showed. The method
    is named: calibration_bounds, or single_group, which shows nothing: (0, 1).

    Args:
        confidences: As above.
        rights: As above.
        groups: Of each item; items are independent between groups only.
        seed: The same seed gives the same interval.
        bins: As above.
        confidence: Of both sides together.

    Raises:
        ValueError: As above, or there is not one group for each item.
    """
    sure, right = _checked(confidences, rights)
    if len(groups) != len(sure):
        raise ValueError(f"{len(sure)} items and {len(groups)} groups do not match")
    num_groups = len(set(groups))
    if num_groups == 1:
        return NamedInterval(0.0, 1.0, "single_group")
    place = _place(sure, bins)
    sums = np.bincount(place, weights=sure - right, minlength=bins)
    towards = np.where(sums < 0, -1.0, 1.0)[place]
    high = mean_interval(list(towards * (sure - right)), groups, confidence).high
    level = (1 + confidence) / 2
    low = _calibration_error(sure, right, bins) - _noise(sure - right, place, groups, seed, level)
    if len(set(right)) == 1:
        reach = wilson(0, num_groups, confidence).high
        low, high = low - reach, high + reach
    return NamedInterval(max(0.0, low), min(1.0, high), "calibration_bounds")


def _noise(
    gaps: NDArray[np.float64],
    place: NDArray[np.intp],
    groups: Sequence[str],
    seed: int,
    level: float,
    resamples: int = 2000,
) -> float:
    """Quantile of the summed sizes of the errors that the bins' gaps have."""
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    group = np.array([numbers[name] for name in groups])
    num_groups = len(numbers)
    sums_GB = np.zeros((num_groups, int(place.max()) + 1))
    np.add.at(sums_GB, (group, place), gaps)
    sizes_G = np.bincount(group)
    estimate_B = sums_GB.sum(axis=0) / len(gaps)
    random = np.random.default_rng(seed)
    errors: list[NDArray[np.float64]] = []
    at_once = max(1, 1_000_000 // num_groups)
    for first in range(0, resamples, at_once):
        count = min(at_once, resamples - first)
        drawn = random.integers(0, num_groups, (count, num_groups))
        drawn += num_groups * np.arange(count)[:, None]
        times_RG = np.bincount(drawn.ravel(), minlength=count * num_groups).reshape(count, -1)
        drawn_RB = times_RG @ sums_GB / (times_RG @ sizes_G)[:, None]
        errors.append(np.abs(drawn_RB - estimate_B).sum(axis=1))
    # Resamples vary a little less than samples do.
    return float(np.quantile(np.concatenate(errors), level)) * sqrt(num_groups / (num_groups - 1))


def _checked(
    confidences: ArrayLike, rights: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    confidence = np.asarray(confidences, dtype=np.float64)
    right = np.asarray(rights, dtype=np.float64)
    if confidence.ndim != 1 or confidence.size == 0 or right.shape != confidence.shape:
        raise ValueError(f"{confidence.size} confidences and {right.size} answers do not match")
    if not ((confidence >= -ROUNDING) & (confidence <= 1 + ROUNDING)).all():
        raise ValueError("a confidence is not a probability")
    if not np.isin(right, (0.0, 1.0)).all():
        raise ValueError("an answer is neither right (1) nor wrong (0)")
    return confidence, right


def _calibration_error(
    confidence: NDArray[np.float64], right: NDArray[np.float64], bins: int
) -> float:
    # A bin's share of items times its gap is the size of its summed gap, over all items.
    gaps = np.bincount(_place(confidence, bins), weights=confidence - right)
    return float(np.abs(gaps).sum() / len(confidence))


def _place(confidence: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]
    return np.digitize(confidence, inner_edges, right=True)
