"""An adapter in its base's own weights: each module in float32, cast once, never below 16 bits.

PEFT works out the merged weights. It adds in the precision that a layer is stored in, which for
bfloat16 rounds the update first and the sum a second time; so each layer is widened to float32
before and cast once behind (R26). Only one module at a time is wider than it is stored.
"""

import json
import shutil
from pathlib import Path
from typing import cast

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors import safe_open
from transformers import GenerationConfig, PreTrainedModel

from medtune.errors import AdapterError, BaseError, RecipeError
from medtune.models.adapter import CARD, CONFIG, MANIFEST, WEIGHTS
from medtune.models.locate import LocatedBase
from medtune.records import AdapterManifest

MERGE_DTYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
}
"""What merged weights may be stored in."""
OF_THE_ADAPTER_ALONE = frozenset({WEIGHTS, CONFIG, MANIFEST, CARD})
"""Files of an adapter's folder that a merged model has no use for; the others go with it."""


def merge_dtype(name: str) -> torch.dtype:
    """The precision of that name.

    Raises:
        RecipeError: It is none that an adapter is merged into.
    """
    if name not in MERGE_DTYPES:
        raise RecipeError(
            f"--dtype {name}: merged weights are stored in {', '.join(MERGE_DTYPES)}. Below 16 "
            "bits a step between two weights is larger than most of what an adapter changes, so "
            "that rounding would undo a part of it; merge into 16 bits, and quantise that folder"
        )
    return MERGE_DTYPES[name]


def require_mergeable(manifest: AdapterManifest) -> None:
    """Refuse an adapter that means nothing on the unrounded base.

    Raises:
        AdapterError: It was started with loftq.
    """
    if manifest.init == "loftq":
        raise AdapterError(
            "an adapter that was started with loftq cannot be merged: it also holds what nf4 "
            f"rounded off {manifest.base}, which the unrounded weights still have. Serve it beside "
            "its base in nf4, or train one with another adapter.init"
        )


def require_unquantised(located: LocatedBase) -> None:
    """Refuse a base whose own files are below 16 bits.

    Raises:
        BaseError: Its config names a quantisation.
    """
    config = json.loads((located.folder / "config.json").read_text(encoding="utf-8"))
    if found := config.get("quantization_config"):
        method = found.get("quant_method", "unknown") if isinstance(found, dict) else found
        raise BaseError(
            f"{located.reference} is stored quantised ({method}); an adapter is merged into "
            "weights of 16 bits or more, so give the original base"
        )


def stored_dtype(located: LocatedBase) -> str:
    """In which of MERGE_DTYPES a merged model's weights are stored.

    Raises:
        BaseError: In none.
    """
    file = min(located.folder.glob("*.safetensors"))
    with safe_open(file, framework="pt") as tensors:
        found = tensors.get_tensor(min(tensors.keys())).dtype
    for name, dtype in MERGE_DTYPES.items():
        if dtype == found:
            return name
    raise BaseError(
        f"{located.reference} is stored in {found}; merged weights are {', '.join(MERGE_DTYPES)}"
    )


@torch.no_grad()
def merge_into_base(model: PeftModel, dtype: torch.dtype) -> PreTrainedModel:
    """The base with the adapter in its weights; the given model is used up.

    Args:
        model: An adapter on a base that is loaded as its files have it.
        dtype: Of all weights of the result.

    Raises:
        AdapterError: A weight is not finite in that precision.
    """
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            weight = layer.get_base_layer().weight
            weight.data = weight.data.float()
            layer.merge(safe_merge=True)
            weight.data = weight.data.to(dtype)
    merged = cast(PreTrainedModel, model.unload())
    for name, parameter in merged.named_parameters():
        parameter.data = parameter.data.to(dtype)
        if not torch.isfinite(parameter).all():
            raise AdapterError(
                f"{name} has values that {str(dtype).removeprefix('torch.')} cannot hold once the "
                "adapter is merged into it; take --dtype bfloat16 or float32"
            )
    return merged


def write_merged(
    merged: PreTrainedModel, located: LocatedBase, adapter: Path, folder: Path
) -> None:
    """Write a model as transformers does, with the tokenizer, template and stop of the adapter.

    Tied weights are stored once, and large models in shards.

    Args:
        merged: What to write.
        located: Its base.
        adapter: The adapter's folder.
        folder: An empty one.
    """
    config = json.loads((located.folder / "config.json").read_text(encoding="utf-8"))
    merged.config.dtype = merged.dtype
    merged.config.use_cache = config.get("use_cache", True)  # loading switches it off
    merged.generation_config = GenerationConfig.from_pretrained(adapter)
    merged.save_pretrained(folder)
    for file in adapter.iterdir():
        if file.is_file() and file.name not in OF_THE_ADAPTER_ALONE:
            shutil.copyfile(file, folder / file.name)
