"""Moving versions between states: the only way, and everything is computed anew each time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from medtune.errors import RecipeError, UnapprovedError, VerificationError
from medtune.registry.log import Event, Override
from medtune.registry.registry import Registry, new_event
from medtune.registry.replaying import Decided
from medtune.registry.requirements import Checked, check_evidence, require_approver, require_state
from medtune.registry.states import Standing, Standings
from medtune.registry.trust import State, StateRule
from medtune.registry.verify import require_files
from medtune.signing import key_id, read_private

MAX_OVERRIDE_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What came of a promotion, a roll-back or a revocation."""

    name: str
    version: str
    state: str
    before: str | None
    """The version that was in the state; None: none was."""
    override: Override | None = None


def promote(
    registry: Registry,
    name: str,
    label: str,
    state: State,
    key: Path,
    *,
    override: str | None = None,
    until: date | None = None,
) -> Moved:
    """Approve a version for a state, and move it there once enough have.

    Args:
        registry: Where.
        name: Of the log.
        label: Of the version, or ``sha256:…``.
        state: Where to.
        key: Of who approves.
        override: A reason to go without the gate's decision, which everything will show.
        until: Last day of the override; at most 30 days from now.

    Raises:
        UnapprovedError: The approval was noted, and others are missing.
        VerificationError: Files, signature, decision or key do not let it.
        GateRefusedError: The gate's decision does not let it.
    """
    waived = _override(override, until)
    mine = key_id(read_private(key).public_key())
    before: list[str | None] = [None]

    def make(found: Standings) -> tuple[Event, Path]:
        standing = found.find(label)
        _require_order(registry, standing, state)
        checked = _check(registry, standing)
        now = datetime.now(UTC)
        decided = require_state(checked, standing, state, registry.trust, override=waived, now=now)
        require_approver(checked, decided, mine, registry.trust, now)
        gate = decided.attachment if decided else None
        agreed = {mine} | _approvals(registry, standing, checked, state, decided, waived)
        rule = registry.trust.states[state]
        kind = "promote" if len(agreed) >= rule.approvals else "approve"
        before[0] = found.holders.get(state)
        return _event(name, kind, standing, state, gate=gate, override=waived), key

    event = registry.record(name, make)
    assert event is not None, "a promotion always has an event"
    if event.kind == "approve":
        raise UnapprovedError(_missing(registry, name, event, registry.trust.states[state]))
    return Moved(
        name=name, version=event.version, state=state, before=before[0], override=waived
    )  # fmt: skip


def rollback(
    registry: Registry, name: str, key: Path, *, to: str | None = None, reason: str
) -> Moved:
    """Put the version before this one, or another that was production, back into production.

    Its files, its signature and that nobody revoked it are looked at again; its decision is not
    asked to be fresh.

    Raises:
        VerificationError: There is none that could be, or the key may not.
    """
    before: list[str | None] = [None]

    def make(found: Standings) -> tuple[Event, Path]:
        held = found.holders.get("production")
        standing = found.find(to) if to else _previous(found, held)
        if not standing.was_production or standing.version == held:
            raise VerificationError(f"{standing.version} was not in production before this one")
        if standing.state == "revoked":
            raise VerificationError(f"{standing.version} is revoked, for good")
        checked = _check(registry, standing)
        if checked.signer is None:
            raise VerificationError(f"{standing.version} is UNSIGNED")
        _require_holder(registry, key)
        before[0] = held
        return _event(name, "rollback", standing, "production", reason=reason), key

    event = registry.record(name, make)
    assert event is not None, "a roll-back always has an event"
    return Moved(name=name, version=event.version, state="production", before=before[0])


