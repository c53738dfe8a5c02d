"""Objects of a registry in S3, or in any store that speaks it and knows conditional writes.

Written for ``If-None-Match: *`` (S3 since 2024-08) and ``If-Match`` (since 2024-11) on PUT: a store
that ignores them would lose writes of others. Where and as whom is said by AWS's own variables:
``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
``AWS_SESSION_TOKEN``, ``AWS_CA_BUNDLE``, ``AWS_ALLOW_HTTP``.
"""

import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import urlsplit

from medtune.digests import sha256_file
from medtune.errors import RegistryError
from medtune.registry.addresses import is_loopback, require_package
from medtune.registry.checked import CheckedReader, check_bytes
from medtune.registry.store import inner_key

if TYPE_CHECKING:
    from obstore.store import ClientConfig
    from obstore.store import S3Store as Bucket

AT_ONCE = 8 << 20
"""Bytes up to which an object is sent in one conditional request, and of each part beyond."""
PARTS_AT_ONCE = 4
PIECE = 4 << 20
"""Bytes that a stream asks for at a time."""
RETRIES = 4
PAUSES = (0.2, 1.0, 3.0)
"""Seconds between attempts at a conditional write."""


class S3Store:
    """Objects below ``s3://bucket/prefix``.

    What is larger than 8 MiB goes up in parts, and is there only once it is whole. Completing an
    upload is not conditional, so two who send such an object at the same time both write it. Large
    objects are blobs, whose key is their digest: both write the same bytes.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise RegistryError(f"{url!r} is no place in S3; say s3://bucket or s3://bucket/prefix")
        require_package("obstore", url, "registry")
        self._url = url.rstrip("/")
        self._name = parts.netloc
        prefix = parts.path.strip("/")
        self._bucket = _connect(parts.netloc, prefix, RETRIES)
        self._bucket_once = _connect(parts.netloc, prefix, 0)
        self._is_known_bucket = False

    @property
    def place(self) -> str:
        """The address, as it was given."""
        return self._url

    def read(self, key: str) -> bytes | None:
        """A small object; None where there is none."""
        found = self._get(key)
        return None if found is None else found[0]

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        import obstore

        with self._telling():
            try:
                return obstore.head(self._bucket, self._key(key))["size"]
            except FileNotFoundError:
                self._require_bucket()
                return None

    def open(self, key: str) -> IO[bytes]:
        """An object as a stream, which asks for a few MiB at a time."""
        size = self.size(key)
        if size is None:
            raise RegistryError(f"{self.place} has no {key}")
        return io.BufferedReader(_Ranges(self, self._key(key), size), PIECE)

    def write_new(self, key: str, source: bytes | Path, sha256: str) -> bool:
        """Write an object of known content where there is none, whole or not at all."""
        if isinstance(source, Path) and source.stat().st_size > AT_ONCE:
            return self._write_parts(key, source, sha256)
        data = source if isinstance(source, bytes) else source.read_bytes()
        if self.size(key) is not None:
            return False
        check_bytes(data, sha256, key)
        return self._put(key, data, None)

    def add_file(self, folder: str, source: Path) -> str:
        """Write a file under its digest; it is read twice, as the key has to be known first."""
        digest = sha256_file(source)
        self.write_new(f"{folder}/{digest}", source, digest)
        return digest

    def replace(self, key: str, data: bytes, seen: bytes | None) -> bool:
        """Replace an object only if it is still what was seen."""
        if seen is None:
            return self._put(key, data, None)
        found = self._get(key)
        return found is not None and found[0] == seen and self._put(key, data, found[1])

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix, sorted."""
        import obstore

        below = self._key(prefix)
        with self._telling():
            found = [one["path"] for batch in obstore.list(self._bucket, below) for one in batch]
        yield from sorted(found)

    def delete(self, key: str) -> None:
        """Remove an object."""
        import obstore

        with self._telling():
            obstore.delete(self._bucket, self._key(key))

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Some bytes of an object that is there."""
        import obstore

        with self._telling():
            found = obstore.get_range(self._bucket, path, start=start, length=length)
        return bytes(found)

    def _key(self, key: str) -> str:
        return str(inner_key(key, self.place))

    def _get(self, key: str) -> tuple[bytes, str | None] | None:
        """An object with its ETag."""
        import obstore

        with self._telling():
            try:
                found = obstore.get(self._bucket, self._key(key))
                return bytes(found.bytes()), found.meta["e_tag"]
            except FileNotFoundError:
                self._require_bucket()
                return None

    def _put(self, key: str, data: bytes, etag: str | None) -> bool:
        """Put an object where there is none (no ETag), or over the one with this ETag.

        Repeated unseen after its answer was lost, such a write would find itself and be refused:
        so each is sent once, and what is there is looked at before it is sent again.
        """
        from obstore.exceptions import GenericError

        with self._telling():
            for pause in PAUSES:
                with suppress(GenericError):
                    return self._put_once(key, data, etag)
                if self._was_written(key, data):
                    return True
                time.sleep(pause)
            return self._put_once(key, data, etag)

    def _put_once(self, key: str, data: bytes, etag: str | None) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            obstore.put(
                self._bucket_once, self._key(key), data, use_multipart=False,
                mode="create" if etag is None else {"e_tag": etag},
            )  # fmt: skip
        except (AlreadyExistsError, PreconditionError):
            return False
        except FileNotFoundError:
            self._require_bucket()
            return False  # what was to be replaced is gone
        return True

    def _was_written(self, key: str, data: bytes) -> bool:
        try:
            return self.read(key) == data
        except RegistryError as error:
            raise RegistryError(
                f"{self.place} cannot be reached any more; whether {key} was written is not known: "
                "look again"
            ) from error

    def _write_parts(self, key: str, source: Path, sha256: str) -> bool:
        import obstore

        if self.size(key) is not None:
            return False
        with self._telling(), source.open("rb") as file:
            reader = CheckedReader(file, sha256, source.stat().st_size, key)
            obstore.put(
                self._bucket, self._key(key), reader, use_multipart=True, chunk_size=AT_ONCE,
                max_concurrency=PARTS_AT_ONCE,
            )  # fmt: skip
        return True

    def _require_bucket(self) -> None:
        """Tell an object that is not there from a bucket that is not."""
        import obstore

        if not self._is_known_bucket:
            with self._telling():
                next(iter(obstore.list(self._bucket, chunk_size=1)), None)
            self._is_known_bucket = True

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """One line for what S3 refuses, without its own words: these name keys and signatures."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            reason = _reason(error, self._name)
            raise RegistryError(f"{self.place}: {reason}; nothing was changed") from None


