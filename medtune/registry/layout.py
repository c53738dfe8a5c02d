"""An OCI image layout over a store: blobs by digest, and an index of all manifests.

``index.json`` names versions as ``NAME:VERSION`` and, where a state points to one, as
``NAME:STATE`` too, so that other tools find them. It follows the logs and is never believed: the
head of the log that a name's entries were made from stands beside them.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medtune.digests import sha256_bytes
from medtune.errors import RegistryError, VerificationError
from medtune.registry.manifest import (
    INDEX,
    MAX_BYTES,
    Attachment,
    File,
    Version,
    canonical,
    descriptor,
    read_attachment,
    read_version,
)
from medtune.registry.store import Store

LAYOUT_FILE, INDEX_FILE = "oci-layout", "index.json"
LAYOUT = canonical({"imageLayoutVersion": "1.0.0"})
REF_NAME = "org.opencontainers.image.ref.name"
SUBJECT = "io.medtune.subject"
HEAD = "io.medtune.head."
LOGS = "log/"
TRIES = 400
"""Of a write that another's keep spoiling; each follows what the other wrote."""


def blob_key(sha256: str) -> str:
    """Where a blob lies."""
    return f"blobs/sha256/{sha256}"


def log_key(name: str) -> str:
    """Where the log of a name lies."""
    return f"{LOGS}{name}.jsonl"


