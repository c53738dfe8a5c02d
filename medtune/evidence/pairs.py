"""Counts, shares and differences of paired outcomes, with their intervals.

A pair is a regression where only the adapter fails and an improvement where only the base does;
unjudged counts as failing on either side. Items of a cluster are not independent: where clusters
have more than one item, intervals are clustered.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from medtune.records import Bounded, Outcome, PairedOutcome
from medtune.stats import NamedInterval
from medtune.stats.intervals import change_interval, share_interval

ALPHA = 0.05
"""Of one-sided bounds."""


def difference(pairs: Sequence[PairedOutcome]) -> Bounded:
    """Shares of failing items, adapter minus base, with a two-sided 95 % interval."""
    changes, clusters = _changes(pairs)
    return _bounded(fmean(changes), change_interval(changes, clusters))


def upper_bound(pairs: Sequence[PairedOutcome]) -> float:
    """One-sided upper bound of the difference, at level 1 - ALPHA."""
    changes, clusters = _changes(pairs)
    return change_interval(changes, clusters, 1 - 2 * ALPHA).high


def _changes(pairs: Sequence[PairedOutcome]) -> tuple[list[float], list[str]]:
    changes = [float(pair.adapter.is_failing) - float(pair.base.is_failing) for pair in pairs]
    return changes, [pair.cluster for pair in pairs]


def rate(outcomes: Sequence[Outcome], pairs: Sequence[PairedOutcome]) -> Bounded:
    """Share of failing items, with a two-sided 95 % interval."""
    failing = [float(outcome.is_failing) for outcome in outcomes]
    return _bounded(fmean(failing), share_interval(failing, [pair.cluster for pair in pairs]))


def counts(pairs: Sequence[PairedOutcome]) -> Mapping[tuple[bool, bool], int]:
    """(base fails, adapter fails) -> items."""
    found: dict[tuple[bool, bool], int] = defaultdict(int)
    for pair in pairs:
        found[pair.base.is_failing, pair.adapter.is_failing] += 1
    return found


def _bounded(value: float, interval: NamedInterval) -> Bounded:
    return Bounded(value=value, interval=(interval.low, interval.high), method=interval.method)
