"""The files of a run directory, read and checked; what is not there is None."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from medtune.errors import MedtuneError
from medtune.metrics import METRICS
from medtune.records import AdapterManifest, Evaluation, Split
from medtune.report.items import Items

Record = TypeVar("Record")
SCHEMA_VERSION = 2
"""Of scores.json."""
EVALUATIONS = "eval"
"""Folder of what `medtune eval` wrote, a folder for each suite."""
SEEDS = "seeds.json"
"""What the folder of runs with several seeds has, and none of the runs themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRecord:
    """One split in ``data.json``; lists hold ids."""

    read: int
    kept: int
    dropped: list[str]
    truncated: list[str]
    leaked: list[str]
    contaminated: list[str]
    groups: int
    tokens: int
    supervised_tokens: int
    length_quantiles: dict[str, int]
    licences: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file of rows in ``data.json``."""

    file: str
    sha256: str
    num_rows: int
    is_official: bool
    official_rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """One source of training rows in ``data.json``."""

    rows_in_a_pass: int
    tokens_in_a_pass: int
    share_of_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecord:
    """``data.json``."""

    task: str
    splits: dict[Split, SplitRecord]
    files: dict[str, FileRecord] = field(default_factory=dict)
    mixture: dict[str, SourceRecord] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    held_out_by_group: list[str] = field(default_factory=list)
    files_with_text: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecord:
    """``train.json``."""

    exported_step: int
    last_step: int
    num_steps: int
    validation_loss: float | None
    tokens: int
    supervised_tokens: int
    seconds: float
    effect_nats: float | None
    weights: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceRecord:
    """``provenance.json``."""

    started: str
    finished: str
    resumed: bool
    base_digest: str
    adapter_digest: str
    packages: dict[str, str]
    machine: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One ``scores.json`` with the ``items.jsonl`` beside it."""

    folder: str
    """Its name below ``eval``; empty for the run's own."""
    evaluation: Evaluation
    items: Items | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """All that a report is made of."""

    name: str
    lock: str | None
    data: DataRecord | None
    train: TrainRecord | None
    provenance: ProvenanceRecord | None
    manifest: AdapterManifest | None
    log: tuple[Mapping[str, float], ...] | None
    scored: tuple[Scored, ...]

    @property
    def is_of_training(self) -> bool:
        """Whether the folder is a run's, and not one of scores alone."""
        return any(found is not None for found in (self.lock, self.train, self.manifest, self.log))


def read_run(run: Path) -> RunFiles:
    """Read what there is of a run, of a base's results, or of one evaluation.

    Raises:
        MedtuneError: There is nothing to report, or a file is not what medtune writes.
    """
    if not run.is_dir():
        raise MedtuneError(f"{run} is no folder; give the folder of a run, such as runs/quickstart")
    if (run / SEEDS).is_file():
        raise MedtuneError(
            f"{run} holds the runs of several seeds; give the folder of one of them "
            f"({', '.join(sorted(path.parent.name for path in run.glob('*/train.json')))})"
        )
    files = RunFiles(
        name=run.resolve().name,
        lock=_text(run / "recipe.lock.yaml"),
        data=_record(run / "data.json", DataRecord),
        train=_record(run / "train.json", TrainRecord),
        provenance=_record(run / "provenance.json", ProvenanceRecord),
        manifest=_record(run / "adapter" / "medtune.json", AdapterManifest),
        log=_log(run / "log.jsonl"),
        scored=_all_scored(run),
    )
    if not files.scored and not files.is_of_training and files.data is None:
        raise MedtuneError(
            f"{run} has none of a run's files (scores.json, train.json, recipe.lock.yaml, ...); "
            "give the folder of a run, such as runs/quickstart"
        )
    return files


def _all_scored(run: Path) -> tuple[Scored, ...]:
    folders = {"": run} | {
        path.parent.name: path.parent
        for path in sorted((run / EVALUATIONS).glob("*/scores.json"))
        if not path.parent.name.startswith(".")
    }
    return tuple(
        scored for name, folder in folders.items() if (scored := _scored(name, folder)) is not None
    )


def _scored(name: str, folder: Path) -> Scored | None:
    path = folder / "scores.json"
    values = _json(path)
    if values is None:
        return None
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise MedtuneError(
            f"{path} has {'no schema_version' if version is None else f'version {version!r}'}, and "
            f"this medtune reads scores of version {SCHEMA_VERSION}; score again, or make the "
            "report with the medtune that wrote it (provenance.json has its version)"
        )
    for report in _objects(values, "reports"):
        for arm in _objects(report, "arms"):
            arm["items"] = []  # they are in items.jsonl
    evaluation = _checked(path, Evaluation, _with_infinite_bounds(values))
    _require_known(path, evaluation)
    return Scored(
        folder=name, evaluation=evaluation, items=Items.read(folder / "items.jsonl", evaluation)
    )


def _with_infinite_bounds(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    """The same with intervals as they were: null stands for a bound that is not finite."""
    if isinstance(value, list):
        return [_with_infinite_bounds(part) for part in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_infinite_bounds(part) for key, part in value.items()}
    match found.get("interval"):
        case [low, high]:
            found["interval"] = [-math.inf if low is None else low,
                                 math.inf if high is None else high]  # fmt: skip
    return found


def _require_known(path: Path, evaluation: Evaluation) -> None:
    for report in evaluation.reports:
        if not report.arms:
            raise MedtuneError(f"{path}: no arm was scored on {report.name}; score again")
        measures = [measure.name for arm in report.arms for measure in arm.measures]
        for name in (*measures, *(spread.metric for spread in report.spreads)):
            if name not in METRICS:
                raise MedtuneError(
                    f"{path}: {report.name} has the figure {name}, which this medtune does not "
                    "know; make the report with the medtune that wrote it"
                )


def _objects(values: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Those of a list; what else is there is found when it is checked."""
    found = values.get(name)
    return [value for value in found if isinstance(value, dict)] if isinstance(found, list) else []


def _record(path: Path, kind: type[Record]) -> Record | None:
    values = _json(path)
    return None if values is None else _checked(path, kind, values)


def _checked(path: Path, kind: type[Record], values: object) -> Record:
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "its whole"
    raise MedtuneError(
        f"{path}: {place} is not what medtune writes there ({first['msg'].lower()}): another "
        "version wrote it, or it was changed; restore it, or remove it to report without it"
    )


def _json(path: Path) -> dict[str, Any] | None:
    content = _text(path)
    if content is None:
        return None
    found = parse(content, str(path))
    if not isinstance(found, dict):
        raise MedtuneError(f"{path} holds a {type(found).__name__} and no JSON object; restore it")
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise MedtuneError(f"{path} cannot be read as text ({error}); restore it") from error


def parse(content: str, where: str) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON text.

    Raises:
        MedtuneError: It is none, or holds NaN or infinity, which JSON cannot say.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"it holds {constant}")

    try:
        return json.loads(content, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise MedtuneError(
            f"{where} is no whole JSON ({error}): it was cut short or changed; restore it or make "
            "it again"
        ) from None


def _log(path: Path) -> tuple[Mapping[str, float], ...] | None:
    content = _text(path)
    if content is None:
        return None
    # A last line that a crash cut short holds no step.
    lines = [line for line in content.splitlines(keepends=True) if line.endswith("\n")]
    steps = []
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        found = parse(line, where)
        if not isinstance(found, dict) or not {"step", "loss", "learning_rate"} <= set(found):
            raise MedtuneError(f"{where} has no step, loss and learning_rate; restore the log")
        steps.append(_checked(path, dict[str, float], found))
    return tuple(steps)
