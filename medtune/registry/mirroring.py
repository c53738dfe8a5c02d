"""Versions into mirrors and out of them again: with the log, which a mirror itself has not.

The log goes along as something that is attached to every version that the mirror has, so that each
of them can be verified by it. Of several the longest counts, and all others have to be its
beginnings. One repository holds the versions of one name.
"""

import atexit
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from medtune.digests import sha256_bytes
from medtune.errors import RecipeError, RegistryError, VerificationError
from medtune.registry.layout import Layout, blob_key, log_key
from medtune.registry.manifest import File, read_attachment, write_attachment
from medtune.registry.mirrors import Mirror, fetch, send
from medtune.registry.pull import parse_reference
from medtune.registry.registry import TRUST_VARIABLE, Registry, own_root
from medtune.registry.states import Standing, Standings
from medtune.registry.store import FolderStore
from medtune.registry.trust import load_trust
from medtune.registry.verify import verify

SCHEMES = ("oci://", "hf://")
_REFERENCE = re.compile(
    r"^(?P<place>\w+://[^@]+?)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.]+))$"
)
SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentVersion:
    """A version that a mirror now has."""

    place: str
    manifest: str
    num_blobs: int
    num_bytes: int
    tags: tuple[str, ...]
    commit: str | None
    """Where the mirror has commits."""


def is_mirror(reference: str) -> bool:
    """Whether a reference is to a mirror."""
    return reference.startswith(SCHEMES)


def open_mirror(place: str) -> Mirror:
    """The mirror at an address.

    Raises:
        RecipeError: It is of no known kind.
    """
    if place.startswith("oci://"):
        from medtune.registry.oci import OciMirror

        return OciMirror(place)
    if place.startswith("hf://"):
        from medtune.registry.hub import HubMirror

        return HubMirror(place)
    raise RecipeError(f"{place} is no mirror; oci://HOST/REPOSITORY and hf://OWNER/NAME are")


def send_version(registry: Registry, reference: str, place: str) -> SentVersion:
    """Verify a version and send it to a mirror; what is there already is not sent again.

    Raises:
        VerificationError: See ``verify``.
        RegistryError: The mirror cannot be reached or written.
    """
    name, label = parse_reference(reference)
    verify(registry, name, label, allow_unsigned=True)
    found, mirror = registry.standings(name), open_mirror(place)
    standing = found.find(label)
    for other in _there(mirror, found, standing):
        _send_log(registry, name, other.manifest, mirror)
    referrers = [one.digest for one in registry.layout.attachments(standing.manifest)]
    held = [state for state, version in found.holders.items() if version == standing.version]
    tags = (standing.version, *held)
    sent = send(registry.layout.store, standing.manifest, referrers, mirror, tags)
    return SentVersion(
        place=place, manifest=standing.manifest, num_blobs=sent.num_blobs,
        num_bytes=sent.num_bytes, tags=tags, commit=sent.commit,
    )  # fmt: skip


def open_mirrored(reference: str, trust: Path | None) -> tuple[Registry, str]:
    """A version of a mirror, copied here with its evidence and log, as a registry of its own.

    Args:
        reference: ``oci://HOST/REPOSITORY:TAG`` or ``…@sha256:…``; the same with ``hf://``.
        trust: One's own trust root; None: that of $MEDTUNE_TRUST.

    Returns:
        The registry, and how the version is called in it.

    Raises:
        RecipeError: The reference or the trust root is none.
        RegistryError: The mirror cannot be reached, or has no such version.
        VerificationError: Bytes are not what was promised, or the tag is on another version than
            the signed log says.
    """
    match = _REFERENCE.match(reference)
    if match is None:
        raise RecipeError(f"{reference} names no version; oci://HOST/REPOSITORY:production does")
    root = own_root(trust)
    if root is None:
        raise RecipeError(
            f"{reference} comes from elsewhere and cannot vouch for itself: give your own trust "
            f"root, --trust FILE or ${TRUST_VARIABLE}"
        )
    place = match["place"]
    folder = Path(tempfile.mkdtemp(prefix="medtune-mirror-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    layout = Layout(FolderStore(folder, called=place))
    layout.create()
    fetched = fetch(open_mirror(place), match["digest"] or match["tag"], layout.store)
    layout.add({layout.read_blob(fetched.manifest): None})
    layout.add({layout.read_blob(one): fetched.manifest for one in fetched.referrers})
    name = _unpack_log(layout, fetched.manifest)
    registry = Registry(layout=layout, trust=load_trust(root))
    standing = registry.standings(name).find(match["digest"] or match["tag"])
    if standing.manifest != fetched.manifest:
        raise VerificationError(
            f"{reference} is {fetched.manifest[:16]}… there; by the signed log it is "
            f"{standing.version}, {standing.manifest[:16]}…: somebody moved the tag"
        )
    return registry, f"{name}@sha256:{standing.manifest}"


def _there(mirror: Mirror, found: Standings, sent: Standing) -> list[Standing]:
    """The version that is sent, and those of the name that the mirror has."""
    there = []
    for standing in found.versions.values():
        try:
            if standing.manifest != sent.manifest:
                mirror.manifest(standing.manifest)
        except RegistryError:
            continue  # the mirror has never had it
        there.append(standing)
    return there


def _send_log(registry: Registry, name: str, manifest: str, mirror: Mirror) -> None:
    """Attach the log as it is now to a version in a mirror."""
    data = registry.layout.store.read(log_key(name))
    assert data is not None, "a version that was verified has a log"
    size = registry.layout.store.size(blob_key(manifest)) or 0
    file = File(f"{name}{SUFFIX}", sha256_bytes(data), len(data))
    made = write_attachment("log", manifest, size, [file])
    with tempfile.TemporaryDirectory(prefix="medtune-") as folder:
        store = FolderStore(Path(folder))
        for blob in (data, made.data, *made.blobs.values()):
            store.write_new(blob_key(sha256_bytes(blob)), blob, sha256_bytes(blob))
        send(store, made.digest, [], mirror, [])


def _unpack_log(layout: Layout, manifest: str) -> str:
    """Put the longest log that is attached into its place; the name that it is of."""
    logs: dict[str, list[bytes]] = {}
    for digest, subject in layout.all_manifests().items():
        if subject != manifest:
            continue
        one = read_attachment(layout.read_blob(digest))
        if one.kind == "log":
            [file] = one.files
            logs.setdefault(file.name.removesuffix(SUFFIX), []).append(layout.read_file(file))
    if len(logs) != 1:
        raise VerificationError(
            f"{layout.store.place} has {len(logs) or 'no'} logs with the version; one is expected"
        )
    [(name, found)] = logs.items()
    longest = max(found, key=len)
    if not all(longest.startswith(one) for one in found):
        raise VerificationError(
            f"{layout.store.place} has logs of {name} that contradict each other"
        )
    layout.store.replace(log_key(name), longest, None)
    return name
