"""Where an adapter starts, other than without effect, and how such an adapter is exported.

pissa and olora move a part of each weight into the adapter: the base trains as W - s B0 A0, the
adapter starts at s B0 A0. What was learned is s (B A - B0 A0), which is exported as plain LoRA of
twice the rank on the untouched base: A' = [A; A0], B' = [B, -B0]. In bfloat16 the base that trains
is rounded after the subtraction and the exported adapter's base is not, so the two answer slightly
differently: everything that is reported is measured on the exported adapter on its untouched base.

eva and loftq leave the base alone and are exported as they are. A loftq adapter also holds what nf4
rounded off its base, so it is for that base in nf4 and for no other.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from peft import EvaConfig, PeftModel, initialize_lora_eva_weights
from peft.tuners.lora import LoraLayer
from peft.utils.integrations import dequantize_module_weight
from safetensors import SafetensorError, safe_open

from medtune.digests import INDEX_FILE
from medtune.errors import AdapterError, BaseError, RecipeError
from medtune.models.locate import LocatedBase
from medtune.recipe import Adapter, Base
from medtune.records import AdapterManifest

TAKES_FROM_BASE = frozenset({"pissa", "olora"})
"""Starts that change the base in memory: it has to be loaded anew before anything else is done."""

EVA_STREAM = 2
"""Keeps the draw of the rows apart from other draws with the same seed."""
EVA_TOKENS = 512
"""Tokens in one batch of eva, padding not counted: PEFT hashes each layer's input in Python, and
decomposes a batch at a time. A rank over a quarter of it takes larger batches."""
EVA_BATCHES = 8
EVA_MAX_PASSES = 500
"""Forward passes within which eva's directions have to settle; PEFT itself would go on for ever."""

_taken: WeakKeyDictionary[torch.nn.Module, dict[str, torch.Tensor]] = WeakKeyDictionary()
"""Base in memory -> the A0 and B0 whose product was taken out of its weights."""


def peft_name(section: Adapter) -> str | bool:
    """What a LoraConfig calls the start; eva and loftq are made once the adapter is attached."""
    return section.init if section.init in TAKES_FROM_BASE else True


def require_rank(model: torch.nn.Module, targets: Iterable[str], section: Adapter) -> None:
    """Refuse a rank that a layer's weights or inputs do not have.

    Args:
        model: The base.
        targets: Last parts of the adapted layers' names, as PEFT takes them.
        section: The recipe's section.

    Raises:
        RecipeError: The rank is over the smaller side of a layer; for eva, over half its inputs.
    """
    if section.init == "default":
        return
    ends = tuple(f".{target}" for target in targets)
    for name, layer in model.named_modules():
        if not isinstance(layer, torch.nn.Linear) or not f".{name}".endswith(ends):
            continue
        # eva looks for twice the directions that it keeps.
        sides = (layer.in_features, layer.out_features)
        most = layer.in_features // 2 if section.init == "eva" else min(sides)
        if section.rank > most:
            raise RecipeError(
                f"adapter.rank: init: {section.init} takes at most {most} directions from {name} "
                f"({layer.in_features} to {layer.out_features}), found {section.rank}"
            )


def remember_taken(base: torch.nn.Module, start: Mapping[str, torch.Tensor]) -> None:
    """Note what was taken out of a base's weights, for the export and against using it again."""
    _taken[base] = {name: tensor.clone() for name, tensor in start.items()}


def was_changed(base: torch.nn.Module) -> bool:
    """Whether a start took a part out of the base's weights in memory."""
    return base in _taken


