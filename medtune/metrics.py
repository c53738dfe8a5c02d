"""The figures that base and adapter are compared by: which way is better, and how each is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MetricName = Literal["accuracy", "answer_nll_per_token", "rouge_l"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One kind of score."""

    label: str
    """Heads a column of such scores."""
    protocol: str
    """How it is found, in words that can be quoted beside a score."""
    higher_is_better: bool
    shown_as: str
    """Format of a number, its sign left out."""
    scale: float = 1.0
    """What a score is multiplied by to be shown."""
    phrase: str = "{}"
    """How a number stands where no label is near."""

    def number(self, value: float, *, sign: Literal["", "+"] = "") -> str:
        """A score, or with a sign a difference of scores, below its label."""
        return format(self.scale * value, sign + self.shown_as)

    def figure(self, value: float, *, sign: Literal["", "+"] = "") -> str:
        """The same with its unit."""
        return self.phrase.format(self.number(value, sign=sign))

    def is_better(self, difference: float) -> bool:
        """Whether a score that is higher by so much is a better one."""
        return difference > 0 if self.higher_is_better else difference < 0


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(
        label="accuracy",
        protocol="option_likelihood: arg-max log-likelihood over the options behind the prompt",
        higher_is_better=True,
        shown_as=".1%",
    ),
    "answer_nll_per_token": Metric(
        label="answer_nll_per_token",
        protocol="answer_nll_per_token: negative log-likelihood of the reference answer per token",
        higher_is_better=False,
        shown_as=".4f",
        phrase="{} nats",
    ),
    # Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"; shown as papers do.
    "rouge_l": Metric(
        label="ROUGE-L",
        protocol="rouge_l: F-measure of the longest common subsequence of words (rouge-score, "
        "stemmed) of a greedily written answer and the reference, times 100",
        higher_is_better=True,
        shown_as=".1f",
        scale=100.0,
        phrase="ROUGE-L {}",
    ),
}
