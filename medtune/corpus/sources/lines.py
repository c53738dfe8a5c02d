"""Records of JSON lines, plain or packed, one at a time; a bad line is told by its number."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medtune.corpus.document import Document, Drop, Record, digest_id
from medtune.corpus.licences import normalise
from medtune.corpus.sources.reader import Parse, place_of
from medtune.errors import DataError
from medtune.recipe.corpus import Cleaning, Source

JSON_LINES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
Row = dict[str, Any]
FromRow = Callable[[Row, str, Source, Cleaning], Record]
"""A record out of a row and its place."""


class BadRow(Exception):
    """A row is not what its format says; the message tells what was found."""


def parser(from_row: FromRow) -> Parse:
    """A reader of JSON lines out of a function of one row."""

    def parse(file: Path, source: Source, cleaning: Cleaning) -> Iterator[Record]:
        place = place_of(file, source)
        for number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            where = f"{place}:{number}"
            try:
                yield from_row(_row(line), where, source, cleaning)
            except BadRow as fault:
                key = digest_id(source.name, where)
                yield Drop(key, source.name, "malformed", f"{where}: {fault}")

    return parse


def _lines(file: Path) -> Iterator[bytes]:
    """Lines of a file.

    Raises:
        DataError: A packed file that is cut off or broken.
    """
    try:
        with gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb") as stream:
            yield from stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{file}: it is cut off or broken ({error}); fetch it again") from None


def _row(line: bytes) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRow(f"no JSON: {error}") from None
    if not isinstance(row, dict):
        raise BadRow(f"{type(row).__name__} where an object belongs")
    return row


def text_of(row: Row, *names: str) -> str:
    """The first of some fields that has text.

    Raises:
        BadRow: None of them has, or one is no text.
    """
    for name in names:
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            raise BadRow(f"{name} is {type(value).__name__} where text belongs")
        if value and value.strip():
            return value
    raise BadRow(f"no text in {' or '.join(names)}; it has {', '.join(sorted(row)) or 'no fields'}")


def optional(row: Row, name: str) -> str:
    """A field as text; empty where it is missing, numbers as they are written."""
    value = row.get(name)
    return str(value).strip() if isinstance(value, str | int) else ""


def names_of(row: Row, **fields: str) -> dict[str, str]:
    """Identifiers of a row: ``pmid="PubMed"`` takes the field ``PubMed``; empty ones are none."""
    return {name: value for name, field in fields.items() if (value := optional(row, field))}


def licence_of(row: Row, source: Source, field: str = "licence") -> str:
    """The row's licence; the recipe's word where it says nothing."""
    said = optional(row, field)
    return normalise(said or source.licence or "")


def document(
    source: Source, key: str, title: str, text: str, licence: str, **names: str
) -> Document:
    """A document with its title as heading."""
    body = f"# {title}\n\n{text}" if title else text
    return Document(key, source.part, source.name, title, body, licence, identifiers=names)
