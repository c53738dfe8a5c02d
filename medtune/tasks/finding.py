"""Which files hold the rows of a source: one file, a folder, a glob or a URL."""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_args

from medtune.errors import DataError
from medtune.recipe.document import DATA_VARIABLE
from medtune.records import Split
from medtune.tasks.catalogue import Task
from medtune.tasks.files import DataFile, require_supported, split_name
from medtune.tasks.rows import Origin
from medtune.tasks.streams import file_system, shown_url, unreadable

SPLITS: tuple[Split, ...] = get_args(Split)
LOCAL_PROTOCOLS = ("file", "memory")
"""Of the protocols that URLs may have, those that ask no other machine."""
USUAL_NAMES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
"""Names, before the ending, of a split's file in a folder of any task."""
_PART = re.compile(r"-\d+-of-(\d+)$")
"""Behind the name, where a split is cut into several files: train-00000-of-00002.parquet."""


@dataclass(frozen=True, slots=True)
class Found:
    """The files of each split, in the order in which they are read."""

    files: Mapping[Split, tuple[DataFile, ...]]
    notes: tuple[str, ...] = ()
    """What the user should know about the choice."""


def default_folder(task: Task) -> Path | None:
    """Where the task's published files lie, where $MEDTUNE_DATA is set."""
    root = os.environ.get(DATA_VARIABLE)
    return Path(root) / task.folder if root else None


def find_published(task: Task, folder: Path) -> Found:
    """The files of the task's own names in a folder; of each split, the first that is there."""
    return Found(_files(_own_names(task, folder), folder))


def find(task: Task, path: str, *, offline: bool = False, lone: Split = "train") -> Found:
    """The files at the place that a recipe names; none where nothing is there.

    Args:
        task: Whose rows they are.
        path: The place.
        offline: Whether no other machine may be asked.
        lone: Which split a file is that is named itself, or by a glob or URL.

    Raises:
        DataError: The place cannot be read, or it cannot be told which file is which.
    """
    protocol = path.partition("://")[0] if "://" in path else "file"
    if offline and protocol not in LOCAL_PROTOCOLS:
        raise DataError(
            f"{shown_url(path)}: --offline keeps medtune from reading {protocol}:// URLs; "
            "copy the rows to this machine and set data.path"
        )
    if protocol != "file":
        return _at_url(path, lone)
    local = Path(path.removeprefix("file://"))
    try:
        if local.is_dir():
            return _in_folder(task, local)
        if _lies(local):
            return Found(_files({lone: [local]}, local.parent))
        if glob.has_magic(str(local)):
            matches = [Path(match) for match in glob.glob(str(local), recursive=True)]  # noqa: PTH207
            return Found(_files({lone: _only_files(matches)}, Path(_fixed_part(str(local)))))
    except OSError as error:
        raise unreadable(str(local), error) from None
    return Found({})


def file_beside(file: DataFile, names: Sequence[str]) -> DataFile | None:
    """The first file of these names in the folder of another on this machine; never itself."""
    if "://" in file.location.removeprefix("file://"):
        return None
    folder = Path(file.location.removeprefix("file://")).parent
    for name in names:
        path = folder / name
        if path.is_file() and name != Path(file.location).name:
            return DataFile(str(path), Origin(name, require_supported(name)[0]))
    return None


def _in_folder(task: Task, folder: Path) -> Found:
    """The task's own names first, then train, validation and test, then all as training rows."""
    found = _own_names(task, folder)
    supported = [path for path in _only_files(folder.iterdir()) if split_name(path.name)]
    for split in SPLITS:
        if split not in found and (paths := _usually_named(split, supported)):
            found[split] = paths
    if found or not supported:
        read = {path for paths in found.values() for path in paths}
        left = [path for path in supported if path not in read]
        note = f"{folder.name}: not read, because other files are the splits: {_list(left)}"
        return Found(_files(found, folder), (note,) if left else ())
    note = (
        f"{folder.name} has no file that is named train, validation or test: all of its "
        f"{len(supported)} files are training rows ({_list(supported)})"
    )
    return Found(_files({"train": supported}, folder), (note,))


