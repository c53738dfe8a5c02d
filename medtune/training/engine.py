"""How many processes take one step together.

The loop knows this boundary and nothing of what is behind it: a process takes its share of a
step's examples, and afterwards every process has the sum of all gradients. One process is the
plain case. Data parallelism keeps the whole model in each process and adds the adapter's gradients
up once a step; sharding engines fit behind the same methods.

Torch's DistributedDataParallel is not used: it averages (we sum, and divide by the tokens of all
processes), and it needs a backward pass in every process at every step, which a step with fewer
examples than processes does not have. An adapter's gradients are small: one message holds them.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from medtune.errors import TrainingError

SECONDS_TO_ANSWER = 5.0
"""How long a process that lost touch with the others waits for those still there to say so."""


class Engine(Protocol):
    """What the loop asks of it."""

    rank: int
    """Number of this process; 0 writes the log and the checkpoints."""
    world_size: int

    def add_gradients(self, weights: Sequence[torch.nn.Parameter]) -> None:
        """Give every process the sum of all processes' gradients of these weights."""

    def total(self, *values: float) -> list[float]:
        """The sums of all processes' values."""

    def from_first(self, what: str, make: Callable[[], str]) -> str:
        """What process 0 makes, in every process; the others wait and make nothing."""


def require_equal(engine: Engine, what: str, digest: str) -> None:
    """Refuse processes that hold different things, told apart by their digests.

    Raises:
        TrainingError: This process has another digest than process 0.
    """
    first = engine.from_first(what, lambda: digest)
    if digest != first:
        raise TrainingError(
            f"process {engine.rank} has another {what} than process 0 ({digest[:16]}… and "
            f"{first[:16]}…): are files and packages the same on every machine?"
        )


class SingleProcess:
    """One process: its gradients are all there are."""

    rank = 0
    world_size = 1

    def add_gradients(self, weights: Sequence[torch.nn.Parameter]) -> None:
        """Nothing to add."""

    def total(self, *values: float) -> list[float]:
        """The values themselves."""
        return list(values)

    def from_first(self, what: str, make: Callable[[], str]) -> str:
        """Make it."""
        return make()


class DataParallel:
    """Several processes with the whole model each (gloo on CPUs, NCCL on GPUs)."""

    def __init__(self, store: Store, rank: int, world_size: int, device: torch.device) -> None:
        self.rank, self.world_size = rank, world_size
        self._store, self._device = store, device

    def add_gradients(self, weights: Sequence[torch.nn.Parameter]) -> None:
        """Sum the gradients in one message; a process without examples adds zeros."""
        with torch.no_grad():
            flat = torch.cat(
                [(torch.zeros_like(w) if w.grad is None else w.grad).flatten() for w in weights]
            )
            with self._named_failure():
                dist.all_reduce(flat)
            parts = torch.split(flat, [weight.numel() for weight in weights])
            for weight, part in zip(weights, parts, strict=True):
                weight.grad = part.view_as(weight)

    def total(self, *values: float) -> list[float]:
        """Sum in double precision, in the same order everywhere."""
        sums = torch.tensor(values, dtype=torch.float64, device=self._device)
        with self._named_failure():
            dist.all_reduce(sums)
        return [float(value) for value in sums]

    def from_first(self, what: str, make: Callable[[], str]) -> str:
        """Pass text on through the launcher's store."""
        if self.rank == 0:
            made = make()
            with self._named_failure():
                self._store.set(what, made)
            return made
        with self._named_failure():
            return str(self._store.get(what).decode())

    @contextmanager
    def _named_failure(self) -> Iterator[None]:
        """Say which process is gone when a message cannot be exchanged any more."""
        try:
            yield
        except RuntimeError as error:
            raise TrainingError(self._who_is_gone(str(error).splitlines()[0])) from error

    def _who_is_gone(self, reason: str) -> str:
        try:
            self._store.set(f"alive/{self.rank}", "yes")
            time.sleep(SECONDS_TO_ANSWER)
            gone = [
                str(rank)
                for rank in range(self.world_size)
                if not self._store.check([f"alive/{rank}"])
            ]
        except RuntimeError:
            return f"process {self.rank} lost touch with the launcher: {reason}"
        if not gone:
            return f"the processes lost touch with each other, though all are there: {reason}"
        listed = ", ".join(gone)
        return (
            f"rank {listed} of {self.world_size} is gone, so this process stops too: no answer "
            f"within {SECONDS_TO_ANSWER:.0f} s. What rank {listed} wrote last says why. Continue "
            "from the last checkpoint with --resume"
        )


_opened = itertools.count()
"""Numbers the engines of this process, so that a later one never reads an earlier one's text."""


def is_distributed() -> bool:
    """Whether torchrun (or a launcher that sets the same variables) started several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def process_rank() -> int:
    """Number of this process among those that were started together."""
    # A stray RANK without a world must not keep a single process from writing its run.
    return int(os.environ["RANK"]) if is_distributed() else 0


@contextmanager
def open_engine(device: torch.device) -> Iterator[Engine]:
    """The engine for however this process was started.

    Raises:
        TrainingError: The other processes are not there.
    """
    if not is_distributed():
        yield SingleProcess()
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        store, rank, world_size = next(iter(rendezvous("env://")))
        store = PrefixStore(f"medtune/{next(_opened)}", store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=world_size)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"the processes could not find each other: {error}") from error
    try:
        yield DataParallel(store, rank, world_size, device)
    finally:
        dist.destroy_process_group()
