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
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medtune.digests import partial_folder, remove_folder, sync_folder, sync_tree, write_json
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
    processes: int = 1
    threads: int = 0
    """Of a process on a CPU, 0 on a GPU; threads decide in which order sums add up."""

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
    """Write a checkpoint, then remove all but the last ``keep_last``.

    Raises:
        TrainingError: It cannot be written, as on a full disk; those before it are untouched.
    """
    target = folder / f"step-{position.step:08}"
    try:
        folder.mkdir(exist_ok=True)
        if not target.exists():
            _write(target, model, optimizer, position, best)
        remove_all_but(folder, keep_last)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"the checkpoint {target} cannot be written ({error}); the checkpoints before it are "
            "kept. Make room, then continue with --resume"
        ) from error


def _write(
    target: Path,
    model: PeftModel,
    optimizer: torch.optim.Optimizer,
    position: Position,
    best: State | None,
) -> None:
    partial = partial_folder(target)
    try:
        _save_tensors(adapter_state(model), partial / "adapter.safetensors")
        _save_tensors(_optimizer_state(optimizer), partial / "optimizer.safetensors")
        if best is not None:
            _save_tensors(best, partial / "best.safetensors")
        kind = {"optimizer": type(optimizer).__name__}
        write_json(partial / "state.json", asdict(position) | kind)
        sync_tree(partial)
        partial.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def checkpoint_bytes(model: PeftModel) -> int:
    """Size of one checkpoint: the adapter in float32, two moments of each weight, the best."""
    return 4 * _adapter_bytes(model)


def run_bytes(folder: Path, model: PeftModel, *, keep_last: int) -> int:
    """What a run still writes at most: a checkpoint more than it keeps, and the exported adapter.

    Checkpoints that lie there already are room that the run has.
    """
    missing = max(1, keep_last + 1 - len(_existing(folder)))
    return missing * checkpoint_bytes(model) + _adapter_bytes(model)


def require_space(folder: Path, needed: int) -> None:
    """Refuse to train for hours towards a full disk.

    Raises:
        TrainingError: Fewer bytes than needed are free where the folder is.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise TrainingError(
            f"checkpoints and adapter need {needed / 2**30:.2f} GiB and {folder} has "
            f"{free / 2**30:.2f} GiB free; make room, lower train.keep_last, or write to another "
            "disk with --out"
        )


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
        values = json.loads((last / "state.json").read_text(encoding="utf-8"))
        kind = values.pop("optimizer")
        position = Position(**values)
        if kind != type(optimizer).__name__:
            raise TrainingError(
                f"{last} was written with the optimiser {kind} and cannot go on with "
                f"{type(optimizer).__name__}: keep train.optimizer and the kind of device"
            )
        set_adapter_state(model, load_file(last / "adapter.safetensors"))
        _set_optimizer_state(optimizer, load_file(last / "optimizer.safetensors"))
        best = load_file(last / "best.safetensors") if position.best_step is not None else None
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TrainingError(
            f"{last} cannot be read ({error}); remove that folder to resume from the one before"
        ) from error
    return position, best


def remove_all_but(folder: Path, keep_last: int) -> None:
    """Remove older checkpoints; a killed process may not have come to it."""
    for old in _existing(folder)[:-keep_last]:
        remove_folder(old)


def _existing(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _adapter_bytes(model: PeftModel) -> int:
    weights: int = sum(w.numel() for w in model.parameters() if w.requires_grad)
    return 4 * weights  # in float32


def _save_tensors(state: Mapping[str, torch.Tensor], path: Path) -> None:
    # Copies: 8-bit moments share a table, and safetensors writes no tensor twice.
    save_file({name: tensor.detach().cpu().clone() for name, tensor in state.items()}, path)


def _optimizer_state(optimizer: torch.optim.Optimizer) -> State:
    found: State = {}
    for index, entry in optimizer.state_dict()["state"].items():
        for name, value in entry.items():
            # bitsandbytes wraps its quantised moments into a dict, and takes them without it too.
            parts = value if isinstance(value, dict) else {name: value}
            found |= {f"{index}.{key}": torch.as_tensor(part) for key, part in parts.items()}
    return found


def _set_optimizer_state(optimizer: torch.optim.Optimizer, saved: State) -> None:
    entries: dict[int, dict[str, torch.Tensor | int]] = {}
    for key, value in saved.items():
        index, _, name = key.partition(".")
        # bitsandbytes counts steps in a plain integer, torch in a float32 tensor.
        is_count = value.dtype == torch.int64 and value.dim() == 0
        entries.setdefault(int(index), {})[name] = int(value) if is_count else value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": entries, "param_groups": groups})
