"""What a registry may forget, and which promoted versions its rules have outgrown."""

from collections.abc import Iterator
from dataclasses import dataclass

from medtune.digests import sha256_bytes
from medtune.registry.layout import Layout, blob_key
from medtune.registry.manifest import EMPTY_BYTES, read_attachment, read_version
from medtune.registry.registry import Registry
from medtune.registry.verify import suffices

BLOBS = "blobs/sha256/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Insufficient:
    """A promoted version that would not be promoted today."""

    name: str
    version: str
    state: str
    reason: str


def audit(registry: Registry) -> list[Insufficient]:
    """Promoted versions whose evidence no longer suffices for their state.

    Raises:
        VerificationError: A log is broken.
    """
    found = []
    for name in registry.layout.names():
        standings = registry.standings(name)
        for state, version in standings.holders.items():
            reason = suffices(registry, standings.versions[version])
            if reason is not None:
                found.append(Insufficient(name=name, version=version, state=state, reason=reason))
    return found


def unreferenced(registry: Registry) -> Iterator[str]:
    """Digests of blobs that no manifest of the index and no log names, sorted.

    A push writes blobs before it names them: collect when nobody pushes. One that loses blobs all
    the same notices, and is repeated.

    Raises:
        VerificationError: A manifest or a log is broken: nothing is to be removed then.
    """
    kept = named_blobs(registry.layout)
    for name in registry.layout.names():
        for standing in registry.standings(name).versions.values():
            kept.add(standing.manifest)
            version = registry.layout.version(standing.manifest)
            kept |= {version.config.sha256, *(file.sha256 for file in version.files)}
    for key in registry.layout.store.keys(BLOBS):
        if (digest := key.removeprefix(BLOBS)) not in kept:
            yield digest


def collect(registry: Registry) -> list[str]:
    """Remove what nobody names; the digests that went."""
    gone = list(unreferenced(registry))
    for digest in gone:
        registry.layout.store.delete(blob_key(digest))
    return gone


def named_blobs(layout: Layout) -> set[str]:
    """Digests of all that the index names, by one step or two.

    Raises:
        VerificationError: A manifest is broken.
    """
    kept: set[str] = set()
    empty = sha256_bytes(EMPTY_BYTES)
    for digest, subject in layout.all_manifests().items():
        data = layout.read_blob(digest)
        kept.add(digest)
        if subject is None:
            version = read_version(data)
            kept |= {version.config.sha256, *(file.sha256 for file in version.files)}
        else:
            kept |= {empty, *(file.sha256 for file in read_attachment(data).files)}
    return kept
