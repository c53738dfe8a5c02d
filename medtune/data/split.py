"""Sides by group: rows of one patient, document or scenario never stand on two of them.

The side of a held-out row is a hash of its group's name and the seed: rows that are added later
move no other row, and the order of rows does not matter. What still ties two sides together (a
patient who is in two files, a prompt that stands nearly word for word on both) is a leak: the row
on the lesser side goes. Test stays whole, validation gives way to test, training to both.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medtune.overlap import near_pairs
from medtune.records import Split

Rows = NDArray[np.int64]
"""Row numbers, ascending."""


def share_of(group: str, seed: int) -> float:
    """Where a group stands between 0 and 1; it depends on its name and the seed alone."""
    digest = hashlib.sha256(f"{seed}\n{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def side_of(share: float, test_fraction: float, validation_fraction: float) -> Split:
    """The side that a group falls on."""
    if share < test_fraction:
        return "test"
    if share < test_fraction + validation_fraction:
        return "validation"
    return "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A row that something ties to a row on a side which it must not know."""

    row: int
    of: int
    """The row on the other side."""
    by: Literal["group", "near-duplicate"]
    likeness: float
    """Jaccard similarity of the prompts' five-word runs; 1 for a group."""


def find_leaks(
    sides: Mapping[Split, Rows],
    group_keys: NDArray[np.uint64],
    bands: NDArray[np.uint32],
    shingles_of: Callable[[int], NDArray[np.uint64]],
    threshold: float,
) -> dict[Split, list[Leak]]:
    """Rows of validation and training that leak, each with one row that it is tied to.

    Args:
        sides: The rows of each side.
        group_keys: Of every row: equal for rows of one group.
        bands: MinHash bands of every row, (rows, NUM_BANDS).
        shingles_of: The five-word runs of a row's prompt.
        threshold: Prompts with this Jaccard similarity or more are near-duplicates.

    Raises:
        DataError: So many rows are alike that they cannot be compared.
    """
    found: dict[Split, list[Leak]] = {}
    above: Rows = np.empty(0, dtype=np.int64)
    order: tuple[Split, ...] = ("test", "validation", "train")
    for split in order:
        rows = sides[split]
        by_group = _same_group(rows, above, group_keys)
        rest = np.array([row for row in rows if row not in by_group], dtype=np.int64)
        by_text = near_pairs(bands, rest, above, shingles_of, threshold)
        leaks = [
            Leak(row=row, of=other, by="group", likeness=1.0) for row, other in by_group.items()
        ]
        leaks += [
            Leak(row=row, of=other, by="near-duplicate", likeness=likeness)
            for row, (other, likeness) in by_text.items()
        ]
        found[split] = sorted(leaks, key=lambda leak: leak.row)
        above = np.sort(np.concatenate([above, rows]))
    return found


def _same_group(rows: Rows, above: Rows, group_keys: NDArray[np.uint64]) -> dict[int, int]:
    """Rows whose group has a row above, each with the first such row."""
    keys, first = np.unique(group_keys[above], return_index=True)
    if not len(keys):
        return {}
    places = np.searchsorted(keys, group_keys[rows]).clip(max=len(keys) - 1)
    shared = keys[places] == group_keys[rows]
    return {
        int(row): int(above[first[place]])
        for row, place in zip(rows[shared], places[shared], strict=True)
    }
