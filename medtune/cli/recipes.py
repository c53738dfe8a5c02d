"""``medtune recipes``, ``init``, ``validate`` and ``schema``: all that needs no torch."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from medtune.cli.arguments import OverridesArgument, RecipeArgument
from medtune.recipe import json_schema, load
from medtune.recipe.bundled import bundled_recipe, bundled_recipes, copy_recipe
from medtune.recipe.corpus import is_corpus, load_corpus
from medtune.recipe.starter import write_starter

recipes = typer.Typer(no_args_is_help=True, help="The recipes that medtune brings.")
NameArgument = Annotated[str, typer.Argument(help="Name of a recipe, as listed.")]


@recipes.command("list")
def list_recipes() -> None:
    """List the recipes that medtune brings."""
    table = Table(box=None, pad_edge=False)
    table.add_column("recipe")
    table.add_column("what it does")
    for name, description in bundled_recipes().items():
        table.add_row(name, description)
    Console().print(table)


@recipes.command("show")
def show_recipe(name: NameArgument) -> None:
    """Print a recipe, comments included."""
    sys.stdout.write(bundled_recipe(name).read_text(encoding="utf-8"))


@recipes.command("copy")
def copy_bundled_recipe(
    name: NameArgument,
    folder: Annotated[Path, typer.Argument(help="Where to; it may be new.")] = Path(),
) -> None:
    """Copy a recipe with all it extends and the rows it brings."""
    for file in copy_recipe(name, folder):
        sys.stdout.write(f"{file}\n")


def init(
    folder: Annotated[Path, typer.Argument(help="A folder that is new or empty.")],
) -> None:
    """Start a project on your own rows: a commented recipe and example rows that train as is."""
    for file in write_starter(folder):
        sys.stdout.write(f"{file}\n")
    recipe = folder / "recipe.yaml"
    sys.stdout.write(f"Look at the rows:  medtune data check {recipe}\n")
    sys.stdout.write(f"Train on them:     medtune train {recipe}\n")


def validate(recipe: RecipeArgument, overrides: OverridesArgument = None) -> None:
    """Check a recipe without loading anything; every fault is shown with line and column.

    `medtune train RECIPE --dry-run` also checks base, rows and masks.
    """
    if is_corpus(recipe):
        corpus = load_corpus(recipe, overrides or [])
        sys.stdout.write(f"{recipe} describes the corpus {corpus.name}.\n")
        return
    loaded = load(recipe, overrides or [])
    sys.stdout.write(f"{recipe} describes the run {loaded.name}.\n")


def schema() -> None:
    """Print the JSON schema of a recipe, for editors and other tools."""
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
