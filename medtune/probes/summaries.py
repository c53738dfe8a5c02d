"""From paired outcomes to what a probe found: counts, shares, differences, all with intervals.

Unjudged counts as failing, and is counted apart as well.
"""

from collections.abc import Sequence

from medtune.evidence.pairs import as_coherence, measured
from medtune.probes.family import Family, Plan
from medtune.records import PairedOutcome, ProbeResult

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


def summarise(family: Family, pairs: Sequence[PairedOutcome]) -> ProbeResult:
    """What a probe found on its items; pairs may be of a part of them."""
    plan = family.plan
    return ProbeResult(
        probe=plan.probe,
        version=plan.version,
        digest=family.digest,
        title=plan.title,
        level=plan.level,
        margin=plan.margin,
        is_complete=family.total is None,
        **measured(pairs),
    )


def coherence_result(pairs: Sequence[PairedOutcome]) -> ProbeResult | None:
    """All written texts as a probe whose failures are texts that cannot be read; None of none."""
    written = as_coherence(pairs)
    if not written:
        return None
    return summarise(Family(plan=COHERENCE, items=(), digest="none"), written)
