"""The items of a suite's sets, and in words what they are: published, carved, or one's own.

Goes in: a section of a suite. Comes out: its items with what is known about their number. This
module knows no model, prompt or score.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from medtune.data.pieces import cut_text
from medtune.digests import sha256_bytes
from medtune.errors import DataError
from medtune.evaluation.suites import SuiteSection
from medtune.recipe import Rows, is_remote
from medtune.recipe.document import DATA_VARIABLE
from medtune.records import Example, SplitFile, TaskRows
from medtune.tasks import TASKS, read_shots, read_task
from medtune.tasks.rows import Repeatable, decode

DEFAULT_TEXT = "gap/replay/wikitext2_valid.txt"
"""Below $MEDTUNE_DATA: validation text of WikiText-2."""
_NAMED_SUBJECTS = 5
"""Missing subjects that are named in a sentence; more are counted."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of a plain text."""

    id: str
    text: str
    """Whole paragraphs with the blank lines behind them; a longer paragraph is cut at a blank."""

    @property
    def num_bytes(self) -> int:
        """Length in UTF-8."""
        return len(self.text.encode())


@dataclass(frozen=True, slots=True)
class SubjectRows:
    """How many rows of one subject there are."""

    num_read: int
    official_rows: int | None
    """Rows that the published test set has; None where none is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSet:
    """One set of a suite, read."""

    name: str
    kind: Literal["choice", "truth", "note", "text"]
    """As in the suite."""
    task: str | None
    """What its rows mean; None for text."""
    examples: tuple[Example, ...] = ()
    """Of the set's subjects only, in the order of the files; empty for text."""
    texts: tuple[Text, ...] = ()
    """Pieces that put together are the file's text; empty but for text."""
    shots: Iterable[Example] = ()
    """Examples for prompts, from the first each time, without those whose text is that of an item
    that they would stand before. Going through them is a DataError where there are none, or where a
    subject of the items has none."""
    is_shot_by_subject: bool = False
    """Whether the prompt of an item takes examples of its own subject alone."""
    file: str
    """Name of the file, or of the first of those that the items stand in."""
    sha256: str
    """Of all files that were read for it, those of other subjects too."""
    official_rows: int | None
    """Rows that the published test set has; None where nothing is published under the name."""
    subjects: Mapping[str, SubjectRows]
    """Those that the suite names; else those that the rows name."""
    is_filtered: bool = False
    """Whether the suite names subjects."""
    notes: tuple[str, ...] = ()
    """What was found out about the rows, to be told to the user."""

    @property
    def num_read(self) -> int:
        """Items: rows, or pieces of text."""
        return len(self.examples) + len(self.texts)

    @property
    def is_official(self) -> bool:
        """Whether this can be the published test set: it has as many rows, of each subject."""
        return self.official_rows == self.num_read and not self._deviations()

    def described(self) -> str:
        """What a score on it is a score on, as a sentence part that can be quoted."""
        if self.kind == "text":
            size = sum(text.num_bytes for text in self.texts)
            return f"{size:,} bytes of {self.file} in {len(self.texts):,} pieces"
        of = f"the {len(self.subjects)} subjects in {self.file}" if self.is_filtered else self.file
        if self.official_rows is None:
            return f"all {self.num_read:,} rows of {of}: nothing is published under this name"
        if self.is_official:
            return f"all {self.num_read:,} rows of {of}, the size of the published test set"
        part = "carved or incomplete" if not self.is_filtered else self._deviations()
        unlike = "NOT comparable with published figures"
        if self.num_read < self.official_rows:
            return (
                f"{self.num_read:,} of the {self.official_rows:,} rows of the published test set "
                f"({self.file}): {part}, {unlike}"
            )
        part = "another set or a changed one" if not self.is_filtered else self._deviations()
        return (
            f"{self.num_read:,} rows of {of}, where the published test set has "
            f"{self.official_rows:,}: {part}, {unlike}"
        )

    def _deviations(self) -> str:
        """Which of the suite's subjects have other numbers of rows than are published."""
        found = self.subjects if self.is_filtered else {}
        missing = [name for name, rows in found.items() if not rows.num_read]
        fewer = [n for n, rows in found.items() if 0 < rows.num_read < (rows.official_rows or 0)]
        more = [
            name
            for name, rows in found.items()
            if rows.official_rows is not None and rows.num_read > rows.official_rows
        ]
        told = []
        if fewer:
            are = "is" if len(fewer) == 1 else "are"
            told.append(f"{len(fewer)} of {len(found)} subjects {are} incomplete")
        if missing:
            are = "is" if len(missing) == 1 else "are"
            told.append(f"{_list(missing)} {are} missing")
        if more:
            have = "has" if len(more) == 1 else "have"
            told.append(f"{_list(more)} {have} more rows than published")
        return ", ".join(told)


