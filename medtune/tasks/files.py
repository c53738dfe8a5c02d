"""One file of rows: opened wherever it is, unpacked, and parsed by the ending of its name."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

from medtune.digests import sha256_stream
from medtune.errors import DataError
from medtune.tasks.json_rows import json_file, json_lines
from medtune.tasks.rows import Origin, Row
from medtune.tasks.streams import on_disk, open_stream, unpacked
from medtune.tasks.tables import delimited, parquet

KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
PACKINGS = (".gz", ".zst")
SUPPORTED = f"{', '.join(KINDS)}, each also with {' or '.join(PACKINGS)} behind it"


def split_name(name: str) -> tuple[str, str, str] | None:
    """Stem, kind and packing of a file name, the latter two in small letters.

    >>> split_name("notes/train.csv.gz")
    ('notes/train', '.csv', '.gz')

    None where the ending is none of the supported ones.
    """
    rest, packing = name, ""
    if name.lower().endswith(PACKINGS):
        rest, packing = os.path.splitext(name)  # noqa: PTH122 - the name may be one of a URL
    stem, kind = os.path.splitext(rest)  # noqa: PTH122
    return (stem, kind.lower(), packing.lower()) if kind.lower() in KINDS else None


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows."""

    location: str
    """Path on this machine, or URL."""
    origin: Origin

    @property
    def name(self) -> str:
        """The name below the folder of its source."""
        return self.origin.name

    def open(self) -> BinaryIO:
        """The bytes as they lie there.

        Raises:
            DataError: The file cannot be opened; while it is read: or not be read on.
        """
        return open_stream(self.location, self.name)

    def sha256(self) -> str:
        """Hex sha256 of the bytes as they lie there, read in pieces."""
        with self.open() as file:
            return sha256_stream(file)

    def rows(self, *, header: Sequence[str] | None = None, is_keyed: bool = False) -> Iterator[Row]:
        """The file's rows, parsed one by one.

        Args:
            header: Names of the columns of a CSV or TSV file without a line that names them.
            is_keyed: Whether a ``.json`` file may be one object: identifier -> record.

        Raises:
            DataError: The file or a row of it is not what its name promises.
        """
        _, kind, packing = require_supported(self.name)
        with ExitStack() as opened:
            stream = opened.enter_context(self.open())
            if packing:
                stream = opened.enter_context(unpacked(stream, packing, self.name))
            if kind == ".json":
                yield from json_file(stream, self.origin, is_keyed=is_keyed)
            elif kind in (".jsonl", ".ndjson"):
                yield from json_lines(stream, self.origin)
            elif kind == ".parquet":
                if not stream.seekable() or packing:
                    stream = opened.enter_context(on_disk(stream))
                yield from parquet(stream, self.origin)
            else:
                delimiter = "\t" if kind == ".tsv" else ","
                yield from delimited(stream, self.origin, delimiter=delimiter, header=header)


def require_supported(name: str) -> tuple[str, str, str]:
    """Stem, kind and packing of a file name.

    Raises:
        DataError: The ending is none of the supported ones.
    """
    parts = split_name(name)
    if parts is None:
        raise DataError(f"{name}: files of rows end in {SUPPORTED}")
    return parts
