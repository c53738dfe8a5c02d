"""The decision in Markdown for a pull request: at most 60 lines, and no text of an item."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medtune.gate.decision import SEVERITY, ProbeVerdict
from medtune.gate.policy import LOOSER
from medtune.gate.words import (
    MEANS,
    NO_CLAIM,
    bound,
    change,
    headline,
    identity,
    noise,
    provenance_of_rows,
    remarks,
    share,
    worst_flips,
)

if TYPE_CHECKING:
    from medtune.gate.run import Gated

COLUMNS = (
    "probe", "level", "verdict", "base fails", "adapter fails", "difference, points (95 %)",
    "bound / margin",
)  # fmt: skip
MAX_LINES = 60
MAX_ROWS = 22
FLIPS = 3
"""Items that are named for each blocker that does not pass."""


def comment_error(told: str) -> str:
    """There was nothing to decide from."""
    return f"## medtune gate: ERROR: {MEANS['ERROR']}.\n\n- {' '.join(told.split())}\n"


def comment(gated: "Gated") -> str:
    """The verdict first."""
    decision = gated.decision
    # What makes a policy looser is told first: it is what a reader must not miss.
    changed = sorted(gated.policy_changes, key=lambda told: not told.startswith(LOOSER))
    lines = [f"## medtune gate: {headline(gated)}", ""]
    lines += _some([f"- {reason}" for reason in decision.reasons], 8)
    lines += _some([f"- waiver: {told}" for told in decision.waivers], 4)
    lines += _some([f"- policy: {told}" for told in changed], 6)
    rows = [_row(one) for one in sorted(decision.probes, key=_rank)]
    rows += [
        f"| {one.set} | benefit | {one.verdict} | | | {one.reason} | |" for one in decision.benefit
    ]
    lines += ["", f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += rows[:MAX_ROWS]
    if len(rows) > MAX_ROWS:
        lines += ["", f"{len(rows) - MAX_ROWS} more are in gate.html."]
    foot = [
        "",
        f"Not tested: {'; '.join(decision.not_tested) or 'nothing that was asked for'}.",
        f"{provenance_of_rows(gated)} {noise(gated)} {gated.attempts.told().capitalize()}.",
        NO_CLAIM,
        "",
        *(f"<sub>{name}: {value}</sub>" for name, value in identity(gated)[:4]),
    ]
    room = MAX_LINES - len(lines) - len(foot) - 1
    return "\n".join([*lines, *_flips(gated)[: max(room, 0)], *foot]) + "\n"


def _some(lines: Sequence[str], count: int) -> list[str]:
    """The first lines, and how many there are besides."""
    rest = len(lines) - count
    return [*lines[:count], *([f"- and {rest} more, in gate.html"] if rest > 0 else [])]


def _rank(one: ProbeVerdict) -> tuple[int, bool]:
    """The worst first, and blockers before warnings."""
    return -SEVERITY.index(one.verdict), one.level != "blocker"


def _row(one: ProbeVerdict) -> str:
    verdict = f"{one.verdict}, waived" if one.waiver else one.verdict
    told = "; ".join(remarks(one)[1:2]) if one.verdict == "INCONCLUSIVE" else ""
    cells = [
        one.probe,
        one.level,
        f"{verdict}{f' ({told})' if told else ''}",
        share(one.base_failing, one.num_items),
        share(one.adapter_failing, one.num_items),
        change(one.difference),
        bound(one),
    ]
    return f"| {' | '.join(cells)} |"


def _flips(gated: "Gated") -> list[str]:
    """Ids, severities and scores of the worst flips; texts stay in the report."""
    found = []
    for one in gated.decision.probes:
        if one.level != "blocker" or one.verdict == "PASS":
            continue
        for pair in worst_flips(gated.evidence.report.outcomes, one.probe, FLIPS):
            base, adapter = pair.base.score, pair.adapter.score
            moved = (
                "" if base is None or adapter is None else f", {base:+.2f} to {adapter:+.2f} nats"
            )
            found.append(f"- {one.probe}: `{pair.id}` ({pair.severity}{moved})")
    return ["", "Worst flips (texts are in gate.html):", *found] if found else []
