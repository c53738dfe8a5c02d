"""The log of a name: one signed statement a line, each with the digest of the line before it.

A line that was edited, moved or taken out breaks the chain behind it; the last line is the signed
head. What no chain can show is that lines are missing at its end: for that a head that was seen
earlier, ``SEQUENCE:DIGEST``, is compared with what is there.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from medtune.digests import sha256_bytes
from medtune.errors import VerificationError
from medtune.recipe.section import Section
from medtune.registry import statements
from medtune.registry.manifest import canonical
from medtune.registry.trust import Day, State, Trust

NO_LINE = "0" * 64
CLOCKS = timedelta(hours=1)
"""By which two machines' clocks may differ."""
Hex = r"^[0-9a-f]{64}$"
Kind = Literal["push", "approve", "promote", "rollback", "revoke"]
_HEAD = re.compile(r"^(\d+):([0-9a-f]{64})$")


class Override(Section):
    """Why a version is in a state that its evidence does not carry, and until when."""

    reason: str = Field(min_length=10)
    until: Day


class Event(Section):
    """What happened, as a line says it."""

    sequence: int = Field(ge=0)
    previous: str = Field(pattern=Hex)
    """Digest of the line before; zeros in the first."""
    time: str
    name: str
    kind: Kind
    version: str
    manifest: str = Field(pattern=Hex)
    adapter_digest: str = Field(pattern=Hex)
    state: State | None = None
    """To which it is approved or moved."""
    gate: str | None = Field(default=None, pattern=Hex)
    """Manifest of the decision that this rests on."""
    override: Override | None = None
    reason: str | None = None

    @field_validator("time")
    @classmethod
    def _it_is_a_time(cls, time: str) -> str:
        if datetime.fromisoformat(time).tzinfo is None:
            raise ValueError("a time without its zone")
        return time

    @property
    def when(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromisoformat(self.time).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line, read."""

    event: Event
    signer: str | None
    """Id of the key; None: a push that nobody signed."""
    digest: str
    envelope: dict[str, Any]


def write_line(event: Event, key: Path | None) -> bytes:
    """A line of the log, signed."""
    statement = statements.make_statement(
        event.name, event.manifest, statements.EVENT, event.model_dump(mode="json")
    )
    if key is not None:
        return canonical(statements.sign_statement(statement, key)) + b"\n"
    payload = base64.b64encode(canonical(statement)).decode()
    return (
        canonical({"payloadType": statements.PAYLOAD, "payload": payload, "signatures": []}) + b"\n"
    )


def read_log(name: str, data: bytes | None, trust: Trust) -> list[Entry]:
    """Read and verify a log.

    Raises:
        VerificationError: A line was edited, moved or removed, or is not signed by who may.
    """
    if data and not data.endswith(b"\n"):
        raise VerificationError(f"the log of {name} ends in the middle of a line")
    entries: list[Entry] = []
    for number, line in enumerate((data or b"").splitlines(keepends=True)):
        try:
            entries.append(_read_line(name, line, trust, entries))
        except VerificationError as error:
            raise VerificationError(f"line {number + 1} of the log of {name}: {error}") from None
    _require_sealed(name, entries, trust)
    return entries


def head(entries: Sequence[Entry]) -> str:
    """``SEQUENCE:DIGEST`` of the last line, to be kept where its writers cannot write."""
    return f"{entries[-1].event.sequence}:{entries[-1].digest}" if entries else f"0:{NO_LINE}"


def require_head(name: str, entries: Sequence[Entry], anchor: str) -> None:
    """Compare a log with a head that was seen earlier.

    Raises:
        VerificationError: The log does not hold it any more: it was cut, or is another one.
    """
    match = _HEAD.match(anchor)
    if match is None:
        raise VerificationError(f"{anchor!r} is no head of a log, SEQUENCE:DIGEST")
    sequence, digest = int(match[1]), match[2]
    if digest == NO_LINE:
        return
    if sequence >= len(entries):
        raise VerificationError(
            f"the log of {name} has {len(entries)} lines and had {sequence + 1} or more: it was cut"
        )
    if entries[sequence].digest != digest:
        raise VerificationError(f"line {sequence + 1} of the log of {name} was another one before")


def _read_line(name: str, line: bytes, trust: Trust, before: Sequence[Entry]) -> Entry:
    envelope = statements.parse_json(line, "it")
    if not isinstance(envelope, dict) or canonical(envelope) + b"\n" != line:
        raise VerificationError("it is not in canonical form: somebody has written in it")
    signer = None
    if envelope.get("signatures"):
        opened = statements.open_statement(envelope, trust, statements.EVENT)
        manifest, predicate, signer = opened[0], opened[1], opened[2][0]
    else:
        manifest, predicate = _unsigned(envelope)
    try:
        event = Event.model_validate(predicate)
    except ValidationError:
        raise VerificationError("it is no event that medtune wrote") from None
    last = before[-1] if before else None
    _require_order(name, event, manifest, last)
    if signer is None and event.kind != "push":
        raise VerificationError(f"nobody signed this {event.kind}")
    if signer is not None:
        trust.require(signer, "sign" if event.kind == "push" else "promote", event.when)
    return Entry(event=event, signer=signer, digest=sha256_bytes(line), envelope=envelope)


def _unsigned(envelope: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a line says that nobody signed."""
    try:
        payload = statements.parse_json(base64.b64decode(envelope["payload"]), "it")
        return statements.read_statement(payload, statements.EVENT)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise VerificationError("it is no statement") from None


def _require_order(name: str, event: Event, manifest: str, last: Entry | None) -> None:
    expected = (len_after(last), last.digest if last else NO_LINE)
    if (event.sequence, event.previous) != expected:
        raise VerificationError(
            "it does not follow the line before it: one was edited, moved or cut"
        )
    if event.name != name or event.manifest != manifest:
        raise VerificationError(f"it is about {event.name}, or about another version than it says")
    if last is not None and event.when < last.event.when - CLOCKS:
        raise VerificationError("it is dated before the line before it")


def len_after(last: Entry | None) -> int:
    """Sequence of the line that follows."""
    return last.event.sequence + 1 if last else 0


def _require_sealed(name: str, entries: Sequence[Entry], trust: Trust) -> None:
    """A line by a key that others may have had counts where another's earlier line holds it."""
    for place, entry in enumerate(entries):
        if entry.signer is None:
            continue
        compromised = trust.holder(entry.signer).compromised
        if compromised is None:
            continue
        sealed = any(
            later.signer not in (None, entry.signer)
            and later.event.when.date().isoformat() < compromised
            for later in entries[place + 1 :]
        )
        if entry.event.kind != "push" and not sealed:
            raise VerificationError(
                f"line {place + 1} of the log of {name} is by a key that is compromised since "
                f"{compromised}, and nobody else's line of an earlier day follows it"
            )
