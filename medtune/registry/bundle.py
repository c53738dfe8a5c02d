"""One file for a place without a network: a version with all its evidence, log and trust root.

It is a plain tar of a registry with one version. The root in it is for whoever reads on; who
verifies it does so by a root of their own, and the two have to be the same.
"""

import atexit
import io
import shutil
import tarfile
import tempfile
from pathlib import Path

from medtune.digests import atomic_writer, sha256_bytes
from medtune.errors import RegistryError, VerificationError
from medtune.registry.layout import LAYOUT_FILE, blob_key, log_key
from medtune.registry.manifest import canonical, safe_name
from medtune.registry.registry import Registry
from medtune.registry.store import FolderStore
from medtune.registry.trust import Trust
from medtune.registry.verify import Verified, verify

MAX_MEMBERS = 10_000
ROOT = "trust.json"


def write_bundle(registry: Registry, name: str, label: str, target: Path) -> Verified:
    """Verify a version and write it with everything that verifying it needs.

    Raises:
        RegistryError: The file is there already, or cannot be written.
        VerificationError: See ``verify``.
    """
    if target.exists():
        raise RegistryError(f"{target} is there already")
    verified = verify(registry, name, label)
    layout, version = registry.layout, verified.checked.version
    keys = {version.digest, version.config.sha256, *(file.sha256 for file in version.files)}
    for one in layout.attachments(version.digest):
        empty = sha256_bytes(b"{}")
        keys |= {one.digest, empty, *(file.sha256 for file in one.files)}
    log = layout.store.read(log_key(name))
    assert log is not None, "a version that was verified has a log"
    small = {
        LAYOUT_FILE: layout.store.read(LAYOUT_FILE) or b"",
        "index.json": layout.index_of(name, version.digest),
        log_key(name): log,
        ROOT: canonical(registry.trust.model_dump(mode="json")),
    }
    try:
        with atomic_writer(target) as file, tarfile.open(fileobj=file, mode="w") as tar:
            for key, data in sorted(small.items()):
                tar.addfile(_member(key, len(data)), io.BytesIO(data))
            for key in sorted(blob_key(one) for one in keys):
                size = layout.store.size(key)
                with layout.store.open(key) as source:
                    tar.addfile(_member(key, size or 0), source)
    except OSError as error:
        raise RegistryError(f"{target} cannot be written: {error.strerror}") from error
    return verified


def unpacked(file: Path) -> Path:
    """A folder with what a bundle holds, for as long as this process lives.

    Raises:
        RegistryError: It is no bundle.
        VerificationError: It holds what leads out of the folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="medtune-bundle-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        with tarfile.open(file, mode="r:") as tar:
            for number, member in enumerate(tar):
                if not member.isfile() or number >= MAX_MEMBERS:
                    raise VerificationError(f"{file}: {member.name!r} is no plain file")
                path = folder / safe_name(member.name)
                path.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None, "a plain file has bytes"
                with path.open("xb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except FileExistsError:
        raise VerificationError(f"{file}: a name stands in it twice") from None
    except (OSError, tarfile.TarError) as error:
        raise RegistryError(f"{file} is no bundle ({type(error).__name__})") from None
    return folder


def open_bundle(file: Path, trust: Trust) -> FolderStore:
    """What a bundle holds, if it was written under one's own trust root.

    Raises:
        RegistryError: It is no bundle.
        VerificationError: It was written under another root.
    """
    if not file.is_file():
        raise RegistryError(f"there is no bundle {file}")
    folder = unpacked(file)
    root = folder / ROOT
    if not root.is_file() or root.read_bytes() != canonical(trust.model_dump(mode="json")):
        raise VerificationError(
            f"{file} was written under another trust root than yours ({trust.digest[:16]}…)"
        )
    return FolderStore(folder, called=str(file))


def _member(name: str, size: int) -> tarfile.TarInfo:
    """Without a time, an owner or a mode of this machine: the same content is the same file."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o444
    return member
