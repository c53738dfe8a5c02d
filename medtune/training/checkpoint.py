"""Checkpoints: everything that a run needs to go on, in safetensors and JSON, never pickled.

    checkpoints/step-00000020/adapter.safetensors    the adapter's weights
                              optimizer.safetensors  moments and step counts of AdamW
                              best.safetensors       the best adapter so far, if one was measured
                              state.json             step, best step and loss, tokens, seconds

A checkpoint appears whole under its name or not at all. Random numbers, the learning rate and the
order of the rows are functions of seed and step: the step is all there is to save of them.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medtune.digests import sync_folder, write_json
from medtune.errors import TrainingError
from medtune.models import adapter_state, set_adapter_state

State = dict[str, torch.Tensor]


@dataclass(slots=True, kw_only=True)
class Position:
    """Where a run stands, besides its tensors."""

    step: int = 0
    """Optimiser steps done."""
    best_step: int | None = None
    best_loss: float | None = None
    """Validation loss of the best step, in nats per supervised token."""
    stale: int = 0
    """Validation losses since the best one."""
    tokens: int = 0
    """Tokens trained on, padding not counted."""
    supervised_tokens: int = 0
    seconds: float = 0.0
    """Time spent in training, over all sessions."""

    def note(self, loss: float) -> bool:
        """Note a validation loss; whether it is the best so far."""
        is_best = self.best_loss is None or loss < self.best_loss
        if is_best:
            self.best_step, self.best_loss, self.stale = self.step, loss, 0
        else:
            self.stale += 1
        return is_best


def save(
    folder: Path,
    model: PeftModel,
    optimizer: torch.optim.Optimizer,
    position: Position,
    best: State | None,
    *,
    keep_last: int,
) -> None:
    """Write a checkpoint, then remove all but the last ``keep_last``."""
    folder.mkdir(exist_ok=True)
    target = folder / f"step-{position.step:08}"
    if not target.exists():
        partial = Path(tempfile.mkdtemp(dir=folder, prefix=f".{target.name}."))
        try:
            _save_tensors(adapter_state(model), partial / "adapter.safetensors")
            _save_tensors(_optimizer_state(optimizer), partial / "optimizer.safetensors")
            if best is not None:
                _save_tensors(best, partial / "best.safetensors")
            write_json(partial / "state.json", asdict(position))
            partial.rename(target)
            sync_folder(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    for old in _existing(folder)[:-keep_last]:
        shutil.rmtree(old)


def restore(
    folder: Path, model: PeftModel, optimizer: torch.optim.Optimizer
) -> tuple[Position, State | None]:
    """Bring model and optimiser to the last checkpoint; step 0 where there is none.

    Raises:
        TrainingError: The checkpoint cannot be read.
        AdapterError: Its weights do not fit the adapter of the recipe.
    """
    existing = _existing(folder)
    if not existing:
        return Position(), None
    last = existing[-1]
    try:
        position = Position(**json.loads((last / "state.json").read_text(encoding="utf-8")))
        set_adapter_state(model, load_file(last / "adapter.safetensors"))
        _set_optimizer_state(optimizer, load_file(last / "optimizer.safetensors"))
        best = load_file(last / "best.safetensors") if position.best_step is not None else None
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TrainingError(
            f"{last} cannot be read ({error}); remove that folder to resume from the one before"
        ) from error
    return position, best


def _existing(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _save_tensors(state: Mapping[str, torch.Tensor], path: Path) -> None:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, path)


def _optimizer_state(optimizer: torch.optim.Optimizer) -> State:
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, entry in optimizer.state_dict()["state"].items()
        for name, value in entry.items()
    }


def _set_optimizer_state(optimizer: torch.optim.Optimizer, saved: State) -> None:
    entries: dict[int, State] = {}
    for key, value in saved.items():
        index, _, name = key.partition(".")
        entries.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": entries, "param_groups": groups})