class _Ranges(io.RawIOBase):
    """An object as a file that is read from any place."""

    def __init__(self, store: S3Store, path: str, size: int) -> None:
        self._store = store
        self._path = path
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readall(self) -> bytes:
        # The inherited one asks for 8 KiB at a time.
        return b"".join(iter(lambda: self.read(PIECE) or b"", b""))

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        length = min(len(buffer), self._size - self._at)
        if length <= 0:
            return 0
        found = self._store.read_range(self._path, self._at, length)
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def _connect(bucket: str, prefix: str, retries: int) -> "Bucket":
    from obstore.store import S3Store as Bucket

    options: dict[str, object] = {"timeout": "120s", "connect_timeout": "10s"}
    if _endpoint().startswith("http:"):
        if not is_loopback(_endpoint()) and os.environ.get("AWS_ALLOW_HTTP", "").lower() != "true":
            raise RegistryError(
                "AWS_ENDPOINT_URL is http, which would send adapters unencrypted; use https, or "
                "say that you accept it with AWS_ALLOW_HTTP=true"
            )
        options["allow_http"] = True
    if authority := os.environ.get("AWS_CA_BUNDLE"):
        options["root_certificate"] = _read_authority(Path(authority))
    return Bucket(
        bucket, prefix=prefix or None, client_options=cast("ClientConfig", options),
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=30)},
    )  # fmt: skip


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _read_authority(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RegistryError(
            f"the certificates {path} (AWS_CA_BUNDLE) cannot be read: {error.strerror}"
        ) from error


def _reason(error: Exception, bucket: str) -> str:
    """What went wrong, and what to do, without the server's words."""
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    text = str(error)
    code = found.group(1) if (found := re.search(r"<Code>(\w+)</Code>", text)) else ""
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket}; make it first"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return (
            f"the login was refused ({code or 'no permission'}); look at AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, and at what they may do in this bucket"
        )
    if "169.254." in text or "credential" in text.lower():
        return "there is no login; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if "redirect" in text.lower() or code == "PermanentRedirect":
        return "the bucket lies in another region; set AWS_REGION"
    if "error sending request" in text or "connect" in text.lower():
        where = os.environ.get("AWS_ENDPOINT_URL", "S3")
        return (
            f"{where} cannot be reached, or cut the connection; look at the network and try again"
        )
    return f"the store answered {code or type(error).__name__}"
