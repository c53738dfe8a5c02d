"""Figures of one arm of an evaluation, and of two: what scores are made of, and read again by."""

from collections.abc import Callable, Mapping, Sequence
from math import fsum

from medtune.metrics import METRICS
from medtune.records import ArmScore, Comparison, ItemScore
from medtune.stats import NamedInterval, mcnemar_exact
from medtune.stats.intervals import (
    brier_interval,
    change_interval,
    fraction_change_interval,
    fraction_interval,
    loss_interval,
    share_interval,
    weighted_interval,
)

_Values = Sequence[float]
_Interval = Callable[[_Values, Sequence[str]], NamedInterval]
INTERVALS: Mapping[str, tuple[_Interval, _Interval]] = {
    "accuracy": (share_interval, change_interval),
    "parsed_accuracy": (share_interval, change_interval),
    "consistency": (share_interval, change_interval),
    "answer_nll_per_token": (loss_interval, loss_interval),
    "brier": (brier_interval, loss_interval),
}
"""Of a mean, and of the mean change; of all other figures, those of fractions."""
FRACTIONS: tuple[_Interval, _Interval] = (fraction_interval, fraction_change_interval)


def mean_of(items: Sequence[ItemScore]) -> float:
    """The weighted mean of the items' values."""
    return fsum(i.value * i.weight for i in items) / fsum(item.weight for item in items)


def interval_of(metric: str, items: Sequence[ItemScore]) -> NamedInterval:
    """Its 95 % interval, clustered where groups repeat."""
    values, groups = [item.value for item in items], [item.group for item in items]
    if metric == "bits_per_byte":
        return weighted_interval(values, groups, [item.weight for item in items])
    return INTERVALS.get(metric, FRACTIONS)[0](values, groups)


def comparisons(arms: Sequence[ArmScore]) -> tuple[Comparison, ...]:
    """Each arm of the adapter against those arms of the base that it can be compared with.

    Raises:
        ValueError: Arms are not scored on the same items.
    """
    bases = [arm for arm in arms if arm.arm == "base"]
    adapters = [arm for arm in arms if arm.arm == "adapter"]
    found = []
    for adapter in adapters:
        drawn = adapter.few_shot, adapter.shot_seed
        same = [base for base in bases if (base.few_shot, base.shot_seed) == drawn]
        # One adapter arm is compared with every arm of its base; several with their own alone.
        found += [compare(adapter, base) for base in (bases if len(adapters) == 1 else same)]
    return tuple(found)


def compare(adapter: ArmScore, base: ArmScore) -> Comparison:
    """The adapter against one arm of its base, on the same items.

    Raises:
        ValueError: They are other items, or in another order.
    """
    pairs = list(zip(adapter.items, base.items, strict=True))
    if not pairs or any(a.id != b.id for a, b in pairs):
        raise ValueError("two arms are compared on the same items in one order")
    groups = [a.group for a, _ in pairs]
    changes = [a.value - b.value for a, b in pairs]
    is_better = METRICS[adapter.metric].is_better
    gained, lost = sum(map(is_better, changes)), sum(is_better(-change) for change in changes)
    weights = [a.weight for a, _ in pairs]
    if adapter.metric == "bits_per_byte":
        interval = weighted_interval(changes, groups, weights)
    else:
        interval = INTERVALS.get(adapter.metric, FRACTIONS)[1](changes, groups)
    is_paired_test = (
        adapter.metric == "accuracy"
        and len(set(groups)) == len(pairs)
        and set(changes) <= {-1.0, 0.0, 1.0}
    )
    return Comparison(
        against=base.label,
        difference=fsum(c * w for c, w in zip(changes, weights, strict=True)) / fsum(weights),
        interval=(interval.low, interval.high),
        interval_method=interval.method,
        p_value=mcnemar_exact(gained, lost) if is_paired_test else None,
        gained=gained,
        lost=lost,
    )
