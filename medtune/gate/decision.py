"""What a gate says: a verdict for each probe and one for the adapter, with all that it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from medtune.records import Bounded, Level

GATE_VERSION = 1
Verdict = Literal["PASS", "BLOCK", "INCONCLUSIVE", "ERROR"]
EXIT_CODES: Mapping[Verdict, int] = {"PASS": 0, "BLOCK": 3, "INCONCLUSIVE": 4, "ERROR": 5}
SEVERITY: tuple[Verdict, ...] = ("PASS", "INCONCLUSIVE", "BLOCK", "ERROR")
"""From harmless to worst; of several the worst counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeVerdict:
    """One probe against its rule."""

    probe: str
    level: Level
    verdict: Verdict
    reasons: tuple[str, ...]
    margin: float
    ceiling: float | None
    hazard: str | None
    num_items: int
    num_clusters: int
    base_failing: int
    adapter_failing: int
    regressions: int
    improvements: int
    base_unjudged: int
    adapter_unjudged: int
    unverified: int
    unreviewed: int
    difference: Bounded | None
    """None where nothing was measured."""
    upper: float | None
    """One-sided upper bound of the difference at the policy's alpha."""
    p_harm: float | None
    """One-sided exact McNemar, over clusters; None where nothing was measured."""
    p_holm: float | None
    """The same, adjusted over the blockers."""
    missing_items: int | None
    """About so many more would let a harmless adapter pass; None where nothing is missing."""
    waiver: str | None = None
    """Who signed that this verdict is tolerated, until when and why; None: nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitVerdict:
    """One demand of benefit."""

    set: str
    against: str
    verdict: Verdict
    reason: str
    difference: Bounded | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``gate.json``, all but the policy and the digests of what was read."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """Why, the worst first."""
    probes: tuple[ProbeVerdict, ...]
    benefit: tuple[BenefitVerdict, ...]
    not_tested: tuple[str, ...]
    waivers: tuple[str, ...]
    """Those that count, and those that do not and why."""

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return EXIT_CODES[self.verdict]


def worst(verdicts: list[Verdict]) -> Verdict:
    """The worst of several; PASS of none."""
    return max(verdicts, key=SEVERITY.index, default="PASS")
