"""A located base as a frozen model in memory, in the precision that the recipe asks for."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel

from medtune.errors import BaseError
from medtune.models.libraries import quiet_libraries
from medtune.models.locate import LocatedBase
from medtune.recipe import Base

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
Tokenizer = Any
"""A transformers tokenizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenBase:
    """A base with no weight that could change."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    located: LocatedBase
    section: Base
    """The recipe's section that it was loaded by."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(self.model.device)


def load_tokenizer(located: LocatedBase) -> Tokenizer:
    """The base's tokenizer.

    Raises:
        BaseError: The folder has no tokenizer that transformers can read.
    """
    return read_tokenizer(located.folder, located.reference)


def read_tokenizer(folder: Path, called: str) -> Tokenizer:
    """The tokenizer whose files lie in a folder.

    Raises:
        BaseError: transformers cannot read them; the message names it as ``called``.
    """
    quiet_libraries()
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise BaseError(f"{called}: the tokenizer could not be read: {error}") from error


def load_model(
    located: LocatedBase,
    base: Base,
    tokenizer: Tokenizer,
    *,
    dtype: Literal["auto"] | None = None,
) -> FrozenBase:
    """The base's weights on the GPU, or on the CPU where there is none; all frozen.

    Args:
        located: Where they are.
        base: How to load them.
        tokenizer: The base's.
        dtype: auto: as the files have them; None: as the section says.

    Raises:
        BaseError: transformers does not know the architecture, a weight is missing, or the
            attention or quantisation is not to be had here.
    """
    quiet_libraries()
    device = own_device()
    attention = _attention(base, device)
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            located.folder,
            dtype=dtype or DTYPES[base.dtype],
            attn_implementation=attention,
            quantization_config=_quantization(base),
            device_map={"": device},
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (
        OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError
    ) as error:  # fmt: skip
        raise BaseError(f"{located.reference} could not be loaded: {error}") from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise BaseError(
            f"{located.reference}: {len(missing)} weights are missing from its files, first "
            f"{missing[0]}; they would have been random"
        )
    if base.quantization == "nf4":
        guard_cpu_gradients(model)
    model.requires_grad_(False)
    model.config.use_cache = False
    # PEFT records this name: what the recipe calls the base, never where it lies on this machine.
    model.name_or_path = located.reference
    model.eval()
    return FrozenBase(model=model, tokenizer=tokenizer, located=located, section=base)


def own_device() -> torch.device:
    """This process's GPU, by torchrun's numbering, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def guard_cpu_gradients(model: torch.nn.Module) -> None:
    """Keep bitsandbytes' 4-bit layers differentiable on the CPU.

    bitsandbytes 0.50: on a CPU with AVX512-BF16 a forward pass in evaluation mode repacks a layer
    for good, and its forward pass from then on has no gradient: the loss hardly moves and nothing
    says why. Layers that do not offer the packed kernel are never repacked.
    """
    import bitsandbytes

    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def _attention(base: Base, device: torch.device) -> str:
    has_flash = device.type == "cuda" and importlib.util.find_spec("flash_attn") is not None
    if base.attention == "auto":
        return "flash_attention_2" if has_flash and base.dtype == "bfloat16" else "sdpa"
    if base.attention == "flash_attention_2" and not has_flash:
        raise BaseError(
            "base.attention is flash_attention_2, which needs a CUDA GPU and the package "
            "flash-attn; use auto or sdpa"
        )
    return base.attention


def _quantization(base: Base) -> BitsAndBytesConfig | None:
    if base.quantization == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=DTYPES[base.dtype],
        )
    if base.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return None
