"""Which layers of a base an adapter goes on."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from medtune.errors import RecipeError


def target_modules(model: torch.nn.Module, targets: str | Sequence[str]) -> list[str]:
    """Names of the linear layers to adapt, as PEFT takes them: last parts of module names.

    Raises:
        RecipeError: A name or group matches no linear layer.
    """
    layers = _linear_layers(model)
    if targets == "all-linear":
        chosen = list(layers)
    elif isinstance(targets, str):
        marks = {"attention": ("attn", "attention"), "mlp": ("mlp", "feed_forward", "ffn")}
        chosen = [
            name
            for name in layers
            if any(mark in part for part in name.split(".")[:-1] for mark in marks[targets])
        ]
    else:
        chosen = []
        for target in targets:
            matches = [name for name in layers if name == target or name.endswith(f".{target}")]
            if not matches:
                raise RecipeError(_no_target(target, layers))
            chosen += matches
    if not chosen:
        raise RecipeError(_no_target(str(targets), layers))
    short = {name.rpartition(".")[2] for name in chosen}
    # A last part is unambiguous when no layer outside the choice, the head included, carries it.
    everywhere = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in short]
    return sorted(short if set(everywhere) == set(chosen) else set(chosen))


def _linear_layers(model: torch.nn.Module) -> list[str]:
    """Full names of all linear layers but the head; quantised layers derive from nn.Linear."""
    assert isinstance(model, PreTrainedModel)
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    ]


def _no_target(target: str, layers: Sequence[str]) -> str:
    existing = sorted({name.rpartition(".")[2] for name in layers})
    return (
        f"adapter.targets: {target!r} matches no linear layer of this base; "
        f"its linear layers are {', '.join(existing)}"
    )
