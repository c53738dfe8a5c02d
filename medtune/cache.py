"""Where medtune keeps what it fetched or converted: $MEDTUNE_CACHE, or ~/.cache/medtune."""

import os
from pathlib import Path

from medtune.errors import MedtuneError


def cache_folder() -> Path:
    """The cache, private to its user; made when it is first needed.

    Raises:
        MedtuneError: It cannot be.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "medtune"
    folder = Path(os.environ.get("MEDTUNE_CACHE") or default)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise MedtuneError(
            f"the cache {folder} cannot be made: {error.strerror}; set MEDTUNE_CACHE to a folder "
            "that can be written"
        ) from error
    return folder