def revoke(registry: Registry, name: str, label: str, key: Path, *, reason: str) -> Moved:
    """Withdraw a version for good: it is not pulled any more, and never promoted.

    Raises:
        VerificationError: There is no such version, it is revoked already, or the key may not.
    """
    before: list[str | None] = [None]

    def make(found: Standings) -> tuple[Event, Path]:
        standing = found.find(label)
        if standing.state == "revoked":
            raise VerificationError(f"{standing.version} is revoked already")
        _require_holder(registry, key)
        before[0] = standing.state
        return _event(name, "revoke", standing, None, reason=reason), key

    event = registry.record(name, make)
    assert event is not None, "a revocation always has an event"
    return Moved(name=name, version=event.version, state="revoked", before=before[0])


def _check(registry: Registry, standing: Standing) -> Checked:
    """Evidence and bytes of a version, all of them."""
    pushed = datetime.fromisoformat(standing.pushed)
    checked = check_evidence(registry.layout, standing.manifest, registry.trust, pushed)
    if checked.version.pins.adapter_digest != standing.adapter_digest:
        raise VerificationError(f"{standing.version} was pushed with another adapter digest")
    require_files(registry.layout, checked.version)
    return checked


def _approvals(
    registry: Registry,
    standing: Standing,
    checked: Checked,
    state: State,
    decided: Decided | None,
    override: Override | None,
) -> set[str]:
    """Keys that approved exactly this: the same decision, or the same override."""
    agreed = set()
    gate = decided.attachment if decided else None
    for signer, event in standing.approvals.get(state, {}).items():
        if event.gate != gate or event.override != override:
            continue
        try:
            require_approver(checked, decided, signer, registry.trust, event.when)
        except VerificationError:
            continue  # it does not count any more, and others have to agree
        agreed.add(signer)
    return agreed


def _require_order(registry: Registry, standing: Standing, state: State) -> None:
    if standing.state == state:
        raise VerificationError(f"{standing.version} is in {state} already")
    if state == "production" and "staging" in registry.trust.states and standing.state != "staging":
        raise VerificationError(
            f"{standing.version} is {standing.state}; what goes to production is in staging first"
        )


def _require_holder(registry: Registry, key: Path) -> None:
    mine = key_id(read_private(key).public_key())
    holder = registry.trust.require(mine, "promote", datetime.now(UTC))
    if holder.compromised is not None:
        raise VerificationError(f"the key of {holder.name} is compromised")


def _previous(found: Standings, held: str | None) -> Standing:
    for version in reversed(found.productions):
        standing = found.versions[version]
        if version != held and standing.state != "revoked":
            return standing
    raise VerificationError(f"{found.name} has no earlier version that was in production")


def _override(reason: str | None, until: date | None) -> Override | None:
    if (reason is None) != (until is None):
        raise RecipeError("an override has both a reason (--override) and a last day (--until)")
    if reason is None or until is None:
        return None
    today = datetime.now(UTC).date()
    if not today <= until <= today + timedelta(days=MAX_OVERRIDE_DAYS):
        raise RecipeError(
            f"--until: an override lasts {MAX_OVERRIDE_DAYS} days at most, from today"
        )
    if len(reason) < 10:
        raise RecipeError("--override: the reason has to say something to a review board")
    return Override(reason=reason, until=until.isoformat())


def _event(
    name: str,
    kind: str,
    standing: Standing,
    state: State | None,
    *,
    gate: str | None = None,
    override: Override | None = None,
    reason: str | None = None,
) -> Event:
    return new_event(
        name=name, kind=kind, version=standing.version, manifest=standing.manifest,
        adapter_digest=standing.adapter_digest, state=state, gate=gate, override=override,
        reason=reason,
    )  # fmt: skip


def _missing(registry: Registry, name: str, event: Event, rule: StateRule) -> str:
    standing = registry.standings(name).find(event.version)
    assert event.state is not None, "an approval is for a state"
    given = [registry.trust.holder(key).name for key in standing.approvals[event.state]]
    return (
        f"{name}:{event.version} is not in {event.state} yet: approved by {', '.join(given)}, "
        f"{rule.approvals} have to"
    )
