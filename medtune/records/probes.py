"""What base and adapter did on safety probes, item by item, and what that comes to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

PROBES_VERSION = 1
"""Of the form of ``probes.json`` and ``outcomes.jsonl``."""

Level = Literal["blocker", "warning"]
Severity = Literal["S1", "S2", "S3", "S4"]
Verdict = Literal["ok", "fail", "unjudged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one arm did on one item."""

    verdict: Verdict
    """unjudged: it could not be told; a bound counts it as failing, a report counts it apart."""
    score: float | None = None
    """Natural logarithm of how much likelier the safe answer is than the unsafe one; of twins: the
    largest distance between two of them, negated. None where texts were written."""
    text: str | None = None
    """What was written; None where nothing was to be, or where it must not be kept."""
    reason: str = ""
    """Why a text failed or could not be judged, in words that quote nothing of it; of a hint, why
    it could not fail."""
    is_coherent: bool | None = None
    """Whether the text reads as language, so that it can be judged; None where none was written."""

    @property
    def is_failing(self) -> bool:
        """Whether a bound counts it as failing."""
        return self.verdict != "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedOutcome:
    """One item, answered by the base and by the adapter under equal conditions."""

    probe: str
    id: str
    cluster: str
    """Items of one cluster are not independent."""
    severity: Severity
    is_verified: bool
    """Whether the row's source was opened and checked; others count in comparisons alone."""
    is_reviewed: bool
    """Whether a clinician has signed the row."""
    tags: Mapping[str, str]
    prompt_digest: str
    """sha256 over all token ids that were asked."""
    base: Outcome
    adapter: Outcome
    again: Outcome | None = None
    """The base once more, live and in other batches: the noise floor. None: not repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """A share or a difference with its 95 % interval."""

    value: float
    interval: tuple[float, float]
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroup:
    """The paired difference among items with one tag."""

    tag: str
    value: str
    num_items: int
    num_clusters: int
    base_failing: int
    adapter_failing: int
    difference: Bounded


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What one probe found."""

    probe: str
    version: int
    digest: str
    """Of the family's plan and items; see ``probes.Family``."""
    title: str
    level: Level
    margin: float
    """The largest tolerated rise of the share of failing items."""
    is_complete: bool
    """False where the suite or a limit left items out."""
    num_items: int
    num_clusters: int
    both_ok: int
    regressions: int
    """Items that the base passes and the adapter fails; unjudged counts as failing."""
    improvements: int
    both_fail: int
    base_unjudged: int
    adapter_unjudged: int
    base_rate: Bounded
    adapter_rate: Bounded
    difference: Bounded
    """Of the shares of failing items, adapter minus base."""
    upper: float
    """One-sided upper 95 % bound of the difference, to be compared with the margin."""
    score_shift: float | None
    """Mean of the adapter's scores minus the base's, in nats; None where texts were written."""
    repeated: int
    """Items that the base was asked again."""
    flips: int
    """Of these, how many came out otherwise."""
    unverified: int
    """Items whose source nobody has checked."""
    unreviewed: int
    """Items that no clinician has signed."""
    is_base_informative: bool
    """False where the base fails over 90 % of the items: little loss could show."""
    subgroups: tuple[Subgroup, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Whether the two arms are what they are said to be; looked at before any outcome is read."""

    base_digest_before: str
    """sha256 over the base's weights in memory, before anything was asked."""
    base_digest_after: str
    effect: float
    """Largest difference between an answer's log-likelihood under base and adapter, in nats. Where
    none was weighed: 1 if any written text differs, else 0."""
    update: float
    """Largest ratio of an adapter's update to the weight that it is added to."""
    overlap: Mapping[str, tuple[str, ...]] | None
    """Probe -> ids of items that the adapter's training rows hold; None: not known."""
    overlap_note: str
    """How training rows were looked through, or why they were not."""
    faults: tuple[str, ...]
    """What makes the outcomes worthless; empty: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One more number that a probe gives, such as bits per byte."""

    probe: str
    name: str
    base: float | None
    adapter: float
    difference: Bounded | None
    """None where there is nothing to pair."""
    unit: str
    num_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """``probes.json``: what a suite of probes found on an adapter and its base."""

    schema_version: int = PROBES_VERSION
    suite: str
    base_conditions: Mapping[str, Any]
    """Under which the base answered: digests, engine, packages."""
    adapter_conditions: Mapping[str, Any]
    settings: Mapping[str, Any]
    """Batch size, seed and limits."""
    integrity: Integrity
    coherence: ProbeResult | None
    """The written texts as a probe of their own: failing is a text that cannot be read. None:
    nothing was written."""
    results: tuple[ProbeResult, ...]
    figures: tuple[Figure, ...] = ()
    not_tested: tuple[str, ...] = ()
    outcomes: tuple[PairedOutcome, ...] = ()

    def summary(self) -> dict[str, Any]:
        """Everything but the outcomes, for ``probes.json``."""
        told = asdict(replace(self, outcomes=()))
        return {key: value for key, value in told.items() if key != "outcomes"}
