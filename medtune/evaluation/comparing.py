"""Two evaluations side by side: the same items, answered by two models or in two ways."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medtune.errors import EvaluationError
from medtune.evidence.arms import compare
from medtune.records import ArmScore, Comparison, Evaluation, ScoreReport


@dataclass(frozen=True, slots=True, kw_only=True)
class SetComparison:
    """One set of items that both evaluations have."""

    name: str
    metric: str
    test_set: str
    first: ArmScore
    second: ArmScore
    comparison: Comparison
    """The second against the first."""
    differences: tuple[str, ...]
    """What else than the model differs, in words."""


def compare_evaluations(first: Evaluation, second: Evaluation) -> tuple[SetComparison, ...]:
    """Every set that both have: of each its adapter where it has one, else its base.

    Raises:
        EvaluationError: They have no set in common, or a set of one name has other items or another
            metric.
    """
    reports = {report.name: report for report in second.reports}
    both = [report for report in first.reports if report.name in reports]
    if not both:
        raise EvaluationError(
            f"nothing to compare: one has {_names(first)}, the other {_names(second)}"
        )
    conditions = _conditions(first.conditions, second.conditions)
    return tuple(_compared(report, reports[report.name], conditions) for report in both)


def _names(evaluation: Evaluation) -> str:
    return ", ".join(report.name for report in evaluation.reports)


def _compared(
    first: ScoreReport, second: ScoreReport, conditions: tuple[str, ...]
) -> SetComparison:
    left, right = _arms(first, second)
    if left.metric != right.metric:
        raise EvaluationError(f"{first.name}: {left.metric} here and {right.metric} there")
    _require_same_items(first.name, left, right)
    settings = sorted(first.settings.keys() | second.settings.keys())
    differing = [
        f"{key}: {first.settings.get(key)} and {second.settings.get(key)}"
        for key in settings
        if first.settings.get(key) != second.settings.get(key)
    ]
    if left.few_shot != right.few_shot:
        differing.append(f"examples in the prompt: {left.few_shot} and {right.few_shot}")
    if first.dtype != second.dtype:
        differing.append(f"precision: {first.dtype} and {second.dtype}")
    return SetComparison(
        name=first.name,
        metric=left.metric,
        test_set=first.test_set,
        first=left,
        second=right,
        comparison=compare(right, left),
        differences=(*differing, *conditions),
    )


def _arms(first: ScoreReport, second: ScoreReport) -> tuple[ArmScore, ArmScore]:
    """The arms that answer for each: with the same examples in the prompt where there are such."""
    lefts, rights = _subject_arms(first), _subject_arms(second)
    for left in lefts:
        for right in rights:
            if (left.few_shot, left.shot_seed) == (right.few_shot, right.shot_seed):
                return left, right
    return lefts[0], rights[0]


def _subject_arms(report: ScoreReport) -> list[ArmScore]:
    adapters = [arm for arm in report.arms if arm.arm == "adapter"]
    return adapters or list(report.arms)


def _require_same_items(name: str, left: ArmScore, right: ArmScore) -> None:
    ids, others = [i.id for i in left.items], [i.id for i in right.items]
    if ids != others:
        only = sorted(set(ids) ^ set(others))
        told = f"{len(only)} are in one alone, such as {only[0]}" if only else "in another order"
        raise EvaluationError(
            f"{name}: not the same items ({len(ids)} and {len(others)}; {told}): scores on "
            "different items are not compared. Evaluate both on the same rows and --limit"
        )
    for one, other in zip(left.items, right.items, strict=True):
        # Of private rows no question is kept.
        if one.question and other.question and one.question != other.question:
            raise EvaluationError(f"{name}: item {one.id} asks something else in the other")
        if one.answer != other.answer:
            raise EvaluationError(f"{name}: item {one.id} has another right answer in the other")


def _conditions(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, ...]:
    """Device, engine and packages that are not the same; which model it is shows elsewhere."""
    return tuple(
        f"{key}: {first.get(key)} and {second.get(key)}"
        for key in ("engine", "device", "attention", "quantization", "packages")
        if first.get(key) != second.get(key)
    )
