"""What is built once in the cache, and digests that it remembers."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medtune.cache import cache_folder
from medtune.digests import FileDigests, sync_folder

__all__ = ["built_once", "cache_folder", "file_digests"]


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
