"""Intervals and tests for scores. No number without its interval.

    proportions   a share of right answers
    paired        two models on the same items, pair by pair
    clustered     means of items that come in groups
    bootstrap     any other figure of such items
    multiplicity  several tests at once
    planning      how many pairs a question needs
    calibration   whether probabilities mean what they say

Numbers in, numbers out: nothing here knows what an item is.
"""

from medtune.stats.bootstrap import cluster_bootstrap
from medtune.stats.calibration import (
    brier,
    calibration_error_interval,
    expected_calibration_error,
)
from medtune.stats.clustered import (
    design_effect,
    effective_items,
    intraclass_correlation,
    mean_interval,
    ratio_interval,
)
from medtune.stats.multiplicity import holm
from medtune.stats.paired import (
    mcnemar_exact,
    mcnemar_harm,
    tango_interval,
    tango_score,
    tango_upper,
)
from medtune.stats.planning import (
    approximate_pairs,
    detectable_difference,
    required_pairs,
    smallest_margin,
    tango_power,
)
from medtune.stats.proportions import (
    Interval,
    NamedInterval,
    clopper_pearson,
    wilson,
    wilson_lower,
    wilson_upper,
)

__all__ = [
    "Interval",
    "NamedInterval",
    "approximate_pairs",
    "brier",
    "calibration_error_interval",
    "clopper_pearson",
    "cluster_bootstrap",
    "design_effect",
    "detectable_difference",
    "effective_items",
    "expected_calibration_error",
    "holm",
    "intraclass_correlation",
    "mcnemar_exact",
    "mcnemar_harm",
    "mean_interval",
    "ratio_interval",
    "required_pairs",
    "smallest_margin",
    "tango_interval",
    "tango_power",
    "tango_score",
    "tango_upper",
    "wilson",
    "wilson_lower",
    "wilson_upper",
]
