"""Find and read the rows of a recipe's task: its folder, then $MEDTUNE_DATA, then the hub."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from medtune.digests import sha256_file, sha256_value
from medtune.errors import DataError
from medtune.recipe import Data
from medtune.recipe.document import DATA_VARIABLE
from medtune.records import Example, Split, SplitFile, TaskRows
from medtune.tasks.catalogue import TASKS, HubSource, Task
from medtune.tasks.rows import Row, json_lines, json_object_of_rows

SPLITS: tuple[Split, ...] = get_args(Split)


def read_task(data: Data, *, offline: bool = False) -> TaskRows:
    """Read every split that the recipe's task has.

    Raises:
        DataError: There is no training file, a row is bad, or an id is there twice. The message
            names the first bad row.
    """
    task = TASKS[data.task]
    if data.path and Path(data.path).is_file():
        return _from_files(task, {"train": Path(data.path)})
    folders = [Path(data.path)] if data.path else _default_folders(task)
    for folder in folders:
        files = find_files(task, folder)
        if "train" in files:
            return _from_files(task, files)
    if data.path is None and task.hub and not offline:
        return read_hub(task, task.hub)
    raise DataError(_not_found(task, data, folders, offline=offline))


def find_files(task: Task, folder: Path) -> dict[Split, Path]:
    """The file of each split that lies in the folder; the first name that exists is taken."""
    found: dict[Split, Path] = {}
    for split in SPLITS:
        for name in task.files.get(split, ()):
            if (folder / name).is_file():
                found[split] = folder / name
                break
    if task.name == "medmcqa" and "test" in found and not _has_answers(found["test"]):
        # As published: the test rows have no answers, and the field reports the dev rows.
        del found["test"]
        if "validation" in found:
            found["test"] = found.pop("validation")
    return found


def read_hub(task: Task, hub: HubSource) -> TaskRows:
    """Read a task's rows through ``datasets``; the repository may also be a local folder.

    Raises:
        DataError: The hub cannot be reached or has no such data set.
    """
    import datasets

    splits: dict[Split, list[Example]] = {}
    files: dict[Split, SplitFile] = {}
    datasets.disable_progress_bars()
    for split, theirs in hub.splits.items():
        name = f"{hub.repository} ({hub.configuration or 'default'}, {theirs})"
        try:
            rows = list(datasets.load_dataset(hub.repository, hub.configuration, split=theirs))
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise DataError(
                f"the hub's {name} could not be read: {error}\n"
                f"Or give data.path: a folder with {_names(task)}"
            ) from error
        numbered = (
            Row(row, f"{name} row {number}", f"{split}-{number}")
            for number, row in enumerate(rows, 1)
        )
        splits[split] = list(task.make_reader(Data(task=task.name))(numbered))
        files[split] = SplitFile(
            file=name,
            sha256=sha256_value(rows),
            num_rows=len(rows),
            official_rows=task.official_rows.get(split),
        )
    return _checked(task, TaskRows(task=task.name, splits=splits, files=files))


def _from_files(task: Task, paths: dict[Split, Path]) -> TaskRows:
    splits: dict[Split, list[Example]] = {}
    files: dict[Split, SplitFile] = {}
    for split, path in paths.items():
        splits[split] = list(
            task.make_reader(Data(task=task.name))(
                (json_object_of_rows if task.is_keyed else json_lines)(path)
            )
        )
        if not splits[split]:
            raise DataError(f"{path} holds no row")
        files[split] = SplitFile(
            file=path.name,
            sha256=sha256_file(path),
            num_rows=len(splits[split]),
            official_rows=task.official_rows.get(split),
        )
    return _checked(task, TaskRows(task=task.name, splits=splits, files=files))


def _checked(task: Task, rows: TaskRows) -> TaskRows:
    """Refuse test rows of another task, and ids that stand for two rows: results join by id."""
    for example in rows.splits.get("test", ()):
        if task.num_test_options not in (None, len(example.options)):
            raise DataError(
                f"{example.where}: found {len(example.options)} options; expected "
                f"{task.num_test_options}, which task {task.name} is scored on"
            )
    seen: dict[str, str] = {}
    for examples in rows.splits.values():
        for example in examples:
            if example.id in seen:
                raise DataError(
                    f"{example.where}: the id of this row is also that of {seen[example.id]}; "
                    "give each row its own id"
                )
            seen[example.id] = example.where
    return rows


def _default_folders(task: Task) -> list[Path]:
    root = os.environ.get(DATA_VARIABLE)
    return [Path(root) / task.folder] if root else []


def _has_answers(medmcqa_file: Path) -> bool:
    first: Iterator[Row] = json_lines(medmcqa_file)
    row = next(first, None)
    return row is not None and "cop" in row.values


def _names(task: Task) -> str:
    return "; ".join(f"{split}: {' or '.join(names)}" for split, names in task.files.items())


def _not_found(task: Task, data: Data, folders: list[Path], *, offline: bool) -> str:
    looked = ", ".join(str(folder) for folder in folders) or f"${DATA_VARIABLE} (not set)"
    message = f"no training rows for task {task.name}: looked in {looked} for {_names(task)}."
    if data.path and not Path(data.path).exists():
        return f"{message} There is no {data.path}."
    if data.path is None and task.hub is None:
        return f"{message} Set data.path; the hub has no copy in a format that can be read."
    if offline and task.hub:
        return f"{message} --offline keeps medtune from asking the hub: set data.path."
    return message
