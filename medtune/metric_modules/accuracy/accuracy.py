"""Share of items whose chosen option is the right one."""

from collections.abc import Sequence

import datasets
import evaluate

from medtune.errors import DataError
from medtune.metric_modules.figures import GROUPS, figure, read_groups

_DESCRIPTION = "Share of items whose chosen option is the right one, with its 95 % interval."
_INPUTS = f"""
predictions: the chosen option of each item, as text or as a number; an empty text is an answer
    that could not be read: it counts as wrong, and num_unparsed says how many there are.
references: the right option of each item, of the same kind.
{GROUPS}
"""


class Accuracy(evaluate.Metric):  # type: ignore[misc]
    """``medtune.load_metric("accuracy")``."""

    def _info(self) -> evaluate.MetricInfo:
        kinds = [datasets.Value("string"), datasets.Value("int64")]
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=[
                datasets.Features({"predictions": kind, "references": kind}) for kind in kinds
            ],
        )

    def _compute(
        self,
        predictions: Sequence[str | int],
        references: Sequence[str | int],
        groups: Sequence[object] | None = None,
    ) -> dict[str, float | int | str]:
        # Not at the head: medtune.evaluation loads torch, which loading the module does not need.
        from medtune.stats.intervals import share_interval

        names = read_groups(groups, len(predictions))
        if any(reference in ("", None) for reference in references):
            raise DataError("a reference is empty: give the right option of each item")
        right = [float(p == r) for p, r in zip(predictions, references, strict=True)]
        low, high, method = share_interval(right, names)
        found = figure("accuracy", sum(right) / len(right), (low, high), method, names)
        return found | {"num_unparsed": sum(p in ("", None) for p in predictions)}
