"""Verifying a version from its bytes up: log, manifest, files, signature, decisions, state."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from medtune.errors import VerificationError
from medtune.registry.layout import Layout, blob_key
from medtune.registry.log import NO_LINE, Entry, head, require_head
from medtune.registry.manifest import File, Version
from medtune.registry.registry import Registry
from medtune.registry.replaying import Decided
from medtune.registry.requirements import (
    Checked,
    GateRefusedError,
    check_evidence,
    require_approver,
    require_state,
)
from medtune.registry.states import Standing, Standings, standings
from medtune.registry.store import PIECE
from medtune.registry.trust import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A version that is what it says, and what can be said of it."""

    name: str
    standing: Standing
    checked: Checked
    head: str
    """Of the log that was read."""
    decided: Decided | None
    """The decision that its state rests on; None: a draft, or an override."""
    without_weights: bool
    """Whether files are not here and only the evidence was verified."""


def verify(
    registry: Registry,
    name: str,
    label: str,
    *,
    base_digest: str | None = None,
    evidence_only: bool = False,
    allow_unsigned: bool = False,
    anchor: str | None = None,
) -> Verified:
    """Verify a version; whatever is wrong with it is an error.

    Args:
        registry: Where.
        name: Of the log.
        label: Version, ``sha256:…``, or a state.
        base_digest: Of the base as it lies here; None: it is not looked at.
        evidence_only: Do without files that are not here.
        allow_unsigned: Do not refuse a draft that nobody signed.
        anchor: A head of the log that was seen earlier.

    Raises:
        RegistryError: There is no such name.
        VerificationError: Something was changed, is missing, or is signed by who may not.
        GateRefusedError: Its state rests on a decision that does not come out any more.
    """
    entries = registry.entries(name)
    if anchor is not None:
        require_head(name, entries, anchor)
    found = registry.standings(name)
    require_pointers(registry, name, entries)
    standing = found.find(label)
    pushed = datetime.fromisoformat(standing.pushed)
    checked = check_evidence(registry.layout, standing.manifest, registry.trust, pushed)
    if checked.version.pins.adapter_digest != standing.adapter_digest:
        raise VerificationError(f"{standing.version} was pushed with another adapter digest")
    absent = require_files(registry.layout, checked.version, may_lack=evidence_only)
    if base_digest is not None and base_digest != checked.version.pins.base_digest:
        raise VerificationError(
            f"the base here has the digest {base_digest[:16]}…; {name}:{standing.version} is for "
            f"{checked.version.pins.base} with {checked.version.pins.base_digest[:16]}…"
        )
    if checked.signer is None and not allow_unsigned:
        raise VerificationError(f"{name}:{standing.version} is UNSIGNED: its bytes are whole, and "
                                "nobody vouches for them")  # fmt: skip
    decided = _require_standing(registry, found, standing, checked)
    return Verified(
        name=name, standing=standing, checked=checked, head=head(entries), decided=decided,
        without_weights=bool(absent),
    )  # fmt: skip


def require_files(layout: Layout, version: Version, *, may_lack: bool = False) -> list[str]:
    """Hash every file of a version afresh.

    Returns:
        Names of those that are not here.

    Raises:
        VerificationError: One has other bytes, or is not here.
    """
    absent = []
    layout.read_file(version.config)
    for file in version.files:
        if layout.store.size(blob_key(file.sha256)) is None:
            absent.append(file.name)
        elif _sha256(layout, file) != file.sha256:
            raise VerificationError(f"{file.name} was changed after it was pushed")
    if absent and not may_lack:
        raise VerificationError(
            f"{absent[0]} is not here; registry pull fetches it from a mirror, and verify "
            "--evidence does without"
        )
    return absent


def require_pointers(registry: Registry, name: str, entries: list[Entry]) -> None:
    """Require that the index names what the log says, as of the head that it was made from.

    Raises:
        VerificationError: Somebody moved a pointer by hand.
    """
    labels, seen = registry.layout.named_versions(name)
    if seen is None:
        if labels:
            raise VerificationError(f"the index names {name}:{min(labels)} without the log's head")
        return
    require_head(name, entries, seen)
    sequence, _, digest = seen.partition(":")
    known = [] if digest == NO_LINE else entries[: int(sequence) + 1]
    found = standings(name, known)
    expected = {version: one.manifest for version, one in found.versions.items()}
    expected |= {state: found.versions[held].manifest for state, held in found.holders.items()}
    for label in sorted(labels.keys() | expected.keys()):
        if labels.get(label) != expected.get(label):
            raise VerificationError(
                f"the index says {name}:{label} is {str(labels.get(label))[:16]}…, the log "
                f"{str(expected.get(label))[:16]}…: somebody moved it by hand"
            )


def _require_standing(
    registry: Registry, found: Standings, standing: Standing, checked: Checked
) -> Decided | None:
    """What a version in a state rests on still holds; its decision was fresh when it came there."""
    if standing.state == "revoked":
        reason = standing.since.reason if standing.since else ""
        raise VerificationError(f"{found.name}:{standing.version} is REVOKED: {reason}")
    if standing.expired(datetime.now(UTC).date()):
        assert standing.override is not None, "an override is what expires"
        raise VerificationError(
            f"{found.name}:{standing.version} is in {standing.state} by an override that is over "
            f"since {standing.override.until}"
        )
    since = standing.since
    if since is None or since.state is None or standing.state not in ("staging", "production"):
        return None
    if since.kind == "rollback":
        return None
    decided = require_state(
        checked, standing, since.state, registry.trust,
        override=since.override, gate=since.gate, now=since.when,
    )  # fmt: skip
    _require_backers(registry, standing, since.state, checked, decided)
    return decided


def _require_backers(
    registry: Registry, standing: Standing, state: State, checked: Checked, decided: Decided | None
) -> None:
    """As many as the state asks for approved, and each of them may."""
    for key, event in standing.backers.items():
        require_approver(checked, decided, key, registry.trust, event.when)
    needed = registry.trust.states[state].approvals
    if len(standing.backers) < needed:
        raise VerificationError(
            f"{standing.version} is in {state} with {len(standing.backers)} of {needed} approvals"
        )


def suffices(registry: Registry, standing: Standing) -> str | None:
    """Why a promoted version would not be promoted today; None: it would."""
    since = standing.since
    if since is None or since.state is None:
        return None
    pushed = datetime.fromisoformat(standing.pushed)
    try:
        checked = check_evidence(registry.layout, standing.manifest, registry.trust, pushed)
        require_state(checked, standing, since.state, registry.trust)
    except (VerificationError, GateRefusedError) as error:
        return str(error)
    return None


def _sha256(layout: Layout, file: File) -> str:
    digest = hashlib.sha256()
    with layout.store.open(blob_key(file.sha256)) as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
