"""``medtune suites``: what there is to be scored on, and the words in which it is asked."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

suites = typer.Typer(no_args_is_help=True, help="Sets of items that `medtune eval` scores on.")


@suites.command(name="list")
def list_() -> None:
    """List the suites that come with medtune."""
    from medtune.evaluation.suites import list_suites

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, title in list_suites().items():
        table.add_row(name, title)
    Console(highlight=False, markup=False).print(table)


@suites.command()
def show(name: Annotated[str, typer.Argument(metavar="SUITE", help="A name of the list.")]) -> None:
    """Print a suite's file: a copy of it, changed, is a suite of your own."""
    from medtune.evaluation.suites import suite_text

    sys.stdout.write(suite_text(name))


@suites.command()
def prompt() -> None:
    """Print the file of prompts: a copy of it, changed, is given by --prompt."""
    from medtune.evaluation.prompt_file import own_prompts_text

    sys.stdout.write(own_prompts_text())
