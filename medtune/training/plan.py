"""How many steps a run takes, how full its passes are, and the least time that they can take."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from medtune.data import Encoded
from medtune.models import LocatedBase
from medtune.models.loading import DTYPES
from medtune.recipe import Base, Train
from medtune.training.batches import Passes, cut, pass_tokens, rows_of_step
from medtune.training.loop import num_steps, passes_of
from medtune.training.memory import hollow_base

STEPS_LOOKED_AT = 200
"""Steps of the first pass over the data that are packed to see how full passes are."""
SECONDS_MEASURED = 0.5
"""Spent on matrix products, all shapes together."""
ROWS_ON_A_CPU = 256
"""Tokens of a measured product on a CPU, which is as fast with these as with more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do, from the steps that were looked at."""

    num_steps: int
    steps_looked_at: int
    passes: int
    """Forward passes of these steps."""
    tokens: int
    """Tokens of these steps."""
    positions: int
    """The same with padding."""
    pack_tokens: int

    @property
    def efficiency(self) -> float:
        """Tokens among those that the passes have room for."""
        return self.tokens / (self.passes * self.pack_tokens)

    @property
    def tokens_of_run(self) -> int:
        """Tokens that the whole run trains on, about: as many a step as in those looked at."""
        return round(self.tokens / self.steps_looked_at * self.num_steps)


def plan(section: Train, examples: Sequence[Encoded], *, pad_id: int, seed: int) -> Plan:
    """Cut the first pass over the examples into steps and forward passes, as training will."""
    passes = passes_of(section, pad_id)
    steps = min(STEPS_LOOKED_AT, -(-len(examples) // section.batch_size))
    groups = [
        group
        for step in range(1, steps + 1)
        for group in passes_of_step(section, examples, passes, step, seed)
    ]
    return Plan(
        num_steps=num_steps(section, len(examples)),
        steps_looked_at=steps,
        passes=len(groups),
        tokens=sum(sum(map(len, group)) for group in groups),
        positions=sum(pass_tokens(group, passes) for group in groups),
        pack_tokens=section.pack_tokens,
    )


def passes_of_step(
    section: Train, examples: Sequence[Encoded], passes: Passes, step: int, seed: int
) -> list[list[Encoded]]:
    """The examples of each forward pass of a step of a single process."""
    rows = rows_of_step(len(examples), section.batch_size, step, seed)
    return list(cut([examples[row] for row in rows], passes))


def least_seconds(
    located: LocatedBase, section: Base, planned: Plan, device: torch.device
) -> float | None:
    """Time that the matrix products of the base's linear layers alone will take on this machine.

    A frozen layer of N weights costs 2N operations a token forward and 2N for the gradient of its
    input; its weights have no gradient, and nothing behind the first block needs one of its input.
    So of L blocks the run takes at least

        tokens x (1 + (L - 1) / L) x seconds of one forward product a token, over all layers,

    where each shape of layer is timed here in the base's precision and the fastest try counts.
    Attention, the head, the adapter, the optimiser, validation and scoring come on top: this is a
    floor and no promise.

    Returns:
        Seconds; None where the layers are int8, which has its own products, or no linear ones.
    """
    base = hollow_base(located, section).model
    head = base.get_output_embeddings()
    shapes = Counter(
        tuple(module.weight.shape)
        for module in base.modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    )
    if section.quantization == "int8" or not shapes:
        return None
    rows = max(1, planned.positions // planned.passes)
    if device.type == "cpu":
        rows = min(rows, ROWS_ON_A_CPU)
    blocks = int(base.config.get_text_config().num_hidden_layers)
    budget = SECONDS_MEASURED / len(shapes)
    dtype = DTYPES[section.dtype]
    forward = sum(
        count * _product_seconds(shape, rows, dtype, device, budget)
        for shape, count in shapes.items()
    )
    return planned.tokens_of_run / rows * forward * (1 + (blocks - 1) / blocks)


def _product_seconds(
    shape: tuple[int, ...], rows: int, dtype: torch.dtype, device: torch.device, budget: float
) -> float:
    """Seconds of the fastest product of ``rows`` tokens with one weight."""
    weight = torch.ones(shape, dtype=dtype, device=device)
    tokens = torch.ones((rows, shape[1]), dtype=dtype, device=device)
    fastest, until = float("inf"), time.perf_counter() + budget
    while True:
        started = time.perf_counter()
        torch.nn.functional.linear(tokens, weight)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        ended = time.perf_counter()
        fastest = min(fastest, ended - started)
        if ended > until:
            return fastest
