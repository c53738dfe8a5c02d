"""A version as a folder that may be loaded: verified first, read-only, kept by its digest."""

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from medtune.cache import cache_folder
from medtune.digests import (
    partial_folder,
    sha256_file,
    sync_folder,
    sync_tree,
    write_json,
    write_text,
)
from medtune.errors import RecipeError, RegistryError, VerificationError
from medtune.registry.contents import CARD, read_contents
from medtune.registry.describing import write_card
from medtune.registry.layout import blob_key
from medtune.registry.log import head, require_head
from medtune.registry.manifest import Version
from medtune.registry.registry import Registry, open_registry
from medtune.registry.verify import Verified, verify

SCHEME = "registry:"
REFERENCE = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*?)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<label>[\w.]+))?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A version that lies here."""

    path: Path
    """Of the adapter's folder: it cannot be written, and is what was verified."""
    verified: Verified


def parse_reference(reference: str) -> tuple[str, str]:
    """Name and label of ``NAME``, ``NAME:VERSION``, ``NAME:STATE`` or ``NAME@sha256:…``.

    Without a label the one in production is meant. ``registry:`` may stand before it.

    Raises:
        RecipeError: It is none of these.
    """
    match = REFERENCE.match(reference.removeprefix(SCHEME))
    if match is None:
        raise RecipeError(
            f"{reference!r} names no version; NAME:VERSION, NAME:production and NAME@sha256:… do"
        )
    return match["name"], match["digest"] or match["label"] or "production"


def pull(
    registry: Registry,
    reference: str,
    *,
    out: Path | None = None,
    base_digest: str | None = None,
    allow_unsigned: bool = False,
    anchor: str | None = None,
) -> Pulled:
    """Verify a version and give it as a folder that PEFT and medtune load.

    Args:
        registry: Where from.
        reference: ``NAME:VERSION``, ``NAME:STATE`` or ``NAME@sha256:…``.
        out: Folder to be made; None: in medtune's cache, by the version's digest.
        base_digest: Of the base as it lies here; None: it is not looked at.
        allow_unsigned: Do not refuse a draft that nobody signed.
        anchor: A head of the log that was seen earlier.

    Raises:
        VerificationError: See ``verify``.
        RegistryError: The folder is there already, or cannot be written.
    """
    name, label = parse_reference(reference)
    _fetch_missing(registry, name, label)
    verified = verify(
        registry, name, label, base_digest=base_digest, allow_unsigned=allow_unsigned,
        anchor=anchor,
    )  # fmt: skip
    _require_no_older_log(registry, name)
    version = verified.checked.version
    if out is not None and out.exists():
        raise RegistryError(f"{out} is there already; nothing was pulled")
    target = out or cache_folder() / "adapters" / version.digest
    if not target.exists():
        _unpack(registry, verified, target)
    _require_same(target, version)
    return Pulled(path=target, verified=verified)


def _require_no_older_log(registry: Registry, name: str) -> None:
    """A registry that was set back since the last pull is noticed: its head is remembered here."""
    entries = registry.entries(name)
    file = cache_folder() / "registry-heads.json"
    try:
        known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError:
        raise VerificationError(
            f"{file} was torn: which heads of logs were seen here is not known any more. Compare "
            "the log with --anchor, then remove the file"
        ) from None
    place = f"{name} in {registry.layout.store.place}"
    if place in known:
        require_head(name, entries, known[place])
    write_json(file, known | {place: head(entries)})


def find_adapter(reference: str) -> Path:
    """The folder of an adapter that is named as in a registry, ``registry:NAME:production``.

    Raises:
        MedtuneError: There is no such registry or version, or it cannot be verified.
    """
    return pull(open_registry(), reference).path


def _fetch_missing(registry: Registry, name: str, label: str) -> None:
    """Files that a checkout of a registry leaves out are brought from its mirrors."""
    layout = registry.layout
    version = layout.version(registry.standings(name).find(label).manifest)
    missing = [f for f in version.files if layout.store.size(blob_key(f.sha256)) is None]
    if not missing:
        return
    from medtune.registry.mirroring import open_mirror

    for place in registry.trust.mirrors:
        mirror = open_mirror(place)
        for file in missing:
            if not mirror.has_blob(file.sha256):
                break
            with tempfile.TemporaryDirectory(prefix="medtune-") as folder:
                mirror.fetch_blob(file.sha256, file.size, Path(folder) / "blob")
                layout.write_blob(Path(folder) / "blob", file.sha256)
        else:
            return
    told = ", ".join(registry.trust.mirrors) or "trust.yaml names none"
    raise RegistryError(f"{missing[0].name} is not here, and no mirror has it ({told})")


def _unpack(registry: Registry, verified: Verified, target: Path) -> None:
    version = verified.checked.version
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_folder(target)
    except OSError as error:
        raise RegistryError(f"{target.parent} cannot be written: {error.strerror}") from error
    try:
        for file in version.files:
            path = partial / file.name
            with registry.layout.store.open(blob_key(file.sha256)) as source, path.open("wb") as to:
                shutil.copyfileobj(source, to, 1 << 20)
        write_text(partial / CARD, write_card(verified, registry.layout))
        _require_same(partial, version)
        read_contents(partial, None)
        for path in partial.iterdir():
            path.chmod(0o444)
        sync_tree(partial)
        partial.chmod(0o555)
        partial.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise RegistryError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        if partial.exists():
            partial.chmod(0o700)
            shutil.rmtree(partial)


def _require_same(folder: Path, version: Version) -> None:
    """What lies in a folder is the version, to the last byte and without anything else."""
    found = {path.name for path in folder.iterdir()} - {CARD}
    if found != {file.name for file in version.files}:
        raise VerificationError(f"{folder} has other files than the version; remove it, pull again")
    for file in version.files:
        path = folder / file.name
        if path.is_symlink() or sha256_file(path) != file.sha256:
            raise VerificationError(f"{path} was changed after it was pulled; remove the folder")
