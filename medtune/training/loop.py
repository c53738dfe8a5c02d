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
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from peft import PeftModel

from medtune.data import Encoded, Prepared
from medtune.errors import Interrupted, TrainingError
from medtune.models import adapter_state, state_digest
from medtune.recipe import Train
from medtune.records import Progress
from medtune.training import checkpoint
from medtune.training.batches import Passes, batches, num_predicted, rows_of_step, share
from medtune.training.checkpoint import Position, State
from medtune.training.engine import Engine, require_equal
from medtune.training.log import step_log
from medtune.training.loss import supervised_loss_sum
from medtune.training.optimizers import make_optimizer, set_learning_rate
from medtune.training.schedule import learning_rate
from medtune.training.selftest import pass_attention


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

    signal: int = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.signal = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What stays the same from step to step."""

    model: PeftModel
    optimizer: torch.optim.Optimizer
    weights: Sequence[torch.nn.Parameter]
    """The trainable ones."""
    section: Train
    passes: Passes
    engine: Engine
    device: torch.device
    seed: int


def passes_of(section: Train, pad_id: int) -> Passes:
    """How the recipe wants examples cut into forward passes."""
    return Passes(packing=section.packing, tokens=section.pack_tokens, pad_id=pad_id)


def num_steps(section: Train, num_rows: int) -> int:
    """Optimiser steps of a run that nothing stops early."""
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
    engine: Engine,
) -> Trained:
    """Train the adapter, from the run's last checkpoint where there is one.

    Raises:
        TrainingError: A loss or gradient is not finite, with the step's examples; another process
            is gone, or has started from something else.
        Interrupted: SIGINT or SIGTERM came; the step was finished and a checkpoint written.
    """
    examples = prepared.splits["train"].encoded
    validation = prepared.splits["validation"].encoded
    device = next(model.parameters()).device
    passes = passes_of(section, pad_id)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with pass_attention(model, passes):
        require_equal(engine, "start of the adapter", state_digest(adapter_state(model)))
        if section.gradient_checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        session = Session(
            model=model,
            optimizer=make_optimizer(model, section, progress),
            weights=weights,
            section=section,
            passes=passes,
            engine=engine,
            device=device,
            seed=seed,
        )
        return _run(session, examples, validation, run, progress)


def _run(
    session: Session,
    examples: Sequence[Encoded],
    validation: Sequence[Encoded],
    run: Path,
    progress: Progress,
) -> Trained:
    section, engine, model = session.section, session.engine, session.model
    total = num_steps(section, len(examples))
    checkpoints = run / "checkpoints"
    position, best = checkpoint.restore(checkpoints, model, session.optimizer)
    if position.step > total:
        raise TrainingError(
            f"the checkpoint is at step {position.step}, and the recipe has {total} steps now; "
            "start anew under another name"
        )
    require_equal(engine, "checkpoint", f"{position.step} {state_digest(adapter_state(model))}")
    if engine.rank == 0:
        checkpoint.remove_all_but(checkpoints, section.keep_last)
        needed = checkpoint.run_bytes(checkpoints, model, keep_last=section.keep_last)
        checkpoint.require_space(run, needed)
    _note_workers(session, position, progress)
    started = time.perf_counter() - position.seconds
    progress.start("training", total, "steps")
    progress.advance(position.step)
    logged = step_log(run, from_step=position.step) if engine.rank == 0 else nullcontext()
    try:
        with _stop_signals() as stop, logged as log:
            is_done = position.step == total or _has_stalled(position, section)
            while not is_done:
                position.step += 1
                figures = _step(session, examples, position.step, total)
                position.tokens += int(figures["tokens"])
                position.supervised_tokens += int(figures["supervised_tokens"])
                position.seconds = time.perf_counter() - started
                if validation and _is_measured(position.step, total, section):
                    loss = mean_loss(model, validation, session.passes, engine)
                    _require_finite("validation loss", loss, position.step, ["all validation rows"])
                    figures["validation_loss"] = loss
                    if position.note(loss):
                        best = adapter_state(model)
                if log is not None:
                    log.write(position.step, figures)
                progress.advance(1, **figures)
                is_done = position.step == total or _has_stalled(position, section)
                # All processes stop after the same step, whichever of them the signal reached.
                (signalled,) = engine.total(stop.signal)
                due = is_done or signalled or position.step % section.checkpoint_every == 0
                if due and engine.rank == 0:
                    checkpoint.save(
                        checkpoints,
                        model,
                        session.optimizer,
                        position,
                        best,
                        keep_last=section.keep_last,
                    )
                if signalled and not is_done:
                    raise Interrupted(_farewell(stop.signal, position.step, total))
    finally:
        progress.finish()
    return Trained(
        state=adapter_state(model) if best is None else best,
        step=position.best_step or position.step,
        num_steps=total,
        validation_loss=position.best_loss,
        position=position,
    )


def _note_workers(session: Session, position: Position, progress: Progress) -> None:
    """Say where a run goes on with other processes or threads: sums add up in another order."""
    threads = torch.get_num_threads() if session.device.type == "cpu" else 0
    before, now = (position.processes, position.threads), (session.engine.world_size, threads)
    if position.step and before != now:
        progress.say(
            f"the run was begun with {before[0]} processes of {before[1]} threads and goes on with "
            f"{now[0]} of {now[1]}: its results will not be equal to the bit, and with dropout "
            "each number of processes draws numbers of its own"
        )
    position.processes, position.threads = now


def _is_measured(step: int, total: int, section: Train) -> bool:
    """Whether the validation loss is due; that of the last step always is."""
    return step % (section.eval_every or max(1, total // 5)) == 0 or step == total


def _farewell(number: int, step: int, total: int) -> str:
    name = signal.Signals(number).name if number else "a signal to another process"
    return (
        f"stopped by {name} after step {step} of {total}; a checkpoint is written. "
        "Continue with --resume"
    )


def _has_stalled(position: Position, section: Train) -> bool:
    """Whether as many validations in a row as the recipe allows have brought nothing better."""
    return section.patience is not None and position.stale >= section.patience


@torch.no_grad()
def mean_loss(
    model: PeftModel, examples: Sequence[Encoded], passes: Passes, engine: Engine
) -> float:
    """Mean negative log-likelihood per supervised token over all examples, in nats."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    own = share(examples, engine.rank, engine.world_size)
    loss = sum(float(supervised_loss_sum(model, batch)) for batch in batches(own, passes, device))
    model.train(was_training)
    (total,) = engine.total(loss)
    return total / num_predicted(examples)


