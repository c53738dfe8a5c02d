"""What the commands of ``medtune registry`` share: options, opening, telling."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from medtune.registry.registry import Registry
    from medtune.registry.verify import Verified

PIPED_WIDTH = 160
registry = typer.Typer(
    no_args_is_help=True,
    help="Keep adapters with their evidence, and promote what has enough of it.",
    epilog="A version is NAME:VERSION, NAME:production, NAME:staging or NAME@sha256:…. The "
    "registry is --registry, $MEDTUNE_REGISTRY, or the nearest folder adapters that is one.",
)
PlaceOption = Annotated[
    str | None,
    typer.Option("--registry", help="A folder, s3://BUCKET/PREFIX, or a bundle (.tar)."),
]
TrustOption = Annotated[
    Path | None,
    typer.Option(help="Your own trust root; by default $MEDTUNE_TRUST, or the folder's own."),
]
KeyOption = Annotated[Path, typer.Option(help="Your private key (.key).")]
Reference = Annotated[str, typer.Argument(metavar="VERSION", help="NAME:VERSION or NAME:STATE.")]
Keys = list[Path] | None


def open_it(place: str | None, trust: Path | None) -> "Registry":
    """The registry that a command is about."""
    from medtune.registry.registry import open_registry

    return open_registry(place, trust)


def console() -> Console:
    """Where commands write."""
    return Console(highlight=False, markup=False)


def say(text: str) -> None:
    """One line, whatever the width."""
    console().print(text, soft_wrap=True)


def tell(verified: "Verified") -> None:
    """Where a version stands."""
    from medtune.registry.describing import state_lines

    say(f"{verified.name}:{verified.standing.version}")
    for line in state_lines(verified):
        say(f"  {line}")


def digest_of(base: Path | None) -> str | None:
    """Identity of a base that lies here."""
    if base is None:
        return None
    from medtune.digests import base_digest

    return base_digest(base)
