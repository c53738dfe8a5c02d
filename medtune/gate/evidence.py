"""What a gate reads, and whether its parts belong together: this adapter, its base, now.

Nothing is believed: differences are computed anew from the outcomes, digests from the files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import isclose
from pathlib import Path
from typing import Any

from medtune.digests import adapter_folder_digest, sha256_file
from medtune.errors import EvaluationError, RecipeError, VerificationError
from medtune.evidence.arms import comparisons, mean_of
from medtune.evidence.pairs import as_coherence, measured
from medtune.evidence.probes import OUTCOMES, PROBES, read_probes
from medtune.evidence.scores import ITEMS, SCORES, read_evaluation
from medtune.gate.policy import Policy
from medtune.recipe import lock
from medtune.records import PairedOutcome, ProbeReport, ProbeResult, ScoreReport

ADAPTER = "adapter"
MANIFEST = "medtune.json"
FINISHED = "provenance.json"
CLOCKS = timedelta(hours=1)
"""By which two machines' clocks may differ."""
CANARIES = "privacy_canaries"
SUITES = ("full", "quick")
"""Folders of probes below a run, the best evidence first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a decision rests on."""

    adapter: Path
    """The adapter's folder."""
    adapter_digest: str
    manifest: dict[str, Any]
    """What the adapter says of itself: base, digests."""
    probes: Path
    """Folder of the paired outcomes."""
    report: ProbeReport
    measured: datetime
    """When the probes were finished."""
    scores: Sequence[ScoreReport]
    scores_folders: Sequence[Path]
    foreign_scores: tuple[str, ...] = ()
    """Folders whose scores are of another adapter or base."""
    false_scores: tuple[str, ...] = ()
    """Sets whose figures are not those of their items."""
    previous: Sequence[ScoreReport] = ()
    previous_folder: Path | None = None
    previous_conditions: Mapping[str, Any] = field(default_factory=dict)
    """Under which the previous version was scored."""
    has_canaries: bool = False
    """Whether the run's recipe planted secrets."""

    def files(self) -> dict[str, Path]:
        """Every file that was read, by its place."""
        named = {f"probes/{name}": self.probes / name for name in (PROBES, OUTCOMES, FINISHED)}
        for number, folder in enumerate(self.scores_folders):
            named |= {f"scores-{number}/{name}": folder / name for name in (SCORES, ITEMS)}
        if self.previous_folder is not None:
            named |= {f"previous/{name}": self.previous_folder / name for name in (SCORES, ITEMS)}
        return named

    def digests(self) -> dict[str, str]:
        """sha256 of every file that was read, by its place."""
        return {name: sha256_file(path) for name, path in self.files().items()}


def find_adapter(place: Path) -> Path:
    """The adapter's folder: the place itself, or that of a run.

    Raises:
        VerificationError: There is none.
    """
    for folder in (place, place / ADAPTER):
        if (folder / MANIFEST).is_file():
            return folder
    raise VerificationError(f"{place}: there is no adapter, and no run with one")


def find_probes(place: Path) -> Path:
    """The folder of a run's paired outcomes: a full suite before a quick one.

    Raises:
        VerificationError: There is none, or only ones with other names (``probe run --name``).
    """
    run = place.parent if (place / MANIFEST).is_file() else place
    for folder in (*(run / "probes" / suite for suite in SUITES), run):
        if (folder / PROBES).is_file():
            return folder
    named = sorted(file.parent for file in (run / "probes").glob(f"*/{PROBES}"))
    raise VerificationError(
        f"{place}: which outcomes of probes? --probes names one of {', '.join(map(str, named))}"
        if named
        else f"{place}: there are no outcomes of probes; medtune probe run makes them, or "
        "--probes FOLDER names them"
    )