def _step(session: Session, rows: Sequence[Encoded], step: int, total: int) -> dict[str, float]:
    """One optimiser step; the loss is normalised by the supervised tokens of all its examples."""
    started = time.perf_counter()
    engine, section = session.engine, session.section
    chosen = rows_of_step(len(rows), section.batch_size, step, session.seed)
    examples = [rows[number] for number in chosen]
    rate = learning_rate(section, step, total)
    # Dropout is a function of seed, step and process: there is no generator state to save.
    torch.manual_seed(_seed_of_step(session.seed, step, engine.rank))
    session.model.train()
    count = num_predicted(examples)
    own = share(examples, engine.rank, engine.world_size)
    loss = 0.0
    for batch in batches(own, session.passes, session.device):
        part = supervised_loss_sum(session.model, batch) / count
        loss += float(part.detach())
        _require_finite("loss", loss, step, batch.ids)
        part.backward()  # type: ignore[no-untyped-call]
    engine.add_gradients(session.weights)
    limit = math.inf if section.clip_norm is None else section.clip_norm
    norm = float(torch.nn.utils.clip_grad_norm_(session.weights, limit))
    _require_finite("gradient norm", norm, step, [example.id for example in examples])
    set_learning_rate(session.optimizer, rate)
    session.optimizer.step()
    session.optimizer.zero_grad(set_to_none=True)
    (loss,) = engine.total(loss)
    seconds = time.perf_counter() - started
    tokens = sum(map(len, examples))
    return {
        "loss": loss,
        "learning_rate": rate,
        "grad_norm": norm,
        "tokens": tokens,
        "supervised_tokens": count,
        "tokens_per_second": tokens / seconds,
        "memory_gib": _peak_memory_gib(session.device),
    }


def _seed_of_step(seed: int, step: int, rank: int) -> int:
    """One 64-bit seed for each step of each process; unrelated seeds for neighbouring steps."""
    (value,) = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)
    return int(value)


def _require_finite(what: str, value: float, step: int, ids: Sequence[str]) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} at step {step} is {value}; its examples are {', '.join(ids)}. Look at "
            "these rows, or lower train.learning_rate; checkpoints of earlier steps are kept"
        )


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
