"""The optimiser of the adapter's weights, and its learning rate of the moment."""

import torch
from peft import PeftModel

from medtune.recipe import Train

RATE_FACTOR = "rate_factor"
"""Key of a parameter group: its learning rate as a multiple of the schedule's."""


def make_optimizer(model: PeftModel, section: Train) -> torch.optim.Optimizer:
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
    optimizer = torch.optim.AdamW(
        groups,
        betas=(section.adam_beta1, section.adam_beta2),
        eps=section.adam_epsilon,
        weight_decay=section.weight_decay,
        fused=True,
    )
    set_learning_rate(optimizer, section.learning_rate)
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each parameter group its multiple of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[RATE_FACTOR]
