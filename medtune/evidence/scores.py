"""``scores.json`` and ``items.jsonl``: an evaluation on disk, written whole and read back whole."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

from medtune.digests import atomic_writer, write_json
from medtune.errors import EvaluationError
from medtune.records import (
    SCORES_VERSION,
    ArmScore,
    ArmSpread,
    Comparison,
    Contamination,
    Evaluation,
    ItemScore,
    Measure,
    ScoreReport,
    Spread,
)

SCORES = "scores.json"
ITEMS = "items.jsonl"


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write both files; the scores last, so that where they are the items are too."""
    with atomic_writer(folder / ITEMS) as file:
        for report in evaluation.reports:
            for arm in report.arms:
                for item in arm.items:
                    file.write(_line(_place(report, arm) | asdict(item)))
    write_json(folder / SCORES, _finite(evaluation.summary()))


def read_evaluation(folder: Path) -> Evaluation:
    """Read both files back.

    Raises:
        EvaluationError: They are missing, torn, of another version, or do not belong together.
    """
    try:
        values = json.loads((folder / SCORES).read_text(encoding="utf-8"))
        # Not splitlines(): a text may have U+2028, which ends no line of JSON.
        lines = (folder / ITEMS).read_bytes().splitlines()
        items = [json.loads(line) for line in lines]
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError(
            f"{folder}: {SCORES} and {ITEMS} could not be read ({type(error).__name__}); give the "
            "folder of a finished run or evaluation"
        ) from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCORES_VERSION:
        raise EvaluationError(
            f"{folder / SCORES}: schema version {version}; this medtune reads {SCORES_VERSION}"
        )
    try:
        return _evaluation(values, iter(items))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvaluationError(
            f"{folder}: {SCORES} and {ITEMS} are not as medtune wrote them: {error!r}"
        ) from error


def _place(report: ScoreReport, arm: ArmScore) -> dict[str, Any]:
    return {
        "set": report.name, "arm": arm.arm, "few_shot": arm.few_shot, "shot_seed": arm.shot_seed,
    }  # fmt: skip


def _evaluation(values: dict[str, Any], items: Iterator[dict[str, Any]]) -> Evaluation:
    reports = tuple(_report(report, items) for report in values.pop("reports"))
    if next(items, None) is not None:
        raise ValueError("more items than the scores tell of")
    return Evaluation(reports=reports, **values)


def _report(values: dict[str, Any], items: Iterator[dict[str, Any]]) -> ScoreReport:
    name = values["name"]
    arms = tuple(_arm(name, arm, items) for arm in values.pop("arms"))
    comparisons = tuple(
        Comparison(**_bounds(comparison)) for comparison in values.pop("comparisons")
    )
    drawn = tuple(
        ArmSpread(**(one | {"score": Spread(**_tuples(one["score"]))}))
        for one in values.pop("spreads")
    )
    found = values.pop("contamination")
    contamination = found and Contamination(
        **(_tuples(found) | {"without": tuple(map(_measure, found["without"]))})
    )
    return ScoreReport(
        arms=arms, comparisons=comparisons, spreads=drawn, contamination=contamination,
        **_tuples(values),
    )  # fmt: skip


def _arm(name: str, values: dict[str, Any], items: Iterator[dict[str, Any]]) -> ArmScore:
    place = {"set": name} | {key: values[key] for key in ("arm", "few_shot", "shot_seed")}
    found = tuple(_item(item, place) for item in islice(items, values["num_items"]))
    if len(found) < values["num_items"]:
        raise ValueError("fewer items than the scores tell of")
    lists = {key: tuple(map(_measure, values[key])) for key in ("measures", "parts")}
    return ArmScore(**(_bounds(values) | lists), items=found)


def _item(values: dict[str, Any], place: Mapping[str, Any]) -> ItemScore:
    for key, expected in place.items():
        if values.pop(key) != expected:
            raise ValueError(f"an item of another {key} than {expected}")
    return ItemScore(**_tuples(values))


def _measure(values: dict[str, Any]) -> Measure:
    return Measure(**_bounds(values))


def _bounds(values: dict[str, Any]) -> dict[str, Any]:
    """An interval's bounds as they were: null stands for one that is not finite."""
    low, high = values["interval"]
    interval = (-float("inf") if low is None else low, float("inf") if high is None else high)
    return values | {"interval": interval}


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}


def _finite(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    """The same with null for numbers that JSON has no way to say: bounds of a single group."""
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _line(record: dict[str, Any]) -> bytes:
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()
