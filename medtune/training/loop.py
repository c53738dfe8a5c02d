"""The training loop: step, measure, checkpoint; the best adapter comes out.

It reads encoded examples and a model with an adapter, and writes log and checkpoints into the run
directory. It does not know tasks, templates or how an adapter is exported.
"""

import math
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from peft import PeftModel

from medtune.data import Encoded, Prepared
from medtune.errors import Interrupted, TrainingError
from medtune.models import adapter_state
from medtune.recipe import Train
from medtune.records import Progress
from medtune.training import checkpoint
from medtune.training.batches import Batch, micro_batches, rows_of_step
from medtune.training.checkpoint import Position, State
from medtune.training.log import StepLog, step_log
from medtune.training.loss import supervised_loss_sum
from medtune.training.optimizers import make_optimizer, set_learning_rate
from medtune.training.schedule import learning_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a finished training hands on."""

    state: State
    """The exported step's tensors, under PEFT's names."""
    step: int
    """The exported step: the best by validation loss, or the last without validation rows."""
    num_steps: int
    validation_loss: float | None
    """Of the exported step, in nats per supervised token."""
    position: Position


@dataclass(slots=True)
class _Stop:
    """Whether a signal asked to stop; looked at between steps."""

    signal: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.signal = number


def num_steps(section: Train, num_rows: int) -> int:
    """Optimiser steps of a run."""
    return section.max_steps or section.epochs * -(-num_rows // section.batch_size)


def fit(
    model: PeftModel,
    prepared: Prepared,
    section: Train,
    *,
    seed: int,
    pad_id: int,
    run: Path,
    progress: Progress,
) -> Trained:
    """Train the adapter, from the run's last checkpoint where there is one.

    Raises:
        TrainingError: A loss or gradient is not finite; the message names the step's examples.
        Interrupted: SIGINT or SIGTERM came; the step was finished and a checkpoint written.
    """
    examples = prepared.splits["train"].encoded
    validation = prepared.splits["validation"].encoded
    total = num_steps(section, len(examples))
    eval_every = section.eval_every or max(1, total // 5)
    checkpoints = run / "checkpoints"
    if section.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    optimizer = make_optimizer(model, section)
    torch.manual_seed(seed)
    position, best = checkpoint.restore(checkpoints, model, optimizer)
    started = time.perf_counter() - position.seconds
    progress.start("training", total, "steps")
    progress.advance(position.step)
    try:
        with _stop_signals() as stop, step_log(run, from_step=position.step) as log:
            while position.step < total:
                step = position.step + 1
                chosen = rows_of_step(len(examples), section.batch_size, step, seed)
                rate = learning_rate(section, step, total)
                figures = _step(
                    model, optimizer, [examples[i] for i in chosen], section, rate, pad_id, step
                )
                position.step = step
                position.tokens += int(figures["tokens"])
                position.supervised_tokens += int(figures["supervised_tokens"])
                position.seconds = time.perf_counter() - started
                if validation and (step % eval_every == 0 or step == total):
                    figures["validation_loss"] = loss = mean_loss(
                        model, validation, section.micro_batch_size, pad_id
                    )
                    if position.best_loss is None or loss < position.best_loss:
                        position.best_step, position.best_loss = step, loss
                        best = adapter_state(model)
                _report(log, progress, step, figures)
                due = step % section.checkpoint_every == 0 or step == total
                if due or stop.signal is not None:
                    checkpoint.save(
                        checkpoints, model, optimizer, position, best, keep_last=section.keep_last
                    )
                if stop.signal is not None and step < total:
                    raise Interrupted(
                        f"stopped by {signal.Signals(stop.signal).name} after step {step} of "
                        f"{total}; a checkpoint is written. Continue with --resume"
                    )
    finally:
        progress.finish()
    return Trained(
        state=adapter_state(model) if best is None else best,
        step=position.best_step or total,
        num_steps=total,
        validation_loss=position.best_loss,
        position=position,
    )


@torch.no_grad()
def mean_loss(
    model: torch.nn.Module, examples: Sequence[Encoded], batch_size: int, pad_id: int
) -> float:
    """Mean negative log-likelihood per supervised token over all examples, in nats."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for batch in micro_batches(examples, batch_size, pad_id, device):
        total += float(supervised_loss_sum(model, batch))
        count += batch.num_supervised
    model.train(was_training)
    return total / count


def _step(
    model: PeftModel,
    optimizer: torch.optim.Optimizer,
    examples: Sequence[Encoded],
    section: Train,
    rate: float,
    pad_id: int,
    step: int,
) -> dict[str, float]:
    """One optimiser step; the loss is normalised by the supervised tokens of all its examples."""
    started = time.perf_counter()
    model.train()
    device = next(model.parameters()).device
    batches = list(micro_batches(examples, section.micro_batch_size, pad_id, device))
    count = sum(batch.num_supervised for batch in batches)
    loss = 0.0
    for batch in batches:
        part = supervised_loss_sum(model, batch) / count
        _require_finite("loss", float(part.detach()), step, [batch])
        part.backward()  # type: ignore[no-untyped-call]
        loss += float(part.detach())
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    limit = math.inf if section.clip_norm is None else section.clip_norm
    norm = float(torch.nn.utils.clip_grad_norm_(weights, limit))
    _require_finite("gradient norm", norm, step, batches)
    set_learning_rate(optimizer, rate)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    seconds = time.perf_counter() - started
    tokens = sum(batch.num_tokens for batch in batches)
    return {
        "loss": loss,
        "learning_rate": rate,
        "grad_norm": norm,
        "tokens": tokens,
        "supervised_tokens": count,
        "tokens_per_second": tokens / seconds,
        "memory_gib": _peak_memory_gib(device),
    }


def _require_finite(what: str, value: float, step: int, batches: Sequence[Batch]) -> None:
    if not math.isfinite(value):
        ids = ", ".join(name for batch in batches for name in batch.ids)
        raise TrainingError(
            f"the {what} at step {step} is {value}; its examples are {ids}. Look at these rows, or "
            "lower train.learning_rate; checkpoints of earlier steps are kept"
        )


def _report(log: StepLog, progress: Progress, step: int, figures: dict[str, float]) -> None:
    log.write(step, figures)
    progress.advance(1, **figures)


def _peak_memory_gib(device: torch.device) -> float:
    """Most memory that was in use so far: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    """Note SIGINT and SIGTERM instead of dying of them; only the main thread may."""
    stop = _Stop()
    before: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, stop)
    except ValueError:  # only the main thread may; a notebook's worker thread just goes on
        pass
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
