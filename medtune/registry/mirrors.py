"""Copies of versions with their evidence in places that others keep.

A mirror has no states and no log: it carries manifests, what they name, and what refers to them.
Nothing that comes from one is believed before its bytes were hashed here.
"""

import fcntl
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from medtune.cache import cache_folder
from medtune.errors import RegistryError, VerificationError
from medtune.registry.checked import check_bytes
from medtune.registry.layout import blob_key
from medtune.registry.manifest import MAX_BYTES
from medtune.registry.store import Store

MAX_BLOB = 64 << 30
"""Bytes of the largest file that is fetched; the adapters of the largest models have less."""
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class Mirror(Protocol):
    """A place that carries versions. Digests are hex sha256 without prefix."""

    @property
    def place(self) -> str:
        """What a user calls it; told in messages."""
        ...

    def resolve(self, reference: str) -> str:
        """Digest of the manifest that a tag, or ``sha256:…``, names.

        Raises:
            RegistryError: There is none.
        """
        ...

    def manifest(self, digest: str) -> bytes:
        """A manifest, its bytes checked.

        Raises:
            RegistryError: There is none.
            VerificationError: It has other bytes, or more than a manifest may have.
        """
        ...

    def referrers(self, digest: str) -> list[str]:
        """Digests of the manifests that the mirror lists as having this one as their subject."""
        ...

    def has_blob(self, digest: str) -> bool:
        """Whether the mirror has a blob."""
        ...

    def fetch_blob(self, digest: str, size: int, target: Path) -> None:
        """Download a blob; goes on where an earlier download of it to the same file ended.

        Raises:
            RegistryError: There is none, or the connection stays cut; what came is kept.
            VerificationError: It has other bytes; they are removed.
        """
        ...

    def send_blob(self, digest: str, size: int, source: IO[bytes]) -> None:
        """Upload a blob; the source stays open until ``finish``.

        Raises:
            VerificationError: The source has other bytes.
        """
        ...

    def send_manifest(self, data: bytes, tag: str | None) -> None:
        """Upload a manifest, whose blobs are there, under its digest and, if given, a tag."""
        ...

    def finish(self) -> str | None:
        """Make what was sent visible, all of it; the commit that holds it, where there are any."""
        ...


class Sent(NamedTuple):
    """What a mirror was sent."""

    num_blobs: int
    num_bytes: int
    commit: str | None
    """Where the mirror has commits."""


class Fetched(NamedTuple):
    """What came from a mirror."""

    manifest: str
    referrers: list[str]


@dataclass(frozen=True, slots=True)
class Blob:
    """A file that a manifest names."""

    sha256: str
    size: int
    title: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """What a manifest names."""

    blobs: tuple[Blob, ...]
    """Its config and layers."""
    subject: str | None


