"""The figures that base and adapter are compared by: which way is better, and how each is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MetricName = Literal[
    "accuracy",
    "answer_nll_per_token",
    "rouge_l",
    "mc2",
    "bits_per_byte",
    "section_f1",
    "number_support",
    "brier",
    "ece",
    "option_mass",
    "parsed_accuracy",
    "consistency",
    "macro_average",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One kind of score."""

    label: str
    """Heads a column of such scores."""
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
    "accuracy": Metric(label="accuracy", higher_is_better=True, shown_as=".1%"),
    "answer_nll_per_token": Metric(
        label="answer_nll_per_token", higher_is_better=False, shown_as=".4f", phrase="{} nats"
    ),
    # Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"; shown as papers do.
    "rouge_l": Metric(
        label="ROUGE-L", higher_is_better=True, shown_as=".1f", scale=100.0, phrase="ROUGE-L {}"
    ),
    # Lin et al. 2022, arXiv:2109.07958, section 3.2: probability of the right answers among all.
    "mc2": Metric(label="MC2", higher_is_better=True, shown_as=".1%"),
    "bits_per_byte": Metric(
        label="bits per byte", higher_is_better=False, shown_as=".4f", phrase="{} bits per byte"
    ),
    "section_f1": Metric(label="section headings F1", higher_is_better=True, shown_as=".1%"),
    "number_support": Metric(
        label="numbers in the conversation", higher_is_better=True, shown_as=".1%"
    ),
    # Brier 1950, summed over the options: 0 to 2.
    "brier": Metric(label="Brier score", higher_is_better=False, shown_as=".3f"),
    # Guo et al. 2017, arXiv:1706.04599, 15 bins of equal width.
    "ece": Metric(label="expected calibration error", higher_is_better=False, shown_as=".3f"),
    "option_mass": Metric(
        label="probability on the options", higher_is_better=True, shown_as=".1%"
    ),
    "parsed_accuracy": Metric(
        label="accuracy of those read", higher_is_better=True, shown_as=".1%"
    ),
    "macro_average": Metric(label="mean of the parts", higher_is_better=True, shown_as=".1%"),
    "consistency": Metric(label="same choice in all orders", higher_is_better=True, shown_as=".1%"),
}
