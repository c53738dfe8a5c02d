"""``recipe.lock.yaml``: the recipe with nothing left open, and digests of all it names.

A lock can be trained like a recipe and then has to meet the same base, data, template, tokenizer
and packages. It holds no fact about a machine: those are in ``provenance.json``.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from medtune.digests import sha256_value, write_text
from medtune.errors import RecipeError
from medtune.recipe import document, loader
from medtune.recipe.document import DATA_VARIABLE
from medtune.recipe.section import Section
from medtune.recipe.sections import Recipe

LOCK_VERSION = 1
FILE_NAME = "recipe.lock.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What the names in a recipe turned out to mean."""

    base: Mapping[str, str | None]
    """reference, revision (commit or null), digest."""
    data: Mapping[str, Mapping[str, str]]
    """What is read (a split, a source, an evaluation set) -> its files' names and sha256."""
    template: str
    """sha256 of the chat template's source."""
    tokenizer: str
    """sha256 over the tokenizer's files."""
    packages: Mapping[str, str]
    """Distribution -> version, of those that compute results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A recipe and what it was resolved to."""

    recipe: Recipe
    resolved: Resolved

    @property
    def digest(self) -> str:
        """Of everything in it that can change results."""
        return sha256_value(_comparable(self))

    def write(self, folder: Path) -> None:
        """Write ``recipe.lock.yaml`` into a run directory, atomically."""
        content = {
            loader.LOCK_KEY: LOCK_VERSION,
            "recipe": _portable(self.recipe, self.recipe.model_dump(mode="json"), folder),
            "resolved": asdict(self.resolved),
        }
        heading = "# Written by medtune. Training it repeats the run.\n"
        write_text(folder / FILE_NAME, heading + document.dump(content))


def read(path: Path) -> Lock | None:
    """Read a lock; None if the file is a recipe and no lock.

    Raises:
        RecipeError: It is a lock of another version, or one that was torn or edited apart.
    """
    values = document.read(path).values
    if loader.LOCK_KEY not in values:
        return None
    if values[loader.LOCK_KEY] != LOCK_VERSION:
        raise RecipeError(
            f"{path}: lock version {values[loader.LOCK_KEY]}; this medtune reads {LOCK_VERSION}"
        )
    try:
        resolved = TypeAdapter(Resolved).validate_python(values["resolved"], strict=False)
        if "digest" not in resolved.base or any("sha256" not in f for f in resolved.data.values()):
            raise KeyError("digest")
    except (KeyError, ValidationError) as error:
        raise RecipeError(f"{path}: the part 'resolved' is not what medtune writes") from error
    return Lock(recipe=loader.load(path), resolved=resolved)


def read_lineage(path: Path) -> tuple[str, str]:
    """Task and base's digest of a lock; its paths are not looked at, wherever they lead.

    Raises:
        RecipeError: It is no lock.
    """
    recipe, resolved = _unresolved(path)
    return str(recipe["data"]["task"]), str(resolved["base"]["digest"])


def plants_canaries(path: Path) -> bool:
    """Whether a lock's recipe plants secrets; its paths are not looked at.

    Raises:
        RecipeError: It is no lock.
    """
    recipe, _ = _unresolved(path)
    return recipe["data"].get("canaries") is not None


def _unresolved(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Recipe and resolved part of a lock, as they stand there."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        recipe, resolved = values["recipe"], values["resolved"]
        recipe["data"]["task"], resolved["base"]["digest"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, RecursionError) as error:
        raise RecipeError(f"{path} is no lock of a run ({type(error).__name__})") from None
    return recipe, resolved


def drift(recorded: Lock, now: Lock) -> list[str]:
    """What differs between two locks, one line each; only what can change results counts."""
    lines = []
    before, after = _comparable(recorded), _comparable(now)
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            lines.append(f"{key}: recorded {before.get(key)!r}, now {after.get(key)!r}")
    return lines


def _comparable(lock: Lock) -> dict[str, Any]:
    fields = dict(_affecting(lock.recipe, ""))
    resolved = asdict(lock.resolved)
    # The digest is the base's identity; its name, and where it came from, are not.
    resolved["base"] = {"digest": resolved["base"].get("digest")}
    for part in ("base", "packages"):
        fields |= {f"{part}.{key}": value for key, value in resolved.pop(part).items()}
    for split, file in resolved.pop("data").items():
        # The name too: rows are called by it, and groups without a name fall on sides by that.
        fields |= {f"data.{split}.{key}": value for key, value in file.items()}
    return fields | resolved


def _affecting(section: Section, above: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            found += _affecting(value, f"{above}{name}.")
        elif isinstance(value, list) and any(isinstance(part, Section) for part in value):
            for number, part in enumerate(value):
                found += _affecting(part, f"{above}{name}.{number}.")
        elif affects_result(info.json_schema_extra):
            found.append((f"{above}{name}", value))
    return found


def affects_result(extra: object) -> bool:
    """Whether a field's schema marks it as able to change weights or scores (the default)."""
    return not isinstance(extra, dict) or bool(extra.get("affects_result", True))


def _portable(section: Section, dumped: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write paths relative to the lock, or below ${MEDTUNE_DATA}: no path of a machine."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            _portable(value, dumped[name], folder)
        elif isinstance(value, list):
            for number, part in enumerate(value):
                if isinstance(part, Section):
                    _portable(part, dumped[name][number], folder)
                elif loader.is_path_field(info) and loader.is_path(name, part):
                    dumped[name][number] = _relative(Path(part).resolve(), folder.resolve())
        elif loader.is_path_field(info) and isinstance(value, str) and loader.is_path(name, value):
            # A recipe made in Python may hold a path relative to the working folder.
            dumped[name] = _relative(Path(value).expanduser().resolve(), folder.resolve())
    return dumped


def _relative(path: Path, folder: Path) -> str:
    data = os.environ.get(DATA_VARIABLE)
    if data and path.is_relative_to(Path(data).resolve()):
        below = path.relative_to(Path(data).resolve())
        return f"${{{DATA_VARIABLE}}}/{below}"
    relative = os.path.relpath(path, folder)
    return relative if relative.startswith("..") else f"./{relative}"
