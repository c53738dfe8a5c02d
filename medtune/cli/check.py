"""``medtune data check``: one table of what there is to know about the rows, and a page."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from medtune import pages
from medtune.cli.arguments import OfflineOption, OverridesArgument, RecipeArgument
from medtune.cli.progress import make_progress
from medtune.cli.start import start
from medtune.digests import write_json, write_text

if TYPE_CHECKING:
    from medtune.data.check import Examination
    from medtune.training import Plan

Line = tuple[str, str, str]
"""What was looked at, figures, and where to look or what to do."""
COLUMNS = ("", "found", "where to look")
NOT_TOLD = "(private)"
FINDINGS = {
    "dropped": ("too long (left out)", "data.max_tokens"),
    "leaked": ("leaked (left out)", "data.leaks"),
    "contaminated": ("contaminated (left out)", "data.decontaminate"),
    "truncated": ("prompts cut", "data.max_tokens"),
    "duplicates": ("exact duplicates", "prompt and answer stood before"),
    "near_duplicates": ("near-duplicates in train", "a prompt before is like it"),
    "near_across": ("near-duplicates across", "a split before has a prompt like it"),
    "contradictions": ("contradictory answers", "the same prompt has another answer"),
    "blank_answers": ("blank answers", "nothing to learn but to stop"),
    "spaced_answers": ("space around answers", "not every template keeps it"),
    "long_answers": ("answers over 1000 tokens", "is all of it to be learned?"),
    "system": ("system message or none", "the fewer: rows differ in having one"),
    "several_turns": ("several turns", "every answer is learned"),
}


def check(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    html: Annotated[Path | None, typer.Option(help="Also write this page.")] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the figures.")] = None,
    offline: OfflineOption = False,
) -> None:
    """Examine the rows: lengths, duplicates, contradictions, labels, languages, time.

    Exits with 2 where a limit of data.limits is broken.
    """
    checked = start(recipe, overrides, offline=offline)
    from medtune.data.check import examine
    from medtune.data.limits import require_limits
    from medtune.inputs import gather, least_seconds, make_plan

    progress = make_progress()
    inputs = gather(checked, offline=offline, progress=progress)
    found = examine(inputs.prepared, checked.data, seed=checked.seed, progress=progress)
    plan = make_plan(inputs)
    seconds = least_seconds(inputs, plan)
    lines = [*_figures(found), *_findings(found), *_rest(found), *_plan(plan, seconds)]
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*line)
    Console(highlight=False, markup=False, emoji=False).print(table)
    if html is not None:
        account = inputs.prepared.account()
        write_text(html, _page(f"Check of the rows of {checked.name}", found, lines, account))
    if json is not None:
        figures = asdict(plan) | {"efficiency": plan.efficiency, "least_seconds": seconds}
        account = inputs.prepared.account()
        write_json(json, {"examination": asdict(found), "plan": figures, "data": account})
    if checked.data.limits is not None:
        require_limits(found, checked.data.limits)


def _figures(found: "Examination") -> Iterator[Line]:
    for split, figures in found.splits.items():
        told = f"{figures.rows} rows, {figures.groups} groups, {figures.tokens} tokens"
        if figures.rows:
            told += f", {figures.supervised / figures.tokens:.1%} of them supervised"
        yield split, told, ""
        if figures.rows:
            told = ", ".join(f"{name} {length}" for name, length in figures.lengths.items())
            yield f"{split} lengths", told, "in tokens"


def _findings(found: "Examination") -> Iterator[Line]:
    absent = []
    for name, (title, hint) in FINDINGS.items():
        finding = found.findings[name]
        if finding.rows:
            named = f"{', '.join(finding.first)}: " if finding.first else ""
            told = f"{finding.rows} row{'s' * (finding.rows > 1)} ({found.share(name):.1%})"
            yield title, told, named + hint
        else:
            absent.append(title)
    if absent:
        yield "none of", ", ".join(absent), ""


def _rest(found: "Examination") -> Iterator[Line]:
    if found.labels:
        rows = sum(found.labels.values())
        told = ", ".join(f"{label} {n} ({n / rows:.1%})" for label, n in found.labels.items())
        yield "labels in train", told, "right answers among options"
    if found.languages:
        told = ", ".join(f"{code} {rows}" for code, rows in found.languages.items())
        looked_at = sum(found.languages.values())
        yield "languages in train", told, f"of {looked_at} rows with enough text, a sample"


def _plan(plan: "Plan", seconds: float | None) -> Iterator[Line]:
    looked_at = f"in {plan.steps_looked_at} steps of the first pass over the rows"
    yield "passes filled", f"{plan.efficiency:.1%} of train.pack_tokens", looked_at
    if plan.positions > plan.tokens:
        padding = 1 - plan.tokens / plan.positions
        yield "padding", f"{padding:.1%} of positions", "train.packing: true has none"
    yield "steps", f"{plan.num_steps}, about {plan.tokens_of_run} tokens", "train.epochs, max_steps"
    if seconds is not None:
        yield (
            "time",
            f"at least {_duration(seconds)}",
            "the linear layers' products alone, timed on this machine; the rest comes on top",
        )


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s"


def _page(title: str, found: "Examination", lines: list[Line], account: Mapping[str, Any]) -> str:
    parts = [pages.table(COLUMNS, lines), *_shared(account)]
    for split, figures in found.splits.items():
        if figures.rows:
            parts += [
                pages.heading(f"Tokens of a row in {split}"),
                pages.bars([(f"up to {length}", rows) for length, rows in figures.histogram]),
            ]
    return pages.page(title, *parts)


def _shared(account: Mapping[str, Any]) -> Iterator[pages.Html]:
    """What ties rows to other sides of the split and to evaluation sets."""
    leaks = [
        (leak["id"], leak["of"], leak["by"], f"{leak['likeness']:.0%}")
        for split in ("train", "validation")
        for leak in account["leaks"][split]
    ]
    if leaks:
        yield pages.heading(f"Leaks between splits ({account['leaks']['action']})")
        yield pages.table(("row", "tied to", "by", "likeness"), leaks)
    contamination = account["contamination"] or {"rows": []}
    hits = [
        (row["id"], hit["name"], row.get("text", NOT_TOLD), hit.get("text", NOT_TOLD))
        for row in contamination["rows"]
        for hit in row["items"]
    ]
    if hits:
        yield pages.heading(f"Text of evaluation items ({contamination['action']})")
        yield pages.table(("row", "item", "the row's text", "the item's text"), hits)
