"""Raw rows of a file, each with the place it was read from.

The first bad row is an error that says file, line, what was found and what was expected. It names
keys, types and lengths, never values: a row may be a patient's.
"""

import codecs
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from medtune.errors import DataError

T = TypeVar("T")
FOREIGN: Mapping[bytes, str] = {
    codecs.BOM_UTF16_LE: "this is UTF-16: save it as UTF-8",
    codecs.BOM_UTF16_BE: "this is UTF-16: save it as UTF-8",
    b"\x1f\x8b": "this is gzip: its name has to end in .gz",
    b"\x28\xb5\x2f\xfd": "this is zstd: its name has to end in .zst",
}
"""What a file that is not UTF-8 begins with, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Repeatable(Iterable[T], Generic[T]):
    """What can be gone through again and again, and never stands in memory as a whole."""

    start: Callable[[], Iterator[T]]
    """Begins anew: files are opened and parsed once more."""

    def __iter__(self) -> Iterator[T]:
        return self.start()


@dataclass(frozen=True, slots=True)
class Origin:
    """How rows of one file are called."""

    name: str
    """The file's name below the folder of its source, for ``Row.where``; never a machine's path."""
    stem: str
    """What ids of its rows begin with."""

    def row(self, values: Mapping[str, Any], line: int, *, is_below_header: bool = False) -> "Row":
        """The row that begins at a line, counted from 1."""
        return Row(values, f"{self.name}:{line}", f"{self.stem}-{line}", is_below_header)


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file."""

    values: Mapping[str, Any]
    where: str
    """``file:line``, or the hub's split and row number."""
    id: str
    """The record's key in its file, or file stem and line."""
    is_below_header: bool = False
    """Whether the keys stand in the file as a line of cells. A file that lacks this line has a row
    there: what the keys are is then never told."""

    def keys(self) -> str:
        """What keys the row has, for messages."""
        if self.is_below_header:
            count = len(self.values)
            told = f"{count} columns with other names" if count > 1 else "one column, another name"
            return f"{told} in the first line (or is that a row?)"
        return f"keys {', '.join(self.values) or '(none)'}"

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
            raise self.fault(self.keys(), f"the key {key}")
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
        case float() if not math.isfinite(value):
            return "NaN or infinite"
        case bool() | float():
            return f"a {type(value).__name__}"
        case int():
            return "an int"
        case str():
            return f"a text of {len(value)} characters" if value.strip() else "a blank text"
        case bytes():
            return f"{len(value)} bytes that are no text"
        case list():
            return f"a list of {len(value)}"
        case Mapping():
            return f"an object with the keys {', '.join(map(str, value)) or '(none)'}"
    return f"a {type(value).__name__}"


def decode(raw: bytes, name: str, line: int) -> str:
    """Text of UTF-8 bytes that begin at a line of a file; a byte order mark at its start is none.

    Raises:
        DataError: The bytes are not UTF-8; the message names line and byte.
    """
    mark = codecs.BOM_UTF8 if line == 1 and raw.startswith(codecs.BOM_UTF8) else b""
    try:
        return raw[len(mark) :].decode()
    except UnicodeDecodeError as error:
        start = len(mark) + error.start
        line_start = raw.rfind(b"\n", 0, start)
        known = [told for head, told in FOREIGN.items() if line == 1 and raw.startswith(head)]
        hint = known[0] if known else "save the file as UTF-8"
        line += raw.count(b"\n", 0, start)
        raise DataError(
            f"{name}:{line}: not UTF-8 text at byte {start - line_start}; {hint}"
        ) from None