@dataclass(frozen=True, slots=True)
class Layout:
    """The objects of a registry, by what they are."""

    store: Store

    def create(self) -> None:
        """Make an empty layout.

        Raises:
            RegistryError: There is one already.
        """
        if not self.store.write_new(LAYOUT_FILE, LAYOUT, sha256_bytes(LAYOUT)):
            raise RegistryError(f"{self.store.place} is a registry already")
        self.store.replace(INDEX_FILE, _empty_index(), None)

    def exists(self) -> bool:
        """Whether there is a registry."""
        return self.store.size(LAYOUT_FILE) is not None

    def read_blob(self, sha256: str) -> bytes:
        """A small blob, its bytes checked.

        Raises:
            VerificationError: It is missing, or has other bytes than its digest says.
        """
        data = self.store.read(blob_key(sha256))
        if data is None:
            raise VerificationError(f"{self.store.place} lacks the blob {sha256[:16]}…")
        if sha256_bytes(data) != sha256:
            raise VerificationError(f"the blob {sha256[:16]}… has other bytes than its name says")
        return data

    def read_file(self, file: File) -> bytes:
        """A small file of a manifest, its bytes checked.

        Raises:
            VerificationError: It is missing or was changed; the message names it.
        """
        try:
            return self.read_blob(file.sha256)
        except VerificationError as error:
            raise VerificationError(f"{file.name} was changed, or is not here: {error}") from None

    def write_blob(self, source: bytes | Path, sha256: str) -> None:
        """Write a blob, unless it is there."""
        self.store.write_new(blob_key(sha256), source, sha256)

    def version(self, digest: str) -> Version:
        """A version's manifest.

        Raises:
            VerificationError: It is missing or was changed.
        """
        return read_version(self.read_blob(digest))

    def attachments(self, digest: str) -> Iterator[Attachment]:
        """What is attached to a version, in the order in which it came.

        Raises:
            VerificationError: Something that is attached is of another version, or was changed.
        """
        for one in self._index()["manifests"]:
            annotations = one.get("annotations") or {}
            if annotations.get(SUBJECT) != digest:
                continue
            found = read_attachment(self.read_blob(_hex(one)))
            if found.subject != digest:
                raise VerificationError(
                    f"what is attached as {found.digest[:16]}… belongs to another version"
                )
            yield found

    def names(self) -> list[str]:
        """Names that have a log, sorted."""
        keys = self.store.keys(LOGS)
        return [key.removeprefix(LOGS).removesuffix(".jsonl") for key in keys
                if key.endswith(".jsonl")]  # fmt: skip

    def add(self, manifests: Mapping[bytes, str | None]) -> None:
        """Put manifests into the index: bytes -> subject, or None for a version."""
        new = {}
        for data, subject in manifests.items():
            one = descriptor(data, **({SUBJECT: subject} if subject else {}))
            new[one["digest"]] = one

        def change(index: dict[str, Any]) -> bool:
            there = {one["digest"] for one in index["manifests"]}
            missing = [one for digest, one in new.items() if digest not in there]
            index["manifests"] += missing
            return bool(missing)

        self._change_index(change)

    def name_versions(self, name: str, labels: Mapping[str, str], head: str) -> None:
        """Let the index call versions of a name by these labels, and by no others.

        Args:
            name: Of the log.
            labels: ``VERSION`` or ``STATE`` -> manifest digest.
            head: Of the log that they were read from.
        """

        def change(index: dict[str, Any]) -> bool:
            before = canonical(index)
            marks = index.setdefault("annotations", {})
            known = marks.get(f"{HEAD}{name}", "0:")
            if int(known.partition(":")[0]) > int(head.partition(":")[0]):
                return False  # another has written what came later
            plain = [one for one in index["manifests"] if not _label_of(one, name)]
            bare = {one["digest"]: one for one in index["manifests"]}
            named = []
            for label, digest in labels.items():
                one = bare[f"sha256:{digest}"]
                named.append({k: v for k, v in one.items() if k != "annotations"}
                             | {"annotations": {REF_NAME: f"{name}:{label}"}})  # fmt: skip
            covered = set(labels.values())
            index["manifests"] = [one for one in plain if _hex(one) not in covered] + named
            marks[f"{HEAD}{name}"] = head
            return canonical(index) != before

        self._change_index(change)

    def named_versions(self, name: str) -> tuple[dict[str, str], str | None]:
        """What the index calls versions of a name -> digest, and the head that it was made from."""
        index = self._index()
        labels = {label: _hex(one) for one in index["manifests"] if (label := _label_of(one, name))}
        return labels, (index.get("annotations") or {}).get(f"{HEAD}{name}")

    def all_manifests(self) -> dict[str, str | None]:
        """Digests of all manifests in the index -> what they are attached to; None: versions."""
        return {
            _hex(one): (one.get("annotations") or {}).get(SUBJECT)
            for one in self._index()["manifests"]
        }

    def index_of(self, name: str, digest: str) -> bytes:
        """The index of a layout that holds one version with what is attached to it.

        It names the versions of the log as this one does, so that both can be compared.
        """
        index = self._index()
        kept = [
            one for one in index["manifests"]
            if _hex(one) == digest or _label_of(one, name)
            or (one.get("annotations") or {}).get(SUBJECT) == digest
        ]  # fmt: skip
        marks = {key: value for key, value in (index.get("annotations") or {}).items()
                 if key == f"{HEAD}{name}"}  # fmt: skip
        return canonical({**index, "manifests": kept, "annotations": marks})

    def append(self, name: str, seen: bytes | None, line: bytes) -> bool:
        """Add a line to a log that still is what was seen; False where it is not."""
        return self.store.replace(log_key(name), (seen or b"") + line, seen)

    def _index(self) -> dict[str, Any]:
        return _parse_index(self.store.read(INDEX_FILE), self.store.place)

    def _change_index(self, change: Callable[[dict[str, Any]], bool]) -> None:
        for _ in range(TRIES):
            seen = self.store.read(INDEX_FILE)
            index = _parse_index(seen, self.store.place)
            if not change(index) or self.store.replace(INDEX_FILE, canonical(index), seen):
                return
        raise RegistryError(f"{self.store.place} is written by too many others; try again")


def _empty_index() -> bytes:
    return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})


def _parse_index(data: bytes | None, place: str) -> dict[str, Any]:
    try:
        index = json.loads(data or b"")
        if not all(isinstance(one["digest"], str) and one["size"] <= MAX_BYTES
                   for one in index["manifests"]):  # fmt: skip
            raise ValueError
    except (ValueError, TypeError, KeyError):
        raise VerificationError(f"{place}: {INDEX_FILE} is no index of an OCI layout") from None
    found: dict[str, Any] = index
    return found


def _label_of(one: Mapping[str, Any], name: str) -> str | None:
    ref = str((one.get("annotations") or {}).get(REF_NAME, ""))
    return ref.removeprefix(f"{name}:") if ref.startswith(f"{name}:") else None


def _hex(one: Mapping[str, Any]) -> str:
    return str(one["digest"]).removeprefix("sha256:")