def read_set(
    section: SuiteSection, *, offline: bool = False, data_path: str | Path | None = None
) -> SuiteSet:
    """Find and read the items of a set.

    Args:
        section: The set.
        offline: Whether no other machine may be asked.
        data_path: Where its rows are, whatever the suite says: a folder laid out as $MEDTUNE_DATA
            is, the folder of the task itself, or whatever `path` of rows may be.

    Raises:
        DataError: There is nothing there, a row is bad or not of the set's kind, or rows do not say
            the subject that they are chosen by.
    """
    if section.rows is None:
        return _read_text(section, data_path)
    rows = _located(section.rows, data_path)
    try:
        found = read_task(rows, offline=offline, needs_train=False, lone="test")
    except DataError as error:
        raise DataError(
            f"{section.name}: {error} In a suite that is rows.path, or --data DIR for once."
        ) from None
    task = TASKS[rows.task]
    if "test" not in found.splits:
        raise DataError(
            f"{section.name}: there are {' and '.join(found.splits)} rows alone "
            f"({next(iter(found.files.values())).file}), and only test rows are scored; put "
            f"{' or '.join(task.files['test'])} beside them, or name a file of test rows"
        )
    examples = _chosen(section, found)
    _require_kind(section, examples)
    file = found.files["test"]
    return SuiteSet(
        name=section.name,
        kind=section.kind,
        task=task.name,
        examples=examples,
        shots=Repeatable(partial(_shots, section, rows, examples, offline)),
        is_shot_by_subject=_is_shot_by_subject(section),
        file=_called(examples) if section.subjects else file.file,
        sha256=file.sha256,
        official_rows=_official_rows(section, file),
        subjects=_count(section, examples),
        is_filtered=section.subjects is not None,
        notes=found.notes,
    )


def _located(rows: Rows, data_path: str | Path | None) -> Rows:
    if data_path is None:
        return rows
    path = str(data_path)
    below = Path(path) / TASKS[rows.task].folder
    if not is_remote(path) and below.is_dir():
        path = str(below)
    return rows.model_copy(update={"path": path})


def _chosen(section: SuiteSection, found: TaskRows) -> tuple[Example, ...]:
    """The test rows, of the suite's subjects where it names some; each under an id of its own."""
    file = found.files["test"].file
    read = tuple(found.splits["test"])
    if section.subjects:
        unnamed = sum(not example.subject for example in read)
        if unnamed:
            raise DataError(_without_subjects(section, found, unnamed, len(read)))
        read = tuple(example for example in read if example.subject in section.subjects)
        if not read:
            wanted = _list(list(section.subjects))
            raise DataError(f"{section.name}: {file} has no row of {wanted}")
    places: dict[str, str] = {}
    for example in read:
        other = places.setdefault(example.id, example.where)
        if other != example.where:
            raise DataError(
                f"{section.name}: {example.where}: the id is also that of {other}; answers are "
                "kept by id: give each row one of its own"
            )
    return read


def _without_subjects(section: SuiteSection, found: TaskRows, unnamed: int, total: int) -> str:
    task = TASKS[found.task]
    remedy = "use files that do"
    if task.beside:
        remedy = (
            f"put {task.beside.names[0]}, which does, beside {task.files['test'][0]} in a folder "
            "for --data"
        )
    return (
        f"{section.name}: {unnamed:,} of {total:,} rows of {found.files['test'].file} do not say "
        f"their subject, by which {_list(list(section.subjects or ()))} are chosen; {remedy}"
    )


def _called(examples: tuple[Example, ...]) -> str:
    files = dict.fromkeys(re.sub(r"[: ](row )?\d+$", "", example.where) for example in examples)
    more = f" and {len(files) - 1} more files" if len(files) > 1 else ""
    return f"{next(iter(files))}{more}"


