"""``medtune corpus``: the pretraining corpus, from raw files to shards of tokens."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from medtune.cli.arguments import OfflineOption, OverridesArgument
from medtune.cli.progress import make_progress
from medtune.errors import MedtuneError
from medtune.recipe.corpus import load_corpus, require_sources

corpus = typer.Typer(no_args_is_help=True, help="A pretraining corpus, such as GAP-Replay.")


@corpus.command()
def build(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe of a corpus.")],
    overrides: OverridesArgument = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the corpus' folder.", show_default="corpora")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with one that stopped.")] = False,
    offline: OfflineOption = False,
) -> None:
    """Read, clean, filter, de-duplicate and tokenise all sources of a recipe.

    The same raw files and recipe give the same bytes, however often it was stopped and resumed and
    whatever it ran on. Sources and what was left out are in corpus.html.
    """
    checked = load_corpus(recipe, overrides or [])
    require_sources(checked)
    _require_extra()
    from medtune.corpus.building import build_corpus

    built = build_corpus(checked, out=out, resume=resume, offline=offline, progress=make_progress())
    stats(built.path)


@corpus.command()
def stats(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a finished corpus.")],
) -> None:
    """Print documents and tokens beside the paper's Table 1, and what was dropped."""
    from medtune.corpus.page import COLUMNS, table_1
    from medtune.corpus.results import read_statistics

    summary = read_statistics(folder)
    console = Console(highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in table_1(summary):
        table.add_row(*row)
    console.print(table)
    for name, group in summary.sources.items():
        kept = sum(side.documents for side in group.splits.values())
        dropped = ", ".join(f"{n:,} {reason}" for reason, n in sorted(group.dropped.items()))
        console.print(
            f"{name}: {group.read:,} read, {kept:,} kept; dropped: {dropped or 'none'}",
            soft_wrap=True,
        )
    console.print(f"the corpus is in {folder}", soft_wrap=True)


def _require_extra() -> None:
    try:
        for name in ("medtune.corpus.building", "medtune.corpus.base_tokenizer"):
            import_module(name)
    except ModuleNotFoundError as error:
        raise MedtuneError(
            f"this needs {error.name}, which is not installed; install medtune with its corpus "
            'and train extras: pip install "medtune[corpus,train]"'
        ) from error
