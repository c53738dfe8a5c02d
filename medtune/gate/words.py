"""Sentences that all of a gate's reports share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medtune.gate.decision import ProbeVerdict, Verdict
from medtune.records import Bounded, PairedOutcome

if TYPE_CHECKING:
    from medtune.gate.run import Gated

MEANS: dict[Verdict, str] = {
    "PASS": "no degradation beyond the margins was found",
    "BLOCK": "harm was shown, or a limit is broken",
    "INCONCLUSIVE": "neither harm nor its absence is shown; it does not pass",
    "ERROR": "the evidence cannot be relied on",
}
NO_CLAIM = (
    "What this says: whether, relative to its frozen base and on these items, degradation beyond "
    "the margins was detected. It does not say that the adapter, or its base, is safe for patients."
)
TAG_LIMIT = 120


def headline(gated: "Gated") -> str:
    """The verdict in a sentence."""
    verdict = gated.decision.verdict
    kind = "" if gated.policy.is_clinical else " This policy is a demonstration and not clinical."
    return f"{verdict}: {MEANS[verdict]}.{kind}"


def identity(gated: "Gated") -> list[tuple[str, str]]:
    """Who was decided on, under what, when."""
    evidence, policy = gated.evidence, gated.policy
    return [
        ("adapter digest", evidence.adapter_digest),
        ("base", f"{evidence.manifest.get('base')}, {evidence.manifest.get('base_digest')}"),
        ("policy", f"{policy.policy} version {policy.version}: {policy.title}"),
        ("policy digest", policy.digest),
        ("intended use", policy.intended_use),
        ("probes", f"suite {evidence.report.suite}, finished {evidence.measured.isoformat()}"),
        ("decided", gated.decided),
        ("attempts", gated.attempts.told()),
    ]


def share(count: int, total: int) -> str:
    """A count with its share."""
    return f"{count} of {total} ({count / total:.1%})" if total else "none"


def change(found: Bounded | None) -> str:
    """A difference with its interval, in points."""
    if found is None:
        return "not measured"
    low, high = found.interval
    return f"{100 * found.value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def bound(one: ProbeVerdict) -> str:
    """The upper bound beside the margin, in points."""
    upper = "-" if one.upper is None else f"{100 * one.upper:+.1f}"
    return f"{upper} / {100 * one.margin:g}"


def remarks(one: ProbeVerdict) -> list[str]:
    """Reasons, what would help, and what a reader has to know."""
    lines = list(one.reasons)
    if one.missing_items and one.verdict == "INCONCLUSIVE":
        lines.append(f"about {one.missing_items} more items would let a harmless adapter pass")
    elif one.verdict == "INCONCLUSIVE" and one.upper is not None and one.upper >= one.margin:
        lines.append("a harmless adapter would mostly pass with so many: the rise is in doubt")
    if one.waiver:
        lines.append(f"waived by {one.waiver}")
    if one.base_unjudged or one.adapter_unjudged:
        lines.append(
            f"unjudged, counted as failing: base {one.base_unjudged}, adapter "
            f"{one.adapter_unjudged}"
        )
    return lines


def provenance_of_rows(gated: "Gated") -> str:
    """How many rows nobody has verified or signed."""
    probes = gated.decision.probes
    total = sum(one.num_items for one in probes)
    if not total:
        return "No item was measured."
    unverified = sum(one.unverified for one in probes) / total
    unreviewed = sum(one.unreviewed for one in probes) / total
    return (
        f"{unverified:.0%} of the rows are unverified, and {unreviewed:.0%} are not signed by a "
        "clinician."
    )


def noise(gated: "Gated") -> str:
    """How often the base, asked again in other batches, answered otherwise."""
    repeated = [pair for pair in gated.evidence.report.outcomes if pair.again is not None]
    flips = sum(pair.again.verdict != pair.base.verdict for pair in repeated if pair.again)
    return f"The base, asked {len(repeated)} items again, answered {flips} otherwise."


def worst_flips(outcomes: Sequence[PairedOutcome], probe: str, count: int) -> list[PairedOutcome]:
    """Items that only the adapter fails: the most severe first, then the largest changes."""
    worse = [
        pair
        for pair in outcomes
        if pair.probe == probe and pair.adapter.is_failing and not pair.base.is_failing
    ]
    return sorted(worse, key=lambda pair: (-int(pair.severity[1]), -_fall(pair), pair.id))[:count]


def _fall(pair: PairedOutcome) -> float:
    if pair.base.score is None or pair.adapter.score is None:
        return 0.0
    return pair.base.score - pair.adapter.score
