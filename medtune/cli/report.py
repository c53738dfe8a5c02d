"""``medtune report``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from medtune.report import write_report


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run, of a base's results, of one eval.")],
) -> None:
    """Write RUN/report.html from the run's files: scores, training, data, examples.

    The page needs no network and no script.
    """
    sys.stdout.write(f"{write_report(run)}\n")
