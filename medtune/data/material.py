"""All rows that a recipe names: its task's, the sources beside them, the evaluation sets."""

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from medtune.digests import write_secret
from medtune.errors import DataError
from medtune.recipe import Data, Rows
from medtune.records import SPLITS, Example, Split, SplitFile, TaskRows
from medtune.tasks import read_task

SALT_FILE = "salt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows that are read one after another: a split of the task, or a source."""

    name: str
    """``train``, ``validation``, ``test``, or the name of a source."""
    split: Split
    is_source: bool
    rows: TaskRows

    def __iter__(self) -> Iterator[Example]:
        return iter(self.rows.splits[self.split])

    @property
    def file(self) -> SplitFile:
        """Where the rows are from."""
        return self.rows.files[self.split]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Everything that is read, before any of it is."""

    task: str
    parts: tuple[Part, ...]
    """The task's splits, then the training rows of the sources."""
    evaluation: Mapping[str, Part]
    """What training rows must not hold: a name for the reports -> the rows."""

    @property
    def notes(self) -> list[str]:
        """What was found out about the rows, to be told to the user."""
        parts = (*self.parts, *self.evaluation.values())
        return list(dict.fromkeys(note for part in parts for note in part.rows.notes))

    def digests(self) -> dict[str, dict[str, str]]:
        """Of every file that can change a result: name -> file and sha256."""
        named = {part.name: part.file for part in self.parts}
        named |= {f"evaluation.{name}": part.file for name, part in self.evaluation.items()}
        return {name: {"file": file.file, "sha256": file.sha256} for name, file in named.items()}


def read_material(data: Data, *, offline: bool = False) -> Material:
    """Find all rows that a recipe names; they are read when they are gone through.

    Raises:
        DataError: Something is not there.
    """
    rows = read_task(data, offline=offline)
    parts = [
        Part(name=split, split=split, is_source=False, rows=rows)
        for split in SPLITS
        if split in rows.splits
    ]
    for source in data.sources:
        found = read_task(source, offline=offline)
        parts.append(Part(name=source.name, split="train", is_source=True, rows=found))
    return Material(
        task=rows.task, parts=tuple(parts), evaluation=_evaluation(data, rows, offline=offline)
    )


def _evaluation(data: Data, own: TaskRows, *, offline: bool) -> dict[str, Part]:
    if data.decontaminate is None:
        return {}
    found: dict[str, Part] = {}
    if "test" in own.splits:
        found["own test"] = Part(name="test", split="test", is_source=False, rows=own)
    for task in data.decontaminate.against:
        rows = read_task(Rows(task=task), offline=offline, needs_train=False)
        found |= _named(task, rows, [split for split in SPLITS if split != "train"])
    for number, section in enumerate(data.decontaminate.rows, 1):
        rows = read_task(section, offline=offline, needs_train=False)
        found |= _named(f"{section.task} {number}", rows, list(SPLITS))
    if not found:
        raise DataError(
            "data.decontaminate: there is nothing to compare with: the recipe's data has no test "
            "file, and `against` and `rows` name none (held-out rows are kept apart by data.leaks)"
        )
    return found


def _named(name: str, rows: TaskRows, splits: list[Split]) -> dict[str, Part]:
    return {
        f"{name} {split}": Part(name=name, split=split, is_source=False, rows=rows)
        for split in splits
        if split in rows.splits
    }


class Names:
    """What rows are called in everything that is written: as they are, or salted hashes."""

    def __init__(self, folder: Path | None) -> None:
        """``folder``: of private data, where the salt is kept; None: rows keep their names."""
        self._salt = _salt(folder) if folder is not None else None

    def hide(self, example: Example) -> Example:
        """The example under the names that may be written down."""
        if self._salt is None:
            return example
        return replace(
            example,
            id=self._hashed("row", example.id),
            group=self._hashed("group", example.group),
            source="private rows",
            licence="private",
        )

    def _hashed(self, kind: str, name: str) -> str:
        assert self._salt is not None
        message = f"{kind}\n{name}".encode()
        return f"{kind}-{hmac.new(self._salt, message, hashlib.sha256).hexdigest()[:16]}"


def _salt(folder: Path) -> bytes:
    file = folder / SALT_FILE
    if not file.exists():
        write_secret(file, secrets.token_bytes(32))
    return file.read_bytes()
