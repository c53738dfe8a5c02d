"""Which examples a step trains on, and how they become tensors.

The order depends on seed and step alone, so a run that is continued at step s sees what it would
have seen: there is no sampler state to lose. Packing decides how the examples of a step share
forward passes, never which examples a step sees: packed and unpacked runs have the same losses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medtune.data import Encoded, best_fit
from medtune.models import Documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """How examples are cut into forward passes."""

    packing: bool
    """Examples one after another in one row, or one a row with padding."""
    tokens: int
    """Tokens of one pass at most, padding included."""
    pad_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One forward pass. B rows, T positions, K tokens to predict."""

    ids: tuple[str, ...]
    input_ids_BT: torch.Tensor
    inputs: dict[str, Any]
    """What else the model is given: a mask over padding, or where the documents lie."""
    positions_K: torch.Tensor
    """Positions among the (B * T) that predict a supervised token of their own example."""
    targets_K: torch.Tensor
    """The tokens to predict there."""
    num_tokens: int
    """Tokens that are no padding."""

    @property
    def num_supervised(self) -> int:
        """Tokens that the loss is taken on."""
        return len(self.targets_K)


def num_predicted(examples: Sequence[Encoded]) -> int:
    """Tokens that the loss is taken on; an example's first token has nothing to predict it."""
    return sum(sum(example.supervised[1:]) for example in examples)


def rows_of_step(num_rows: int, batch_size: int, step: int, seed: int) -> list[int]:
    """Rows of optimiser step ``step``, counted from 1; each pass has an order of its own.

    The last step of a pass takes what is left, so that every row is seen once a pass.
    """
    steps_per_pass = -(-num_rows // batch_size)
    number, within = divmod(step - 1, steps_per_pass)
    order = _order(num_rows, seed, number)
    return [int(row) for row in order[within * batch_size : (within + 1) * batch_size]]


@lru_cache(maxsize=2)
def _order(num_rows: int, seed: int, number: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, number]).permutation(num_rows)


def share(examples: Sequence[Encoded], rank: int, world_size: int) -> list[Encoded]:
    """The examples that one of several processes takes: about as many tokens as each other's.

    Longest first to whoever has least; every process computes the same shares.
    """
    loads = [0] * world_size
    own = []
    for example in sorted(examples, key=len, reverse=True):
        taker = loads.index(min(loads))
        loads[taker] += len(example)
        if taker == rank:
            own.append(example)
    return own


def cut(examples: Sequence[Encoded], passes: Passes) -> Iterator[list[Encoded]]:
    """Cut examples into groups of which each is one forward pass of ``passes.tokens`` at most."""
    if passes.packing:
        for pack in best_fit([len(example) for example in examples], passes.tokens):
            yield [examples[number] for number in pack]
        return
    group: list[Encoded] = []
    # Longest first: the first of a group says how wide it is, and little is padded.
    for example in sorted(examples, key=len, reverse=True):
        if group and len(group[0]) * (len(group) + 1) > passes.tokens:
            yield group
            group = []
        group.append(example)
    if group:
        yield group


def pass_tokens(group: Sequence[Encoded], passes: Passes) -> int:
    """Positions that the forward pass over a group has, padding included."""
    if passes.packing:
        return sum(map(len, group))
    return len(group) * max(map(len, group))


def batches(examples: Sequence[Encoded], passes: Passes, device: torch.device) -> Iterator[Batch]:
    """Cut examples into forward passes of at most ``passes.tokens``."""
    for group in cut(examples, passes):
        if passes.packing:
            yield collate_packed(group, device)
        else:
            yield collate_padded(group, passes.pad_id, device)


def collate_packed(examples: Sequence[Encoded], device: torch.device) -> Batch:
    """Examples one after another in one row; no token predicts another example's first."""
    lengths = [len(example) for example in examples]
    starts = np.cumsum([0, *lengths[:-1]])
    ids = [token for example in examples for token in example.input_ids]
    return Batch(
        ids=tuple(example.id for example in examples),
        input_ids_BT=torch.tensor([ids], device=device),
        inputs=Documents.of(lengths, device).inputs(),
        num_tokens=len(ids),
        **_predictions(examples, starts.tolist(), device),
    )


def collate_padded(examples: Sequence[Encoded], pad_id: int, device: torch.device) -> Batch:
    """One example a row, padded on the right to the longest of them."""
    shape = (len(examples), max(map(len, examples)))
    input_ids = torch.full(shape, pad_id, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    for row, example in enumerate(examples):
        input_ids[row, : len(example)] = torch.tensor(example.input_ids)
        mask[row, : len(example)] = 1
    return Batch(
        ids=tuple(example.id for example in examples),
        input_ids_BT=input_ids.to(device),
        inputs={"attention_mask": mask.to(device)},
        num_tokens=sum(map(len, examples)),
        **_predictions(examples, [row * shape[1] for row in range(shape[0])], device),
    )


def _predictions(
    examples: Sequence[Encoded], starts: Sequence[int], device: torch.device
) -> dict[str, torch.Tensor]:
    """Where supervised tokens are predicted, and which, for examples that begin at ``starts``."""
    pairs = [
        (start + place - 1, example.input_ids[place])
        for example, start in zip(examples, starts, strict=True)
        for place in range(1, len(example))
        if example.supervised[place]
    ]
    positions, targets = zip(*pairs, strict=True) if pairs else ((), ())
    return {
        "positions_K": torch.tensor(positions, dtype=torch.long, device=device),
        "targets_K": torch.tensor(targets, dtype=torch.long, device=device),
    }
