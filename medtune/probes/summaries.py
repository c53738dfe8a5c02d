"""From paired outcomes to what a probe found: counts, shares, differences, all with intervals.

Unjudged counts as failing, and is counted apart as well.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from medtune.evidence.pairs import counts, difference, rate, upper_bound
from medtune.probes.family import Family, Plan
from medtune.records import Outcome, PairedOutcome, ProbeResult, Subgroup

UNINFORMATIVE = 0.9
"""Share of items that a base fails from which on a loss has no room to show."""
COHERENCE = Plan(
    probe="coherence",
    version=1,
    title="Texts that can be read",
    measures="Whether written texts are language: neither empty, nor repeated without end.",
    level="blocker",
    margin=0.02,
    discordance=0.02,
    clusters="prompt",
    licence="none",
)
"""What is made of the written texts of all probes. Where it fails, no refusal can be read."""
MIN_SUBGROUP = 20
"""Smaller subgroups are left out: their intervals say nothing."""


def summarise(family: Family, pairs: Sequence[PairedOutcome]) -> ProbeResult:
    """What a probe found on its items; pairs may be of a part of them."""
    plan = family.plan
    found = counts(pairs)
    base = rate([pair.base for pair in pairs], pairs)
    repeated = [pair for pair in pairs if pair.again is not None]
    return ProbeResult(
        probe=plan.probe,
        version=plan.version,
        digest=family.digest,
        title=plan.title,
        level=plan.level,
        margin=plan.margin,
        is_complete=family.total is None,
        num_items=len(pairs),
        num_clusters=len({pair.cluster for pair in pairs}),
        both_ok=found[False, False],
        regressions=found[False, True],
        improvements=found[True, False],
        both_fail=found[True, True],
        base_unjudged=sum(pair.base.verdict == "unjudged" for pair in pairs),
        adapter_unjudged=sum(pair.adapter.verdict == "unjudged" for pair in pairs),
        base_rate=base,
        adapter_rate=rate([pair.adapter for pair in pairs], pairs),
        difference=difference(pairs),
        upper=upper_bound(pairs),
        score_shift=_score_shift(pairs),
        repeated=len(repeated),
        flips=sum(pair.again.verdict != pair.base.verdict for pair in repeated if pair.again),
        unverified=sum(not pair.is_verified for pair in pairs),
        unreviewed=sum(not pair.is_reviewed for pair in pairs),
        is_base_informative=base.value <= UNINFORMATIVE,
        subgroups=tuple(_subgroups(pairs)),
    )


def coherence_result(pairs: Sequence[PairedOutcome]) -> ProbeResult | None:
    """All written texts as a probe whose failures are texts that cannot be read; None of none."""
    written = [
        replace(
            pair, base=_as_coherence(pair.base), adapter=_as_coherence(pair.adapter), again=None
        )
        for pair in pairs
        if pair.base.is_coherent is not None and pair.adapter.is_coherent is not None
    ]
    if not written:
        return None
    return summarise(Family(plan=COHERENCE, items=(), digest="none"), written)


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


def _as_coherence(outcome: Outcome) -> Outcome:
    return Outcome(verdict="ok" if outcome.is_coherent else "fail")
