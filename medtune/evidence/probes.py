"""``probes.json`` and ``outcomes.jsonl``: what probes found, written whole and read back whole."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from medtune.digests import atomic_writer, sha256_file, write_json
from medtune.errors import EvaluationError
from medtune.records import PROBES_VERSION, PairedOutcome, ProbeReport

PROBES = "probes.json"
OUTCOMES = "outcomes.jsonl"
SO_FAR = "outcomes_so_far.jsonl"
"""Of a run that goes on or was stopped: the outcomes of the families that were asked."""
NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Of a probe: it becomes part of file names and pages."""


def write_probes(report: ProbeReport, folder: Path) -> None:
    """Write both files; the report last, with the digest of the outcomes that it was made from."""
    with atomic_writer(folder / OUTCOMES) as file:
        for line in _lines(report.outcomes):
            file.write(line)
    outcomes = {"outcomes_sha256": sha256_file(folder / OUTCOMES)}
    write_json(folder / PROBES, report.summary() | outcomes)
    (folder / SO_FAR).unlink(missing_ok=True)


def log_outcomes(folder: Path) -> Callable[[Iterable[PairedOutcome]], None]:
    """Begin a log of outcomes in a folder, for who looks at a run before its end.

    It goes when all is written, and nothing is read back from it.
    """
    file = folder / SO_FAR
    file.unlink(missing_ok=True)

    def add(pairs: Iterable[PairedOutcome]) -> None:
        with file.open("ab") as log:
            log.writelines(_lines(pairs))

    return add


def read_probes(folder: Path) -> ProbeReport:
    """Read both files back.

    Raises:
        EvaluationError: They are missing, torn, of another version, not as medtune writes them, or
            do not belong together.
    """
    try:
        text, content = (folder / PROBES).read_bytes(), (folder / OUTCOMES).read_bytes()
        values = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError(
            f"{folder}: {PROBES} and {OUTCOMES} could not be read ({type(error).__name__}); give "
            "the folder of a finished run of probes"
        ) from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != PROBES_VERSION:
        raise EvaluationError(
            f"{folder / PROBES}: schema version {version}; this medtune reads {PROBES_VERSION}"
        )
    if values.pop("outcomes_sha256", None) != sha256_file(folder / OUTCOMES):
        raise EvaluationError(
            f"{folder / OUTCOMES} is not the file that {PROBES} was made from; "
            "restore both, or run the probes again"
        )
    try:
        return _read(values, text, content)
    except (ValueError, TypeError) as error:
        raise EvaluationError(
            f"{folder}: {PROBES} and {OUTCOMES} are not as medtune writes them"
            f" ({type(error).__name__})"
        ) from error


def _read(values: dict[str, Any], text: bytes, content: bytes) -> ProbeReport:
    """What is written again as it was read has lost nothing, and holds no number that is none.

    Raises:
        ValueError: A field is of another kind, there are others, or another program wrote them.
    """
    report_kind, outcome_kind = _kinds()
    report: ProbeReport = report_kind.validate_json(text, strict=True)
    outcomes = tuple(outcome_kind.validate_json(line, strict=True) for line in content.splitlines())
    if json.dumps(report.summary(), sort_keys=True, allow_nan=False) != json.dumps(
        values, sort_keys=True
    ):
        raise ValueError(f"{PROBES} has other fields")
    names = {result.probe for result in report.results} | {pair.probe for pair in outcomes}
    if not all(map(NAME.fullmatch, names)):
        raise ValueError("a probe has no name of a probe")
    if b"".join(_lines(outcomes)) != content:
        raise ValueError(f"{OUTCOMES} has other fields")
    return replace(report, outcomes=outcomes)


@cache
def _kinds() -> tuple[Any, Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(ProbeReport), TypeAdapter(PairedOutcome)


def _lines(outcomes: Iterable[PairedOutcome]) -> Iterable[bytes]:
    for pair in outcomes:
        text = json.dumps(asdict(pair), ensure_ascii=False, sort_keys=True, allow_nan=False)
        yield text.encode() + b"\n"
