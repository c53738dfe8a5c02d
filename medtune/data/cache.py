"""Which folder of prepared rows belongs to a recipe, and why none does.

A folder's name is the sha256 of everything that its rows depend on: the bytes of the data, the
template, the tokenizer, the options, the seed, and medtune's own code with the libraries that
tokenise. A changed byte of any of them is another name, so a stale folder cannot be met.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medtune.data.build import let_go
from medtune.data.material import Material
from medtune.data.store import Store, shard_path
from medtune.digests import (
    sha256_file,
    sha256_named,
    sha256_text,
    sha256_value,
    write_json,
)
from medtune.recipe import Data

MANIFEST = "manifest.json"
KEPT_OF_A_RECIPE = 4
"""Folders that are kept of a recipe's; older ones go when another is finished."""
CODE = ("data", "tasks", "overlap", "records")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What prepared rows depend on."""

    recipe: str
    """Name of the recipe: to find what an earlier folder differs in, not part of the digest."""
    ingredients: dict[str, Any]

    @property
    def digest(self) -> str:
        """sha256 over all ingredients."""
        return sha256_value(self.ingredients)

    def folder(self, parent: Path) -> Path:
        """Where the rows lie, or will."""
        return parent / self.digest[:32]


def make_key(
    name: str, material: Material, data: Data, *, template: str, tokenizer: str, seed: int
) -> Key:
    """The key of a recipe's rows. ``template`` and ``tokenizer`` are digests."""
    options = data.model_dump(
        mode="json",
        # Digests say what lies at a path; the others decide about prepared rows, not within them.
        exclude={
            "path": True,
            "canaries": True,
            "limits": True,
            "leaks": True,
            "near_duplicate": True,
            "validation_fraction": True,
            "test_fraction": True,
            "sources": {"__all__": {"path", "weight"}},
            "decontaminate": {"action": True, "rows": {"__all__": {"path"}}},
        },
    )
    ingredients = {
        # Names too: ids and places of rows begin with them, and sides follow ids.
        "data": material.digests(),
        "template": template,
        "tokenizer": tokenizer,
        "options": options,
        "seed": seed,
        "code": _code_digest(),
        "packages": {name: version(name) for name in ("tokenizers", "transformers", "jinja2")},
    }
    return Key(recipe=name, ingredients=ingredients)


def open_prepared(folder: Path) -> Store | None:
    """The rows of a finished folder; None where it is not finished, or not as it was written."""
    manifest = _manifest(folder)
    if manifest is None:
        return None
    shards = {path.name: sha256_file(path) for path in sorted(folder.glob("rows-*.arrow"))}
    if shards != manifest["shards"]:
        # A disk's fault, or someone's: prepared again. The lock stays, and the manifest goes last:
        # until it does, no shard is taken for whole.
        for name in shards:
            (folder / name).unlink()
        (folder / MANIFEST).unlink()
        return None
    return Store(folder)


def finish(folder: Path, key: Key) -> Store:
    """Mark a folder as complete, and let the recipe's oldest ones go."""
    shards = {path.name: sha256_file(path) for path in sorted(folder.glob("rows-*.arrow"))}
    assert all((shard_path(folder, number)).name in shards for number in range(len(shards)))
    write_json(
        folder / MANIFEST,
        {"recipe": key.recipe, "ingredients": key.ingredients, "shards": shards},
    )
    for old, _ in _finished(folder.parent, key.recipe)[KEPT_OF_A_RECIPE:]:
        let_go(old)
    return Store(folder)


def why_not(parent: Path, key: Key) -> str:
    """In which ingredients the recipe's latest prepared rows differ from what is needed now."""
    finished = _finished(parent, key.recipe)
    if not finished:
        return "no rows were prepared for this recipe before"
    before = finished[0][1]["ingredients"]
    changed = [name for name, value in key.ingredients.items() if before.get(name) != value]
    return f"those prepared before differ in: {', '.join(changed) or 'nothing, but are not whole'}"


def _finished(parent: Path, recipe: str) -> list[tuple[Path, dict[str, Any]]]:
    """A recipe's finished folders with their manifests, newest first."""
    found = []
    for path in parent.glob(f"[!.]*/{MANIFEST}"):
        manifest = _manifest(path.parent)
        if manifest is not None and manifest["recipe"] == recipe:
            with suppress(FileNotFoundError):  # another process has let it go
                found.append((path.stat().st_mtime_ns, path.parent, manifest))
    newest_first = sorted(found, key=lambda one: one[0], reverse=True)
    return [(folder, manifest) for _, folder, manifest in newest_first]


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return values


def _code_digest() -> str:
    """Of the source of all that turns rows into tokens."""
    package = Path(__file__).parents[1]
    files = [
        file
        for name in CODE
        for file in (sorted((package / name).rglob("*.py")) if (package / name).is_dir() else
                     [package / name])
    ]  # fmt: skip
    return sha256_named(
        {str(file.relative_to(package)): sha256_text(file.read_text("utf-8")) for file in files}
    )
