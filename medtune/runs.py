"""The run directory: its name is taken once, by one process at a time, and never mixed."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from medtune.digests import remove_folder, remove_partials, write_json
from medtune.errors import DriftError, MedtuneError, RunExistsError

DEFAULT_PARENT = Path("runs")
FINISHED = "provenance.json"
"""Written last: a run directory that has it is finished."""
PRIVATE_ROWS = "data"
"""Folder of prepared rows of patients inside a run."""
BEFORE_THE_RUN = frozenset({".lock", PRIVATE_ROWS, "canaries.json"})
"""What may lie in a run's folder before the run takes its name: rows that `medtune data preprocess`
prepared, and secrets that were drawn for it."""
FINISHED_SEEDS = "seeds.json"
"""Written last in the folder of a recipe's runs with several seeds."""


def is_finished(run: Path) -> bool:
    """Whether the run, or all runs of several seeds, came to their end."""
    return (run / FINISHED).is_file() or (run / FINISHED_SEEDS).is_file()


def run_folder(name: str, parent: Path | None) -> Path:
    """Where the run of this name lies, or will."""
    return (parent or DEFAULT_PARENT) / name


@contextmanager
def open_run(name: str, parent: Path | None, *, resume: bool) -> Iterator[Path]:
    """Take a run directory, new or (with ``resume``) unfinished, for this process alone.

    Raises:
        RunExistsError: The name is taken, there is nothing to resume, or another process is at it.
        MedtuneError: The folder cannot be made or written.
    """
    run = run_folder(name, parent)
    existed = run.exists() and (not run.is_dir() or _has_begun(run))
    if existed and not run.is_dir():
        raise RunExistsError(f"{run} is a file, not a run; give another name or folder")
    if resume and not run.exists():
        raise RunExistsError(f"there is no run {run} to resume")
    lock_file = run / ".lock"
    with _open_lock(lock_file) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunExistsError(f"another process is working on {run}") from error
        try:
            _refuse_taken(run, existed=existed, resume=resume)
        except RunExistsError:
            lock_file.unlink()
            raise
        remove_partials(run)
        try:
            yield run
        finally:
            # A run that failed before it wrote anything (a bad row, no base) takes no name.
            has_begun = _has_begun(run)
            if is_finished(run) or not has_begun:
                lock_file.unlink()
            if not has_begun:
                _forget(run)


def _open_lock(file: Path) -> TextIO:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.open("w")
    except OSError as error:
        raise MedtuneError(
            f"{file.parent}: nothing can be written there ({error.strerror}); give another folder "
            "(--out)"
        ) from error


def begin(file: Path, conditions: Mapping[str, Any], *, resume: bool) -> None:
    """Record in a file under which conditions something is begun; where resumed, require the same.

    Raises:
        DriftError: They are others; the message lists which.
    """
    if not (resume and file.is_file()):
        write_json(file, conditions)
        return
    recorded = json.loads(file.read_text(encoding="utf-8"))
    changed = [k for k in recorded.keys() | conditions.keys()
               if recorded.get(k) != conditions.get(k)]  # fmt: skip
    if changed:
        listed = "\n".join(
            f"  {key}: {recorded.get(key)!r} then, {conditions.get(key)!r} now"
            for key in sorted(changed)
        )
        raise DriftError(
            f"{file.parent} was begun under other conditions:\n{listed}\nRestore them, or give "
            "another name (--name)"
        )


def _has_begun(run: Path) -> bool:
    return any(path.name not in BEFORE_THE_RUN for path in run.iterdir())


def _forget(run: Path) -> None:
    """Leave nothing of a run that did not begin, but rows that were prepared to their end."""
    rows = run / PRIVATE_ROWS
    if any(rows.glob("*/manifest.json")):
        return
    if rows.exists():
        remove_folder(rows)
    (run / "canaries.json").unlink(missing_ok=True)
    run.rmdir()


def _refuse_taken(run: Path, *, existed: bool, resume: bool) -> None:
    """Looked at once the lock is held, so that no other process can still change the answer."""
    if resume and not existed:
        raise RunExistsError(f"there is no run {run} to resume")
    if is_finished(run):
        raise RunExistsError(
            f"{run} is a finished run; give another name (name=..., or --name), another folder "
            "(--out), or remove it"
        )
    if existed and not resume:
        raise RunExistsError(
            f"{run} is there already, unfinished; continue it with --resume, give another name "
            "(name=...) or another folder (--out), or remove it"
        )
