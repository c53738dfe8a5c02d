"""``medtune registry``: what only looks: list, show, diff, verify, log, audit."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from medtune.cli.outcomes import make_console
from medtune.cli.registry_options import (
    PIPED_WIDTH,
    PlaceOption,
    Reference,
    TrustOption,
    digest_of,
    open_it,
    registry,
    say,
    tell,
)

if TYPE_CHECKING:
    from medtune.registry.registry import Registry
    from medtune.registry.verify import Verified


@registry.command(name="list")
def list_versions(place: PlaceOption = None, trust: TrustOption = None) -> None:
    """List all versions and their states."""
    from medtune.registry.describing import override_lines

    opened = open_it(place, trust)
    table = Table(box=None, pad_edge=False)
    for column in ("version", "state", "signed by", "pushed", "digest", ""):
        table.add_column(column, no_wrap=True)
    for name in opened.layout.names():
        for one in opened.standings(name).versions.values():
            signer = opened.trust.holder(one.signer).name if one.signer else "UNSIGNED"
            digest, told = f"sha256:{one.manifest[:16]}…", " ".join(override_lines(one))
            table.add_row(f"{name}:{one.version}", one.state, signer, one.pushed[:10], digest, told)
    make_console(PIPED_WIDTH).print(table)


@registry.command()
def show(
    reference: Reference,
    card: Annotated[bool, typer.Option(help="The whole model card, as Markdown.")] = False,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Show a version: identity, state, evidence. Also without its weights."""
    from medtune.registry.describing import identity_lines, write_card

    opened, verified = _verify(reference, place, trust)
    if card:
        sys.stdout.write(write_card(verified, opened.layout))
        return
    tell(verified)
    for line in identity_lines(verified.checked.version):
        say(f"  {line}")
    for one in verified.checked.decisions:
        say(f"  gate: {one.decision.verdict} under {one.policy}, decided {one.decided:%Y-%m-%d}, "
             f"{'signed' if one.signers else 'UNSIGNED'}")  # fmt: skip


@registry.command()
def diff(
    name: Annotated[str, typer.Argument(help="NAME.")],
    first: Annotated[str, typer.Argument(help="A version, state or digest.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Compare two versions: recipe, data, scores, and weights module by module."""
    from medtune.registry.comparing import compare

    found = compare(open_it(place, trust), name, first, second)
    for key, before, after in found.settings:
        say(f"{key}: {before} -> {after}")
    for title, arm, one, other in found.scores:
        say(f"{title}, {arm}: {_figure(one)} -> {_figure(other)}")
    for module, change in found.modules:
        say(f"{module}: weights moved by {100 * change:.1f} %")


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


@registry.command()
def verify(
    reference: Reference,
    base: Annotated[
        Path | None, typer.Option(help="The base's folder or .gguf: its digest has to fit.")
    ] = None,
    evidence: Annotated[bool, typer.Option(help="Do without weights that are not here.")] = False,
    allow_unsigned: Annotated[bool, typer.Option(help="Also a draft without signature.")] = False,
    anchor: Annotated[
        str | None, typer.Option(help="A head of the log that you saw earlier.")
    ] = None,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Verify a version from its bytes up. Exit code 5: something is not as it should be."""
    from medtune.registry.pull import parse_reference
    from medtune.registry.verify import verify as verify_version

    name, label = parse_reference(reference)
    verified = verify_version(
        open_it(place, trust), name, label, base_digest=digest_of(base), evidence_only=evidence,
        allow_unsigned=allow_unsigned, anchor=anchor,
    )  # fmt: skip
    tell(verified)
    say(f"verified; head of the log {verified.head}")


@registry.command()
def log(
    name: Annotated[str, typer.Argument(help="NAME.")],
    verify_it: Annotated[
        bool, typer.Option("--verify", help="Only verify; the index as well.")
    ] = False,
    anchor: Annotated[
        str | None, typer.Option(help="A head that you saw earlier, SEQUENCE:DIGEST.")
    ] = None,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Show the log of a name, verified: an edit, a move or a gap in it is exit code 5."""
    from medtune.registry.log import head, require_head
    from medtune.registry.verify import require_pointers

    opened = open_it(place, trust)
    opened.standings(name)
    entries = opened.entries(name)
    if anchor is not None:
        require_head(name, entries, anchor)
    require_pointers(opened, name, entries)
    for entry in entries if not verify_it else []:
        event = entry.event
        who = opened.trust.holder(entry.signer).name if entry.signer else "UNSIGNED"
        told = [event.time, who, event.kind, event.version, event.state or "", event.reason or ""]
        if event.override:
            told.append(f"OVERRIDE until {event.override.until}: {event.override.reason}")
        say("  ".join(word for word in told if word))
    say(f"{len(entries)} lines, whole; head {head(entries)}")


@registry.command()
def audit(place: PlaceOption = None, trust: TrustOption = None) -> None:
    """List promoted versions whose evidence does not suffice any more; exit code 5 if any."""
    from medtune.registry.keeping import audit as audit_registry

    found = audit_registry(open_it(place, trust))
    for one in found:
        say(f"{one.name}:{one.version} in {one.state}: {one.reason}")
    say(f"{len(found)} promoted versions would not be promoted today")
    if found:
        raise typer.Exit(5)


def _verify(reference: str, place: str | None, trust: Path | None) -> tuple["Registry", "Verified"]:
    from medtune.registry.pull import parse_reference
    from medtune.registry.verify import verify as verify_version

    opened = open_it(place, trust)
    name, label = parse_reference(reference)
    return opened, verify_version(opened, name, label, evidence_only=True, allow_unsigned=True)
