"""Means of items that come in groups (patient, document, scenario), and how much groups cost.

Items are independent between groups only. All sums over groups are of deviations summed within a
group first (Miller 2024, arXiv:2411.00640, section 2.2).
"""

from collections import Counter
from collections.abc import Sequence
from math import fsum, inf, sqrt

from scipy.special import stdtrit

from medtune.stats.proportions import Interval


def mean_interval(
    values: Sequence[float], groups: Sequence[str], confidence: float = 0.95
) -> Interval:
    """Student's t interval for a mean whose values are independent between groups only.

    The standard error has the usual G / (G - 1), and the t distribution has G - 1 degrees of
    freedom. With a group for each value it is the ordinary interval. A single group shows no
    spread: (-inf, inf).

    Raises:
        ValueError: There is no value, or not one group for each.
    """
    return ratio_interval(values, [1.0] * len(values), groups, confidence)


def ratio_interval(
    values: Sequence[float],
    weights: Sequence[float],
    groups: Sequence[str],
    confidence: float = 0.95,
) -> Interval:
    """Student's t interval for the weighted mean sum(v w) / sum(w), such as bits per byte.

    Both sums vary with the items that were drawn. The error is that of the linearised ratio
    (Cochran 1977, Sampling Techniques, chapter 6): of w (v - mean) in place of v. With
    equal weights it is `mean_interval`.

    Raises:
        ValueError: There is no value, or not one group and one positive weight for each.
    """
    count = len(values)
    if count == 0 or len(groups) != count:
        raise ValueError(f"{count} values and {len(groups)} groups make no mean")
    if len(weights) != count or not all(0 < weight < inf for weight in weights):
        raise ValueError(f"{count} values need as many weights above 0, not {len(weights)}")
    total = fsum(weights)
    mean = fsum(v * w for v, w in zip(values, weights, strict=True)) / total
    deviations: dict[str, float] = {}
    for value, weight, group in zip(values, weights, groups, strict=True):
        deviations[group] = deviations.get(group, 0.0) + weight * (value - mean)
    num_groups = len(deviations)
    if num_groups == 1:
        return Interval(-inf, inf)
    squares = fsum(deviation**2 for deviation in deviations.values())
    error = sqrt(squares * num_groups / (num_groups - 1)) / total
    half = float(stdtrit(num_groups - 1, (1 + confidence) / 2)) * error
    return Interval(mean - half, mean + half)


def intraclass_correlation(values: Sequence[float], groups: Sequence[str]) -> float:
    """How alike items of a group are, from 0 (as strangers) to 1 (copies of each other).

    Estimator from the one-way analysis of variance, for groups of unequal size (Donner and Koval
    1980, Biometrics 36:19-25); estimates below 0 are taken as 0. Where it cannot be estimated (one
    group, no group of two, or no value that differs) it is 1: the careful assumption.

    Raises:
        ValueError: There is no value, or not one group for each.
    """
    count = len(values)
    if count == 0 or len(groups) != count:
        raise ValueError(f"{count} values and {len(groups)} groups have no correlation")
    sizes = Counter(groups)
    if len(sizes) in (1, count):
        return 1.0
    sums: dict[str, float] = {}
    for value, group in zip(values, groups, strict=True):
        sums[group] = sums.get(group, 0.0) + value
    means = {group: total / sizes[group] for group, total in sums.items()}
    mean = fsum(values) / count
    between = fsum(sizes[g] * (means[g] - mean) ** 2 for g in sizes) / (len(sizes) - 1)
    within = fsum((v - means[g]) ** 2 for v, g in zip(values, groups, strict=True))
    within /= count - len(sizes)
    typical = (count - fsum(size**2 for size in sizes.values()) / count) / (len(sizes) - 1)
    spread = between + (typical - 1) * within
    return max(0.0, (between - within) / spread) if spread else 1.0


def design_effect(values: Sequence[float], groups: Sequence[str]) -> float:
    """How many grouped items are worth one independent item: 1 + (m - 1) ICC, at least 1.

    m is the size of the group that an item is in, averaged over items: Kish's design effect for
    groups of unequal size (Kerry and Bland 2001, Statistics in Medicine 20:377-390).

    Raises:
        ValueError: There is no value, or not one group for each.
    """
    correlation = intraclass_correlation(values, groups)
    size = fsum(number**2 for number in Counter(groups).values()) / len(groups)
    return 1 + (size - 1) * correlation


def effective_items(values: Sequence[float], groups: Sequence[str]) -> float:
    """How many independent items would show as much: from 1 to the number of items."""
    return len(values) / design_effect(values, groups)
