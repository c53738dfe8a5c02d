"""Published figures beside ours, with everything that was done otherwise there.

All figures are those of MEDITRON's paper (arXiv 2311.16079, tables 4, 5 and 13). What its authors
did otherwise is read from the paper and from its released code (github:epfLLM/meditron at a7c7cda,
evaluation/). Answers item by item were not published, so nothing here is a test: all that is said
is whether a published figure lies inside our interval.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from medtune.errors import RecipeError
from medtune.metrics import METRICS
from medtune.records import ArmScore, Measure, ScoreReport

SOURCE = "arXiv 2311.16079"
Protocol = Literal["few_shot", "top_token", "cot", "sc_cot"]
SETS = ("mmlu_medical", "pubmedqa", "medmcqa", "medqa_5opt", "medqa")
"""Columns of tables 4 and 5, by medtune's names: the paper's MedQA has five options."""
CATEGORIES = ("Health", "Nutrition", "Psychology", "Science")
"""Columns of table 13: categories of TruthfulQA."""
MEDICAL_SUBJECTS = frozenset(
    {
        "anatomy", "clinical_knowledge", "college_biology", "college_medicine",
        "high_school_biology", "medical_genetics", "nutrition", "professional_medicine", "virology",
    }
)  # fmt: skip
"""The nine subjects of MMLU-Medical (table 3)."""

TABLE_4: Mapping[str, tuple[tuple[float, float], ...]] = {
    "mpt-7b": ((23.5, 0.93), (43.9, 21.9), (32.1, 0.91), (22.5, 0.59), (27.6, 1.57)),
    "falcon-7b": ((26.1, 0.51), (52.8, 44.2), (27.3, 1.53), (19.6, 1.86), (25.3, 1.63)),
    "llama-2-7b": ((41.4, 0.24), (49.1, 51.1), (37.9, 1.16), (29.1, 0.90), (35.4, 4.27)),
    "pmc-llama-7b": ((26.2, 1.27), (57.0, 20.6), (27.4, 5.91), (21.6, 0.32), (27.8, 0.86)),
    "meditron-7b": ((42.3, 2.37), (69.3, 15.1), (36.3, 1.38), (28.7, 0.81), (37.4, 3.27)),
    "llama-2-70b": ((71.3, 0.87), (72.8, 7.34), (52.4, 0.21), (49.0, 0.85), (58.4, 0.95)),
    "meditron-70b": ((71.5, 0.67), (79.8, 0.46), (53.3, 0.51), (52.0, 1.21), (59.8, 0.24)),
}
"""Per cent with standard deviation over three draws of examples; columns are ``SETS``."""
TABLE_5: Mapping[tuple[str, Protocol], tuple[float, ...]] = {
    ("mistral-7b", "top_token"): (55.8, 17.8, 40.2, 32.4, 41.1),
    ("zephyr-7b-beta", "top_token"): (63.3, 46.0, 43.0, 42.8, 48.5),
    ("pmc-llama-7b", "top_token"): (59.7, 59.2, 57.6, 42.4, 49.2),
    ("llama-2-7b", "top_token"): (56.3, 61.8, 54.4, 44.0, 49.6),
    ("meditron-7b", "top_token"): (55.6, 74.4, 59.2, 47.9, 52.0),
    ("clinical-camel-70b", "top_token"): (65.7, 67.0, 46.7, 50.8, 56.8),
    ("med42-70b", "top_token"): (74.5, 61.2, 59.2, 59.1, 63.9),
    ("llama-2-70b", "top_token"): (74.7, 78.0, 62.7, 59.2, 61.3),
    ("meditron-70b", "top_token"): (73.6, 80.0, 65.1, 60.7, 65.4),
    ("llama-2-70b", "cot"): (76.7, 79.8, 62.1, 60.8, 63.9),
    ("meditron-70b", "cot"): (74.9, 81.0, 63.2, 61.5, 67.8),
    ("llama-2-70b", "sc_cot"): (77.9, 80.0, 62.6, 61.5, 63.8),
    ("meditron-70b", "sc_cot"): (77.6, 81.6, 66.0, 64.4, 70.2),
}
"""Per cent; columns are ``SETS``."""
TABLE_13: Mapping[str, tuple[float, ...]] = {
    "pmc-llama-7b": (3.6, 6.3, 0.0, 0.0, 2.5),
    "llama-2-7b": (16.4, 12.5, 10.5, 11.1, 12.6),
    "meditron-7b": (27.3, 31.3, 21.1, 33.3, 28.3),
    "med42-70b": (83.6, 62.5, 52.6, 33.3, 58.0),
    "llama-2-70b": (69.1, 68.8, 36.8, 44.4, 54.8),
    "meditron-70b": (81.8, 77.9, 47.4, 77.8, 71.2),
}
"""Per cent; columns are ``CATEGORIES`` (55, 16, 19 and 9 questions) and their plain mean."""
INSTRUCTION_TUNED = frozenset({"mistral-7b", "zephyr-7b-beta", "clinical-camel-70b", "med42-70b"})
"""Marked in table 5: tuned on instructions by others, and not finetuned on the sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedScore:
    """One figure of the paper."""

    model: str
    set: str
    """One of ``SETS``, or truthfulqa_medical."""
    part: str = ""
    """Category of TruthfulQA; empty for a whole set."""
    table: int
    protocol: Protocol
    is_finetuned: bool | None
    """Whether the authors finetuned the model for the set; None where they do not say."""
    few_shot: int
    """Examples in the prompt."""
    value: float
    """Accuracy, 0 to 1."""
    sd: float | None = None
    """Over three draws of examples, 0 to 1; None where there was no draw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedComparison:
    """A published figure beside ours."""

    published: PublishedScore
    arm: str
    """Which of our arms, in words."""
    value: float
    """Ours, 0 to 1."""
    interval: tuple[float, float]
    """Ours, 95 % confidence."""
    differences: tuple[str, ...]
    """What was done otherwise, in words."""

    @property
    def points(self) -> float:
        """Ours minus the published figure, in percentage points."""
        return 100 * (self.value - self.published.value)

    @property
    def is_inside(self) -> bool:
        """Whether the published figure lies inside our interval; no test of anything."""
        return self.interval[0] <= self.published.value <= self.interval[1]

    def sentence(self) -> str:
        """Both figures and how they lie, without the differences."""
        theirs, accuracy = self.published, METRICS["accuracy"]
        low, high = map(accuracy.number, self.interval)
        sd = "" if theirs.sd is None else f", sd {100 * theirs.sd:.2f} points over 3 draws"
        part = f" {theirs.part}" if theirs.part else ""
        return (
            f"{theirs.model} {theirs.set}{part}: published {accuracy.number(theirs.value)} "
            f"({theirs.protocol}{sd}; {SOURCE}, table {theirs.table}); ours "
            f"{accuracy.number(self.value)} (95 % {low} to {high}; {self.arm}), {self.points:+.1f} "
            f"points; the published figure lies {'inside' if self.is_inside else 'outside'} our "
            "interval"
        )


def against(model: str, report: ScoreReport) -> tuple[PublishedComparison, ...]:
    """All published figures of a model on the set of a report; empty where there is none.

    Ours is the adapter where there is one, else the base; of its arms the one whose prompt has the
    number of examples that is nearest to the published one.

    Raises:
        RecipeError: Nothing is published here for a model of this name.
    """
    name = require_model(model)
    accurate = [arm for arm in report.arms if arm.metric == "accuracy" and arm.items]
    subject = [arm for arm in accurate if arm.arm == "adapter"] or accurate
    if not subject:
        return ()
    found = []
    for score in published(name):
        if score.set != _set_of(report, subject[0]):
            continue
        arm = min(subject, key=lambda arm: abs(arm.few_shot - score.few_shot))
        ours = _measured(arm, score)
        if ours:
            found.append(
                PublishedComparison(
                    published=score,
                    arm=arm.label,
                    value=ours.value,
                    interval=ours.interval,
                    differences=tuple(_differences(score, report, arm)),
                )
            )
    return tuple(found)


def published(model: str) -> Iterator[PublishedScore]:
    """All figures of a model, by its name in the tables above."""
    shots = 3 if model.endswith("-7b") else 5
    for name, (value, sd) in zip(SETS, TABLE_4.get(model, ()), strict=False):
        yield PublishedScore(
            model=model, set=name, table=4, protocol="few_shot", is_finetuned=False,
            few_shot=shots, value=round(value / 100, 3), sd=round(sd / 100, 4),
        )  # fmt: skip
    for (row, protocol), values in TABLE_5.items():
        if row == model:
            for name, value in zip(SETS, values, strict=True):
                yield PublishedScore(
                    model=model, set=name, table=5, protocol=protocol, few_shot=0,
                    is_finetuned=model not in INSTRUCTION_TUNED, value=round(value / 100, 3),
                )  # fmt: skip
    for part, value in zip((*CATEGORIES, ""), TABLE_13.get(model, ()), strict=False):
        yield PublishedScore(
            model=model, set="truthfulqa_medical", part=part, table=13, protocol="top_token",
            is_finetuned=None, few_shot=1 if model.endswith("-7b") else 0,
            value=round(value / 100, 3),
        )  # fmt: skip


MODELS = tuple(sorted({*TABLE_4, *(model for model, _ in TABLE_5), *TABLE_13}))
"""Names that ``against`` knows."""


def require_model(model: str) -> str:
    """The model's name here: owner, case, blanks and hyphens do not matter."""
    bare = _bare(model.rpartition("/")[2])
    names = {_bare(name): name for name in MODELS}
    if bare in names:
        return names[bare]
    close = difflib.get_close_matches(bare, names, n=1, cutoff=0.6)
    hint = f". Did you mean {names[close[0]]}?" if close else "."
    raise RecipeError(
        f"no published figures of {model!r} are known{hint} There are {', '.join(MODELS)}"
    )


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold().replace("\u03b2", "beta"))


