"""Where medtune keeps what it fetched or converted: $MEDTUNE_CACHE, or ~/.cache/medtune."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medtune.digests import FileDigests, sync_folder
from medtune.errors import MedtuneError


def cache_folder() -> Path:
    """The cache, private to its user; made when it is first needed.

    Raises:
        MedtuneError: It cannot be.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "medtune"
    folder = Path(os.environ.get("MEDTUNE_CACHE") or default)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise MedtuneError(
            f"the cache {folder} cannot be made: {error.strerror}; set MEDTUNE_CACHE to a folder "
            "that can be written"
        ) from error
    return folder


def file_digests() -> FileDigests:
    """Remembered sha256 of files."""
    return FileDigests(cache_folder() / "file-digests.json")


@contextmanager
def built_once(target: Path) -> Iterator[Path | None]:
    """Build a folder of the cache once, whole or not at all, however many processes ask.

    Yields:
        A new folder to fill, which becomes ``target`` when the block ends without an exception;
        or None, when ``target`` is already there.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            yield None
            return
        partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            yield partial
            partial.replace(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
