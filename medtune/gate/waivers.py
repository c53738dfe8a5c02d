"""Waivers: signed statements that a verdict is tolerated for one adapter, for a while.

A waiver is for one adapter by its digest, one policy by its digest and one probe. It covers no
never-event, no broken ceiling of a never rule, and no fault of the evidence. Who signs is named in
a list of keys that the site trusts, and is not who made the adapter.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field, ValidationError

from medtune.errors import VerificationError
from medtune.gate.policy import Policy
from medtune.recipe.section import Section
from medtune.signing import read_private, sign, verify

TYPE = "application/vnd.medtune.waiver+json"
MAX_DAYS = 90


class Waiver(Section):
    """What is tolerated."""

    adapter_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    policy_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    probe: str = Field(min_length=1)
    verdicts: list[Literal["BLOCK", "INCONCLUSIVE"]] = Field(min_length=1)
    reason: str = Field(min_length=10)
    signer: str = Field(min_length=1)
    """Name and role of who signs."""
    signed: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    expires: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


def sign_waiver(waiver: Waiver, key: Path) -> dict[str, Any]:
    """The signed statement.

    Raises:
        VerificationError: The key cannot be read, or the waiver lasts too long.
    """
    days = (_day(waiver.expires) - _day(waiver.signed)).days
    if not 0 < days <= MAX_DAYS:
        raise VerificationError(f"a waiver lasts 1 to {MAX_DAYS} days; this one {days}")
    return sign(waiver.model_dump(mode="json"), TYPE, read_private(key))


def read_waivers(
    statements: Mapping[str, Any],
    *,
    adapter_digest: str,
    policy: Policy,
    keys: Sequence[ec.EllipticCurvePublicKey],
    author: str | None,
    today: date,
) -> tuple[dict[tuple[str, str], str], list[str]]:
    """(probe, verdict) -> words of the waiver that counts; and a line about every file.

    Args:
        statements: Name -> signed statement.
        adapter_digest: Of the adapter that is decided on.
        policy: Under which.
        keys: That the site trusts for waivers.
        author: Id of the key of who made the adapter; None: not known, and no waiver counts.
        today: The day of the decision.
    """
    counted: dict[tuple[str, str], str] = {}
    notes = []
    for name, statement in sorted(statements.items()):
        try:
            waiver, signers = _read(statement, keys)
            why = _why_not(waiver, signers, adapter_digest, policy, author, today)
        except VerificationError as error:
            notes.append(f"{name}: does not count: {error}")
            continue
        if why is not None:
            notes.append(f"{name}: does not count: {why}")
            continue
        told = f"{waiver.signer}, until {waiver.expires}: {waiver.reason}"
        counted |= {(waiver.probe, verdict): told for verdict in waiver.verdicts}
        notes.append(f"{name}: {waiver.probe} is waived by {told}")
    return counted, notes


def load_statements(files: Sequence[Path]) -> dict[str, Any]:
    """Signed statements by the names of their files; what is in them is looked at later.

    Raises:
        VerificationError: A file is not there, or no JSON.
    """
    found: dict[str, Any] = {}
    for file in files:
        try:
            statement = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise VerificationError(f"{file} cannot be read ({type(error).__name__})") from None
        # Two files of one name are two statements.
        number = sum(name.split(" #")[0] == file.name for name in found)
        found[f"{file.name} #{number + 1}" if number else file.name] = statement
    return found


def _read(
    statement: Any,  # noqa: ANN401 - JSON of any kind
    keys: Sequence[ec.EllipticCurvePublicKey],
) -> tuple[Waiver, list[str]]:
    if not isinstance(statement, Mapping):
        raise VerificationError("it is no signed statement")
    payload, signers = verify(statement, TYPE, keys)
    try:
        return Waiver.model_validate(payload), signers
    except ValidationError:
        raise VerificationError("it is no waiver that medtune wrote") from None


def _why_not(
    waiver: Waiver,
    signers: Sequence[str],
    adapter_digest: str,
    policy: Policy,
    author: str | None,
    today: date,
) -> str | None:
    rules = {rule.probe: rule for rule in policy.probes}
    rule = rules.get(waiver.probe)
    if waiver.adapter_digest != adapter_digest:
        return "it is for another adapter"
    if waiver.policy_digest != policy.digest:
        return "it is for another policy"
    if rule is None:
        return f"the policy does not ask for {waiver.probe}"
    if rule.never:
        return f"{waiver.probe} is a never-event, which cannot be waived"
    if author is None:
        return "who made the adapter is not known, and must not be who waives (--author)"
    if author in signers:
        return "its signer made the adapter"
    if (_day(waiver.expires) - _day(waiver.signed)).days > MAX_DAYS:
        return f"it lasts longer than {MAX_DAYS} days"
    if not _day(waiver.signed) <= today <= _day(waiver.expires):
        return f"it is valid from {waiver.signed} until {waiver.expires}"
    return None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise VerificationError(f"{text} is no day") from None
