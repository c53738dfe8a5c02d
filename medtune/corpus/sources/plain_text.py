"""Plain text: a file is one document, or many where the recipe says how one begins."""

import re
from collections.abc import Iterator
from pathlib import Path

from medtune.corpus.cleaning.characters import tidy
from medtune.corpus.document import Document, Drop, Record, digest_id
from medtune.corpus.licences import normalise
from medtune.corpus.sources.reader import place_of
from medtune.recipe.corpus import Cleaning, Source

SUFFIXES = (".txt",)


def parse(file: Path, source: Source, cleaning: Cleaning) -> Iterator[Record]:
    """Documents of a file; text is kept as it is, but for characters that cannot be read."""
    del cleaning  # replay is what a base has read before: it should look as it did then
    place = place_of(file, source)
    for line, raw in _pieces(file, source.begins):
        where = f"{place}:{line}"
        key = digest_id(source.name, where)
        try:
            text = tidy(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            detail = f"{where}: not UTF-8 at byte {error.start}"
            yield Drop(key, source.name, "malformed", detail)
            continue
        if text:
            licence = normalise(source.licence or "")
            yield Document(key, source.part, source.name, "", text, licence)


def _pieces(file: Path, begins: str | None) -> Iterator[tuple[int, bytes]]:
    """First line and bytes of each document."""
    beginning = re.compile(begins.encode()) if begins is not None else None
    first = 1
    lines: list[bytes] = []
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if beginning is not None and beginning.match(line.rstrip(b"\r\n")):
                yield first, b"".join(lines)
                first, lines = number, []
            lines.append(line)
    yield first, b"".join(lines)
