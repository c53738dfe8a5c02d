"""``.gitignore`` of a registry in a folder: git keeps everything but the blobs of weights."""

from collections.abc import Iterable

from medtune.registry.layout import blob_key
from medtune.registry.registry import Registry

FILE_NAME = ".gitignore"


def ignore(registry: Registry, weights: Iterable[str]) -> None:
    """Name blobs of weights in the file, which stays sorted below its first lines.

    Args:
        registry: Of any kind; there is something to be ignored where it has the file.
        weights: Digests.
    """
    store = registry.layout.store
    while True:
        seen = store.read(FILE_NAME)
        if seen is None:
            return
        lines = seen.decode().splitlines()
        blobs = {line for line in lines if line.startswith("/blobs/")}
        wanted = blobs | {f"/{blob_key(sha256)}" for sha256 in weights}
        if wanted == blobs:
            return
        head = [line for line in lines if line not in blobs]
        if store.replace(FILE_NAME, "\n".join([*head, *sorted(wanted), ""]).encode(), seen):
            return
