"""Rows of JSON files: an object a line, an array of objects, or identifier -> record."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, BinaryIO

from medtune.errors import DataError
from medtune.tasks.rows import Origin, Row, decode, kind

_MARK = b"\xef\xbb\xbf"
_ARRAY = "a JSON array? It is read from files named .json"
_BLANK = re.compile(r"[ \t\r\n]*")


def json_lines(lines: Iterable[bytes], origin: Origin) -> Iterator[Row]:
    """Rows of a file with one JSON object a line; blank lines hold no row.

    Raises:
        DataError: The file is not UTF-8, or a line is no JSON object.
    """
    for number, raw in enumerate(lines, 1):
        if not raw.removeprefix(_MARK).strip():
            continue
        text = decode(raw, origin.name, number)
        where = f"{origin.name}:{number}"
        try:
            with _told(where):
                values = _DECODER.decode(text)
                _require_whole_characters(text, values)
        except json.JSONDecodeError as error:
            hint = _ARRAY if text.lstrip().startswith("[") else _advice(text, error)
            raise DataError(f"{where}: {_problem(error)}; {hint}") from None
        if not isinstance(values, dict):
            hint = f"; {_ARRAY}" if isinstance(values, list) else ""
            raise DataError(f"{where}: found {kind(values)}; expected one JSON object a line{hint}")
        yield origin.row(values, number)


def json_file(stream: BinaryIO, origin: Origin, *, is_keyed: bool) -> Iterator[Row]:
    """Rows of a ``.json`` file, whose first character tells how it is laid out.

    Args:
        stream: The file, from its start.
        origin: How the file is called.
        is_keyed: Whether an object is identifier -> record, as PubMedQA is published; otherwise
            it is the first of one object a line.

    Raises:
        DataError: The file is in none of these layouts.
    """
    lines: list[bytes] = []
    for raw in stream:
        lines.append(raw)
        if raw.removeprefix(_MARK).strip():
            break
    else:
        return
    first = raw.removeprefix(_MARK).lstrip()[:1]
    if first == b"[":
        yield from json_array(b"".join((*lines, stream.read())), origin)
    elif is_keyed:
        yield from json_object_of_rows(b"".join((*lines, stream.read())), origin)
    else:
        yield from json_lines(chain(lines, stream), origin)


def json_array(raw: bytes, origin: Origin) -> Iterator[Row]:
    """Rows of a file that is one array of objects; each row knows the line that it begins at.

    Raises:
        DataError: The file is no such array.
    """
    document = _Document(raw, origin.name)
    document.take("[")
    while not document.ends("]"):
        line, values = document.value()
        if not isinstance(values, dict):
            raise DataError(f"{origin.name}:{line}: found {kind(values)}; expected an object")
        yield origin.row(values, line)


def json_object_of_rows(raw: bytes, origin: Origin) -> Iterator[Row]:
    """Rows of a file that is one JSON object: identifier -> record, as PubMedQA is published.

    Raises:
        DataError: The file is no such object.
    """
    document = _Document(raw, origin.name)
    document.take("{", "expected one JSON object: identifier -> record")
    lines: dict[str, int] = {}
    while not document.ends("}"):
        line, key = document.value()
        where = f"{origin.name}:{line}"
        if not isinstance(key, str):
            raise DataError(f"{where}: found {kind(key)}; expected an identifier in quotes")
        if key in lines:
            raise DataError(f"{where}: the identifier is also that of line {lines[key]}")
        lines[key] = line
        document.take(":")
        line_of_record, record = document.value()
        if not isinstance(record, dict):
            raise DataError(
                f"{origin.name}:{line_of_record}: found {kind(record)}; expected a record "
                "behind its identifier"
            )
        yield Row(record, where, key)


def require_unique_keys(text: str, where: str) -> None:
    """See that no object of a JSON text has a key twice, of whose values one would be lost.

    Raises:
        DataError: One has; the message begins with where.
    """
    with _told(where):
        _DECODER.decode(text)


class _Document:
    """JSON text that is gone through member by member, so that each is had with its line."""

    def __init__(self, raw: bytes, name: str) -> None:
        self._text = decode(raw, name, 1)
        self._name = name
        self._position = 0
        self._line, self._counted = 1, 0
        self._is_first = True

    def take(self, bracket: str, problem: str = "") -> None:
        """Go past a bracket or colon that has to be there."""
        self._skip_blanks()
        if not self._text.startswith(bracket, self._position):
            self._fail(problem or f"expected {bracket}")
        self._position += 1

    def ends(self, bracket: str) -> bool:
        """Go past the comma before a next member, or past the bracket behind the last one."""
        self._skip_blanks()
        found = self._text[self._position : self._position + 1]
        is_first, self._is_first = self._is_first, False
        if found == bracket:
            self._position += 1
            self._skip_blanks()
            if self._position < len(self._text):
                self._fail("extra data")
            return True
        if not is_first:
            if found != ",":
                self._fail(f"expected a comma or {bracket}")
            self._position += 1
        return False

    def value(self) -> tuple[int, Any]:
        """The next value, and the line that it begins at."""
        start = self._skip_blanks()
        line = self._line_here()
        try:
            with _told(f"{self._name}:{line}"):
                value, self._position = _DECODER.raw_decode(self._text, start)
                _require_whole_characters(self._text[start : self._position], value)
        except json.JSONDecodeError as error:
            raise DataError(f"{self._name}:{error.lineno}: {_problem(error)}") from None
        return line, value

    def _skip_blanks(self) -> int:
        found = _BLANK.match(self._text, self._position)
        assert found, "the pattern fits an empty text as well"
        self._position = found.end()
        return self._position

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._position)
        self._counted = self._position
        return self._line

    def _fail(self, problem: str) -> None:
        error = json.JSONDecodeError(problem, self._text, self._position)
        raise DataError(f"{self._name}:{error.lineno}: {_problem(error)}")


class _RepeatedKeyError(Exception):
    """A JSON object has a key twice: which of its values is meant cannot be known."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _require_whole_characters(text: str, values: object) -> None:
    if "\\ud" in text or "\\uD" in text:  # escaped surrogates: do all have their other half?
        json.dumps(values, ensure_ascii=False).encode()


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turn every fault of a value but its syntax into an error that names the place."""
    try:
        yield
    except json.JSONDecodeError:
        raise
    except UnicodeEncodeError:
        raise DataError(f"{where}: an escape \\ud800 to \\udfff that is half a character") from None
    except _RepeatedKeyError as error:
        raise DataError(f"{where}: the key {error} is given twice in one object") from None
    except (RecursionError, ValueError):  # Python's limits: nesting, and digits of a number
        raise DataError(f"{where}: JSON nested too deeply, or a number too long") from None


def _advice(text: str, error: json.JSONDecodeError) -> str:
    """What to do about a line that is no JSON; nothing of the line is told."""
    found = text[error.pos : error.pos + 1]
    if "\0" in text:
        return "a NUL byte is in it: is the file UTF-16? Save it as UTF-8"
    if found == "'":
        return "JSON's quotes are double, and a Python dict is no JSON"
    if found and found in "}]," and re.search(r",\s*$", text[: error.pos + (found == ",")]):
        return "a comma is followed by a value, never by the end"
    return "expected one whole JSON object a line, and nothing behind it"


def _problem(error: json.JSONDecodeError) -> str:
    told = error.msg[0].lower() + error.msg[1:].removesuffix(" at")
    return f"not JSON at column {error.colno}: {told}"
