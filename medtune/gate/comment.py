"""The decision in Markdown for a pull request: at most 60 lines, and no text of an item."""

from typing import TYPE_CHECKING

from medtune.gate.decision import ProbeVerdict
from medtune.gate.words import (
    NO_CLAIM,
    bound,
    change,
    headline,
    identity,
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
FLIPS = 3
"""Items that are named for each blocker that does not pass."""


def comment(gated: "Gated") -> str:
    """The verdict first."""
    decision = gated.decision
    lines = [f"## medtune gate: {headline(gated)}", ""]
    lines += [f"- {reason}" for reason in decision.reasons[:8]]
    lines += [f"- waiver: {told}" for told in decision.waivers[:4]]
    lines += [f"- policy: {told}" for told in gated.policy_changes[:4]]
    lines += [
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
    ]
    lines += [_row(one) for one in decision.probes]
    lines += [
        f"| {one.set} | benefit | {one.verdict} | | | {one.reason} | |" for one in decision.benefit
    ]
    foot = [
        "",
        f"Not tested: {'; '.join(decision.not_tested) or 'nothing that was asked for'}.",
        f"{provenance_of_rows(gated)} {gated.attempts.told().capitalize()}.",
        NO_CLAIM,
        "",
        *(f"<sub>{name}: {value}</sub>" for name, value in identity(gated)[:4]),
    ]
    room = MAX_LINES - len(lines) - len(foot) - 1
    return "\n".join([*lines, *_flips(gated)[: max(room, 0)], *foot]) + "\n"


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
