"""An adapter's weights, looked at without torch: whole, finite, not without effect, and fitting.

A safetensors file is a length (8 bytes), a JSON header, and the tensors' bytes
(github.com/huggingface/safetensors, "Format").
"""

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtune.errors import AdapterError

MAX_HEADER = 16 << 20
"""Largest header in bytes: that of a 70B base has less than one million."""
PIECE = 1 << 22
"""Numbers that are looked at in one go."""
WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}
"""Types that an adapter's weights may have -> bytes of a number."""
_KEY = re.compile(
    r"^base_model\.model\.(?P<module>.+)\.(?:lora_(?P<side>[AB])\.weight|lora_magnitude_vector)$"
)
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies in its file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def read_header(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, each with its place in the file.

    Raises:
        AdapterError: The header is absurd, or does not describe the file to the last byte.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else -1
        if not 2 <= length <= min(size - 8, MAX_HEADER):
            raise AdapterError(f"{file.name} is no safetensors file: its header has {length} bytes")
        text = stream.read(length)
    try:
        values = json.loads(text, object_pairs_hook=_unique)
        values.pop("__metadata__", None)
        tensors = {name: _tensor(one, 8 + length) for name, one in values.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AdapterError(f"{file.name}: the header cannot be read ({error})") from None
    _require_gapless(file.name, tensors, 8 + length, size)
    return tensors


def base_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of a base's tensors by name, from the headers of its files."""
    found: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= {name: tensor.shape for name, tensor in read_header(file).items()}
    return found


def read_tensors(file: Path) -> dict[str, NDArray[np.float64]]:
    """All tensors of a safetensors file, in 64 bits.

    Raises:
        AdapterError: The header is absurd, or a type is none of an adapter.
    """
    found = {}
    for name, tensor in read_header(file).items():
        count = math.prod(tensor.shape)
        if tensor.dtype == "BF16":
            halves = np.fromfile(file, np.uint16, count, offset=tensor.start)
            numbers = (halves.astype(np.uint32) << 16).view(np.float32)
        elif tensor.dtype in WIDTHS:
            kind = np.float32 if tensor.dtype == "F32" else np.float16
            numbers = np.fromfile(file, kind, count, offset=tensor.start)
        else:
            raise AdapterError(f"{file.name}: {name} is {tensor.dtype}")
        found[name] = numbers.astype(np.float64).reshape(tensor.shape)
    return found


def check_weights(file: Path, config: Mapping[str, Any], base: Shapes | None) -> None:
    """Refuse weights that no registry should hold.

    Args:
        file: adapter_model.safetensors.
        config: PEFT's adapter_config.json.
        base: Shapes of the base's tensors; None: they were looked at before.

    Raises:
        AdapterError: A tensor has another type than 32 or 16 bits of floating point, is empty, not
            finite, or of an unknown name; all second matrices are zero; or a shape does not fit
            the rank or the base.
    """
    tensors = read_header(file)
    if not tensors:
        raise AdapterError(f"{file.name} holds no tensor")
    for name, tensor in tensors.items():
        if tensor.dtype not in WIDTHS:
            raise AdapterError(
                f"{file.name}: {name} is {tensor.dtype}; adapters are {', '.join(WIDTHS)}"
            )
        if 0 in tensor.shape or not tensor.shape:
            raise AdapterError(f"{file.name}: {name} is empty")
    _require_names(tensors, config, base)
    _require_numbers(file, tensors)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _tensor(values: Mapping[str, Any], offset: int) -> Tensor:
    start, stop = values["data_offsets"]
    shape = tuple(values["shape"])
    if not all(isinstance(n, int) and n >= 0 for n in (start, stop, *shape)):
        raise ValueError("a shape or an offset is no whole number")
    return Tensor(str(values["dtype"]), shape, offset + start, offset + stop)


def _require_gapless(name: str, tensors: Mapping[str, Tensor], start: int, size: int) -> None:
    place = start
    for title, tensor in sorted(tensors.items(), key=lambda pair: pair[1].start):
        width = WIDTHS.get(tensor.dtype)
        if width and tensor.stop - tensor.start != width * math.prod(tensor.shape):
            raise AdapterError(f"{name}: {title} has not as many bytes as its shape needs")
        if tensor.start != place or tensor.stop < tensor.start:
            raise AdapterError(f"{name}: {title} does not begin where the one before it ends")
        place = tensor.stop
    if place != size:
        raise AdapterError(f"{name}: {size} bytes, its header describes {place}")


def _require_names(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any], base: Shapes | None
) -> None:
    """Every module has its pair, of the rank in the config and of the shape of the base's."""
    modules: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, tensor in tensors.items():
        match = _KEY.match(name)
        if match is None:
            raise AdapterError(f"{name} is no weight of a LoRA or DoRA adapter")
        modules.setdefault(match["module"], {})[match["side"] or "magnitude"] = tensor.shape
    ranks = config.get("rank_pattern") or {}
    for module, shapes in modules.items():
        if not {"A", "B"} <= shapes.keys():
            raise AdapterError(f"{module}: one of its two matrices is missing")
        if bool(config.get("use_dora")) != ("magnitude" in shapes):
            raise AdapterError(f"{module}: adapter_config.json says otherwise about DoRA")
        rank = next((r for key, r in ranks.items() if module.endswith(key)), config.get("r"))
        outer, inner = shapes["B"][0], shapes["A"][-1]
        if shapes["A"] != (rank, inner) or shapes["B"] != (outer, rank):
            raise AdapterError(
                f"{module}: shapes {shapes['A']} and {shapes['B']} are not of rank {rank}"
            )
        if base is not None and base.get(f"{module}.weight") != (outer, inner):
            raise AdapterError(
                f"{module}: made for a weight of shape ({outer}, {inner}); the base has "
                f"{base.get(f'{module}.weight') or 'no such module'}"
            )


def _require_numbers(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Finite everywhere; and not zero in all matrices that start as zero."""
    has_effect = False
    for name, tensor in tensors.items():
        kind = np.uint16 if WIDTHS[tensor.dtype] == 2 else np.uint32
        numbers = np.memmap(file, dtype=kind, mode="r", offset=tensor.start,
                            shape=math.prod(tensor.shape))  # fmt: skip
        # Infinities and NaN have all bits of the exponent; zeros have none but the sign's.
        exponent = {"F32": 0x7F800000, "F16": 0x7C00, "BF16": 0x7F80}[tensor.dtype]
        for start in range(0, len(numbers), PIECE):
            piece = numbers[start : start + PIECE]
            if np.any((piece & exponent) == exponent):
                raise AdapterError(f"{file.name}: {name} has values that are not finite")
            has_effect |= ".lora_B." in name and bool(np.any(piece << 1))
    if not has_effect:
        raise AdapterError(f"{file.name}: every lora_B is zero: the adapter changes nothing")
