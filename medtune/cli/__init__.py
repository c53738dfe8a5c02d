"""The command line: parse, call one function, print, exit with the error's code."""

import signal
import sys
from typing import Annotated

import typer

from medtune import __version__
from medtune.cli import recipes
from medtune.cli.chat import chat
from medtune.cli.ci import ci
from medtune.cli.corpus import corpus
from medtune.cli.data import data
from medtune.cli.evaluate import evaluate
from medtune.cli.gate import gate
from medtune.cli.merge import merge, parity
from medtune.cli.probe import probe
from medtune.cli.registry import registry
from medtune.cli.report import report
from medtune.cli.suites import suites
from medtune.cli.train import train
from medtune.cli.waiver import waiver
from medtune.errors import MedtuneError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Adapts medical language models and keeps the adaptation honest.",
    epilog="Exit codes: 0 ok, 1 failed, 2 usage or recipe, 3 gate BLOCK, 4 gate INCONCLUSIVE, "
    "5 verification failed, unreliable probes or gate ERROR, 6 drift, 130 interrupted with a "
    "checkpoint.",
)
app.command()(train)
app.command(name="eval")(evaluate)
app.command()(gate)
app.command()(report)
app.command()(merge)
app.command()(parity)
app.command()(chat)
app.command()(recipes.init)
app.command()(recipes.validate)
app.command()(recipes.schema)
app.add_typer(data, name="data")
app.add_typer(corpus, name="corpus")
app.add_typer(probe, name="probe")
app.add_typer(ci, name="ci")
app.add_typer(waiver, name="waiver")
app.add_typer(registry, name="registry")
app.add_typer(suites, name="suites")
app.add_typer(recipes.recipes, name="recipes")


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"medtune {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a user's mistake is one message on stderr and an exit code."""
    try:
        app()
    except MedtuneError as error:
        sys.stderr.write(f"medtune: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("medtune: interrupted; nothing was written half\n")
        sys.exit(128 + signal.SIGINT)