def read_content(data: bytes, place: str) -> Content:
    """What an OCI image manifest of any kind names.

    Raises:
        VerificationError: It is none, or its files have absurd sizes.
    """
    try:
        manifest = json.loads(data)
        named = [manifest["config"], *manifest["layers"]]
        subject = manifest.get("subject")
        return Content(
            tuple(_read_blob(one) for one in named),
            None if subject is None else bare_digest(subject["digest"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VerificationError(
            f"{place}: what was taken for a manifest is none ({type(error).__name__}: {error})"
        ) from None


def bare_digest(digest: object) -> str:
    """The hex of a digest as OCI writes it.

    Raises:
        ValueError: It is no sha256.
    """
    found = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    if found is None:
        raise ValueError(f"{str(digest)[:80]!r} is no sha256 digest")
    return found.group(1)


def send(
    store: Store, manifest: str, referrers: Sequence[str], mirror: Mirror, tags: Sequence[str]
) -> Sent:
    """Copy a version with what refers to it into a mirror; blobs that are there are not sent.

    Args:
        store: An OCI image layout.
        manifest: Digest of the version.
        referrers: Digests of what refers to it.
        mirror: Where it goes.
        tags: Given to the version last, when all of it is there.

    Raises:
        VerificationError: Something in the store has other bytes than its name says.
    """
    count = size = 0
    known: set[str] = set()
    with ExitStack() as opened:
        for digest in (manifest, *referrers):
            data = _stored_manifest(store, digest)
            for blob in read_content(data, store.place).blobs:
                if blob.sha256 in known or mirror.has_blob(blob.sha256):
                    continue
                source = opened.enter_context(store.open(blob_key(blob.sha256)))
                mirror.send_blob(blob.sha256, blob.size, source)
                known.add(blob.sha256)
                count, size = count + 1, size + blob.size
            mirror.send_manifest(data, None)
        for tag in tags:
            mirror.send_manifest(_stored_manifest(store, manifest), tag)
        return Sent(count, size, mirror.finish())


def fetch(mirror: Mirror, reference: str, store: Store) -> Fetched:
    """Copy a version, and all that refers to it, from a mirror into a store.

    A manifest is written after all that it names, so that a copy that was stopped is none. The
    index of the store is its owner's.

    Raises:
        RegistryError: The mirror does not have it, or cannot be reached.
        VerificationError: Something has other bytes than its digest says, an absurd size, or
            refers to something else than the mirror says.
    """
    digest = mirror.resolve(reference)
    referrers = mirror.referrers(digest)
    for one in (digest, *referrers):
        data = mirror.manifest(one)
        content = read_content(data, mirror.place)
        if one != digest and content.subject != digest:
            raise VerificationError(
                f"{mirror.place} lists {one[:16]}… as referring to {digest[:16]}…; it does not"
            )
        for blob in content.blobs:
            _copy_blob(mirror, blob, store)
        store.write_new(blob_key(one), data, one)
    return Fetched(digest, referrers)


def _stored_manifest(store: Store, digest: str) -> bytes:
    data = store.read(blob_key(digest))
    if data is None:
        raise RegistryError(f"{store.place} has no manifest {digest[:16]}…")
    check_bytes(data, digest, f"{store.place}: manifest {digest[:16]}…")
    return data


def _copy_blob(mirror: Mirror, blob: Blob, store: Store) -> None:
    there = store.size(blob_key(blob.sha256))
    if there is not None and there != blob.size:
        raise VerificationError(
            f"{mirror.place} gives the blob {blob.sha256[:16]}… {blob.size} bytes; in "
            f"{store.place} it has {there}"
        )
    if there is None:
        try:
            with _downloads() as folder:
                target = folder / blob.sha256
                mirror.fetch_blob(blob.sha256, blob.size, target)
                store.write_new(blob_key(blob.sha256), target, blob.sha256)
                target.unlink()
        except OSError as error:
            raise RegistryError(
                f"the download of {blob.sha256[:16]}… cannot be kept in {cache_folder()}: "
                f"{error.strerror or type(error).__name__}; nothing was changed"
            ) from error


@contextmanager
def _downloads() -> Iterator[Path]:
    """Where a download waits that was cut off; another place while another process is at it."""
    folder = cache_folder() / "downloads"
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with tempfile.TemporaryDirectory(dir=folder) as own:
                yield Path(own)
        else:
            yield folder


def _read_blob(descriptor: dict[str, Any]) -> Blob:
    size = descriptor["size"]
    if not isinstance(size, int) or not 0 <= size <= MAX_BLOB:
        raise ValueError(f"a file of {str(size)[:40]} bytes")
    title = (descriptor.get("annotations") or {}).get("org.opencontainers.image.title")
    return Blob(bare_digest(descriptor["digest"]), size, title)


def require_manifest_size(size: int, what: str) -> None:
    """Refuse what is too large for a manifest before it fills the memory.

    Raises:
        VerificationError: It is.
    """
    if size > MAX_BYTES:
        raise VerificationError(f"{what} has more than {MAX_BYTES >> 20} MiB; no manifest has")
