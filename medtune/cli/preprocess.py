"""``medtune data preprocess``: all rows encoded and checked ahead, by several processes."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from medtune.cli.arguments import OfflineOption, OverridesArgument, RecipeArgument
from medtune.cli.progress import make_progress
from medtune.cli.start import start


def preprocess(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes beside this one.", show_default="one for each core"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the run's folder, of private rows.", show_default="runs"),
    ] = None,
    offline: OfflineOption = False,
) -> None:
    """Read, encode and check all rows ahead of training; no GPU and no weights are needed.

    `medtune train` uses what is prepared as long as data, template, tokenizer, options and code are
    the same, and says what differs where they are not. Run it again after it was stopped: it goes
    on where it was.
    """
    checked = start(recipe, overrides, offline=offline)
    from medtune.inputs import preprocess

    count = len(os.sched_getaffinity(0)) if workers is None else workers
    prepared = preprocess(
        checked, out=out, offline=offline, workers=count, progress=make_progress()
    )
    lines = [
        f"{split:<12}{len(part.encoded)} rows, {sum(part.lengths)} tokens"
        for split, part in prepared.splits.items()
    ]
    sys.stdout.write("\n".join(lines) + "\n")
