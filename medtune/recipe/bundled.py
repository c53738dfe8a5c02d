"""What travels with medtune: in a checkout its own folders, else the copies in the wheel."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from medtune.errors import RecipeError
from medtune.recipe import document

_PACKAGE = Path(__file__).parents[1]


def bundled_folder(name: str) -> Path:
    """A folder that travels with medtune; a checkout wins over the wheel's copy."""
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    return _PACKAGE / "bundled" / name


def recipes_folder() -> Path:
    """Where the recipes are."""
    return bundled_folder("recipes")


def bundled_recipes() -> dict[str, str]:
    """Name of each recipe -> the first line of the comment that it opens with."""
    found = {}
    for path in sorted(recipes_folder().glob("*.yaml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        found[path.stem] = first.removeprefix("#").strip()
    return found


def bundled_recipe(name: str) -> Path:
    """The file of a recipe.

    Raises:
        RecipeError: There is none of that name.
    """
    path = recipes_folder() / f"{name}.yaml"
    if not path.is_file():
        raise RecipeError(f"there is no recipe {name}; there are {', '.join(bundled_recipes())}")
    return path


def copy_recipe(name: str, target: Path) -> list[Path]:
    """Copy a recipe with all it extends and the rows it brings into a folder.

    Raises:
        RecipeError: There is no such recipe, or a file of that name is there already.
    """
    root = recipes_folder()
    files = sorted(set(_needed(bundled_recipe(name))))
    copies = [target / file.relative_to(root) for file in files]
    for copy in copies:
        if copy.exists():
            raise RecipeError(f"{copy} is there already; nothing was copied")
    for file, copy in zip(files, copies, strict=True):
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return copies


def _needed(recipe: Path) -> Iterator[Path]:
    """The recipe, the files it extends, and the rows below its data.path, of those that we ship."""
    yield recipe
    values = document.parse(recipe).values
    extends = values.get("extends", [])
    for part in [extends] if isinstance(extends, str) else extends:
        yield from _needed((recipe.parent / part).resolve())
    data = values.get("data", {}).get("path")
    if isinstance(data, str):
        rows = (recipe.parent / data).resolve()
        if rows.is_relative_to(recipes_folder()):
            yield from (file for file in rows.rglob("*") if file.suffix in (".jsonl", ".py", ".md"))
