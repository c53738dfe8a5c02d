"""What the lines of a log mean: in which state each version is, and who has approved what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from medtune.errors import VerificationError
from medtune.registry.log import Entry, Event, Override
from medtune.registry.trust import STATES, State

VersionState = Literal["draft", "staging", "production", "retired", "revoked"]


@dataclass(slots=True, kw_only=True)
class Standing:
    """A version of a name."""

    version: str
    manifest: str
    adapter_digest: str
    pushed: str
    signer: str | None
    state: VersionState = "draft"
    since: Event | None = None
    """The line that brought it there; None: a draft."""
    was_production: bool = False
    approvals: dict[State, dict[str, Event]] = field(default_factory=dict)
    """Of each state, id of the key -> its approval since the version was last moved."""

    backers: dict[str, Event] = field(default_factory=dict)
    """Ids of the keys that brought it where it is -> what each said."""

    @property
    def override(self) -> Override | None:
        """Why it is in its state without the evidence; None: it has it."""
        return self.since.override if self.since else None

    def expired(self, today: date) -> bool:
        """Whether it is in its state by an override that is over."""
        return self.override is not None and today.isoformat() > self.override.until


@dataclass(slots=True, kw_only=True)
class Standings:
    """All versions of a name, in the order in which they came."""

    name: str
    versions: dict[str, Standing] = field(default_factory=dict)
    holders: dict[State, str] = field(default_factory=dict)
    """Which version a state points to."""
    productions: list[str] = field(default_factory=list)
    """Versions that were production, in their order, the last one last."""

    def find(self, label: str) -> Standing:
        """A version by its label, its digest (``sha256:…``), or a state.

        Raises:
            VerificationError: There is none.
        """
        if label in STATES:
            held = self.holders.get(label)
            if held is None:
                raise VerificationError(f"no version of {self.name} is in {label}")
            return self.versions[held]
        for standing in self.versions.values():
            if label in (standing.version, f"sha256:{standing.manifest}"):
                return standing
        known = ", ".join(self.versions) or "none"
        raise VerificationError(f"{self.name} has no version {label}; it has {known}")


def standings(name: str, entries: Sequence[Entry]) -> Standings:
    """Read a log from its first line to its last.

    Raises:
        VerificationError: A line says what cannot have happened.
    """
    found = Standings(name=name)
    for entry in entries:
        event = entry.event
        if event.kind == "push":
            _push(found, entry)
            continue
        standing = found.versions.get(event.version)
        if standing is None or standing.manifest != event.manifest:
            raise VerificationError(
                f"line {event.sequence + 1} of the log of {name} moves {event.version}, which was "
                "never pushed as that"
            )
        if standing.state == "revoked":
            raise VerificationError(
                f"line {event.sequence + 1} of the log of {name} moves {event.version}, which is "
                "revoked"
            )
        if event.kind == "approve":
            _approve(standing, entry)
        elif event.kind == "revoke":
            _leave(found, standing)
            standing.state, standing.since = "revoked", event
        else:
            _move(found, standing, entry)
    return found


def _approve(standing: Standing, entry: Entry) -> None:
    state, signer = entry.event.state, entry.signer
    if state is None or signer is None:
        raise VerificationError(f"an approval of {standing.version} says of nobody, or for nothing")
    standing.approvals.setdefault(state, {})[signer] = entry.event


def _push(found: Standings, entry: Entry) -> None:
    event = entry.event
    if event.version in found.versions or event.version in STATES:
        raise VerificationError(f"{found.name} has {event.version} twice")
    found.versions[event.version] = Standing(
        version=event.version, manifest=event.manifest, adapter_digest=event.adapter_digest,
        pushed=event.time, signer=entry.signer,
    )  # fmt: skip


def _move(found: Standings, standing: Standing, entry: Entry) -> None:
    event = entry.event
    state: State = event.state or "production"
    if event.kind == "rollback" and not standing.was_production:
        raise VerificationError(
            f"line {event.sequence + 1} of the log of {found.name} rolls back to "
            f"{standing.version}, which never was in production"
        )
    if entry.signer is None:
        raise VerificationError(f"nobody moved {standing.version}")
    _leave(found, standing)
    held = found.holders.get(state)
    if held is not None:
        before = found.versions[held]
        before.state = "retired" if before.was_production else "draft"
    found.holders[state] = standing.version
    agreed = standing.approvals.get(state, {})
    standing.backers = {signer: one for signer, one in agreed.items()
                        if (one.gate, one.override) == (event.gate, event.override)}  # fmt: skip
    standing.backers[entry.signer] = event
    standing.state, standing.since, standing.approvals = state, event, {}
    if state == "production":
        standing.was_production = True
        found.productions.append(standing.version)


def _leave(found: Standings, standing: Standing) -> None:
    for state in STATES:
        if found.holders.get(state) == standing.version:
            del found.holders[state]
