"""YAML with positions: every key and value knows the file, line and column it stands in.

Goes in: a recipe file, the files it extends, overrides ``a.b=c``. Comes out: one merged mapping
and an ``Origin`` for each key. This module does not know what a recipe means.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from medtune.errors import RecipeError

Keys = tuple[str, ...]
DATA_VARIABLE = "MEDTUNE_DATA"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a key was written."""

    text: str
    """``file:line:column`` or ``override 'a.b=c'``."""
    folder: Path
    """What relative paths in its value are relative to."""


@dataclass(slots=True)
class Document:
    """A merged mapping and the origins of its keys, by path of keys."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Keys, Origin] = field(default_factory=dict)

    def origin(self, keys: Sequence[object]) -> Origin:
        """Origin of the innermost part of the path that was written down."""
        path = tuple(str(key) for key in keys)
        while path not in self.origins and path:
            path = path[:-1]
        return self.origins[path]

    def merge(self, other: "Document") -> None:
        """Lay another document over this one: mappings merge, everything else is replaced."""
        _merge(self.values, other.values)
        self.origins |= other.origins

    def inside(self, key: str) -> "Document":
        """The document below one key of this one.

        Raises:
            RecipeError: There is no mapping below the key.
        """
        values = self.values.get(key)
        if not isinstance(values, dict):
            raise RecipeError(f"{self.origin((key,)).text}: there is no {key}: in it")
        below = {keys[1:]: origin for keys, origin in self.origins.items() if keys[:1] == (key,)}
        return Document(values, below)

    def put(self, keys: Keys, value: object, origin: Origin) -> None:
        """Set one value, making the sections above it where they are missing.

        Raises:
            RecipeError: A key above it holds a plain value.
        """
        inner = self.values
        for depth, key in enumerate(keys[:-1], 1):
            inner = inner.setdefault(key, {})
            self.origins.setdefault(keys[:depth], origin)
            if not isinstance(inner, dict):
                found = ".".join(keys[:depth])
                raise RecipeError(f"{origin.text}: {found} is a plain value and has no parts")
        # What stood below the key is gone, and with it the places where it was written.
        below = [known for known in self.origins if known[: len(keys)] == keys]
        for known in below:
            del self.origins[known]
        inner[keys[-1]] = _expand(value, origin)
        self.origins[keys] = origin


class _Loader(yaml.SafeLoader):
    """Safe YAML with the numbers of YAML 1.2: 2e-4 is one, and 010 is not eight.

    PyYAML reads YAML 1.1, where 2e-4 is a text, 010 an octal number, 1:30 ninety and 1_000 a
    thousand. Here 010 and 1:30 and 1_000 are texts, which the schema then refuses as numbers.
    """


class _Dumper(yaml.SafeDumper):
    """Its counterpart: the text '2e-4' is written with quotes, so that it is read as a text."""


_NUMBERS = {
    "tag:yaml.org,2002:int": r"[-+]?(?:0|[1-9][0-9]*)",
    "tag:yaml.org,2002:float": r"""[-+]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+|(?:0|[1-9][0-9]*)\.?)
        (?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)""",
}
for _yaml in (_Loader, _Dumper):
    _yaml.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NUMBERS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for _tag, _pattern in _NUMBERS.items():
        _yaml.add_implicit_resolver(
            _tag, re.compile(f"(?:{_pattern})\\Z", re.VERBOSE), list("-+.0123456789")
        )


def read(path: Path) -> Document:
    """Read a recipe file with everything it extends.

    Raises:
        RecipeError: A file is missing, is no YAML mapping, repeats a key, or extends itself.
    """
    return _read(path, shown=_shown(path), stack=())


def dump(values: Mapping[str, Any]) -> str:
    """YAML that ``read`` reads back as the same values."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def override(document: Document, assignment: str) -> None:
    """Apply one ``a.b=c``; c is read as YAML and its paths are relative to the working folder.

    Raises:
        RecipeError: It has no ``=``, an empty key, or a value that is not YAML.
    """
    origin = Origin(f"override '{assignment}'", Path.cwd())
    path, equals, text = assignment.partition("=")
    keys = tuple(path.strip().split("."))
    if not equals or not all(keys):
        raise RecipeError(f"{origin.text}: write key=value, for example train.max_steps=40")
    try:
        value = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2024-13-45
        raise RecipeError(f"{origin.text}: the value is not YAML: {_problem(error)}") from error
    document.put(keys, value, origin)


