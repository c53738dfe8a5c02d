"""Splits by group: rows of one patient, document or scenario never stand on two sides."""

import hashlib
from collections.abc import Sequence

from medtune.records import Example, Split


def split_of(group: str, seed: int, test_fraction: float, validation_fraction: float) -> Split:
    """The side that a group falls on; it depends on the group's name and the seed alone.

    So rows that are added later move no other row, and the order of rows does not matter.
    """
    digest = hashlib.sha256(f"{seed}\n{group}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    if share < test_fraction:
        return "test"
    if share < test_fraction + validation_fraction:
        return "validation"
    return "train"


def hold_out(
    examples: Sequence[Example], seed: int, test_fraction: float, validation_fraction: float
) -> dict[Split, list[Example]]:
    """Divide examples by the hash of their group; order within a side is kept."""
    sides: dict[Split, list[Example]] = {"train": [], "validation": [], "test": []}
    for example in examples:
        side = split_of(example.group, seed, test_fraction, validation_fraction)
        sides[side].append(example)
    return sides
