"""Share of texts that are their reference, character by character."""

from collections.abc import Sequence

import datasets
import evaluate

from medtune.metric_modules.figures import GROUPS, figure, read_groups

_DESCRIPTION = (
    "Share of texts that are their reference, character by character, with its 95 % interval. "
    "Nothing is normalised: not case, blanks or punctuation."
)
_INPUTS = f"""
predictions: the text written for each item.
references: the one text that is right.
{GROUPS}
"""


class ExactMatch(evaluate.Metric):  # type: ignore[misc]
    """``medtune.load_metric("exact_match")``."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        groups: Sequence[object] | None = None,
    ) -> dict[str, float | int | str]:
        # Not at the head: medtune.evaluation loads torch, which loading the module does not need.
        from medtune.stats.intervals import share_interval

        names = read_groups(groups, len(predictions))
        matches = [float(p == r) for p, r in zip(predictions, references, strict=True)]
        low, high, method = share_interval(matches, names)
        return figure("exact_match", sum(matches) / len(matches), (low, high), method, names)
