"""Mean Brier score of the probabilities given to options."""

from collections.abc import Sequence

import datasets
import evaluate

from medtune.metric_modules.figures import GROUPS, figure, read_groups, read_probabilities
from medtune.stats import brier

_DESCRIPTION = (
    "Mean Brier score (Brier 1950, summed over the options: 0 is best, 2 worst), with its 95 % "
    "interval."
)
_INPUTS = f"""
predictions: the probability of each option, for each item, adding up to 1.
references: the position of the right option, from 0.
{GROUPS}
"""


class Brier(evaluate.Metric):  # type: ignore[misc]
    """``medtune.load_metric("brier")``."""

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
    ) -> dict[str, float | int | str]:
        # Not at the head: medtune.evaluation loads torch, which loading the module does not need.
        from medtune.stats.intervals import fraction_interval

        names = read_groups(groups, len(predictions))
        probabilities = read_probabilities(predictions, references)
        values = [float(score) for score in brier(probabilities, references)]
        # Half a score is a fraction: the same interval, kept within what can be.
        low, high, method = fraction_interval([value / 2 for value in values], names)
        mean = sum(values) / len(values)
        return figure("brier", mean, (2 * low, 2 * high), method, names)
