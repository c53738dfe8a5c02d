"""What a state asks of a version, held against what is attached to it: nothing is believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from medtune.errors import MedtuneError, VerificationError
from medtune.gate.evidence import CLOCKS
from medtune.registry.layout import Layout
from medtune.registry.log import Override
from medtune.registry.manifest import Version
from medtune.registry.replaying import Decided, decisions
from medtune.registry.statements import (
    PROVENANCE,
    SIGNATURE_FILE,
    STATEMENT_FILE,
    open_signature,
    open_statement,
    parse_json,
    provenance,
)
from medtune.registry.states import Standing
from medtune.registry.trust import State, StateRule, Trust, TrustedKey


class GateRefusedError(MedtuneError):
    """The gate's decision does not let a version into a state; exits as the gate does."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A version with who signed it and what was decided on it."""

    version: Version
    signer: TrustedKey | None
    """None: nobody."""
    decisions: tuple[Decided, ...]


def check_evidence(layout: Layout, manifest: str, trust: Trust, pushed: datetime) -> Checked:
    """Read a version's manifest, signatures and decisions; each is verified.

    Raises:
        VerificationError: One of them is of something else, was changed, or is signed by who may
            not.
    """
    version = layout.version(manifest)
    for one in layout.attachments(manifest):
        for file in one.files:
            layout.read_file(file)
    signer = _signer(layout, version, trust, pushed)
    author = signer.id if signer else None
    return Checked(
        version=version, signer=signer,
        decisions=tuple(decisions(layout, version, trust, author)),
    )  # fmt: skip


def _signer(layout: Layout, version: Version, trust: Trust, pushed: datetime) -> TrustedKey | None:
    """Who vouches for a version; each signature counts by the time that its signer gives it."""
    times = _signing_times(layout, version, trust)
    failed: VerificationError | None = None
    for one in layout.attachments(version.digest):
        file = one.file(SIGNATURE_FILE)
        if one.kind != "signature" or file is None:
            continue
        bundle = parse_json(layout.read_file(file), SIGNATURE_FILE)
        signers = open_signature(bundle, version.files, trust)
        try:
            dated = [(signer, times.get(signer, pushed)) for signer in signers]
            return trust.require_evidence(dated, "sign")
        except VerificationError as error:
            failed = error
    if failed is not None:
        raise VerificationError(f"the version's signature does not count: {failed}")
    return None


def _signing_times(layout: Layout, version: Version, trust: Trust) -> dict[str, datetime]:
    """Key -> when it signed where the version is from, which has to be what it is pinned to."""
    times: dict[str, datetime] = {}
    for one in layout.attachments(version.digest):
        file = one.file(STATEMENT_FILE)
        if one.kind != "provenance" or file is None:
            continue
        envelope = parse_json(layout.read_file(file), STATEMENT_FILE)
        subject, said, signers = open_statement(envelope, trust, PROVENANCE)
        try:
            text = said["runDetails"]["metadata"]["medtune_signedOn"]
            when = datetime.fromisoformat(text).astimezone(UTC)
            definition = provenance(version.pins, text)["buildDefinition"]
            if subject != version.digest or said["buildDefinition"] != definition:
                raise VerificationError("the provenance that is attached is of another version")
        except (KeyError, TypeError, ValueError):
            raise VerificationError(
                "the provenance that is attached is none of medtune's"
            ) from None
        times |= dict.fromkeys(signers, when)
    return times


def require_state(
    checked: Checked,
    standing: Standing,
    state: State,
    trust: Trust,
    *,
    override: Override | None = None,
    gate: str | None = None,
    now: datetime | None = None,
) -> Decided | None:
    """Require what a state asks, but for the approvals.

    Args:
        checked: The version with its evidence.
        standing: Where it stands.
        state: Which state.
        trust: The trust root.
        override: In place of the gate's decision.
        gate: Digest of the decision that it came by; None: the latest counts.
        now: The time; None: that of the clock.

    Returns:
        The decision that lets it in; None: the override does.

    Raises:
        VerificationError: It is revoked or unsigned, or there is no decision that counts.
        GateRefusedError: The decision that counts does not let it in.
    """
    now = now or datetime.now(UTC)
    rule = trust.states.get(state)
    if rule is None:
        raise VerificationError(f"the trust root has no state {state}")
    if standing.state == "revoked":
        raise VerificationError(f"{standing.version} is revoked, for good")
    if checked.signer is None:
        raise VerificationError(
            f"{standing.version} is UNSIGNED; push its run again with --key, by who may sign"
        )
    if override is not None:
        if now.date().isoformat() > override.until:
            raise VerificationError(f"the override is over since {override.until}")
        return None
    decided = _decision(checked, state, rule, trust, gate)
    age = now - decided.decided
    if age.days >= rule.max_age_days or age < -CLOCKS:
        raise VerificationError(
            f"the gate's decision is of {decided.decided:%Y-%m-%d}; {state} asks for one that is "
            f"less than {rule.max_age_days} days old"
        )
    if decided.decision.verdict != "PASS":
        raise GateRefusedError(
            f"the gate says {decided.decision.verdict}: {'; '.join(decided.decision.reasons)}",
            decided.decision.exit_code,
        )
    return decided


def _decision(
    checked: Checked, state: State, rule: StateRule, trust: Trust, gate: str | None
) -> Decided:
    """The latest decision under the state's policy, or that of a digest, if signed by who may."""
    asked = [
        one
        for one in checked.decisions
        if one.policy_digest == rule.policy_digest and gate in (None, one.attachment)
    ]
    if not asked:
        others = sorted({one.policy for one in checked.decisions})
        found = f"only under {', '.join(others)}" if others else "none"
        raise VerificationError(
            f"{state} asks for a decision of the gate under the policy {rule.policy} "
            f"({rule.policy_digest[:16]}…); there is {found}. Run medtune gate with it, and push "
            "again with --gate-key"
        )
    latest = asked[-1]
    if not latest.signatures:
        raise VerificationError(
            "the gate's decision is UNSIGNED; push again with --gate-key, by who may"
        )
    maker = checked.signer.id if checked.signer and trust.separate_duties else None
    others_than_maker = [one for one in latest.signatures if one[0] != maker]
    if not others_than_maker:
        raise VerificationError(
            "the same key signed the version and the gate's decision; trust.yaml asks for separate "
            "duties"
        )
    trust.require_evidence(others_than_maker, "gate")
    return latest


def require_approver(
    checked: Checked, decided: Decided | None, key: str, trust: Trust, now: datetime
) -> TrustedKey:
    """Who approves with a key.

    Raises:
        VerificationError: The key may not, or its holder has made what is approved.
    """
    holder = trust.require(key, "promote", now)
    if holder.compromised is not None:
        raise VerificationError(f"the key of {holder.name} is compromised")
    if not trust.separate_duties:
        return holder
    signers: Sequence[str] = decided.signers if decided else ()
    if (checked.signer is not None and holder.id == checked.signer.id) or holder.id in signers:
        raise VerificationError(
            f"{holder.name} signed the version or its decision and cannot approve it too; "
            "trust.yaml asks for separate duties"
        )
    return holder
