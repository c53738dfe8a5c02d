"""Units of work: which raw files one task reads, and in which order units count.

A unit's documents become one shard. The plan depends on the recipe and on names and sizes of the
files, never on how many processes or nodes there are.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from medtune.corpus.sources import READERS
from medtune.digests import write_json
from medtune.errors import DataError
from medtune.recipe.corpus import CorpusRecipe, Part, Source

ORDER: tuple[Part, ...] = ("guidelines", "papers", "abstracts", "replay")
"""Of two documents that are one, the one whose part comes first stays."""
PLAN = "plan.json"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of a source."""

    path: str
    name: str
    """Relative to the source's path, the same on every machine."""
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that are read together."""

    number: int
    source: str
    part: Part
    files: tuple[RawFile, ...]

    @property
    def name(self) -> str:
        """What its files are called: part and number."""
        return f"{self.part}-{self.number:05d}"

    @property
    def num_bytes(self) -> int:
        """Of its raw files."""
        return sum(file.num_bytes for file in self.files)


def plan_units(recipe: CorpusRecipe) -> tuple[Unit, ...]:
    """All units of a corpus, in the order in which of equal documents the first stays.

    Raises:
        DataError: A source has no files.
    """
    ordered = sorted(recipe.sources, key=lambda source: ORDER.index(source.part))
    grouped = [
        (source, files)
        for source in ordered
        for files in _grouped(_files(source), recipe.shard_mb * MIB)
    ]
    return tuple(
        Unit(number, source.name, source.part, tuple(files))
        for number, (source, files) in enumerate(grouped)
    )


def _files(source: Source) -> list[RawFile]:
    root = Path(source.path)
    found = READERS[source.format].files(root)
    if not found:
        raise DataError(f"source {source.name}: no {source.format} files at {root}")
    folder = root if root.is_dir() else root.parent
    return [
        RawFile(str(path), path.relative_to(folder).as_posix(), path.stat().st_size)
        for path in found
    ]


def _grouped(files: list[RawFile], most: int) -> Iterator[list[RawFile]]:
    """Consecutive files of up to ``most`` bytes; a larger file is alone."""
    group: list[RawFile] = []
    size = 0
    for file in files:
        if group and size + file.num_bytes > most:
            yield group
            group, size = [], 0
        group.append(file)
        size += file.num_bytes
    yield group


def write_plan(folder: Path, units: tuple[Unit, ...]) -> None:
    """Write the plan that tasks on other nodes read."""
    write_json(folder / PLAN, [asdict(unit) for unit in units])


def read_plan(folder: Path) -> tuple[Unit, ...]:
    """The units that :func:`write_plan` wrote."""
    rows = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    return tuple(
        Unit(**{**row, "files": tuple(RawFile(**file) for file in row["files"])}) for row in rows
    )
