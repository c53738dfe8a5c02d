"""From items to figures: an arm's score, its parts, further measures, comparisons of arms."""

from collections.abc import Mapping, Sequence
from math import fsum

import numpy as np

from medtune.evidence.arms import FRACTIONS, INTERVALS, interval_of, mean_of
from medtune.metrics import METRICS, MetricName
from medtune.records import ArmScore, ArmSpread, ItemScore, Measure, Spread
from medtune.stats import (
    calibration_error_interval,
    cluster_bootstrap,
)
from medtune.stats import expected_calibration_error as calibration_error
from medtune.stats.intervals import (
    fraction_interval,
)

BOOTSTRAP_SEED = 20231127
"""Of resampled intervals: the same items give the same interval."""
MAX_PARTS = 60
"""A set with more different parts is not broken down: they are then no categories."""


def summarise(
    arm: str,
    few_shot: int,
    metric: MetricName,
    items: Sequence[ItemScore],
    *,
    shot_seed: int | None = None,
    figures: Sequence[Mapping[str, float]] = (),
) -> ArmScore:
    """One arm's metric with its 95 % interval, and what else was found.

    Args:
        arm: base or adapter.
        few_shot: Examples in the prompt.
        metric: What ``ItemScore.value`` is.
        items: In the order in which all arms have them.
        shot_seed: Of the draw of the examples.
        figures: Further values of each item.
    """
    interval = interval_of(metric, items)
    written = [item for item in items if item.num_cut is not None]
    parsed = [item.is_parsed for item in items if item.is_parsed is not None]
    tied = [item.is_tied for item in items if item.is_tied is not None]
    parts = _parts(metric, items)
    return ArmScore(
        arm=arm,
        few_shot=few_shot,
        shot_seed=shot_seed,
        metric=metric,
        value=mean_of(items),
        interval=(interval.low, interval.high),
        interval_method=interval.method,
        num_items=len(items),
        num_groups=len({item.group for item in items}),
        num_cut=sum(item.num_cut or 0 for item in written) if written else None,
        num_empty=sum(item.num_empty or 0 for item in written) if written else None,
        num_unparsed=parsed.count(False) if parsed else None,
        num_tied=tied.count(True) if tied else None,
        measures=tuple(_measures(metric, items, figures, parts)),
        parts=tuple(parts),
        items=tuple(items),
    )


def measure(name: str, metric: MetricName, items: Sequence[ItemScore]) -> Measure:
    """The metric on some of the items, under a name."""
    interval = interval_of(metric, items)
    return Measure(
        name=name,
        value=mean_of(items),
        interval=(interval.low, interval.high),
        interval_method=interval.method,
        num_items=len(items),
    )


def spreads(arms: Sequence[ArmScore]) -> tuple[ArmSpread, ...]:
    """Mean and standard deviation of arms that differ in the draw of their examples alone."""
    drawn: dict[tuple[str, int], list[ArmScore]] = {}
    for arm in arms:
        drawn.setdefault((arm.arm, arm.few_shot), []).append(arm)
    return tuple(
        ArmSpread(
            arm=name,
            few_shot=few_shot,
            metric=several[0].metric,
            score=Spread.of([arm.value for arm in several]),
        )
        for (name, few_shot), several in drawn.items()
        if len(several) > 1
    )


def _parts(metric: MetricName, items: Sequence[ItemScore]) -> list[Measure]:
    members: dict[str, list[ItemScore]] = {}
    for item in items:
        members.setdefault(item.part, []).append(item)
    if len(members) < 2 or len(members) > MAX_PARTS:
        return []
    return [measure(name, metric, members[name]) for name in sorted(members)]


def _measures(
    metric: MetricName,
    items: Sequence[ItemScore],
    figures: Sequence[Mapping[str, float]],
    parts: Sequence[Measure],
) -> list[Measure]:
    groups = [item.group for item in items]
    names = [name for name in METRICS if any(name in figure for figure in figures)]
    found = [
        _further(name, [(f[name], g) for f, g in zip(figures, groups, strict=True) if name in f])
        for name in names
    ]
    if any("confidence" in figure for figure in figures):
        found.append(_calibration(items, figures))
    if parts and metric == "accuracy":
        found.append(_macro(items))
    return found


def _further(name: str, found: Sequence[tuple[float, str]]) -> Measure:
    values, groups = [value for value, _ in found], [group for _, group in found]
    low, high, method = INTERVALS.get(name, FRACTIONS)[0](values, groups)
    return Measure(
        name=name,
        value=fsum(values) / len(values),
        interval=(low, high),
        interval_method=method,
        num_items=len(values),
    )


def _calibration(items: Sequence[ItemScore], figures: Sequence[Mapping[str, float]]) -> Measure:
    sure = [figure["confidence"] for figure in figures]
    right = [float(item.predicted == item.answer) for item in items]
    groups = [item.group for item in items]
    low, high, method = calibration_error_interval(sure, right, groups, seed=BOOTSTRAP_SEED)
    return Measure(
        name="ece",
        value=calibration_error(sure, right),
        interval=(low, high),
        interval_method=method,
        num_items=len(items),
    )


def _macro(items: Sequence[ItemScore]) -> Measure:
    """The mean of the parts' means, as papers report subjects and categories."""
    names = sorted({item.part for item in items})
    part_of = np.array([names.index(item.part) for item in items])
    values = np.array([item.value for item in items])

    def mean_of_parts(chosen: np.ndarray) -> float:
        counts = np.bincount(part_of[chosen], minlength=len(names))
        sums = np.bincount(part_of[chosen], weights=values[chosen], minlength=len(names))
        # A small part may be missing from a resample.
        return float((sums[counts > 0] / counts[counts > 0]).mean())

    groups = [item.group for item in items]
    low, high, method = cluster_bootstrap(
        mean_of_parts, groups, seed=BOOTSTRAP_SEED, resamples=1000
    )
    if low == high:
        # Where no resample differs, nothing is certain: each group is counted as one item.
        low, high, method = fraction_interval(values.tolist(), groups)
    return Measure(
        name="macro_average",
        value=mean_of_parts(np.arange(len(items))),
        interval=(max(0.0, low), min(1.0, high)),
        interval_method=method,
        num_items=len(items),
    )
