"""Which interval belongs to which figure: by its kind, and by whether items are independent.

    share of right answers      wilson; clustered_t where groups repeat
    change of right answers     tango; clustered_t where groups repeat
    mean loss, or its change    student_t; clustered_t where groups repeat
    weighted mean (bits per     ratio_t: Student's t of the linearised ratio
    byte), or its change
    mean of fractions (ROUGE),  student_t or clustered_t, kept within what can be
    or its change

A t interval has no width where all items agree, although that shows no more than that nothing else
was seen in so many groups. There, each group is counted as one item: wilson_of_groups and
tango_of_groups. For fractions that is careful: none spread more than zeros and ones do.
"""

from collections.abc import Sequence

from medtune.stats.clustered import mean_interval, ratio_interval
from medtune.stats.paired import tango_interval
from medtune.stats.proportions import Interval, NamedInterval, wilson


def share_interval(right: Sequence[float], groups: Sequence[str]) -> NamedInterval:
    """Interval for the mean of zeros and ones, in [0, 1]; of shares, where orders were rotated."""
    if len(set(groups)) == len(right) and set(right) <= {0.0, 1.0}:
        return _named(wilson(int(sum(right)), len(right)), "wilson")
    return fraction_interval(right, groups)


def change_interval(
    changes: Sequence[float], groups: Sequence[str], confidence: float = 0.95
) -> NamedInterval:
    """Interval for the mean of -1 (lost), 0 and 1 (gained), or of shares, in [-1, 1].

    Its high end at confidence 1 - 2 alpha is a one-sided upper bound at level 1 - alpha.
    """
    if len(set(groups)) == len(changes) and set(changes) <= {-1.0, 0.0, 1.0}:
        gained, lost = changes.count(1.0), changes.count(-1.0)
        return _named(tango_interval(gained, lost, len(changes), confidence), "tango")
    return fraction_change_interval(changes, groups, confidence)


def fraction_interval(fractions: Sequence[float], groups: Sequence[str]) -> NamedInterval:
    """Interval for the mean of numbers from 0 to 1, in [0, 1]."""
    if set(fractions) in ({0.0}, {1.0}):
        num_groups = len(set(groups))
        return _named(wilson(num_groups * int(fractions[0]), num_groups), "wilson_of_groups")
    low, high, method = loss_interval(fractions, groups)
    return NamedInterval(max(0.0, low), min(1.0, high), method)


def fraction_change_interval(
    changes: Sequence[float], groups: Sequence[str], confidence: float = 0.95
) -> NamedInterval:
    """Interval for the mean of numbers from -1 to 1, in [-1, 1]."""
    if set(changes) in ({-1.0}, {0.0}, {1.0}):
        num_groups = len(set(groups))
        gained, lost = num_groups * (changes[0] == 1), num_groups * (changes[0] == -1)
        return _named(tango_interval(gained, lost, num_groups, confidence), "tango_of_groups")
    low, high, method = loss_interval(changes, groups, confidence)
    return NamedInterval(max(-1.0, low), min(1.0, high), method)


def brier_interval(scores: Sequence[float], groups: Sequence[str]) -> NamedInterval:
    """Interval for the mean of Brier scores, which are from 0 to 2."""
    low, high, method = fraction_interval([score / 2 for score in scores], groups)
    return NamedInterval(2 * low, 2 * high, method)


def loss_interval(
    losses: Sequence[float], groups: Sequence[str], confidence: float = 0.95
) -> NamedInterval:
    """Interval for a mean of real numbers."""
    independent = len(set(groups)) == len(losses)
    interval = mean_interval(losses, groups, confidence)
    return _named(interval, "student_t" if independent else "clustered_t")


def weighted_interval(
    values: Sequence[float], groups: Sequence[str], weights: Sequence[float]
) -> NamedInterval:
    """Interval for the weighted mean of real numbers."""
    return _named(ratio_interval(values, weights, groups), "ratio_t")


def _named(interval: Interval, method: str) -> NamedInterval:
    return NamedInterval(interval.low, interval.high, method)
