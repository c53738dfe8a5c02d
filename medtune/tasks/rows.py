"""Raw rows of a file, each with the place it was read from.

The first bad row is an error that says file, line, what was found and what was expected. It names
keys, types and lengths, never values: a row may be a patient's.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medtune.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file."""

    values: Mapping[str, Any]
    where: str
    """``file:line``, or the hub's split and row number."""
    id: str
    """The record's key in its file, or file stem and line."""

    def text(self, key: str) -> str:
        """A required text that is not blank.

        Raises:
            DataError: The key is missing, or its value is no text, or blank.
        """
        value = self.value(key)
        if not isinstance(value, str) or not value.strip():
            raise self.fault(f"{key} is {kind(value)}", "a text that is not blank")
        return value

    def value(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """A required value of any type.

        Raises:
            DataError: The key is missing.
        """
        if key not in self.values:
            raise self.fault(f"keys {', '.join(self.values) or '(none)'}", f"the key {key}")
        return self.values[key]

    def optional_text(self, key: str, default: str) -> str:
        """A text, or the default where the key is missing, null or blank.

        Raises:
            DataError: The value is neither text nor a whole number.
        """
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.fault(f"{key} is {kind(value)}", "a text")
        return str(value).strip() or default

    def fault(self, found: str, expected: str) -> DataError:
        """The error that this row is not usable."""
        return DataError(f"{self.where}: found {found}; expected {expected}")


def kind(value: object) -> str:
    """What a value is, without telling it: type and length."""
    match value:
        case None:
            return "null"
        case bool() | float():
            return f"a {type(value).__name__}"
        case int():
            return "an int"
        case str():
            return f"a text of {len(value)} characters" if value.strip() else "a blank text"
        case list():
            return f"a list of {len(value)}"
        case Mapping():
            return f"an object with the keys {', '.join(map(str, value)) or '(none)'}"
    return f"a {type(value).__name__}"


def json_lines(path: Path) -> Iterator[Row]:
    """Rows of a file with one JSON object a line; blank lines hold no row.

    Raises:
        DataError: The file is not UTF-8, or a line is no JSON object.
    """
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            where = f"{path.name}:{number}"
            if not raw.strip():
                continue
            values = _json(raw, where, one_line=True)
            if not isinstance(values, dict):
                raise DataError(f"{where}: found {kind(values)}; expected one JSON object a line")
            yield Row(values, where, f"{path.stem}-{number}")


def json_object_of_rows(path: Path) -> Iterator[Row]:
    """Rows of a file that is one JSON object: identifier -> record, as PubMedQA is published.

    Raises:
        DataError: The file is no such object.
    """
    raw = path.read_bytes()
    values = _json(raw, path.name, one_line=False)
    if not isinstance(values, dict):
        raise DataError(
            f"{path.name}: found {kind(values)}; expected one JSON object: identifier -> record"
        )
    # Once more, member by member: only so are lines and repeated identifiers to be had.
    text = raw.decode("utf-8-sig")
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    lines: dict[str, int] = {}
    position, counted, line = text.index("{") + 1, 0, 1
    while text[position := _gap(text, position)] != "}":
        line += text.count("\n", counted, position)
        counted = position
        where = f"{path.name}:{line}"
        key, position = decoder.raw_decode(text, position)
        if key in lines:
            raise DataError(f"{where}: the identifier is also that of line {lines[key]}")
        lines[key] = line
        try:
            record, position = decoder.raw_decode(text, _gap(text, position))
        except _RepeatedKeyError as error:
            raise DataError(f"{where}: the key {error} is given twice in one object") from None
        if not isinstance(record, dict):
            raise DataError(f"{where}: found {kind(record)}; expected a record of PubMedQA")
        yield Row(record, where, key)


def _gap(text: str, position: int) -> int:
    """Where the next value or bracket of text that is known to be JSON begins."""
    while text[position] in " \t\r\n,:":
        position += 1
    return position


class _RepeatedKeyError(Exception):
    """A JSON object has a key twice: which of its values is meant cannot be known."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return values


def _json(raw: bytes, where: str, *, one_line: bool) -> Any:  # noqa: ANN401 - JSON
    try:
        values = json.loads(
            raw.decode("utf-8-sig"), object_pairs_hook=_unique if one_line else None
        )
        if b"\\ud" in raw.lower():  # escaped surrogates: do all have their other half?
            json.dumps(values, ensure_ascii=False).encode()
        return values
    except UnicodeEncodeError:
        raise DataError(f"{where}: an escape \\ud800 to \\udfff that is half a character") from None
    except _RepeatedKeyError as error:
        raise DataError(f"{where}: the key {error} is given twice in one object") from None
    except UnicodeDecodeError as error:
        newline = raw.rfind(b"\n", 0, error.start)
        line = raw.count(b"\n", 0, error.start) + 1
        place = where if one_line else f"{where}:{line}"
        raise DataError(f"{place}: not UTF-8 text at byte {error.start - newline}") from None
    except json.JSONDecodeError as error:
        place = where if one_line else f"{where}:{error.lineno}"
        problem = error.msg[0].lower() + error.msg[1:].removesuffix(" at")
        hint = ""
        if one_line and raw.lstrip()[:1] == b"[":
            hint = "; a JSON array? This task reads one object a line"
        raise DataError(f"{place}: not JSON at column {error.colno}: {problem}{hint}") from None
    except (RecursionError, ValueError):  # Python's limits: nesting, and digits of a number
        place = where if one_line else f"{where}:1"
        raise DataError(f"{place}: JSON nested too deeply, or a number too long") from None
