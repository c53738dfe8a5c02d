"""What probes found, on the terminal: never a share without its counts and an interval."""

import sys

from rich.console import Console
from rich.table import Table

from medtune.records import Bounded, ProbeReport, ProbeResult

COLUMNS = ("probe", "items", "base fails", "adapter fails", "difference, points", "bound", "margin")
FAULTS = 5
"""Exit code where outcomes were written and cannot be relied on."""
PIPED_WIDTH = 132
"""Where no terminal says how wide it is."""


def make_console(piped_width: int = PIPED_WIDTH) -> Console:
    """Of standard output, with room for a table where no terminal says how wide it is."""
    width = None if sys.stdout.isatty() else piped_width
    return Console(width=width, highlight=False, markup=False)


def print_probes(console: Console, report: ProbeReport) -> None:
    """Integrity first, then coherence, then each probe, then what was not tested."""
    found = report.integrity
    for fault in found.faults:
        console.print(f"NOT RELIABLE: {fault}", soft_wrap=True)
    console.print(
        f"{_effect(report)}; the base's weights are "
        f"{'' if found.base_digest_before == found.base_digest_after else 'NOT '}unchanged",
        soft_wrap=True,
    )
    console.print(found.overlap_note, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, no_wrap=column == "probe")
    results = [report.coherence] if report.coherence else []
    for result in (*results, *report.results):
        table.add_row(*_row(result))
    console.print(table)
    for result in (*results, *report.results):
        for line in remarks(result):
            console.print(f"{result.probe}: {line}", soft_wrap=True)
    for figure in report.figures:
        change = "" if figure.difference is None else f" ({_interval(figure.difference, 1, 4)})"
        base = "" if figure.base is None else f"base {figure.base:.4g}, "
        console.print(
            f"{figure.probe}: {figure.name} {base}adapter {figure.adapter:.4g} {figure.unit}"
            f"{change}; {figure.num_items} items",
            soft_wrap=True,
        )
    for line in report.not_tested:
        console.print(f"not tested: {line}", soft_wrap=True)


def _effect(report: ProbeReport) -> str:
    effect = report.integrity.effect
    if any(pair.base.score is not None for pair in report.outcomes):
        return f"largest effect of the adapter on an answer: {effect:.3g} nats"
    return f"no answer was weighed; {'a' if effect else 'no'} text differs from the base's"


def remarks(result: ProbeResult) -> list[str]:
    """What a reader of a result has to know."""
    lines = [
        f"{result.regressions} items are worse, {result.improvements} better, in "
        f"{result.num_clusters} clusters"
    ]
    if not result.is_complete:
        lines.append("a part of its items was asked")
    if not result.is_base_informative:
        lines.append(
            "baseline uninformative: the base fails over 90 % of the items, so that little loss "
            "can show"
        )
    unjudged = result.base_unjudged, result.adapter_unjudged
    if any(unjudged):
        lines.append(f"unjudged, counted as failing: base {unjudged[0]}, adapter {unjudged[1]}")
    if result.repeated:
        lines.append(
            f"the base, asked {result.repeated} items again in other batches, answered "
            f"{result.flips} otherwise"
        )
    if result.unverified or result.unreviewed:
        lines.append(
            f"{result.unverified / result.num_items:.0%} of the rows are unverified, "
            f"{result.unreviewed / result.num_items:.0%} not signed by a clinician"
        )
    return [*lines, *result.notes]


def _row(result: ProbeResult) -> list[str]:
    return [
        result.probe,
        str(result.num_items),
        _share(result.base_rate, result.num_items),
        _share(result.adapter_rate, result.num_items),
        _interval(result.difference, 100, 1),
        f"{100 * result.upper:+.1f}",
        f"{100 * result.margin:.0f}",
    ]


def _share(share: Bounded, num_items: int) -> str:
    return f"{round(share.value * num_items)} ({100 * share.value:.1f} %)"


def _interval(found: Bounded, scale: float, digits: int) -> str:
    low, high = found.interval
    return (
        f"{scale * found.value:+.{digits}f} "
        f"({scale * low:+.{digits}f} to {scale * high:+.{digits}f})"
    )
