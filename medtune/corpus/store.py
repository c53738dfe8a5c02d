"""Documents and drops on disk between two stages: JSON lines, gzip, one file for each unit."""

import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from medtune.corpus.document import Document, Drop
from medtune.digests import atomic_writer

_FIELDS = tuple(field.name for field in fields(Document))
LEVEL = 1
"""Of gzip: higher ones cost more time than they save in reading."""


class LinesWriter:
    """Writes JSON values, one a line."""

    def __init__(self, file: TextIOWrapper) -> None:
        self._file = file

    def add(self, value: Mapping[str, Any]) -> None:
        """Write one."""
        self._file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


@contextmanager
def write_lines(path: Path) -> Iterator[LinesWriter]:
    """Write a gzip file of JSON lines that appears when it is whole; its bytes hold no time."""
    with (
        atomic_writer(path) as file,
        gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed,
        TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
    ):
        yield LinesWriter(text)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read what :func:`write_lines` wrote, a line at a time."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def read_documents(path: Path) -> Iterator[Document]:
    """Read the documents of a unit."""
    for row in read_lines(path):
        yield Document(**{**row, "publication_types": tuple(row["publication_types"])})


def document_row(document: Document) -> dict[str, Any]:
    """A document as JSON."""
    # Not dataclasses.asdict: it copies every text and takes a tenth of a stage's time.
    row = {name: getattr(document, name) for name in _FIELDS}
    return row | {"identifiers": dict(document.identifiers)}


def provenance_row(document: Document) -> dict[str, Any]:
    """A document without its text: where it is from and under which licence."""
    row = document_row(document)
    del row["text"]
    return row


def drop_row(drop: Drop, chars: int | None) -> dict[str, Any]:
    """A drop as JSON, with the first ``chars`` characters of its text; None: all of it."""
    return {**asdict(drop), "text": drop.text[:chars]}
