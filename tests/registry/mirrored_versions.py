"""Small versions with referrers, of no real adapter, to be carried from place to place."""

import json
import os
from pathlib import Path

from medtune.digests import sha256_bytes
from medtune.registry.layout import blob_key
from medtune.registry.manifest import MANIFEST
from medtune.registry.store import FolderStore


def make_store(folder: Path) -> FolderStore:
    folder.mkdir()
    return FolderStore(folder)


def make_version(store: FolderStore) -> tuple[FolderStore, str, list[str]]:
    weights = os.urandom(3 << 20)
    one = manifest(store, {"adapter_model.safetensors": weights, "adapter_config.json": b"[1]"})
    attached = [
        manifest(store, {"gate.json": b"gate"}, one, "application/vnd.medtune.gate.v1"),
        manifest(store, {"scores.json": b"scores"}, one, "application/vnd.medtune.scores.v1"),
    ]
    return store, one, attached


def put(store, data):
    store.write_new(blob_key(sha256_bytes(data)), data, sha256_bytes(data))
    return sha256_bytes(data)


def descriptor(data, media_type="application/octet-stream", title=None):
    described = {
        "mediaType": media_type, "digest": f"sha256:{sha256_bytes(data)}", "size": len(data),
    }  # fmt: skip
    return described | ({"annotations": {"org.opencontainers.image.title": title}} if title else {})


def manifest(store, layers, subject=None, kind="application/vnd.cncf.model.manifest.v1+json"):
    """Write a manifest with its blobs; its digest."""
    for data in (b"{}", *layers.values()):
        put(store, data)
    body = {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
        "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [descriptor(data, title=name) for name, data in layers.items()],
    }  # fmt: skip
    if subject is not None:
        body["subject"] = descriptor(store.read(blob_key(subject)), MANIFEST)
    return put(store, json.dumps(body).encode())


def same_blobs(one, other):
    return sorted(one.keys("blobs/")) == sorted(other.keys("blobs/")) and all(
        one.read(key) == other.read(key) for key in one.keys("blobs/")
    )
