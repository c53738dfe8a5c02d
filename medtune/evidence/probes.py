"""``probes.json`` and ``outcomes.jsonl``: what probes found, written whole and read back whole."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medtune.digests import atomic_writer, sha256_file, write_json
from medtune.errors import EvaluationError
from medtune.records import (
    PROBES_VERSION,
    Bounded,
    Figure,
    Integrity,
    Outcome,
    PairedOutcome,
    ProbeReport,
    ProbeResult,
    Subgroup,
)

PROBES = "probes.json"
OUTCOMES = "outcomes.jsonl"


def write_probes(report: ProbeReport, folder: Path) -> None:
    """Write both files; the report last, with the digest of the outcomes that it was made from."""
    with atomic_writer(folder / OUTCOMES) as file:
        for pair in report.outcomes:
            line = json.dumps(asdict(pair), ensure_ascii=False, sort_keys=True, allow_nan=False)
            file.write(line.encode() + b"\n")
    outcomes = {"outcomes_sha256": sha256_file(folder / OUTCOMES)}
    write_json(folder / PROBES, report.summary() | outcomes)


def read_probes(folder: Path) -> ProbeReport:
    """Read both files back.

    Raises:
        EvaluationError: They are missing, torn, of another version, or do not belong together.
    """
    try:
        values = json.loads((folder / PROBES).read_text(encoding="utf-8"))
        content = (folder / OUTCOMES).read_text(encoding="utf-8")
        lines = [json.loads(line) for line in content.splitlines()]
    except (OSError, ValueError) as error:
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
        raise EvaluationError(f"{folder / OUTCOMES} is not the file that {PROBES} was made from")
    try:
        return _report(values, lines)
    except (KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(
            f"{folder}: {PROBES} is not one that medtune wrote ({error})"
        ) from error


def _report(values: dict[str, Any], lines: list[dict[str, Any]]) -> ProbeReport:
    integrity = values["integrity"]
    overlap = integrity["overlap"]
    coherence = values["coherence"]
    return ProbeReport(
        **values
        | {
            "integrity": Integrity(
                **integrity
                | {
                    "overlap": overlap and {name: tuple(ids) for name, ids in overlap.items()},
                    "faults": tuple(integrity["faults"]),
                }
            ),
            "coherence": None if coherence is None else _result(coherence),
            "results": tuple(_result(result) for result in values["results"]),
            "figures": tuple(_figure(figure) for figure in values["figures"]),
            "not_tested": tuple(values["not_tested"]),
            "outcomes": tuple(_pair(line) for line in lines),
        }
    )


def _result(values: dict[str, Any]) -> ProbeResult:
    bounded = {name: _bounded(values[name]) for name in ("base_rate", "adapter_rate", "difference")}
    subgroups = tuple(
        Subgroup(**group | {"difference": _bounded(group["difference"])})
        for group in values["subgroups"]
    )
    return ProbeResult(
        **values | bounded | {"subgroups": subgroups, "notes": tuple(values["notes"])}
    )


def _figure(values: dict[str, Any]) -> Figure:
    difference = values["difference"]
    return Figure(**values | {"difference": difference and _bounded(difference)})


def _pair(values: dict[str, Any]) -> PairedOutcome:
    arms = {name: Outcome(**values[name]) for name in ("base", "adapter")}
    again = values["again"]
    return PairedOutcome(**values | arms | {"again": again and Outcome(**again)})


def _bounded(values: dict[str, Any]) -> Bounded:
    return Bounded(**values | {"interval": tuple(values["interval"])})
