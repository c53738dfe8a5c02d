"""An adapter put to a policy: read, decide, write; and the same again from what was written.

gate.json       canonical JSON (RFC 8785): policy, digests of all that was read, decision
junit.xml       for a CI's own page
comment.md      for a pull request
gate.html       for a review board
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec

from medtune.digests import write_bytes, write_text
from medtune.errors import RecipeError, VerificationError
from medtune.gate import attempts as ledger
from medtune.gate.attempts import Attempts
from medtune.gate.comment import comment, comment_error
from medtune.gate.deciding import decide as decide_outcomes
from medtune.gate.decision import GATE_VERSION, Decision
from medtune.gate.evidence import CLOCKS, Evidence, faults, find_adapter, find_probes, read_evidence
from medtune.gate.junit import junit, junit_error
from medtune.gate.page import page
from medtune.gate.policy import Policy, changes, load_policy, policy_of
from medtune.gate.waivers import load_statements, read_waivers
from medtune.signing import read_public

GATE, JUNIT, COMMENT, HTML = "gate.json", "junit.xml", "comment.md", "gate.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """A decision, and where it lies."""

    path: Path
    """Of gate.json."""
    decision: Decision
    policy: Policy
    evidence: Evidence
    attempts: Attempts
    policy_changes: tuple[str, ...]
    """What this policy says otherwise than the last promoted one."""
    decided: str
    """When, ISO 8601."""


def decide(
    place: Path | str,
    policy: str | Path = "default",
    *,
    probes: Path | None = None,
    scores: Sequence[Path] = (),
    previous: Path | None = None,
    last_policy: str | Path | None = None,
    waivers: Sequence[Path] = (),
    keys: Sequence[Path] = (),
    author: str | None = None,
    attempts: Path | None = None,
    out: Path | None = None,
) -> Gated:
    """Decide on an adapter by its evidence alone; no model is loaded.

    Args:
        place: A run or an adapter's folder.
        policy: A policy's name, or a file.
        probes: Folder of paired outcomes; None: the run's own.
        scores: Folders of scores; none: the run's own.
        previous: Folder of scores of the version that is replaced.
        last_policy: The policy of the last promotion, to show what has changed.
        waivers: Signed statements that a verdict is tolerated.
        keys: Public keys that the site trusts for waivers.
        author: Id of the key of who made the adapter.
        attempts: The site's ledger of attempts.
        out: Where the reports are written; None: beside the outcomes.

    Raises:
        MedtuneError: The policy cannot be read, or there is no evidence.
    """
    chosen = load_policy(policy)
    before = load_policy(last_policy) if last_policy is not None else None
    # Before anything is written: a misspelt option costs no earlier decision.
    statements, trusted = load_statements(waivers), [read_public(key) for key in keys]
    target = out or probes or find_probes(find_adapter(Path(place)))
    if out is not None:
        _make(out)
    try:
        evidence = read_evidence(Path(place), probes=probes, scores=scores, previous=previous)
    except VerificationError as error:
        if target.is_dir():
            _write_error(target, str(error))
        raise
    now = datetime.now(UTC).replace(microsecond=0)
    lineage = ledger.lineage_of(evidence.adapter)
    counted = ledger.count(attempts, lineage, evidence.adapter_digest)
    gated = Gated(
        path=target / GATE,
        decision=_decided(chosen, evidence, now, statements, trusted, author),
        policy=chosen,
        evidence=evidence,
        attempts=counted,
        policy_changes=tuple(changes(before, chosen)) if before else (),
        decided=now.isoformat(),
    )
    _write(gated, statements, author)
    if attempts is not None and lineage is not None:
        verdict = gated.decision.verdict
        ledger.record(attempts, lineage, evidence.adapter_digest, chosen.digest, verdict)
    return gated


def replay(file: Path, keys: Sequence[Path] = ()) -> Decision:
    """Decide again by what a gate.json names, and require the same decision to the last digit.

    Args:
        file: gate.json, beside or near the evidence that it names.
        keys: Public keys that the site trusts for waivers; without them none counts.

    Raises:
        VerificationError: The file is none, what was read then is not what lies there now, or the
            decision is another one.
    """
    recorded = read_gate(file)
    trusted = [read_public(key) for key in keys]
    return decide_again(file, recorded, evidence_of(file, recorded), trusted)


def evidence_of(file: Path, recorded: Mapping[str, Any]) -> Evidence:
    """What a gate.json names as what it was decided from, as it lies there now.

    Raises:
        VerificationError: It is not there, or damaged.
    """
    folder = file.parent
    try:
        places = recorded["places"]
        return read_evidence(
            (folder / places["adapter"]).resolve(),
            probes=(folder / places["probes"]).resolve(),
            scores=[(folder / one).resolve() for one in places["scores"]],
            previous=(folder / places["previous"]).resolve() if places["previous"] else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VerificationError(f"{file}: no decision that medtune wrote ({error})") from error


def decide_again(
    file: Path,
    recorded: Mapping[str, Any],
    evidence: Evidence,
    keys: Sequence[ec.EllipticCurvePublicKey],
) -> Decision:
    """Decide from evidence as a gate.json did, and require the same decision.

    Raises:
        VerificationError: Other files lie there, or the decision is another one.
    """
    try:
        policy = policy_of(recorded["policy"])
        now = datetime.fromisoformat(recorded["decided"])
        if policy.digest != recorded["policy_digest"]:
            raise VerificationError(f"{file}: the policy is not the one of its digest")
        if evidence.adapter_digest != recorded["adapter_digest"]:
            raise VerificationError(f"{file}: the adapter that lies there is another one")
        if recorded["base_digest"] != evidence.manifest.get("base_digest"):
            raise VerificationError(f"{file}: names another base than the adapter's")
        if now > datetime.now(UTC) + CLOCKS:
            raise VerificationError(f"{file}: is dated in the future")
        digests = evidence.digests()
        changed = sorted(k for k in digests.keys() | recorded["digests"].keys()
                         if digests.get(k) != recorded["digests"].get(k))  # fmt: skip
        if changed:
            raise VerificationError(f"{file}: other files lie there now: {', '.join(changed)}")
        author = recorded["author"]
        decision = _decided(policy, evidence, now, recorded["waivers"], keys, author)
        claimed = recorded["decision"]["verdict"]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise VerificationError(f"{file}: no decision that medtune wrote ({error})") from error
    if _plain(decision) != recorded["decision"]:
        raise VerificationError(
            f"{file}: says {claimed}; its evidence gives {decision.verdict}, or other figures"
        )
    return decision


def _decided(
    policy: Policy,
    evidence: Evidence,
    now: datetime,
    statements: Mapping[str, Any],
    keys: Sequence[ec.EllipticCurvePublicKey],
    author: str | None,
) -> Decision:
    waived, notes = read_waivers(
        statements, adapter_digest=evidence.adapter_digest, policy=policy,
        keys=keys, author=author, today=now.date(),
    )  # fmt: skip
    return decide_outcomes(
        policy,
        evidence.report.outcomes,
        faults=faults(evidence, policy, now),
        integrity=evidence.report.integrity,
        scores=evidence.scores,
        previous=evidence.previous,
        not_tested=evidence.report.not_tested,
        waived=waived,
        waiver_notes=notes,
    )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f"{folder} cannot be written: {error.strerror}") from error


def _write_error(folder: Path, told: str) -> None:
    """What a CI shows where there is no evidence; no earlier decision stays beside it."""
    for name in (GATE, HTML):
        (folder / name).unlink(missing_ok=True)
    write_text(folder / JUNIT, junit_error(told))
    write_text(folder / COMMENT, comment_error(told))


def _write(gated: Gated, statements: Mapping[str, Any], author: str | None) -> None:
    folder = gated.path.parent
    evidence = gated.evidence
    recorded = {
        "schema_version": GATE_VERSION,
        "decided": gated.decided,
        "adapter_digest": evidence.adapter_digest,
        "base_digest": evidence.manifest.get("base_digest"),
        "policy": gated.policy.values,
        "policy_digest": gated.policy.digest,
        "policy_changes": list(gated.policy_changes),
        "places": _places(evidence, folder),
        "digests": evidence.digests(),
        "waivers": dict(statements),
        "author": author,
        "attempts": asdict(gated.attempts),
        "decision": _plain(gated.decision),
    }
    try:
        canonical = rfc8785.dumps(recorded)
    except rfc8785.CanonicalizationError as error:
        raise RecipeError(f"the policy has a number that JSON cannot say: {error}") from error
    write_text(folder / JUNIT, junit(gated))
    write_text(folder / COMMENT, comment(gated))
    write_text(folder / HTML, page(gated))
    write_bytes(gated.path, canonical)


def _places(evidence: Evidence, folder: Path) -> dict[str, Any]:
    """Where the evidence lies, seen from gate.json: no path of a machine."""

    def seen(place: Path) -> str:
        return Path(os.path.relpath(place.resolve(), folder.resolve())).as_posix()

    return {
        "adapter": seen(evidence.adapter),
        "probes": seen(evidence.probes),
        "scores": [seen(one) for one in evidence.scores_folders],
        "previous": seen(evidence.previous_folder) if evidence.previous_folder else None,
    }


def _plain(decision: Decision) -> dict[str, Any]:
    """As JSON has it: tuples are lists."""
    found: dict[str, Any] = json.loads(rfc8785.dumps(_listed(asdict(decision))))
    return found


def _listed(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(one) for one in value]
    return value


def read_gate(file: Path) -> dict[str, Any]:
    """What a gate.json says; nothing of it is believed yet.

    Raises:
        VerificationError: It is none, or not in canonical form.
    """
    try:
        content = file.read_bytes()
        recorded = json.loads(content)
        canonical = rfc8785.dumps(recorded)
    except (OSError, ValueError, RecursionError) as error:
        raise VerificationError(f"{file} cannot be read ({type(error).__name__})") from None
    if not isinstance(recorded, dict) or recorded.get("schema_version") != GATE_VERSION:
        raise VerificationError(f"{file} is no decision that this medtune reads")
    if content != canonical:
        raise VerificationError(f"{file} is not in canonical form: somebody has written in it")
    return recorded
