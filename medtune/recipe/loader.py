"""Recipe file and overrides in, frozen ``Recipe`` out; every fault in one error."""

import difflib
import re
from collections.abc import Mapping, Sequence
from glob import has_magic
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from medtune.errors import RecipeError
from medtune.recipe import document
from medtune.recipe.document import Document, Origin
from medtune.recipe.section import Section
from medtune.recipe.sections import Recipe

LOCK_KEY = "lock_version"
Overrides = Mapping[str, object] | Sequence[str]
S = TypeVar("S", bound=Section)


def load(path: Path | str, overrides: Overrides = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: A recipe file, or the lock of a run. Paths in it are relative to it.
        overrides: ``["train.max_steps=40"]`` or ``{"train.max_steps": 40}``. Paths in them are
            relative to the working folder.

    Raises:
        RecipeError: The file does not describe a run; the message lists every fault with file,
            line and column.
    """
    merged = document.read(Path(path))
    if LOCK_KEY in merged.values:
        for key in merged.values.keys() - {LOCK_KEY, "recipe", "resolved"}:
            raise RecipeError(
                f"{merged.origin((key,)).text} {key}: a lock is closed and cannot be extended; "
                f"train it with an override, {key}...=..., or extend the recipe"
            )
        merged = merged.inside("recipe")
    apply(merged, overrides)
    return check(merged)


def apply(merged: Document, overrides: Overrides) -> None:
    """Lay overrides over a document.

    Raises:
        RecipeError: An override is not of the form ``a.b=c``.
    """
    if isinstance(overrides, Mapping):
        for key, value in overrides.items():
            origin = Origin(f"override '{key}'", Path.cwd())
            merged.put(tuple(key.split(".")), value, origin)
    else:
        for assignment in overrides:
            document.override(merged, assignment)


def check(merged: Document, kind: type[S] = Recipe, called: str = "recipe") -> S:  # type: ignore[assignment]
    """Turn a merged document into a recipe, or into another section.

    Raises:
        RecipeError: It does not describe one; the message lists every fault.
    """
    _resolve_paths(merged, kind, (), merged.values)
    try:
        return kind.model_validate(merged.values)
    except ValidationError as error:
        faults = sorted({_fault(merged, kind, found) for found in error.errors()}, key=_by_line)
        count = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        raise RecipeError(f"{count} in the {called}\n" + "\n".join(faults)) from None


def require_paths(recipe: Recipe) -> None:
    """Refuse a recipe that names a file or folder which is not there.

    Raises:
        RecipeError: The base's or the data's path does not exist.
    """
    named = {"base.model": recipe.base.model, "data.path": recipe.data.path}
    named |= {f"data.sources, {source.name}: path": source.path for source in recipe.data.sources}
    if recipe.data.canaries:
        named["data.canaries.file"] = recipe.data.canaries.file
    for name, path in named.items():
        is_plain = path is not None and Path(path).is_absolute() and not has_magic(path)
        if is_plain and not Path(str(path)).exists():
            raise RecipeError(f"{name}: there is no file or folder {path}")


def json_schema() -> dict[str, Any]:
    """JSON schema of a recipe file, for editors; ``extends`` included."""
    schema = Recipe.model_json_schema()
    schema["properties"] = {
        "extends": {
            "description": "Recipe files that this one is laid over, relative to it.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        }
    } | schema["properties"]
    return schema


def _resolve_paths(
    merged: Document, section: type[BaseModel], above: tuple[str, ...], values: dict[str, Any]
) -> None:
    for name, info in section.model_fields.items():
        value = values.get(name)
        inner = _section_of(info)
        if inner:
            parts = value if isinstance(value, list) else [value]
            for part in parts:
                if isinstance(part, dict):
                    _resolve_paths(merged, inner, (*above, name), part)
        elif is_path_field(info):
            place = (*above, name)
            if isinstance(value, str):
                values[name] = _resolved(merged, place, value)
            elif isinstance(value, list):
                values[name] = [
                    _resolved(merged, place, one) if isinstance(one, str) else one for one in value
                ]


def _resolved(merged: Document, place: tuple[str, ...], value: str) -> str:
    """A path field's value, made absolute where it is a path."""
    origin = merged.origin(place)
    if not is_path(place[-1], value):
        return value
    try:
        return str((origin.folder / Path(value).expanduser()).resolve())
    except (RuntimeError, ValueError) as error:  # ~nobody, or a NUL in it
        where = f"{origin.text} {'.'.join(place)}"
        raise RecipeError(f"{where}: not a path: {error}, found {value!r}") from error


def is_path(name: str, value: str) -> bool:
    """Whether a path field holds a path, and not the name of a base or suite, or a URL of rows.

    Its form decides, never what happens to lie there.
    """
    if name not in ("model", "suites", "tokenizer"):
        return not is_remote(value)
    return value.startswith((".", "/", "~")) or value.endswith(".gguf")


def _fault(
    merged: Document,
    kind: type[Section],
    found: Any,  # noqa: ANN401 - pydantic's ErrorDetails
) -> str:
    keys = [str(key) for key in found["loc"] if str(key) in _written(merged, found["loc"])]
    origin = merged.origin(found["loc"])
    if found["type"] == "extra_forbidden":
        # All of the path: a key inside an override such as train={...} has no place of its own.
        path = ".".join(map(str, found["loc"]))
        return f"{origin.text} {path}: unknown key{_suggestion(kind, found['loc'])}"
    if found["type"] == "missing":
        path = ".".join(map(str, found["loc"]))
        return f"{origin.text} {path}: missing; it has no default"
    if found["type"] == "model_type":
        return f"{origin.text} {'.'.join(keys)}: a section with keys of its own is expected here"
    message = found["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    value = found["input"]
    shown = f", found {value!r}" if isinstance(value, str | int | float | list | None) else ""
    if found["type"] == "value_error":
        shown = ""
    return f"{origin.text} {'.'.join(keys)}: {message}{shown}"


def _written(merged: Document, loc: Sequence[object]) -> set[str]:
    """The parts of an error's path that are keys: pydantic adds the names of union members."""
    path = tuple(map(str, loc))
    known = {key for keys in merged.origins for key in keys if keys == path[: len(keys)]}
    return known | {str(part) for part in loc if isinstance(part, int)}


def _suggestion(kind: type[Section], loc: Sequence[object]) -> str:
    section: type[BaseModel] = kind
    for key in loc[:-1]:
        if isinstance(key, int):  # a place in a list of sections
            continue
        inner = _section_of(section.model_fields[str(key)])
        if inner is None:
            return ""
        section = inner
    allowed = list(section.model_fields)
    close = difflib.get_close_matches(str(loc[-1]), allowed, n=1, cutoff=0.6)
    hint = f". Did you mean {close[0]}?" if close else "."
    return f"{hint} Allowed here: {', '.join(allowed)}"


def _section_of(info: FieldInfo) -> type[Section] | None:
    """The section class of a field that holds one section, perhaps none, or a list of them."""
    for candidate in (info.annotation, *get_args(info.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def is_remote(path: str) -> bool:
    """Whether rows lie at a URL (s3://...) or on the hub (hub:owner/name)."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|hub:", path) is not None


def is_path_field(info: FieldInfo) -> bool:
    """Whether a field names a file or folder."""
    extra = info.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("path"))


def _by_line(fault: str) -> tuple[str, int, int]:
    """Sort key: file, then line, then column."""
    match = re.match(r"(.*?):(\d+):(\d+) ", fault)
    return (match[1], int(match[2]), int(match[3])) if match else (fault, 0, 0)
