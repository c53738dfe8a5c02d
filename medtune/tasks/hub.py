"""Rows of data sets on the hub, through ``datasets``; a repository may also be a local folder."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medtune.errors import DataError
from medtune.records import Split
from medtune.tasks.catalogue import HubSource
from medtune.tasks.finding import SPLITS, USUAL_NAMES
from medtune.tasks.rows import Row

PREFIX = "hub:"
STREAM_ABOVE = 1 << 30
"""Bytes from which on a data set that a recipe names is read from the hub at every pass instead of
being stored on this machine: 1 GiB."""


@dataclass(frozen=True, slots=True)
class HubSplit:
    """One split of a data set on the hub; going through it again asks for the rows again."""

    name: str
    split: Split
    records: Iterable[Mapping[str, Any]]

    def rows(self) -> Iterator[Row]:
        """The rows, one by one.

        Raises:
            DataError: The hub cannot be read on.
        """
        number = 0
        try:
            for number, values in enumerate(self.records, 1):
                yield Row(values, f"{self.name} row {number}", f"{self.split}-{number}")
        except Exception as error:  # noqa: BLE001 - the libraries below have many kinds of errors
            # What they say may hold values.
            raise DataError(
                f"{self.name}: could not be read on behind row {number}: {type(error).__name__}"
            ) from None

    def sha256(self) -> str:
        """Digest of the rows: sha256 over one line of canonical JSON for each."""
        digest = hashlib.sha256()
        for row in self.rows():
            try:
                line = json.dumps(row.values, sort_keys=True, ensure_ascii=False)
            except TypeError:
                raise row.fault(
                    "a value that JSON cannot hold, such as a date or an image",
                    "text, numbers, lists and objects",
                ) from None
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()


def open_published(hub: HubSource) -> dict[Split, HubSplit]:
    """The splits of a published task, stored on this machine: all of them are small.

    Raises:
        DataError: The hub cannot be reached or has no such data set.
    """
    return {
        split: _open(hub.repository, hub.configuration, theirs, split, streaming=False)
        for split, theirs in hub.splits.items()
    }


def open_named(path: str) -> tuple[dict[Split, HubSplit], tuple[str, ...]]:
    """The splits behind ``hub:owner/name`` or ``hub:owner/name:configuration``, and notes.

    Raises:
        DataError: The hub cannot be reached, or has no such data set with a split train,
            validation or test.
    """
    import datasets

    repository, _, chosen = path.removeprefix(PREFIX).partition(":")
    configuration = chosen or None
    name = _name(repository, configuration)
    try:
        info = datasets.load_dataset_builder(repository, configuration).info
        theirs = list(info.splits or datasets.get_dataset_split_names(repository, configuration))
    except Exception as error:  # noqa: BLE001 - the libraries below have many kinds of errors
        raise _unreadable(name, error) from None
    found: dict[Split, str] = {}
    for split in SPLITS:
        for usual in USUAL_NAMES[split]:
            if usual in theirs:
                found.setdefault(split, usual)
    if not found:
        raise DataError(
            f"{name}: has the splits {', '.join(theirs)}; expected train, validation or test"
        )
    size = info.dataset_size or info.download_size
    streaming = size is None or size > STREAM_ABOVE
    notes = []
    if left_out := [split for split in theirs if split not in found.values()]:
        notes.append(f"{name}: the splits {', '.join(left_out)} are left out")
    if streaming:
        told = "the hub does not say how large it is" if size is None else f"{size:,} bytes"
        notes.append(f"{name}: read from the hub at every pass, not stored here: {told}")
    opened = {
        split: _open(repository, configuration, usual, split, streaming=streaming)
        for split, usual in found.items()
    }
    return opened, tuple(notes)


def _open(
    repository: str, configuration: str | None, theirs: str, split: Split, *, streaming: bool
) -> HubSplit:
    import datasets

    name = _name(repository, configuration, theirs)
    datasets.disable_progress_bars()
    try:
        records = datasets.load_dataset(
            repository, configuration, split=theirs, streaming=streaming
        )
    except Exception as error:  # noqa: BLE001 - the libraries below have many kinds of errors
        raise _unreadable(name, error) from None
    return HubSplit(name, split, records)


def _name(repository: str, configuration: str | None, split: str | None = None) -> str:
    # A folder in the hub's layout is called by its name: rows are not to show where it lies.
    called = Path(repository).name if Path(repository).is_dir() else repository
    parts = ", ".join(part for part in (configuration or "default", split) if part)
    return f"{called} ({parts})"


def _unreadable(name: str, error: Exception) -> DataError:
    first = (str(error).splitlines() or [""])[0]
    return DataError(f"the hub's {name} could not be read: {type(error).__name__}: {first}")
