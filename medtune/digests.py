"""Content digests: what a file, a folder or a value is, independent of where it lies.

Hashing a 13 GB base takes half a minute, so digests of files are remembered by (path, inode,
size, modification time in ns) in medtune's cache; any of the four that differs hashes again.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

PARTIAL = ".partial"
"""How the names of files and folders end that are not whole: they are hidden and have no other
meaning, so that what a killed process left of them can be removed."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
CONFIG_FILES = ("config.json", "generation_config.json")
INDEX_FILE = "model.safetensors.index.json"


def sha256_bytes(data: bytes) -> str:
    """Hex sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_text(text: str) -> str:
    """Hex sha256 of the text's UTF-8 bytes."""
    return sha256_bytes(text.encode("utf-8"))


def sha256_value(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Hex sha256 of a JSON value in canonical form: sorted keys, no spaces, UTF-8."""
    return sha256_text(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return sha256_stream(file)


def sha256_stream(file: IO[bytes]) -> str:
    """Hex sha256 of the bytes that a file still has, read in 1 MiB pieces."""
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def sha256_named(named: Mapping[str, str]) -> str:
    """Digest of a set of named files: sha256 over the sorted lines ``<sha256>  <name>``."""
    return sha256_text("".join(f"{named[name]}  {name}\n" for name in sorted(named)))


class FileDigests:
    """sha256 of files, remembered across processes in one JSON file.

    The memory is a convenience, never a proof: it holds no path that still has the same inode,
    size and modification time but other bytes only if someone set the clock back on purpose.
    Registry verification therefore hashes afresh and does not use this class.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known: dict[str, str] = {}
        if store.is_file():
            try:
                known = json.loads(store.read_text(encoding="utf-8"))
            except ValueError:
                known = None
            # Torn by a crash of another tool: hash again, then rewrite.
            self._known = known if isinstance(known, dict) else {}

    def of(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Map each path to its hex sha256, hashing only what changed since last time."""
        keys = {path: _stat_key(path) for path in paths}
        fresh = {key: sha256_file(path) for path, key in keys.items() if key not in self._known}
        if fresh:
            self._known |= fresh
            self._store.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_json(self._store, self._known)
        return {path: self._known[key] for path, key in keys.items()}


def adapter_folder_digest(folder: Path) -> str:
    """sha256 over the sorted (name, sha256) of an adapter's files; the card does not count."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name != "README.md"]
    return sha256_named({path.name: sha256_file(path) for path in files})


def base_files(folder: Path) -> list[Path]:
    """Files of a base that decide what it answers: config, tokenizer, template and weights."""
    names = (*CONFIG_FILES, *TOKENIZER_FILES, INDEX_FILE)
    files = [folder / name for name in names if (folder / name).is_file()]
    return [*files, *folder.glob("*.safetensors")]


def base_digest(place: Path) -> str:
    """Identity of a base's folder or .gguf file, hashed afresh."""
    if place.is_file():
        return sha256_file(place)
    return sha256_named({path.name: sha256_file(path) for path in base_files(place)})


def _stat_key(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()}|{stat.st_ino}|{stat.st_size}|{stat.st_mtime_ns}"


@contextmanager
def atomic_writer(path: Path, *, private: bool = False) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name only when it is complete and on the disk.

    A ``private`` one can be read by its owner alone (0600). An exception inside the block leaves
    whatever was there before untouched.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private (0600); artefacts get what the user's umask allows.
        if not private:
            partial.chmod(0o666 & ~_umask())
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file atomically and durably; a private one for its owner alone."""
    with atomic_writer(path, private=private) as file:
        file.write(data)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read, unless it is there: the first writer's stays."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    try:
        with os.fdopen(handle, "wb") as file:  # mkstemp makes it private
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
        sync_folder(path.parent)
    finally:
        Path(name).unlink()


def write_text(path: Path, text: str, *, private: bool = False) -> None:
    """Write UTF-8 text atomically and durably; a private one for its owner alone."""
    write_bytes(path, text.encode("utf-8"), private=private)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write a JSON value atomically, keys sorted, two spaces, newline at the end.

    Raises:
        ValueError: The value holds NaN or infinity, which JSON cannot say.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def partial_folder(target: Path) -> Path:
    """Make a hidden folder beside a name that it is to get, or that is to be removed."""
    name = tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=PARTIAL)
    return Path(name)


def remove_folder(folder: Path) -> None:
    """Remove a folder; whoever is killed at it leaves nothing half under its name."""
    shutil.rmtree(folder.rename(partial_folder(folder)))


def remove_partials(folder: Path) -> None:
    """Remove what killed processes left half-written below a folder that nobody else is at."""
    for path in list(folder.rglob(f".*{PARTIAL}")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # it went with its folder


def sync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make a folder with all in it survive a power cut, before it is renamed into place."""
    for path in (*folder.rglob("*"), folder):
        sync_folder(path)  # a file is synced by the same calls


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