def _read(path: Path, shown: str, stack: tuple[Path, ...]) -> Document:
    real = path.resolve()
    if real in stack:
        raise RecipeError(f"{shown}: extends itself through {' -> '.join(map(_shown, stack))}")
    document = parse(path, shown)
    parents = document.values.pop("extends", [])
    origin = document.origins.get(("extends",), Origin(shown, path.parent))
    if isinstance(parents, str):
        parents = [parents]
    if not isinstance(parents, list) or not all(isinstance(part, str) for part in parents):
        raise RecipeError(f"{origin.text} extends: give a file name or a list of file names")
    merged = Document()
    for part in parents:
        file = path.parent / part
        if not file.is_file():
            raise RecipeError(f"{origin.text} extends: there is no file {_shown(file)}")
        merged.merge(_read(file, _shown(file), (*stack, real)))
    merged.merge(document)
    return merged


def parse(
    path: Path,
    shown: str | None = None,
    form: str = "a recipe is a mapping of sections (name:, base:, ...)",
) -> Document:
    """Read one file as it is; ``extends`` is left in it.

    Args:
        path: Of the file.
        shown: Its name in messages; None: as it is seen from the working folder.
        form: What it has to be, for the message where it is no mapping.

    Raises:
        RecipeError: The file is missing, is no YAML mapping, or repeats a key.
    """
    shown = shown or _shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise RecipeError(
            f"there is no recipe file {shown}; `medtune recipes list` shows those that medtune has"
        ) from error
    except OSError as error:
        raise RecipeError(f"{shown} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{shown}: not UTF-8 text at byte {error.start}") from error
    try:
        node = yaml.compose(text, _Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{shown}{_mark(error)}: not YAML: {_problem(error)}") from error
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"{shown}:1:1: {form}")
    document = Document(origins={(): Origin(shown, path.parent)})
    try:
        document.values = _mapping(node, (), document, shown, path.parent)
    except RecursionError:
        raise RecipeError(f"{shown}: nested too deeply, or an alias (*) inside itself") from None
    return document


def _mapping(
    node: yaml.MappingNode, above: Keys, document: Document, shown: str, folder: Path
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    constructor = _Loader("")
    for key_node, value_node in node.value:
        mark = key_node.start_mark
        origin = Origin(f"{shown}:{mark.line + 1}:{mark.column + 1}", folder)
        if not isinstance(key_node, yaml.ScalarNode):
            raise RecipeError(f"{origin.text}: a list or mapping stands where a key is expected")
        key = str(key_node.value)
        if key in result:
            raise RecipeError(f"{origin.text} {'.'.join((*above, key))}: the key is given twice")
        document.origins[(*above, key)] = origin
        if isinstance(value_node, yaml.MappingNode):
            result[key] = _mapping(value_node, (*above, key), document, shown, folder)
        else:
            try:
                value = constructor.construct_object(value_node, deep=True)
            except (yaml.YAMLError, ValueError) as error:
                raise RecipeError(f"{origin.text}: {_problem(error)}") from error
            result[key] = _expand(value, origin)
    return result


def _expand(value: object, origin: Origin) -> object:
    """Replace ${MEDTUNE_DATA}; any other ${...} is an error, so that no secret can be read."""
    if isinstance(value, Mapping):
        return {str(key): _expand(part, origin) for key, part in value.items()}
    if isinstance(value, list):
        return [_expand(part, origin) for part in value]
    if not isinstance(value, str):
        return value
    for name in re.findall(r"\$\{([^}]*)\}", value):
        if name != DATA_VARIABLE:
            raise RecipeError(
                f"{origin.text}: ${{{name}}} is not known; the one variable is ${{{DATA_VARIABLE}}}"
            )
        if not os.environ.get(DATA_VARIABLE):
            raise RecipeError(
                f"{origin.text}: the environment variable {DATA_VARIABLE} is not set; set it to "
                "the folder that holds your copies of the data sets"
            )
    root = str(Path(os.environ.get(DATA_VARIABLE, "")).absolute())
    return value.replace(f"${{{DATA_VARIABLE}}}", root)


def _merge(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            _merge(under[key], value)
        else:
            under[key] = value


def _shown(path: Path) -> str:
    """A path as a user would type it: relative to the working folder where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _mark(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error)
