"""What may stand in an adapter's folder, and what a registry refuses with the reason."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medtune.errors import AdapterError
from medtune.registry.weights import Shapes, check_weights

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
MANIFEST = "medtune.json"
CARD = "README.md"
"""Made anew from the evidence: no part of a version."""
NEEDED = frozenset({WEIGHTS, CONFIG, MANIFEST})
ALLOWED = NEEDED | {
    "chat_template.jinja", "generation_config.json", "tokenizer.json", "tokenizer.model",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt",
}  # fmt: skip
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz"})
MAX_SETTINGS = 64 << 20
"""Largest file beside the weights, in bytes: tokenizers have up to 20 million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """An adapter's folder that may enter a registry."""

    files: tuple[Path, ...]
    config: Mapping[str, Any]
    """PEFT's."""
    manifest: Mapping[str, Any]
    """medtune's: base, template, tokenizer."""


def read_contents(folder: Path, base: Shapes | None) -> Contents:
    """Look at all files of an adapter's folder.

    Args:
        folder: The folder.
        base: Shapes of the base's tensors; None: they were looked at before.

    Raises:
        AdapterError: A file is unknown, a link, missing, too large, or not what it should be.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise AdapterError(f"{folder} is no folder of an adapter")
    files = []
    for path in sorted(folder.iterdir()):
        if path.name == CARD and path.is_file() and not path.is_symlink():
            continue
        _require_allowed(path)
        files.append(path)
    missing = NEEDED - {path.name for path in files}
    if missing:
        raise AdapterError(f"{folder} is no adapter that medtune wrote: no {min(missing)}")
    config, manifest = _json(folder / CONFIG), _json(folder / MANIFEST)
    if config.get("peft_type") != "LORA" or config.get("modules_to_save"):
        raise AdapterError(f"{folder / CONFIG}: only LoRA and DoRA adapters are held")
    check_weights(folder / WEIGHTS, config, base)
    return Contents(files=tuple(files), config=config, manifest=manifest)


def _require_allowed(path: Path) -> None:
    if path.is_symlink():
        raise AdapterError(f"{path} is a symbolic link; a registry holds files")
    if path.suffix in PICKLES:
        raise AdapterError(f"{path} may hold pickled objects, which run code when they are read")
    if not path.is_file() or path.name not in ALLOWED:
        raise AdapterError(f"{path} is no file of an adapter; move it elsewhere")
    if path.name != WEIGHTS and path.stat().st_size > MAX_SETTINGS:
        raise AdapterError(f"{path} has more than {MAX_SETTINGS} bytes")


def _json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterError(f"{file} cannot be read ({type(error).__name__})") from None
    if not isinstance(values, dict):
        raise AdapterError(f"{file} is no JSON object")
    return values
