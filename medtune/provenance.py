"""Facts about where and with what a run was made: the lock's packages, and the machine."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

RESULT_PACKAGES = (
    "medtune",
    "torch",
    "transformers",
    "peft",
    "tokenizers",
    "bitsandbytes",
    "numpy",
    "rouge-score",
    "nltk",  # stems the words for rouge-score
)
"""Distributions whose version can change a result: the lock records them."""


def packages() -> dict[str, str]:
    """Versions of the packages that compute results."""
    found = {}
    for name in RESULT_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def now() -> str:
    """Time in UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine() -> dict[str, Any]:
    """What the run was made on. No host name, no user, no path."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": gpus,
        "cuda": torch.version.cuda,
    }