def _set_of(report: ScoreReport, arm: ArmScore) -> str | None:
    """The published set that a report is on, by its task and the parts of its items."""
    parts = {item.part for item in arm.items}
    if report.task == "mmlu":
        return "mmlu_medical" if parts <= MEDICAL_SUBJECTS else None
    if report.task == "truthfulqa":
        return "truthfulqa_medical" if parts <= {*CATEGORIES} else None
    return report.task if report.task in SETS else None


def _measured(arm: ArmScore, score: PublishedScore) -> ArmScore | Measure | None:
    if score.set == "truthfulqa_medical":
        measures = arm.parts if score.part else arm.measures
        name = score.part or "macro_average"
        return next((measure for measure in measures if measure.name == name), None)
    return arm


def _differences(score: PublishedScore, report: ScoreReport, arm: ArmScore) -> Iterator[str]:
    yield from _set_differences(score)
    if not report.is_official:
        yield f"ours is not on the published test set: {report.test_set}"
    if not report.is_complete:
        yield "ours is on some of the items only (evaluate.limit)"
    yield from _protocol_differences(score, report)
    yield _tuning(score, arm)
    if score.few_shot != arm.few_shot:
        yield f"examples in the prompt: {score.few_shot} there, {arm.few_shot} here"
    if score.sd is not None:
        yield (
            "theirs is the mean over three draws of examples (seeds 1234, 432 and 32), "
            f"ours is one arm: {arm.label}"
        )
    if score.model.startswith("meditron"):
        yield (
            "MEDITRON's pretraining texts, PubMed abstracts among them, were not checked for items "
            "of the test sets"
        )
    yield (
        "other prompts: theirs put the examples before an instruction of their own and the question"
    )


