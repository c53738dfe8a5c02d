"""Which examples a step trains on, and how they become tensors.

The order depends on seed and step alone, so a run that is continued at step s sees what it would
have seen: there is no sampler state to lose.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medtune.data import Encoded

IGNORED = -100
"""Label of a token that is not predicted (torch's ``ignore_index``)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Right-padded examples. B examples, T tokens."""

    ids: tuple[str, ...]
    input_ids_BT: torch.Tensor
    attention_mask_BT: torch.Tensor
    labels_BT: torch.Tensor
    """Token ids where supervised, IGNORED elsewhere; not shifted."""

    @property
    def num_tokens(self) -> int:
        """Tokens that are no padding."""
        return int(self.attention_mask_BT.sum())

    @property
    def num_supervised(self) -> int:
        """Tokens that the loss is taken on."""
        return int((self.labels_BT != IGNORED).sum())


def rows_of_step(num_rows: int, batch_size: int, step: int, seed: int) -> list[int]:
    """Rows of optimiser step ``step``, counted from 1; each pass has an order of its own.

    The last step of a pass takes what is left, so that every row is seen once a pass.
    """
    steps_per_pass = -(-num_rows // batch_size)
    number, within = divmod(step - 1, steps_per_pass)
    order = np.random.default_rng([seed, number]).permutation(num_rows)
    return [int(row) for row in order[within * batch_size : (within + 1) * batch_size]]


def micro_batches(
    examples: Sequence[Encoded], size: int, pad_id: int, device: torch.device
) -> Iterator[Batch]:
    """Cut examples into batches of ``size``, longest first, so that little is padded."""
    by_length = sorted(examples, key=len, reverse=True)
    for start in range(0, len(by_length), size):
        yield collate(by_length[start : start + size], pad_id, device)


def collate(examples: Sequence[Encoded], pad_id: int, device: torch.device) -> Batch:
    """Pad examples on the right to the longest of them."""
    shape = (len(examples), max(map(len, examples)))
    input_ids = torch.full(shape, pad_id, dtype=torch.long)
    labels = torch.full(shape, IGNORED, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    for row, example in enumerate(examples):
        length = len(example)
        ids = torch.tensor(example.input_ids)
        supervised = torch.tensor(example.supervised)
        input_ids[row, :length] = ids
        labels[row, :length][supervised] = ids[supervised]
        mask[row, :length] = 1
    return Batch(
        ids=tuple(example.id for example in examples),
        input_ids_BT=input_ids.to(device),
        attention_mask_BT=mask.to(device),
        labels_BT=labels.to(device),
    )
