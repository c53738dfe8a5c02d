"""``medtune data``: rows, before anything is trained on them."""

import typer

from medtune.cli.check import check
from medtune.cli.preprocess import preprocess
from medtune.cli.preview import preview
from medtune.cli.rehearse import rehearse

data = typer.Typer(no_args_is_help=True, help="Your rows, before anything is trained on them.")
data.command()(preview)
data.command()(check)
data.command()(preprocess)
data.command()(rehearse)