def read_evidence(
    place: Path,
    *,
    probes: Path | None = None,
    scores: Sequence[Path] = (),
    previous: Path | None = None,
) -> Evidence:
    """Read an adapter's evidence.

    Args:
        place: A run or an adapter's folder.
        probes: Folder of paired outcomes; None: the run's own.
        scores: Folders of scores; none: the run's own, where it has some.
        previous: Folder of the scores of the version that is replaced.

    Raises:
        VerificationError: The adapter or the outcomes are not there, or a file is damaged.
    """
    adapter = find_adapter(place)
    run = adapter.parent
    folders = list(scores) or [run] * (run / SCORES).is_file()
    try:
        digest = adapter_folder_digest(adapter)
        manifest = json.loads((adapter / MANIFEST).read_text(encoding="utf-8"))
        file = run / lock.FILE_NAME
        canaries = file.is_file() and lock.plants_canaries(file)
    except (OSError, ValueError, RecursionError, RecipeError) as error:
        raise VerificationError(f"{place}: the evidence cannot be read: {error}") from error
    found = assemble(adapter, digest, manifest, probes or find_probes(place), folders, previous)
    return replace(found, has_canaries=canaries)


def assemble(
    adapter: Path,
    digest: str,
    manifest: Any,  # noqa: ANN401 - JSON of any kind
    probes: Path,
    scores: Sequence[Path],
    previous: Path | None,
) -> Evidence:
    """Evidence of an adapter whose digest and ``medtune.json`` are known.

    Raises:
        VerificationError: A file is missing or damaged.
    """
    if not isinstance(manifest, dict):
        raise VerificationError(f"{adapter}: {MANIFEST} is none that medtune wrote")
    try:
        report = read_probes(probes)
        evaluations = [read_evaluation(one) for one in scores]
        before = read_evaluation(previous) if previous else None
        finished = json.loads((probes / FINISHED).read_text(encoding="utf-8"))["finished"]
        measured_on = datetime.fromisoformat(finished).astimezone(UTC)
    except (EvaluationError, OSError, ValueError, KeyError, TypeError, ArithmeticError,
            RecursionError) as error:  # fmt: skip
        raise VerificationError(f"{adapter}: the evidence cannot be read: {error}") from error
    return Evidence(
        adapter=adapter,
        adapter_digest=digest,
        manifest=manifest,
        probes=probes,
        report=report,
        measured=measured_on,
        scores=tuple(report for one in evaluations for report in one.reports),
        scores_folders=tuple(scores),
        foreign_scores=tuple(
            folder.name
            for folder, one in zip(scores, evaluations, strict=True)
            if one.conditions.get("adapter") != digest
            or one.conditions.get("base") != manifest.get("base_digest")
        ),
        false_scores=tuple(
            report.name for one in evaluations for report in one.reports if not _adds_up(report)
        ),
        previous=before.reports if before else (),
        previous_folder=previous,
        previous_conditions=before.conditions if before else {},
    )


def faults(evidence: Evidence, policy: Policy, now: datetime) -> list[str]:
    """What makes the evidence worthless for this adapter under this policy."""
    report = evidence.report
    base, adapter = report.base_conditions, report.adapter_conditions
    found = []
    if adapter.get("adapter") != evidence.adapter_digest:
        found.append("the outcomes are of another adapter than the one that lies here")
    if base.get("adapter") != "none":
        found.append("the outcomes that are said to be the base's were given with an adapter")
    if base.get("base") != evidence.manifest.get("base_digest"):
        found.append("the outcomes are of another base than the adapter's")
    # The arms may differ in the adapter and in nothing else.
    differing = [
        key for key in sorted(base.keys() | adapter.keys())
        if key != "adapter" and base.get(key) != adapter.get(key)
    ]  # fmt: skip
    if differing:
        found.append(f"base and adapter were asked under other conditions: {', '.join(differing)}")
    age = now.astimezone(UTC) - evidence.measured
    if age.days >= policy.max_age_days:
        found.append(
            f"the outcomes are {age.days} days old; the policy allows {policy.max_age_days}"
        )
    if age < -CLOCKS:
        found.append("the outcomes are dated in the future")
    found += [f"the scores in {name} are of another adapter or base"
              for name in evidence.foreign_scores]  # fmt: skip
    found += [f"{name}: {SCORES} says otherwise than {ITEMS}" for name in evidence.false_scores]
    found += _previous_faults(evidence)
    weighed = [pair for pair in report.outcomes if pair.base.score is not None]
    if weighed and all(pair.base.score == pair.adapter.score for pair in weighed):
        found.append("both arms weigh every answer alike: the adapter was not on, or does nothing")
    measured_probes = {result.probe for result in report.results}
    if evidence.has_canaries and CANARIES not in measured_probes:
        found.append(f"secrets were planted (data.canaries), and {CANARIES} was not measured")
    found += _result_faults(report)
    found += _digest_faults(report, policy)
    return found


