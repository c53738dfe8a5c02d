"""Bytes of files, on this machine or at a URL, packed or not; every failure is one clear line."""

import gzip
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit, urlunsplit

from medtune.errors import DataError

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
"""Bytes 2 to 4 of a frame that holds no text; some tools begin an archive with one."""


def open_stream(location: str, name: str) -> BinaryIO:
    """Open a path of this machine or a URL; the same errors are told while it is read.

    Args:
        location: The path or URL.
        name: How messages call it.

    Raises:
        DataError: It cannot be opened.
    """
    try:
        raw = _open_url(location) if "://" in location else _open_path(location)
    except Exception as error:  # noqa: BLE001 - every kind of file system has errors of its own
        raise unreadable(name, error) from None
    return _reader(raw, lambda error: unreadable(name, error))


def unpacked(stream: BinaryIO, packing: str, name: str) -> BinaryIO:
    """The text inside of a .gz or .zst file.

    Raises:
        DataError: The file is no such archive; while it is read: or it is cut off or damaged.
    """
    kind = {".gz": "gzip", ".zst": "zstd"}[packing]
    # Both decoders take a file without a byte for an archive of nothing.
    head = cast("io.BufferedReader", stream).peek(4)[:4]
    is_archive = (
        head.startswith(_GZIP)
        if kind == "gzip"
        else head.startswith(_ZSTD) or head[1:] == _ZSTD_SKIPPABLE
    )
    if not is_archive:
        found = "an empty file" if not head else "a file that does not begin like one"
        raise DataError(f"{name}: expected a {kind} archive; found {found}")

    def tell(error: Exception) -> DataError:
        if isinstance(error, DataError):  # the file itself could not be read on
            return error
        is_cut_off = isinstance(error, EOFError) or "Truncated" in str(error)
        return DataError(f"{name}: the {kind} archive is {'cut off' if is_cut_off else 'damaged'}")

    if kind == "gzip":
        return _reader(gzip.GzipFile(fileobj=stream), tell)
    import pyarrow as pa

    return _reader(pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd"), tell)


def on_disk(stream: BinaryIO) -> BinaryIO:
    """A copy that can be read in any order: a file without a name that only this process sees."""
    copy = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        shutil.copyfileobj(stream, copy, 1 << 20)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def unreadable(name: str, error: Exception) -> DataError:
    """What it means that a file could not be opened or read."""
    if isinstance(error, DataError):
        return error
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, FileNotFoundError):
        reason = "there is no such file"
    elif isinstance(error, PermissionError):
        reason = "no permission to read it"
    elif isinstance(error, IsADirectoryError):
        reason = "this is a folder; expected a file"
    else:
        # A file system may write the whole URL, secrets included, into its message.
        reason = f"could not be read: {os.strerror(number) if number else type(error).__name__}"
    return DataError(f"{name}: {reason}")


def shown_url(url: str) -> str:
    """A URL without what may be secret in it: its user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the URL's path in it.

    Raises:
        DataError: The protocol is unknown, or its package is not installed.
    """
    import fsspec
    from fsspec.registry import known_implementations

    protocol = url.partition("://")[0]
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError:
        package = known_implementations[protocol]["class"].partition(".")[0]
        if package == "fsspec":
            package = f"fsspec[{'http' if protocol == 'https' else protocol}]"
        raise DataError(
            f"{shown_url(url)}: {protocol}:// needs a package that is not installed: "
            f"pip install '{package}'"
        ) from None
    except Exception as error:  # noqa: BLE001 - as in open_stream
        if protocol not in known_implementations:
            raise DataError(f"{shown_url(url)}: fsspec has no protocol {protocol}://") from None
        raise unreadable(shown_url(url), error) from None
    return system, path


def _open_path(path: str) -> BinaryIO:
    if not Path(path).exists() and Path(path).is_symlink():
        raise DataError(f"{Path(path).name}: a link to a file that is not there")
    mode = Path(path).stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe would wait for ever
        raise DataError(f"{Path(path).name}: a device or pipe; expected a file")
    return Path(path).open("rb")


def _open_url(url: str) -> BinaryIO:
    system, path = file_system(url)
    return cast("BinaryIO", system.open(path, "rb"))


def _reader(inner: Any, tell: Callable[[Exception], DataError]) -> BinaryIO:  # noqa: ANN401
    return io.BufferedReader(_Told(inner, tell), 1 << 17)


class _Told(io.RawIOBase):
    """A file whose errors are told in medtune's words."""

    def __init__(self, inner: Any, tell: Callable[[Exception], DataError]) -> None:  # noqa: ANN401
        self._inner = inner
        self._tell = tell

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return isinstance(self._inner, io.IOBase) and self._inner.seekable()

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        try:
            piece = self._inner.read(len(buffer))
        except Exception as error:  # noqa: BLE001 - as in open_stream
            raise self._tell(error) from None
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()
