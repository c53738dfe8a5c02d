"""What all modules give back, and how they read groups. Loads nothing of ``evaluate``."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medtune.errors import DataError
from medtune.stats.calibration import ROUNDING

GROUPS = (
    "groups (optional, passed to compute): the patient, document or scenario of each item; items "
    "of one group are not independent of each other, and the interval is clustered."
)


def read_groups(groups: Sequence[object] | None, num_items: int) -> list[str]:
    """A group for each item: those given, or one of its own.

    Raises:
        DataError: There is no item, or not one group for each.
    """
    if num_items == 0:
        raise DataError("there is no item to score: give predictions and references")
    if groups is None:
        return [str(number) for number in range(num_items)]
    if len(groups) != num_items:
        raise DataError(
            f"{len(groups)} groups for {num_items} items: give the group of each item, in order"
        )
    return [str(group) for group in groups]


def read_probabilities(
    predictions: Sequence[Sequence[float]], references: Sequence[int]
) -> NDArray[np.float64]:
    """Probabilities (items, options), filled up with zeros where an item has fewer options.

    Raises:
        DataError: An item's numbers are no distribution, or its right option is none of them.
    """
    for number, (row, right) in enumerate(zip(predictions, references, strict=True)):
        if not 0 <= right < len(row):
            raise DataError(
                f"item {number}: the right option is number {right} of {len(row)}: references are "
                "positions in predictions, from 0"
            )
        if min(row) < -ROUNDING or abs(sum(row) - 1) > ROUNDING * len(row):
            raise DataError(
                f"item {number}: predictions are no probabilities: they add up to {sum(row):.4g}, "
                f"the smallest is {min(row):.4g}; give one of 0 or more for each option, 1 in all"
            )
    filled = np.zeros((len(predictions), max(map(len, predictions))))
    for number, row in enumerate(predictions):
        filled[number, : len(row)] = row
    return filled


def figure(
    name: str, value: float, interval: Sequence[float], method: str, groups: Sequence[str]
) -> dict[str, float | int | str]:
    """A figure with its 95 % interval and the number of its items."""
    low, high = interval
    return {
        name: value,
        "interval_low": low,
        "interval_high": high,
        "interval_method": method,
        "num_items": len(groups),
        "num_groups": len(set(groups)),
    }
