"""``medtune gate``: a decision from files alone, which a review board can replay."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from medtune.cli.outcomes import make_console
from medtune.errors import RecipeError

if TYPE_CHECKING:
    from medtune.gate.run import Gated

FilesOption = list[Path] | None


def gate(
    place: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN|ADAPTER",
            help="A run, an adapter's folder, or registry:NAME:VERSION (with --probes).",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option(help="A policy's name (default, demo) or a file of your own.")
    ] = "default",
    probes: Annotated[
        Path | None, typer.Option(help="Folder of paired outcomes; by default the run's own.")
    ] = None,
    scores: Annotated[
        FilesOption, typer.Option(help="Folder of scores; may be repeated; by default the run's.")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(help="Folder of scores of the version that is replaced.")
    ] = None,
    last_policy: Annotated[
        str | None, typer.Option(help="Policy of the last promotion: changes are shown.")
    ] = None,
    waiver: Annotated[FilesOption, typer.Option(help="A signed waiver; may be repeated.")] = None,
    key: Annotated[
        FilesOption, typer.Option(help="A public key trusted for waivers; may be repeated.")
    ] = None,
    author: Annotated[
        Path | None, typer.Option(help="Public key of who made the adapter: it cannot waive.")
    ] = None,
    attempts: Annotated[
        Path | None, typer.Option(help="The site's ledger of attempts, which is added to.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the reports go; by default beside the outcomes.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="Decide again what a gate.json says, and require the same."),
    ] = None,
) -> None:
    """Decide on an adapter by its paired outcomes; no model is loaded.

    Exit codes: 0 PASS, 3 BLOCK, 4 INCONCLUSIVE, 5 ERROR. gate.json, junit.xml, comment.md and
    gate.html lie beside the outcomes.
    """
    from medtune.gate.run import decide
    from medtune.gate.run import replay as decide_again

    console = make_console()
    if replay is not None:
        others = (place, probes, scores, previous, last_policy, waiver, author, attempts, out)
        if any(other is not None for other in others) or policy != "default":
            raise RecipeError("--replay reads all from a gate.json: only --key goes with it")
        again = decide_again(replay, key or ())
        console.print(f"{again.verdict}: decided again from its evidence, and the same")
        raise typer.Exit(again.exit_code)
    if place is None:
        raise RecipeError("name what is decided on: medtune gate runs/NAME --policy default")
    if str(place).startswith("registry:"):
        from medtune.registry.pull import find_adapter

        place = find_adapter(str(place))
    found = decide(
        place, policy, probes=probes, scores=scores or (), previous=previous,
        last_policy=last_policy, waivers=waiver or (), keys=key or (),
        author=None if author is None else _key_id(author), attempts=attempts, out=out,
    )  # fmt: skip
    _print(console, found)
    raise typer.Exit(found.decision.exit_code)


def _key_id(file: Path) -> str:
    from medtune.signing import key_id, read_public

    return key_id(read_public(file))


def _print(console: Console, found: "Gated") -> None:
    from medtune.gate.words import (
        NO_CLAIM,
        bound,
        change,
        headline,
        noise,
        provenance_of_rows,
        remarks,
        share,
    )

    console.print(headline(found), soft_wrap=True)
    for reason in found.decision.reasons:
        console.print(f"  {reason}", soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for column in ("probe", "level", "verdict", "base fails", "adapter fails", "points",
                   "bound / margin"):  # fmt: skip
        table.add_column(column, no_wrap=column in ("probe", "verdict"))
    for one in found.decision.probes:
        verdict = f"{one.verdict}, waived" if one.waiver else one.verdict
        counts = share(one.base_failing, one.num_items), share(one.adapter_failing, one.num_items)
        table.add_row(one.probe, one.level, verdict, *counts, change(one.difference), bound(one))
    for demand in found.decision.benefit:
        table.add_row(demand.set, "benefit", demand.verdict, "", "", demand.reason, "")
    console.print(table)
    for one in found.decision.probes:
        for line in remarks(one):
            console.print(f"{one.probe}: {line}", soft_wrap=True)
    for line in (*found.policy_changes, *found.decision.waivers):
        console.print(line, soft_wrap=True)
    for line in found.decision.not_tested:
        console.print(f"not tested: {line}", soft_wrap=True)
    console.print(f"{provenance_of_rows(found)} {noise(found)}", soft_wrap=True)
    console.print(found.attempts.told(), soft_wrap=True)
    console.print(NO_CLAIM, soft_wrap=True)
    console.print(f"the decision is in {found.path}", soft_wrap=True)
