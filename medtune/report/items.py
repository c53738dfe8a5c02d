"""Items of an evaluation: their values in memory, the rest read from the file when it is shown."""

import json
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from medtune.errors import MedtuneError
from medtune.records import ArmScore, Evaluation, ItemScore, ScoreReport

Key = tuple[str, str, int, int | None]
"""Set, arm, examples in the prompt, and the seed that they were drawn by."""
ITEM = TypeAdapter(ItemScore)


@dataclass(frozen=True, slots=True)
class Column:
    """One arm's items, in the order of the file."""

    ids: list[str] = field(default_factory=list)
    values: "array[float]" = field(default_factory=lambda: array("d"))
    places: "array[int]" = field(default_factory=lambda: array("q"))
    """Where in the file each begins, in bytes."""


class Items:
    """``items.jsonl``, found again by set, arm and number."""

    def __init__(self, path: Path, columns: dict[Key, Column]) -> None:
        self._path, self._columns = path, columns

    @classmethod
    def read(cls, path: Path, evaluation: Evaluation) -> "Items | None":
        """Go through the file once; None where there is none.

        Raises:
            MedtuneError: A line is no item, or the items are not those that were summed up.
        """
        if not path.is_file():
            return None
        columns: dict[Key, Column] = {}
        place = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                record = _line(line, f"{path}:{number}")
                _take(columns, record, place, f"{path}:{number}")
                place += len(line)
        items = cls(path, columns)
        items._require_complete(evaluation)
        return items

    def of(self, report: ScoreReport, arm: ArmScore) -> Column:
        """The items of one arm."""
        return self._columns[_key(report, arm)]

    def item(self, column: Column, number: int) -> ItemScore:
        """One item, whole."""
        with self._path.open("rb") as file:
            file.seek(column.places[number])
            line = file.readline()
        where = f"{self._path}: item {column.ids[number]}"
        try:
            return ITEM.validate_python(_line(line, where))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            named = ".".join(map(str, first["loc"]))
        raise MedtuneError(f"{where}: {named} is not what medtune writes there; score again")

    def _require_complete(self, evaluation: Evaluation) -> None:
        for report in evaluation.reports:
            ids: list[str] | None = None
            for arm in report.arms:
                found = self._columns.get(_key(report, arm), Column())
                if len(found.ids) != arm.num_items:
                    raise MedtuneError(
                        f"{self._path} has {len(found.ids)} items of {report.name}, {arm.label}, "
                        f"and scores.json beside it {arm.num_items}: they are not of one "
                        "evaluation; score again"
                    )
                if ids is not None and ids != found.ids:
                    raise MedtuneError(
                        f"{self._path}: arms of {report.name} have other items or another order; "
                        "score again"
                    )
                ids = found.ids


def _key(report: ScoreReport, arm: ArmScore) -> Key:
    return report.name, arm.arm, arm.few_shot, arm.shot_seed


def _line(line: bytes, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or not line.endswith(b"\n"):
        raise MedtuneError(f"{where} is no whole line of JSON: it was cut short; score again")
    return record


def _take(columns: dict[Key, Column], record: dict[str, Any], place: int, where: str) -> None:
    try:
        key = (record["set"], record["arm"], record["few_shot"], record["shot_seed"])
        column = columns.setdefault(key, Column())
        column.values.append(record["value"])
    except (KeyError, TypeError):
        raise MedtuneError(
            f"{where} is no item of this version (set, arm, few_shot, shot_seed, id, value); "
            "score again"
        ) from None
    column.ids.append(str(record.get("id")))
    column.places.append(place)
