"""Mean ROUGE-L of texts, each against one reference."""

from collections.abc import Sequence

import datasets
import evaluate

from medtune.errors import DataError
from medtune.metric_modules.figures import GROUPS, figure, read_groups

_DESCRIPTION = (
    "Mean ROUGE-L (Lin 2004; F-measure, stemmed, from 0 to 1) of texts against one reference each, "
    "with its 95 % interval."
)
_INPUTS = f"""
predictions: the text written for each item; empty ones score 0, and num_empty says how many there
    are.
references: the text that each is compared with; it needs a word of a-z or 0-9.
{GROUPS}
"""


class RougeL(evaluate.Metric):  # type: ignore[misc]
    """``medtune.load_metric("rouge_l")``."""

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
        from medtune.evaluation.rouge import has_words, rouge_l
        from medtune.stats.intervals import fraction_interval

        names = read_groups(groups, len(predictions))
        wordless = [n for n, reference in enumerate(references) if not has_words(reference)]
        if wordless:
            raise DataError(
                f"reference {wordless[0]} has no word that ROUGE-L counts (a-z, 0-9), and "
                f"{len(wordless)} of {len(references)} have none: leave these items out"
            )
        values = [rouge_l(r, p) for p, r in zip(predictions, references, strict=True)]
        low, high, method = fraction_interval(values, names)
        found = figure("rouge_l", sum(values) / len(values), (low, high), method, names)
        return found | {"num_empty": sum(not text.strip() for text in predictions)}