def _require_kind(section: SuiteSection, examples: tuple[Example, ...]) -> None:
    if section.kind != "truth":
        return  # that rows of the task have options, or have none, the suite made sure of
    for example in examples:
        if not example.true_texts or not example.false_texts:
            raise DataError(
                f"{section.name}: {example.where}: found no list of all right and wrong answers; "
                "expected mc2_targets, as mc_task.json has them"
            )
        if set(example.true_texts) & set(example.false_texts):
            raise DataError(
                f"{section.name}: {example.where}: found an answer that is both right and wrong; "
                "expected one or the other, as mc_task.json has it"
            )


def _official_rows(section: SuiteSection, file: SplitFile) -> int | None:
    if section.subjects is None:
        return file.official_rows
    sizes = list(section.subjects.values())
    return None if None in sizes else sum(size or 0 for size in sizes)


def _count(section: SuiteSection, examples: tuple[Example, ...]) -> dict[str, SubjectRows]:
    counts = Counter(example.subject for example in examples if example.subject)
    official = section.subjects or dict.fromkeys(counts)
    return {name: SubjectRows(counts[name], rows) for name, rows in official.items()}


def _is_shot_by_subject(section: SuiteSection) -> bool:
    assert section.rows
    return section.shots is None and bool(TASKS[section.rows.task].shots)


def _shots(
    section: SuiteSection, rows: Rows, examples: tuple[Example, ...], offline: bool
) -> Iterator[Example]:
    by_subject = _is_shot_by_subject(section)
    needed = {example.subject for example in examples} if by_subject else set()
    # MTS-Dialog has a training row that is a test row. MMLU has dev rows that are test rows of
    # another subject: before items of their own they are the published examples.
    items = {(by_subject and example.subject, example.own_text) for example in examples}
    found = set()
    for example in _found_shots(section, rows, offline):
        is_item = (by_subject and example.subject, example.own_text) in items
        if not is_item and (not needed or example.subject in needed):
            found.add(example.subject)
            yield example
    if without := sorted(needed - found):
        raise DataError(
            f"{section.name}: there is no example for prompts of {_list(without)}; put "
            f"{' or '.join(TASKS[rows.task].shots)} beside the test rows, or use no examples"
        )


def _found_shots(section: SuiteSection, rows: Rows, offline: bool) -> Iterable[Example]:
    try:
        if section.shots:
            return read_task(section.shots, offline=offline).splits["train"]
        return read_shots(rows, offline=offline)
    except DataError as error:
        raise DataError(
            f"{section.name}: no examples for prompts: {error} Use none, or a suite of your own "
            f"whose set says shots: {{task: {rows.task}, path: ...}}"
        ) from None


def _read_text(section: SuiteSection, data_path: str | Path | None) -> SuiteSet:
    candidates = _places_of_text(section, data_path)
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        looked = " and ".join(map(str, candidates)) or f"${DATA_VARIABLE} (not set)"
        raise DataError(
            f"{section.name}: no text: looked for {looked}; put a UTF-8 text there, or name one in "
            "a suite of your own (text: ./file.txt)"
        )
    raw = path.read_bytes()
    pieces = cut_text(decode(raw, path.name, 1))
    if not pieces:
        raise DataError(f"{section.name}: {path.name} holds no text")
    return SuiteSet(
        name=section.name,
        kind=section.kind,
        task=None,
        texts=tuple(Text(f"{path.stem}-{number}", text) for number, text in enumerate(pieces, 1)),
        file=path.name,
        sha256=sha256_bytes(raw),
        official_rows=None,
        subjects={},
    )


def _places_of_text(section: SuiteSection, data_path: str | Path | None) -> list[Path]:
    if data_path is not None:
        name = Path(section.text or DEFAULT_TEXT).name
        return [Path(data_path) / DEFAULT_TEXT, Path(data_path) / name]
    if section.text is not None:
        return [Path(section.text)]
    root = os.environ.get(DATA_VARIABLE)
    return [Path(root) / DEFAULT_TEXT] if root else []


def _list(names: list[str]) -> str:
    more = len(names) - _NAMED_SUBJECTS
    shown = names if more <= 1 else [*names[:_NAMED_SUBJECTS], f"{more} more"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
