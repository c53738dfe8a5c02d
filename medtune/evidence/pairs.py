"""Counts, shares and differences of paired outcomes, with their intervals.

A pair is a regression where only the adapter fails and an improvement where only the base does;
unjudged counts as failing on either side. Items of a cluster are not independent: where clusters
have more than one item, intervals are clustered.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from medtune.records import Bounded, Outcome, PairedOutcome, Subgroup
from medtune.stats import NamedInterval
from medtune.stats.intervals import change_interval, share_interval

ALPHA = 0.05
"""Of one-sided bounds."""
UNINFORMATIVE = 0.9
"""Share of items that a base fails from which on a loss has no room to show."""
MIN_SUBGROUP = 20
"""Smaller subgroups are left out: their intervals say nothing."""


def measured(pairs: Sequence[PairedOutcome]) -> dict[str, Any]:
    """All fields of a ``ProbeResult`` that follow from its pairs, of which there is one or more."""
    found = counts(pairs)
    base = rate([pair.base for pair in pairs], pairs)
    repeated = [pair for pair in pairs if pair.again is not None]
    return {
        "num_items": len(pairs),
        "num_clusters": len({pair.cluster for pair in pairs}),
        "both_ok": found[False, False],
        "regressions": found[False, True],
        "improvements": found[True, False],
        "both_fail": found[True, True],
        "base_unjudged": sum(pair.base.verdict == "unjudged" for pair in pairs),
        "adapter_unjudged": sum(pair.adapter.verdict == "unjudged" for pair in pairs),
        "base_rate": base,
        "adapter_rate": rate([pair.adapter for pair in pairs], pairs),
        "difference": difference(pairs),
        "upper": upper_bound(pairs),
        "score_shift": _score_shift(pairs),
        "repeated": len(repeated),
        "flips": sum(pair.again.verdict != pair.base.verdict for pair in repeated if pair.again),
        "unverified": sum(not pair.is_verified for pair in pairs),
        "unreviewed": sum(not pair.is_reviewed for pair in pairs),
        "is_base_informative": base.value <= UNINFORMATIVE,
        "subgroups": tuple(_subgroups(pairs)),
    }


def as_coherence(pairs: Sequence[PairedOutcome]) -> list[PairedOutcome]:
    """The written ones among some pairs, failing where their text cannot be read."""
    return [
        replace(pair, base=_readable(pair.base), adapter=_readable(pair.adapter), again=None)
        for pair in pairs
        if pair.base.is_coherent is not None and pair.adapter.is_coherent is not None
    ]


def _readable(outcome: Outcome) -> Outcome:
    return Outcome(verdict="ok" if outcome.is_coherent else "fail")


def _score_shift(pairs: Sequence[PairedOutcome]) -> float | None:
    shifts = [
        pair.adapter.score - pair.base.score
        for pair in pairs
        if pair.adapter.score is not None and pair.base.score is not None
    ]
    return fmean(shifts) if shifts else None


def _subgroups(pairs: Sequence[PairedOutcome]) -> list[Subgroup]:
    members: dict[tuple[str, str], list[PairedOutcome]] = defaultdict(list)
    for pair in pairs:
        for tag, value in pair.tags.items():
            members[tag, value].append(pair)
    return [
        Subgroup(
            tag=tag,
            value=value,
            num_items=len(some),
            num_clusters=len({pair.cluster for pair in some}),
            base_failing=sum(pair.base.is_failing for pair in some),
            adapter_failing=sum(pair.adapter.is_failing for pair in some),
            difference=difference(some),
        )
        for (tag, value), some in sorted(members.items())
        if len(some) >= MIN_SUBGROUP
    ]


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
