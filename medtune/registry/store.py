"""Where a registry's bytes lie: a store of named objects, and the one in a folder.

A registry asks little of a store: objects that are written once, and a few (the index, the logs)
that are replaced only by who has seen what is there. So a folder and an object store serve alike.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from medtune.digests import PARTIAL, sha256_bytes, sync_folder, write_bytes
from medtune.errors import RegistryError, VerificationError

PIECE = 1 << 20


class Store(Protocol):
    """Objects by key: relative POSIX paths such as ``blobs/sha256/…`` and ``index.json``."""

    @property
    def place(self) -> str:
        """What a user calls it; told in messages."""
        ...

    def read(self, key: str) -> bytes | None:
        """A small object; None where there is none."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        ...

    def open(self, key: str) -> IO[bytes]:
        """An object as a stream, to be closed by who asked.

        Raises:
            RegistryError: There is none.
        """
        ...

    def write_new(self, key: str, source: bytes | Path, sha256: str) -> bool:
        """Write an object of known content where there is none, whole or not at all.

        Returns:
            Whether it was written: False where the key is taken.

        Raises:
            VerificationError: The source has other bytes than the digest says.
        """
        ...

    def add_file(self, folder: str, source: Path) -> str:
        """Write a file under ``FOLDER/<its sha256>``, unless it is there.

        Returns:
            The hex sha256.
        """
        ...

    def replace(self, key: str, data: bytes, seen: bytes | None) -> bool:
        """Replace an object only if it is still what was seen (None: absent).

        Returns:
            False where another has written meanwhile; nothing is changed then.
        """
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix that ends with a slash, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; only what nothing refers to."""
        ...


def inner_key(key: str, place: str) -> PurePosixPath:
    """A key that leads nowhere but into its store.

    Raises:
        VerificationError: It is empty, absolute, or goes up.
    """
    path = PurePosixPath(key)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise VerificationError(f"{key!r} leads out of {place}")
    return path


class FolderStore:
    """Objects as files below a folder, also on a network's disk that knows ``flock``."""

    def __init__(self, root: Path, called: str | None = None) -> None:
        self._root = root
        self._called = called
        self._unsynced: set[Path] = set()

    @property
    def root(self) -> Path:
        """The folder."""
        return self._root

    @property
    def place(self) -> str:
        """The folder, as it was named; of a copy, where it is from."""
        return self._called or str(self._root)

    def read(self, key: str) -> bytes | None:
        """A small object; None where there is none."""
        path = self._path(key)
        return path.read_bytes() if path.is_file() else None

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        path = self._path(key)
        return path.stat().st_size if path.is_file() else None

    def open(self, key: str) -> IO[bytes]:
        """An object as a stream."""
        try:
            return self._path(key).open("rb")
        except FileNotFoundError:
            raise RegistryError(f"{self.place} has no {key}") from None

    def write_new(self, key: str, source: bytes | Path, sha256: str) -> bool:
        """Write an object of known content where there is none, whole or not at all."""
        if self._path(key).exists():
            return False
        with self._telling(), self._partial(key) as (partial, file):
            found = _copy(source, file)
            if found != sha256:
                raise VerificationError(
                    f"{key}: the bytes have digest {found[:16]}…, expected {sha256[:16]}…"
                )
            return self._keep(partial, file, key)

    def add_file(self, folder: str, source: Path) -> str:
        """Write a file under its digest; read, hashed and written in one pass."""
        with self._telling(), self._partial(f"{folder}/new") as (partial, file):
            found = _copy(source, file)
            self._keep(partial, file, f"{folder}/{found}")
            return found

    def replace(self, key: str, data: bytes, seen: bytes | None) -> bool:
        """Replace an object only if it is still what was seen."""
        with self._telling(), self._locked():
            if self.read(key) != seen:
                return False
            # What names new objects is on the disk after them.
            while self._unsynced:
                sync_folder(self._unsynced.pop())
            path = self._path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data)
            return True

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix, sorted; what a killed process left half is none."""
        for path in sorted((self._root / prefix).rglob("*")):
            if path.is_file() and not path.name.endswith(PARTIAL):
                yield path.relative_to(self._root).as_posix()

    def delete(self, key: str) -> None:
        """Remove an object."""
        with self._telling():
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        """The file of a key, which may lead nowhere else."""
        path = self._root / inner_key(key, self.place)
        for place in (path, *path.parents):
            if place == self._root:
                break
            if place.is_symlink():
                raise VerificationError(
                    f"{self.place}: {key} is, or lies below, a symbolic link; a registry has none"
                )
        return path

    @contextmanager
    def _partial(self, key: str) -> Iterator[tuple[Path, IO[bytes]]]:
        """A hidden file beside a key, which goes whatever happens."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=PARTIAL)
        try:
            with os.fdopen(handle, "wb") as file:
                yield Path(name), file
        finally:
            Path(name).unlink()

    def _keep(self, partial: Path, file: IO[bytes], key: str) -> bool:
        """Give a file that is whole its name, unless that is taken."""
        file.flush()
        os.fsync(file.fileno())
        partial.chmod(0o444)
        path = self._path(key)
        # A link fails where the name is taken; a rename would replace what is there.
        with suppress(FileExistsError):
            os.link(partial, path)
            self._unsynced.add(path.parent)
            return True
        return False

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """One clear line for a full disk or a folder that cannot be written."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise RegistryError(
                f"{self.place} cannot be written: {reason}; nothing was changed"
            ) from error


def _copy(source: bytes | Path, target: IO[bytes]) -> str:
    """Copy and hash in one pass; the hex sha256 of what was written."""
    if isinstance(source, bytes):
        target.write(source)
        return sha256_bytes(source)
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()
