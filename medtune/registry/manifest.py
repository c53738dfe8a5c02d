"""OCI manifests of versions and of what is attached to them, written in one way and read strictly.

A version is a CNCF ModelPack artefact (github.com/modelpack/model-spec): its layers are the
adapter's files as they are. ModelPack's config is closed, so that what a version is pinned to
(base, adapter, recipe, data, licences) stands in the manifest's annotations. What is attached
(scores, outcomes, decisions, signatures, statements) is a manifest of its own that names the
version as its subject, and never changes the version's digest.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

import rfc8785

from medtune.digests import sha256_bytes, sha256_named
from medtune.errors import VerificationError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
MODEL = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
WEIGHTS = "application/vnd.cncf.model.weight.v1.raw"
SETTINGS = "application/vnd.cncf.model.weight.config.v1.raw"
FILE = "application/octet-stream"
TITLE = "org.opencontainers.image.title"
FILEPATH = "org.cncf.model.filepath"
PIN = "io.medtune."
"""Of annotations that say what a version is pinned to."""
EMPTY_BYTES = b"{}"
MAX_BYTES = 4 << 20
"""Largest manifest, as registries have it."""

Kind = Literal["run", "scores", "probes", "gate", "signature", "provenance", "statement", "log"]
KINDS: Mapping[Kind, str] = {
    "run": "application/vnd.medtune.run.v1",
    "scores": "application/vnd.medtune.scores.v1",
    "probes": "application/vnd.medtune.probes.v1",
    "gate": "application/vnd.medtune.gate.v1",
    "signature": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "provenance": "application/vnd.in-toto.provenance+dsse",
    "statement": "application/vnd.in-toto+json",
    "log": "application/vnd.medtune.log.v1",
}
"""What can be attached -> its artefact type."""
_HEX = re.compile(r"^sha256:([0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class File:
    """A file of a manifest."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What a version is tied to, beside its own files."""

    base: str
    base_digest: str
    adapter_digest: str
    lock_digest: str
    """sha256 of recipe.lock.yaml's file."""
    data: Mapping[str, str]
    """What was read -> sha256; never the data."""
    licences: str

    def annotations(self) -> dict[str, str]:
        """As a manifest has them: texts."""
        plain = {
            "base": self.base, "base.digest": self.base_digest,
            "adapter.digest": self.adapter_digest, "lock.digest": self.lock_digest,
            "licences": self.licences,
        }  # fmt: skip
        named = plain | {f"data.{name}": digest for name, digest in self.data.items()}
        return {PIN + name: value for name, value in named.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version's manifest, read."""

    digest: str
    files: tuple[File, ...]
    config: File
    pins: Pins


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """The manifest of something that is attached to a version, read."""

    digest: str
    kind: Kind
    subject: str
    """Digest of the version's manifest."""
    files: tuple[File, ...]

    def file(self, name: str) -> File | None:
        """One of its files."""
        return next((file for file in self.files if file.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A manifest's bytes, and the small blobs that it needs beside its files."""

    data: bytes
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    """sha256 -> bytes."""

    @property
    def digest(self) -> str:
        """Hex sha256 of the manifest: what names the version."""
        return sha256_bytes(self.data)


def write_version(
    name: str, files: Sequence[File], pins: Pins, settings: Mapping[str, str]
) -> Written:
    """The manifest of a version, the same bytes for the same content.

    Args:
        name: Of the run that made the adapter.
        files: The adapter's files.
        pins: What it is tied to.
        settings: ``format``, ``precision``, ``quantization`` for ModelPack's config.
    """
    ordered = sorted(files, key=lambda file: file.name)
    config = canonical({
        "descriptor": {"name": name, "licenses": [pins.licences]},
        "config": dict(settings),
        "modelfs": {"type": "layers", "diffIds": [f"sha256:{file.sha256}" for file in ordered]},
    })  # fmt: skip
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": MODEL,
        "config": _descriptor(MODEL_CONFIG, sha256_bytes(config), len(config)),
        "layers": [_layer(file, _media_type(file.name)) for file in ordered],
        "annotations": pins.annotations(),
    }  # fmt: skip
    return Written(data=canonical(manifest), blobs={sha256_bytes(config): config})


def write_attachment(kind: Kind, subject: str, subject_size: int, files: Sequence[File]) -> Written:
    """The manifest of something that is attached to a version."""
    ordered = sorted(files, key=lambda file: file.name)
    empty = sha256_bytes(EMPTY_BYTES)
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": KINDS[kind],
        "config": _descriptor(EMPTY, empty, len(EMPTY_BYTES)),
        "layers": [_layer(file, FILE) for file in ordered],
        "subject": _descriptor(MANIFEST, subject, subject_size),
    }  # fmt: skip
    return Written(data=canonical(manifest), blobs={empty: EMPTY_BYTES})


def read_version(data: bytes) -> Version:
    """Read a version's manifest.

    Raises:
        VerificationError: It is none that medtune wrote, or a file's name leads elsewhere.
    """
    values = _read(data)
    if values.get("artifactType") != MODEL or "subject" in values:
        raise VerificationError("the manifest is not one of an adapter's version")
    try:
        annotations = dict(values["annotations"])
        pins = Pins(
            base=annotations.pop(PIN + "base"),
            base_digest=annotations.pop(PIN + "base.digest"),
            adapter_digest=annotations.pop(PIN + "adapter.digest"),
            lock_digest=annotations.pop(PIN + "lock.digest"),
            licences=annotations.pop(PIN + "licences"),
            data={name.removeprefix(PIN + "data."): value for name, value in annotations.items()},
        )
    except (KeyError, TypeError) as error:
        raise VerificationError(f"the manifest pins no {error}") from None
    files = _files(values)
    if sha256_named({file.name: file.sha256 for file in files}) != pins.adapter_digest:
        raise VerificationError("the manifest's files are not those of its adapter digest")
    config = values["config"]
    return Version(
        digest=sha256_bytes(data), files=files, pins=pins,
        config=File("config", _digest(config), _size(config)),
    )  # fmt: skip


def read_attachment(data: bytes) -> Attachment:
    """Read the manifest of something that is attached.

    Raises:
        VerificationError: It is none that medtune wrote.
    """
    values = _read(data)
    kinds = {artefact: kind for kind, artefact in KINDS.items()}
    kind = kinds.get(str(values.get("artifactType")))
    if kind is None or not isinstance(values.get("subject"), dict):
        raise VerificationError(f"something of kind {values.get('artifactType')} is attached")
    return Attachment(
        digest=sha256_bytes(data), kind=kind, subject=_digest(values["subject"]),
        files=_files(values),
    )  # fmt: skip


def canonical(values: Mapping[str, Any]) -> bytes:
    """JSON in its one form (RFC 8785), so that equal content has an equal digest."""
    return rfc8785.dumps(dict(values))


def descriptor(manifest: Written | bytes, **annotations: str) -> dict[str, Any]:
    """How an index names a manifest."""
    data = manifest.data if isinstance(manifest, Written) else manifest
    found = _descriptor(MANIFEST, sha256_bytes(data), len(data))
    found["artifactType"] = json.loads(data)["artifactType"]
    return found | ({"annotations": annotations} if annotations else {})


def _descriptor(media_type: str, sha256: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{sha256}", "size": size}


def _layer(file: File, media_type: str) -> dict[str, Any]:
    annotations = {TITLE: file.name}
    if media_type != FILE:
        annotations[FILEPATH] = file.name
    return _descriptor(media_type, file.sha256, file.size) | {"annotations": annotations}


def _media_type(name: str) -> str:
    return WEIGHTS if name.endswith(".safetensors") else SETTINGS


def _read(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise VerificationError(f"a manifest of {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        values = json.loads(data)
    except ValueError:
        raise VerificationError("a manifest is no JSON") from None
    if not isinstance(values, dict) or values.get("mediaType") != MANIFEST:
        raise VerificationError("a manifest is not an OCI image manifest")
    return values


def _files(values: Mapping[str, Any]) -> tuple[File, ...]:
    found = []
    try:
        for layer in values["layers"]:
            found.append(File(safe_name(layer["annotations"][TITLE]), _digest(layer), _size(layer)))
    except (KeyError, TypeError):
        raise VerificationError("a manifest's layers are not those that medtune writes") from None
    if len({file.name for file in found}) < len(found):
        raise VerificationError("a manifest names a file twice")
    return tuple(found)


def safe_name(name: object) -> str:
    """A relative POSIX name of plain parts.

    Raises:
        VerificationError: It leads elsewhere, or is none.
    """
    if not isinstance(name, str) or not name or "\\" in name or "\0" in name:
        raise VerificationError(f"a file is called {name!r}")
    path = PurePosixPath(name)
    if path.is_absolute() or path.as_posix() != name or {".", ".."} & set(path.parts):
        raise VerificationError(f"a file is called {name!r}, which leads out of its folder")
    return name


def _digest(values: Mapping[str, Any]) -> str:
    match = _HEX.match(str(values.get("digest")))
    if match is None:
        raise VerificationError(f"{values.get('digest')!r} is no sha256 digest")
    return match[1]


def _size(values: Mapping[str, Any]) -> int:
    size = values.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise VerificationError(f"{size!r} is no size")
    return size