def plain_state(model: PeftModel, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The adapter's tensors as plain LoRA on the untouched base."""
    start = _taken.get(model.get_base_model())
    if start is None:
        return dict(state)
    return {
        name: torch.cat([tensor, start[name]], dim=0)
        if "lora_A" in name
        else torch.cat([tensor, -start[name]], dim=1)
        for name, tensor in state.items()
    }


def plain_config(model: PeftModel) -> dict[str, Any]:
    """PEFT's config for ``plain_state``: it says nothing of how training started."""
    values: dict[str, Any] = model.peft_config["default"].to_dict()
    values["init_lora_weights"] = True
    if was_changed(model.get_base_model()):
        # Twice the rank under the same scale: alpha / rank, or alpha / sqrt(rank).
        values["lora_alpha"] *= math.sqrt(2) if values["use_rslora"] else 2
        values["r"] *= 2
    return values


def start_eva(model: PeftModel, rows: Sequence[Sequence[int]], *, seed: int) -> None:
    """Take each A from the main directions of its layer's inputs on the rows.

    Args:
        model: A fresh adapter.
        rows: Token ids of training examples.
        seed: Draws the rows that are looked at.

    Raises:
        RecipeError: The rows have too few tokens, or the directions do not settle.
    """
    config = model.peft_config["default"]
    targets = config.target_modules
    passes = 0

    def forward(adapted: PeftModel, batch: dict[str, torch.Tensor]) -> None:
        nonlocal passes
        passes += 1
        if passes > EVA_MAX_PASSES:
            raise RecipeError(
                f"adapter.init: eva: the directions of the layers' inputs did not settle in "
                f"{EVA_MAX_PASSES} passes; lower adapter.rank, or use init: default"
            )
        adapted(**batch, logits_to_keep=1)

    batches = _eva_batches(rows, config.r, seed=seed)
    # Told now and not in attach, where PEFT would advise to make the weights without memory first.
    # rho=1: each layer keeps the rank that the recipe says.
    config.init_lora_weights, config.eva_config = "eva", EvaConfig(rho=1.0)
    initialize_lora_eva_weights(model, batches, forward_fn=forward, show_progress_bar=False)
    config.init_lora_weights, config.eva_config = True, None
    model.eval()  # PEFT puts all of it into training mode, the base too
    # PEFT writes its own list of targets, and patterns for ranks that it might have moved.
    assert not config.rank_pattern
    assert not config.alpha_pattern
    config.target_modules = targets


def _eva_batches(
    rows: Sequence[Sequence[int]], rank: int, *, seed: int
) -> list[dict[str, torch.Tensor]]:
    enough = max(EVA_TOKENS, 4 * rank)
    order = np.random.default_rng([seed, EVA_STREAM]).permutation(len(rows))
    batches: list[list[Sequence[int]]] = [[]]
    for index in order:
        if sum(map(len, batches[-1])) >= enough:
            if len(batches) == EVA_BATCHES:
                break
            batches.append([])
        batches[-1].append(rows[index][:enough])
    if len(batches) > 1 and sum(map(len, batches[-1])) < 2 * rank:
        del batches[-1]
    tokens = sum(map(len, batches[-1]))
    if tokens < 2 * rank:
        raise RecipeError(
            f"adapter.init: eva needs twice as many tokens of training rows as adapter.rank "
            f"({rank}), found {tokens}; give attach the rows, or use init: default"
        )
    return [_padded(batch) for batch in batches]


def _padded(batch: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
    longest = max(map(len, batch))
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(list(tokens))
        mask[row, : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask}


@torch.no_grad()
def start_loftq(model: PeftModel, located: LocatedBase) -> None:
    """Start at the best update of the rank to what nf4 rounded off each weight.

    Not through PEFT's ``replace_lora_weights_loftq``: that one needs a CUDA GPU, and leaves the
    update's scale out, so that what it starts from is right where alpha equals the rank only.

    Raises:
        BaseError: The base's files do not hold a layer's weight under its name.
    """
    for name, layer in model.get_base_model().named_modules():
        if isinstance(layer, LoraLayer):
            weight = _original(located, f"{name}.weight").to(layer.base_layer.weight.device)
            lost = weight.float() - dequantize_module_weight(layer.base_layer).float()
            left, sizes, right = torch.linalg.svd(lost, full_matrices=False)
            rank = layer.r["default"]
            roots = (sizes[:rank] / layer.scaling["default"]).sqrt()
            layer.lora_B["default"].weight.copy_(left[:, :rank] * roots)
            layer.lora_A["default"].weight.copy_(roots[:, None] * right[:rank])


def _original(located: LocatedBase, name: str) -> torch.Tensor:
    """A weight as the base's files have it, from one file or the shard that the index names."""
    index = located.folder / INDEX_FILE
    try:
        file = "model.safetensors"
        if index.is_file():
            file = json.loads(index.read_text(encoding="utf-8"))["weight_map"][name]
        with safe_open(located.folder / file, framework="pt") as tensors:
            weight: torch.Tensor = tensors.get_tensor(name)
    except (OSError, KeyError, SafetensorError) as error:
        raise BaseError(
            f"adapter.init: loftq reads the unrounded weights, and {located.reference} has no "
            f"{name} in its files; use init: default"
        ) from error
    return weight


def require_untouched(base: torch.nn.Module, reference: str) -> None:
    """Refuse a base that a start has changed.

    Raises:
        AdapterError: It was changed.
    """
    if was_changed(base):
        raise AdapterError(
            f"{reference} in memory is not the base any more: an adapter's start took a part out "
            "of its weights; load the base anew"
        )


def require_quantization(manifest: AdapterManifest, base: Base) -> None:
    """Refuse a loftq adapter on a base that lost nothing to nf4.

    Raises:
        AdapterError: The base is not stored in nf4.
    """
    if manifest.init == "loftq" and base.quantization != "nf4":
        raise AdapterError(
            "the adapter was started with loftq and holds what nf4 rounded off its base; load "
            f"{manifest.base} with base.quantization: nf4, found {base.quantization}"
        )
