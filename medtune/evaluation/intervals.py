"""Which interval belongs to which figure: by its kind, and by whether items are independent.

    share of right answers      wilson; clustered_t where groups repeat
    change of right answers     tango; clustered_t where groups repeat
    mean loss, or its change    student_t; clustered_t where groups repeat

A t interval has no width where all items agree, although that shows no more than that nothing else
was seen in so many groups. There, each group is counted as one item: wilson_of_groups and
tango_of_groups.
"""

from collections.abc import Sequence
from typing import NamedTuple

from medtune.stats import Interval, mean_interval, tango_interval, wilson


class NamedInterval(NamedTuple):
    """A 95 % interval and the method it was found by."""

    low: float
    high: float
    method: str


def share_interval(right: Sequence[float], groups: Sequence[str]) -> NamedInterval:
    """Interval for the mean of zeros and ones, in [0, 1]."""
    num_groups = len(set(groups))
    if num_groups == len(right):
        return _named(wilson(int(sum(right)), len(right)), "wilson")
    if len(set(right)) == 1:
        return _named(wilson(num_groups * int(right[0]), num_groups), "wilson_of_groups")
    low, high = mean_interval(right, groups)
    return NamedInterval(max(0.0, low), min(1.0, high), "clustered_t")


def change_interval(changes: Sequence[float], groups: Sequence[str]) -> NamedInterval:
    """Interval for the mean of -1 (lost), 0 and 1 (gained), in [-1, 1]."""
    num_groups = len(set(groups))
    if num_groups == len(changes):
        gained, lost = changes.count(1.0), changes.count(-1.0)
        return _named(tango_interval(gained, lost, len(changes)), "tango")
    if len(set(changes)) == 1:
        gained, lost = num_groups * (changes[0] == 1), num_groups * (changes[0] == -1)
        return _named(tango_interval(gained, lost, num_groups), "tango_of_groups")
    low, high = mean_interval(changes, groups)
    return NamedInterval(max(-1.0, low), min(1.0, high), "clustered_t")


def loss_interval(losses: Sequence[float], groups: Sequence[str]) -> NamedInterval:
    """Interval for a mean of real numbers."""
    independent = len(set(groups)) == len(losses)
    return _named(mean_interval(losses, groups), "student_t" if independent else "clustered_t")


def _named(interval: Interval, method: str) -> NamedInterval:
    return NamedInterval(interval.low, interval.high, method)