def _list(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths[:5]) + (", ..." if paths[5:] else "")


def _own_names(task: Task, folder: Path) -> dict[Split, list[Path]]:
    found: dict[Split, list[Path]] = {}
    for split in SPLITS:
        for name in task.files.get(split, ()):
            paths = folder.glob(name) if glob.has_magic(name) else [folder / name]
            if kept := _only_files(paths):
                found[split] = kept
                break
    return found


def _usually_named(split: Split, paths: Sequence[Path]) -> list[Path]:
    """Files that are named as a split is; more than one only if they are its numbered parts."""
    named: dict[str, list[Path]] = {}
    for path in paths:
        stem = require_supported(path.name)[0]
        base = _PART.sub("", stem)
        if base.lower() in USUAL_NAMES[split]:
            named.setdefault(base + path.name.removeprefix(stem), []).append(path)
    if len(named) > 1:
        names = ", ".join(group[0].name for group in named.values())
        raise DataError(
            f"{paths[0].parent.name}: {names} could all be the {split} rows; keep one of them, or "
            "give the file or a glob as path"
        )
    group = next(iter(named.values()), [])
    part = _PART.search(require_supported(group[0].name)[0]) if group else None
    if part and len(group) != int(part[1]):
        raise DataError(
            f"{group[0].parent.name}: of the {split} rows {len(group)} parts are there, such as "
            f"{group[0].name}; expected {int(part[1])}"
        )
    return group


def _at_url(url: str, lone: Split) -> Found:
    # In a web address a ? begins the query and is no placeholder.
    is_web = url.startswith(("http://", "https://"))
    bare = url.partition("?")[0] if is_web else url
    if not glob.has_magic(bare):
        name = PurePosixPath(bare).name
        return Found({lone: (DataFile(url, Origin(name, require_supported(name)[0])),)})
    system, path = file_system(url)
    try:
        matches = sorted(match for match in system.glob(path) if not system.isdir(match))
    except Exception as error:  # noqa: BLE001 - every kind of file system has errors of its own
        raise unreadable(shown_url(url), error) from None
    located = {match: system.unstrip_protocol(match) for match in matches}
    root = _fixed_part(path)
    return Found(_named({lone: [(located[m], os.path.relpath(m, root)) for m in matches]}))


def _files(
    found: Mapping[Split, Sequence[Path]], folder: Path
) -> dict[Split, tuple[DataFile, ...]]:
    return _named(
        {
            split: [(str(path), path.relative_to(folder).as_posix()) for path in paths]
            for split, paths in found.items()
        }
    )


def _named(
    found: Mapping[Split, Sequence[tuple[str, str]]],
) -> dict[Split, tuple[DataFile, ...]]:
    """Files for places and names, each with a stem of its own: ids of rows begin with it."""
    names = [name for places in found.values() for _, name in places]
    choices = {name: _stems(name) for name in names}
    counts = Counter(stem for stems in choices.values() for stem in set(stems))
    return {
        split: tuple(
            DataFile(place, Origin(name, next(s for s in choices[name] if counts[s] == 1)))
            for place, name in places
        )
        for split, places in found.items()
        if places
    }


def _stems(name: str) -> tuple[str, str, str]:
    """What ids may begin with, from the shortest to the one that no other file has."""
    below = require_supported(name)[0]
    return PurePosixPath(below).name, below, name


def _fixed_part(pattern: str) -> str:
    """The folder of a glob: its parts before the first with a placeholder."""
    parts = PurePosixPath(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return str(PurePosixPath(*parts[:fixed]))


def _only_files(paths: Iterable[Path]) -> list[Path]:
    """Sorted; a link to nothing is one of them, so that it is told and not passed over."""
    return sorted(path for path in paths if _lies(path) and not path.is_dir())


def _lies(path: Path) -> bool:
    return path.exists() or path.is_symlink()