def _previous_faults(evidence: Evidence) -> list[str]:
    """Where what is called the previous version is none."""
    if evidence.previous_folder is None:
        return []
    before = evidence.previous_conditions
    found = [f"{report.name}: the previous version's {SCORES} says otherwise than its {ITEMS}"
             for report in evidence.previous if not _adds_up(report)]  # fmt: skip
    if before.get("base") != evidence.manifest.get("base_digest"):
        found.append("the scores of the previous version are of another base")
    if before.get("adapter") == evidence.adapter_digest:
        found.append("the scores of the previous version are this adapter's own")
    if before.get("adapter") in (None, "none"):
        found.append("the scores of the previous version are of no adapter")
    return found


def _adds_up(report: ScoreReport) -> bool:
    """Whether a set's figures are those of its items."""
    try:
        told = [asdict(one) for one in report.comparisons]
        return _same(told, [asdict(one) for one in comparisons(report.arms)]) and all(
            _same(arm.value, mean_of(arm.items)) for arm in report.arms
        )
    except (TypeError, ValueError, ArithmeticError):
        return False


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - figures of any kind
    """Equal, but for the last digits in which two machines may differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)


def _result_faults(report: ProbeReport) -> list[str]:
    """Where the report says otherwise than its own outcomes."""
    found = []
    by_probe: dict[str, list[PairedOutcome]] = {}
    ids = set()
    for pair in report.outcomes:
        by_probe.setdefault(pair.probe, []).append(pair)
        if (pair.probe, pair.id) in ids:
            found.append(f"{pair.probe}: {pair.id} stands in the outcomes twice")
        ids.add((pair.probe, pair.id))
    for result in report.results:
        pairs = by_probe.get(result.probe, [])
        if not pairs or not _agrees(result, pairs):
            found.append(f"{result.probe}: {PROBES} says otherwise than {OUTCOMES}")
    written = as_coherence(report.outcomes)
    told = report.coherence
    if (told is None) != (not written) or (told is not None and not _agrees(told, written)):
        found.append(f"coherence: {PROBES} says otherwise than {OUTCOMES}")
    for name in by_probe.keys() - {result.probe for result in report.results}:
        found.append(f"{name}: {OUTCOMES} has outcomes that {PROBES} does not know")
    return found


def _agrees(result: ProbeResult, pairs: Sequence[PairedOutcome]) -> bool:
    return _same(asdict(result), asdict(replace(result, **measured(pairs))))


def _digest_faults(report: ProbeReport, policy: Policy) -> list[str]:
    """Probes of other versions than the policy pins, and those that were asked in part."""
    known = {result.probe: result for result in report.results}
    found = []
    for rule in policy.probes:
        result = known.get(rule.probe)
        if result is None:
            continue
        if rule.digest is not None and rule.digest != result.digest:
            found.append(f"{rule.probe}: its items are not those that the policy names by digest")
        if rule.digest is not None and not result.is_complete:
            found.append(f"{rule.probe}: not all items were asked that the policy names by digest")
    return found
