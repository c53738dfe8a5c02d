"""The optimiser of the adapter's weights, and its learning rate of the moment."""

from collections.abc import Sequence
from typing import Any

import torch
from peft import PeftModel

from medtune.recipe import Train
from medtune.records import Progress

RATE_FACTOR = "rate_factor"
"""Key of a parameter group: its learning rate as a multiple of the schedule's."""


EIGHT_BIT = frozenset({"adamw_8bit", "paged_adamw_8bit"})
PAGED = frozenset({"paged_adamw", "paged_adamw_8bit"})
MIN_8BIT_SIZE = 4096
"""Smaller weights keep float32 moments (bitsandbytes' own limit)."""
BLOCK = 256
"""Moments that share a float32 scale (arXiv:2110.02861)."""


def make_optimizer(model: PeftModel, section: Train, progress: Progress) -> torch.optim.Optimizer:
    """AdamW over the adapter's weights, with a learning rate of their own for the B matrices.

    LoRA+ (arXiv:2402.12354): B starts at zero and A does not, so one rate for both is too low for
    B in wide models. DoRA's lengths go with A.
    """
    trainable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    second = {name for name in trainable if ".lora_B." in name}
    groups = [
        {RATE_FACTOR: 1.0, "params": [w for name, w in trainable.items() if name not in second]},
        {
            RATE_FACTOR: section.lora_plus_ratio,
            "params": [w for name, w in trainable.items() if name in second],
        },
    ]
    optimizer = _adamw(groups, section, next(iter(trainable.values())).device, progress)
    set_learning_rate(optimizer, section.learning_rate)
    return optimizer


def _adamw(
    groups: list[dict[str, Any]], section: Train, device: torch.device, progress: Progress
) -> torch.optim.Optimizer:
    settings: dict[str, Any] = {
        "betas": (section.adam_beta1, section.adam_beta2),
        "eps": section.adam_epsilon,
        "weight_decay": section.weight_decay,
    }
    if section.optimizer == "adamw":
        return torch.optim.AdamW(groups, fused=True, **settings)
    import bitsandbytes

    is_paged = section.optimizer in PAGED
    if is_paged and device.type != "cuda":
        progress.say(
            f"train.optimizer is {section.optimizer}, and a {device.type} has no pages to move: "
            "the same optimiser is used without paging"
        )
        is_paged = False
    made: torch.optim.Optimizer
    if section.optimizer in EIGHT_BIT:
        made = bitsandbytes.optim.AdamW8bit(
            groups, min_8bit_size=MIN_8BIT_SIZE, is_paged=is_paged, **settings
        )
    elif is_paged:
        made = bitsandbytes.optim.PagedAdamW32bit(groups, **settings)
    else:
        made = torch.optim.AdamW(groups, fused=True, **settings)
    return made


def state_bytes(weights: Sequence[torch.Tensor], section: Train) -> int:
    """Memory of the optimiser's two moments for these weights."""
    total = 0
    for weight in weights:
        count = weight.numel()
        if section.optimizer in EIGHT_BIT and count >= MIN_8BIT_SIZE:
            total += 2 * (count + 4 * -(-count // BLOCK))
        else:
            total += 2 * 4 * count
    return total


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each parameter group its multiple of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[RATE_FACTOR]