def _set_differences(score: PublishedScore) -> Iterator[str]:
    if score.set == "mmlu_medical":
        yield (
            "theirs is on 1,862 of the 1,871 rows: their copy takes the first row of each file for "
            "a header"
        )
    elif score.set == "pubmedqa":
        yield (
            "'maybe' could never be right there: the released code accepts no answers but the "
            "letters a to e, yes and no"
        )
    elif score.set == "truthfulqa_medical":
        yield (
            "theirs had four options: the right one and three wrong ones drawn with replacement, "
            "so that one may stand twice, without a seed; here each question has all its options"
        )
        if score.part == "Nutrition" and score.model == "meditron-70b":
            yield "the published 77.9 % is no number of right answers out of the category's 16"


def _protocol_differences(score: PublishedScore, report: ScoreReport) -> Iterator[str]:
    ours = report.settings.get("protocol", report.protocol)
    if score.protocol in ("few_shot", "top_token"):
        yield (
            "by the paper theirs is the likeliest token (HELM's way); the released code returns "
            f"before that and reads the first character of a generated text; ours: {ours}"
        )
    elif score.protocol == "cot":
        yield (
            "theirs is the word behind the last 'answer is' of one text, by a model finetuned on "
            f"written reasoning; ours: {ours}"
        )
    else:
        yield (
            "theirs is the most frequent letter of several texts at temperature 0.8, 5 by the "
            f"paper and 10 by default in the released code; ours: {ours}"
        )
    yield (
        "the released code writes under a frequency penalty of 1.0, greedy texts as well; here "
        "there is none"
    )
    if report.settings.get("rotate_options"):
        yield "ours is the mean over orders of the options, theirs is one order"


_TUNED_ON: Mapping[str, str] = {
    "mmlu_medical": "on MedMCQA's training rows",
    "pubmedqa": "on 200,000 rows whose answers were made by rule (PQA-A)",
    "medmcqa": "on its training rows",
    "medqa_5opt": "on its training rows",
    "medqa": "on MedQA's training rows with five options, and asked with four",
}


def _tuning(score: PublishedScore, arm: ArmScore) -> str:
    if score.model in INSTRUCTION_TUNED:
        theirs = "tuned on instructions by others, and not on this set"
    elif score.is_finetuned:
        theirs = f"all weights finetuned {_TUNED_ON[score.set]}"
    elif score.is_finetuned is None:
        theirs = "the table does not say whether it was finetuned"
    else:
        theirs = "not finetuned"
    ours = "a LoRA adapter on its base" if arm.arm == "adapter" else f"the {arm.arm}, not finetuned"
    return f"theirs: {theirs}; ours: {ours}"
