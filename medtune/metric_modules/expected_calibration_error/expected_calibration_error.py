"""How far confidence is from the share of right answers."""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np

from medtune.metric_modules.figures import GROUPS, figure, read_groups, read_probabilities
from medtune.stats import calibration_error_interval, expected_calibration_error

_DESCRIPTION = (
    "Expected calibration error (Guo et al. 2017, arXiv:1706.04599; bins of equal width), with its "
    "95 % interval. The figure is too high on few items; the interval allows for that."
)
_INPUTS = f"""
predictions: the probability of each option, for each item, adding up to 1; the most probable one
    is taken as the answer.
references: the position of the right option, from 0.
{GROUPS}
bins (optional, passed to compute): how many; 15, as in the paper.
"""


class ExpectedCalibrationError(evaluate.Metric):  # type: ignore[misc]
    """``medtune.load_metric("expected_calibration_error")``."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float64")),
                    "references": datasets.Value("int64"),
                }
            ),
        )

    def _compute(
        self,
        predictions: Sequence[Sequence[float]],
        references: Sequence[int],
        groups: Sequence[object] | None = None,
        bins: int = 15,
    ) -> dict[str, float | int | str]:
        names = read_groups(groups, len(predictions))
        probabilities = read_probabilities(predictions, references)
        confidences = probabilities.max(axis=1)
        rights = probabilities.argmax(axis=1) == np.array(references)
        value = expected_calibration_error(confidences, rights, bins)
        low, high, method = calibration_error_interval(
            confidences, rights, names, seed=0, bins=bins
        )
        found = figure("expected_calibration_error", value, (low, high), method, names)
        return found | {"bins": bins}
