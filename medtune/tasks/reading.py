"""The rows of a recipe's source: its path, else the task's folder in $MEDTUNE_DATA, else the hub.

Nothing is kept: every pass over a split opens its files and parses them anew, row by row, so that
a million rows take no more memory than a few.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from glob import has_magic
from itertools import chain, islice
from pathlib import Path

from medtune.digests import sha256_named
from medtune.errors import DataError
from medtune.recipe import Rows
from medtune.recipe.document import DATA_VARIABLE
from medtune.records import Example, Split, SplitFile, TaskRows
from medtune.tasks.catalogue import TASKS, Task
from medtune.tasks.files import SUPPORTED, DataFile
from medtune.tasks.finding import Found, default_folder, file_beside, find, find_published
from medtune.tasks.hub import PREFIX, HubSplit, open_named, open_published
from medtune.tasks.rows import Repeatable, Row


@dataclass(frozen=True, slots=True)
class _RawSplit:
    """Rows of one split that no reader has seen yet."""

    rows: Iterable[Row]
    file: str
    sha256: str


def read_task(
    rows: Rows, *, offline: bool = False, needs_train: bool = True, lone: Split = "train"
) -> TaskRows:
    """Find every split of a source and look at its first row; the rest is read when gone through.

    Args:
        rows: Where the rows are and how they are read; the ``data`` section is one.
        offline: Whether no other machine may be asked.
        needs_train: Whether there have to be training rows.
        lone: Which split the rows are of a path that names no folder, but a file, glob or URL.

    Raises:
        DataError: There are no rows, they cannot be told apart, or a first row is bad. While a
            split is gone through: a row is bad (the message names the first), or a file has none.
    """
    return _read(TASKS[rows.task], rows, offline=offline, needs_train=needs_train, lone=lone)


def read_shots(rows: Rows, *, offline: bool = False) -> Iterable[Example]:
    """Examples for prompts: those that are published as such, or else the training rows.

    They can be gone through again and again.

    Raises:
        DataError: There are none. Of a path that names no folder there never are any.
    """
    task = TASKS[rows.task]
    if rows.path and not (rows.path.startswith(PREFIX) or Path(rows.path).is_dir()):
        raise DataError(f"{rows.path} is no folder with training rows.")
    if not rows.path and not task.shots and "train" not in task.files:
        raise DataError(f"task {task.name} is published without training rows.")
    # Of two copies, one may have as training rows what is a test row of the other.
    has_test = "test" in _find(task, rows, offline=offline, lone="train").files
    offline = offline or (has_test and not rows.path)
    if not task.shots:
        return _read(task, rows, offline=offline).splits["train"]
    if task.hub and task.hub.shots:
        task = replace(task, hub=replace(task.hub, splits={"train": task.hub.shots}))
    task = replace(task, files={"train": task.shots})
    if rows.path and not rows.path.startswith(PREFIX):
        # By their own names alone: whatever else lies in the folder may be what is scored.
        found = find_published(task, Path(rows.path))
        if not found.files:
            raise DataError(f"{rows.path} has no {' or '.join(task.files['train'])}.")
        return _assembled(task, rows, _from_files(task, found), ()).splits["train"]
    return _read(task, rows, offline=offline).splits["train"]


def _read(
    task: Task, rows: Rows, *, offline: bool, needs_train: bool = True, lone: Split = "train"
) -> TaskRows:
    if rows.path and rows.path.startswith(PREFIX):
        if offline:
            raise DataError(f"{rows.path}: --offline keeps medtune from asking the hub; copy "
                            "the rows to this machine and set data.path")  # fmt: skip
        splits, notes = open_named(rows.path)
        if needs_train and "train" not in splits:
            raise DataError(f"{rows.path}: has no split train")
        return _assembled(task, rows, _from_hub(splits), notes)
    found = _find(task, rows, offline=offline, lone=lone)
    if "train" in found.files or (found.files and not needs_train):
        return _assembled(task, rows, _from_files(task, found), found.notes)
    if rows.path is None and task.hub and not offline:
        return read_hub(task, rows)
    raise DataError(_not_found(task, rows, found, offline=offline, needs_train=needs_train))


def read_hub(task: Task, rows: Rows) -> TaskRows:
    """The hub's copy of a published task.

    Raises:
        DataError: The hub cannot be reached or has no such data set.
    """
    assert task.hub, "the task has a copy on the hub"
    try:
        splits = open_published(task.hub)
    except DataError as error:
        raise DataError(f"{error}\nOr give data.path: a folder with {_names(task)}") from None
    return _assembled(task, rows, _from_hub(splits), ())


def _find(task: Task, rows: Rows, *, offline: bool, lone: Split) -> Found:
    if rows.path:
        found = find(task, rows.path, offline=offline, lone=lone)
    elif folder := default_folder(task):
        found = find_published(task, folder)
    else:
        return Found({})
    return _score_on_answered_rows(found) if task.name == "medmcqa" else found


def _score_on_answered_rows(found: Found) -> Found:
    """MedMCQA as published: the test rows have no answers, and the field reports the dev rows."""
    if "test" not in found.files or len(found.files) == 1:
        return found
    first = next(found.files["test"][0].rows(), None)
    # No key in the published file, -1 in the hub's copy, blank in a table.
    if first and first.values.get("cop") not in (None, -1, "-1", ""):
        return found
    files: dict[Split, tuple[DataFile, ...]] = dict(found.files)
    del files["test"]
    if "validation" in files:
        files["test"] = files.pop("validation")
    note = "the test rows of MedMCQA have no answers: its validation rows are the test rows"
    return Found(files, (*found.notes, note))


def _from_files(task: Task, found: Found) -> dict[Split, _RawSplit]:
    return {
        split: _RawSplit(
            Repeatable(partial(_rows_of_files, task, files)),
            _called(files),
            _digest((*files, *_all_beside(task, files))),
        )
        for split, files in found.files.items()
    }


def _from_hub(splits: dict[Split, HubSplit]) -> dict[Split, _RawSplit]:
    return {
        split: _RawSplit(Repeatable(opened.rows), opened.name, opened.sha256())
        for split, opened in splits.items()
    }


def _rows_of_files(task: Task, files: tuple[DataFile, ...]) -> Iterator[Row]:
    return chain.from_iterable(_rows_of_file(task, file) for file in files)


def _rows_of_file(task: Task, file: DataFile) -> Iterator[Row]:
    rows = _some(file.name, file.rows(header=task.header, is_keyed=task.is_keyed))
    other = _beside(task, file)
    return task.beside.join(rows, other.rows()) if task.beside and other else rows


def _beside(task: Task, file: DataFile) -> DataFile | None:
    return file_beside(file, task.beside.names) if task.beside else None


def _all_beside(task: Task, files: tuple[DataFile, ...]) -> list[DataFile]:
    others = [other for file in files if (other := _beside(task, file))]
    return [other for other in dict.fromkeys(others) if other not in files]


def _some(name: str, rows: Iterator[Row]) -> Iterator[Row]:
    first = next(rows, None)
    if first is None:
        raise DataError(f"{name} holds no row")
    yield first
    yield from rows


def _assembled(
    task: Task, section: Rows, raw: dict[Split, _RawSplit], notes: tuple[str, ...]
) -> TaskRows:
    reader = task.make_reader(section)
    told = [task.explain(section, row) for part in raw.values() for row in islice(part.rows, 1)]
    return TaskRows(
        task=task.name,
        splits={
            split: Repeatable(partial(_examples, task, split, reader, part.rows))
            for split, part in raw.items()
        },
        files={
            split: SplitFile(
                file=part.file,
                sha256=part.sha256,
                official_rows=task.official_rows.get(split),
            )
            for split, part in raw.items()
        },
        notes=(*notes, *dict.fromkeys(note for note in told if note)),
    )


def _examples(
    task: Task,
    split: Split,
    reader: Callable[[Iterable[Row]], Iterator[Example]],
    rows: Iterable[Row],
) -> Iterator[Example]:
    for example in reader(rows):
        if split == "test" and task.num_test_options not in (None, len(example.options)):
            raise DataError(
                f"{example.where}: found {len(example.options)} options; expected "
                f"{task.num_test_options}, which task {task.name} is scored on"
            )
        yield example


def _called(files: tuple[DataFile, ...]) -> str:
    more = f" and {len(files) - 1} more files" if len(files) > 1 else ""
    return f"{files[0].name}{more}"


def _digest(files: tuple[DataFile, ...]) -> str:
    """The sha256 of the one file, or the digest of all names and files."""
    digests = {file.name: file.sha256() for file in files}
    return sha256_named(digests) if len(files) > 1 else digests[files[0].name]


def _names(task: Task) -> str:
    return "; ".join(f"{split}: {' or '.join(names)}" for split, names in task.files.items())


def _not_found(task: Task, rows: Rows, found: Found, *, offline: bool, needs_train: bool) -> str:
    if rows.path:
        return _nothing_at(task, rows.path, found, needs_train=needs_train)
    looked = default_folder(task) or f"${DATA_VARIABLE} (not set)"
    wanted = "training rows" if needs_train else "rows"
    message = f"no {wanted} for task {task.name}: looked in {looked} for {_names(task)}."
    if task.hub is None:
        return f"{message} Set data.path; the hub has no copy in a format that can be read."
    return f"{message} --offline keeps medtune from asking the hub: set data.path."


def _nothing_at(task: Task, path: str, found: Found, *, needs_train: bool) -> str:
    wanted = "training rows" if needs_train else "rows"
    message = f"no {wanted} for task {task.name}: "
    if found.files:
        return f"{message}{path} has {' and '.join(found.files)} rows alone; add a file train.jsonl"
    if "://" in path or (has_magic(path) and not Path(path).exists()):
        return f"{message}no file fits {path}"
    if not Path(path).exists():
        return f"{message}there is no {path}"
    return (
        f"{message}{path} has no file that ends in {SUPPORTED}; folders below it are read by a "
        "glob, such as **/*.jsonl"
    )
