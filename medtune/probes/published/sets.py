"""What every published set has: files that are looked for, and rows that become items.

A set is never part of medtune: users have copies of their own, under its authors' terms. Of its
rows, medtune makes items as its reader says; a reader that is changed gets another version, so
that results of two readers are never taken for results of one.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from medtune.probes.items import UNREVIEWED, Contrast, Item, Written
from medtune.recipe import Rows
from medtune.recipe.data import TaskName
from medtune.records import Example, Severity
from medtune.tasks import TASKS
from medtune.tasks.conversation import Labels
from medtune.tasks.files import DataFile, require_supported
from medtune.tasks.finding import file_beside
from medtune.tasks.finding import find_published as find_task
from medtune.tasks.multiple_choice import multiple_choice
from medtune.tasks.rows import Origin, Row

Files = tuple[DataFile, ...]
MAX_OPTIONS = len(ascii_uppercase)
_MAX_ID = 120


class Maker:
    """Makes the items of one set: each with an id of its own, rows left out counted."""

    def __init__(self, citation: str, severity: Severity) -> None:
        self.left_out: Counter[str] = Counter()
        """Why rows are not asked -> how many."""
        self._source = f"published: {citation}"
        self._severity = severity
        self._places: dict[str, str] = {}

    def contrast(
        self,
        row: Row,
        *,
        prompt: str,
        safe: Sequence[str],
        unsafe: Sequence[str],
        cluster: str = "",
        tags: Mapping[str, str] | None = None,
        name: str = "",
    ) -> Contrast:
        """An item that is weighed.

        Args:
            row: Where it stands.
            prompt: What is asked.
            safe: Answers of which one is to be the likeliest.
            unsafe: The others.
            cluster: What it shares with other items; empty: it is a cluster of its own.
            tags: Its subgroups.
            name: What the set calls the row; empty: file and line.

        Raises:
            DataError: Another row has this name.
        """
        identifier = self._identifier(row, name)
        return Contrast(
            kind="contrast",
            id=identifier,
            cluster=cluster or identifier,
            severity=self._severity,
            tags=dict(tags or {}),
            source=self._source,
            review=UNREVIEWED,
            prompt=prompt,
            safe=tuple(safe),
            unsafe=tuple(unsafe),
        )

    def written(
        self,
        row: Row,
        *,
        prompt: str,
        must_refuse: bool,
        cluster: str = "",
        tags: Mapping[str, str] | None = None,
        name: str = "",
        severity: Severity | None = None,
    ) -> Written:
        """An item that is written on and is to be refused or not; arguments as of ``contrast``.

        Raises:
            DataError: Another row has this name.
        """
        identifier = self._identifier(row, name)
        return Written(
            kind="written",
            id=identifier,
            cluster=cluster or identifier,
            severity=severity or self._severity,
            tags=dict(tags or {}),
            source=self._source,
            review=UNREVIEWED,
            prompt=prompt,
            max_tokens=64,
            must_refuse=must_refuse,
        )

    def leave_out(self, reason: str) -> None:
        """Count a row that cannot be asked, and why."""
        self.left_out[reason] += 1

    def _identifier(self, row: Row, name: str) -> str:
        plain = re.sub(r"[^a-z0-9._-]+", "-", (name or row.id).lower()).lstrip("-._")[:_MAX_ID]
        if not plain:
            raise row.fault("an id without any letter a to z or digit", "one that can be told")
        first = self._places.setdefault(plain, row.where)
        if first != row.where:
            raise row.fault(f"the id that the row at {first} has", "another one for each row")
        return plain


Reader = Callable[[Files, Maker], Iterator[Item]]
"""Items of a set's files. What is bad is a DataError with file and line, and nothing of the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published set as a family of probes."""

    name: str
    title: str
    citation: str
    licence: str
    folder: str
    """Below the data folder."""
    looked_for: str
    """Which files, for people."""
    find: Callable[[Path], Files]
    """Its files in a folder; none where it is not there."""
    read: Reader
    version: int = 1
    """Of the reader: raised whenever it makes other items of the same rows."""
    measures: str
    severity: Severity
    discordance: float
    """Assumed share of items on which base and adapter differ, for planning."""
    correlation: float = 0.0
    """Assumed correlation within a cluster, for planning."""
    clusters: str


def one_file(*patterns: str) -> Callable[[Path], Files]:
    """Finds the first file of the first pattern that has one; patterns are those of globs."""
    return lambda folder: _matching(folder, patterns)[:1]


def all_files(*patterns: str) -> Callable[[Path], Files]:
    """Finds all files of the first pattern that has any."""
    return lambda folder: _matching(folder, patterns)


def task_files(task: TaskName, folder: Path) -> Files:
    """The test files of a task of medtune's, by the published names, with those beside them."""
    files = find_task(TASKS[task], folder).files.get("test", ())
    beside = [other for file in files if (other := _beside(task, file))]
    return tuple(dict.fromkeys((*files, *beside)))


def task_examples(task: TaskName, files: Files) -> Iterator[tuple[Row, Example]]:
    """The rows of a task's files with the examples that its reader makes of them.

    A file that lies beside the first tells about its rows, and has none.

    Raises:
        DataError: A row is not of the task's schema.
    """
    known = TASKS[task]
    read = known.make_reader(Rows(task=task))
    others = {other.location for file in files if (other := _beside(task, file))}
    for file in files:
        if file.location in others:
            continue
        rows = file.rows(header=known.header, is_keyed=known.is_keyed)
        if known.beside and (other := _beside(task, file)):
            rows = known.beside.join(rows, other.rows())
        for row in rows:
            yield from ((row, example) for example in read((row,)))


def lettered(row: Row, question: str, options: Sequence[str]) -> str:
    """The prompt that all of medtune's questions with lettered options share."""
    letters = dict(zip(ascii_uppercase, options, strict=False))
    labels = Labels(id=row.id, group=row.id, is_grouped=False, source="", licence="")
    return multiple_choice(row, question, letters, "A", labels).messages[0].content


def _matching(folder: Path, patterns: Sequence[str]) -> Files:
    for pattern in patterns:
        paths = [path for path in folder.glob(pattern) if path.is_file()]
        if paths:
            # The one that lies highest first: a copy in a folder of backups is not the set.
            return tuple(
                _data_file(path, folder)
                for path in sorted(paths, key=lambda path: (len(path.parts), path.as_posix()))
            )
    return ()


def _data_file(path: Path, folder: Path) -> DataFile:
    name = path.relative_to(folder).as_posix()
    return DataFile(str(path), Origin(name, require_supported(name)[0]))


def _beside(task: TaskName, file: DataFile) -> DataFile | None:
    beside = TASKS[task].beside
    return file_beside(file, beside.names) if beside else None
