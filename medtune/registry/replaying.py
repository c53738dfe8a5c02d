"""Decisions of the gate that are attached to a version: signed, and decided again from evidence."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medtune.errors import VerificationError
from medtune.gate.decision import Decision
from medtune.gate.evidence import assemble
from medtune.gate.run import GATE, decide_again, read_gate
from medtune.registry.contents import MANIFEST
from medtune.registry.layout import Layout
from medtune.registry.manifest import Attachment, Version, safe_name
from medtune.registry.statements import GATE as GATE_TYPE
from medtune.registry.statements import STATEMENT_FILE, open_statement, parse_json
from medtune.registry.trust import Trust

PROBES, PREVIOUS = "probes", "previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision that was made again and is the same."""

    attachment: str
    """Digest of its manifest."""
    decision: Decision
    policy: str
    policy_digest: str
    decided: datetime
    signatures: tuple[tuple[str, datetime], ...]
    """Ids of the keys that signed it, each with the time that it says; none: nobody."""
    is_clinical: bool
    recorded: dict[str, Any]

    @property
    def signers(self) -> tuple[str, ...]:
        """Ids of the keys that signed it."""
        return tuple(signer for signer, _ in self.signatures)


def decisions(layout: Layout, version: Version, trust: Trust, author: str | None) -> list[Decided]:
    """All decisions that are attached to a version, each decided again, the oldest first.

    Args:
        layout: Of the registry.
        version: The version.
        trust: The trust root.
        author: Id of the key that signed the version: it cannot waive for itself.

    Raises:
        VerificationError: One of them is of another adapter, was changed, or does not come out
            again.
    """
    attached = list(layout.attachments(version.digest))
    signed = _signed(layout, version, attached, trust)
    found = [
        _decide(layout, version, one, trust, author, signed.get(one.digest, ()))
        for one in attached
        if one.kind == "gate"
    ]
    return sorted(found, key=lambda one: one.decided)


def _signed(
    layout: Layout, version: Version, attached: Sequence[Attachment], trust: Trust
) -> dict[str, list[tuple[str, datetime]]]:
    """Digest of a gate's manifest -> who signed it, and when."""
    found: dict[str, list[tuple[str, datetime]]] = {}
    for one in attached:
        file = one.file(STATEMENT_FILE)
        if one.kind != "statement" or file is None:
            continue
        envelope = parse_json(layout.read_file(file), STATEMENT_FILE)
        subject, predicate, signers = open_statement(envelope, trust, GATE_TYPE)
        if (
            subject != version.digest
            or predicate.get("adapter_digest") != version.pins.adapter_digest
        ):
            raise VerificationError("a decision that is attached is signed for another version")
        when = _time(predicate.get("signed"))
        found.setdefault(str(predicate.get("gate")), []).extend((one, when) for one in signers)
    return found


def _time(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        raise VerificationError("a decision that is attached is signed at no time") from None


def _decide(
    layout: Layout,
    version: Version,
    gate: Attachment,
    trust: Trust,
    author: str | None,
    signatures: Sequence[tuple[str, datetime]],
) -> Decided:
    with unpacked_files(layout, gate) as folder:
        recorded = read_gate(folder / GATE)
        if recorded.get("adapter_digest") != version.pins.adapter_digest:
            raise VerificationError("a decision that is attached is of another adapter")
        if recorded.get("base_digest") != version.pins.base_digest:
            raise VerificationError("a decision that is attached is of another base")
        evidence = assemble(
            folder, version.pins.adapter_digest, _manifest(layout, version), folder / PROBES,
            sorted(folder.glob("scores-*")),
            folder / PREVIOUS if (folder / PREVIOUS).is_dir() else None,
        )  # fmt: skip
        whose = recorded | {"author": recorded.get("author") or author}
        decision = decide_again(folder / GATE, whose, evidence, trust.waiver_keys)
    policy = recorded["policy"]
    return Decided(
        attachment=gate.digest, decision=decision, policy=str(policy["policy"]),
        policy_digest=recorded["policy_digest"],
        decided=datetime.fromisoformat(recorded["decided"]).astimezone(UTC),
        signatures=tuple(signatures), is_clinical=bool(policy["is_clinical"]),
        recorded=recorded,
    )  # fmt: skip


@contextmanager
def unpacked_files(layout: Layout, attachment: Attachment) -> Iterator[Path]:
    """A folder with an attachment's files, every byte checked."""
    with tempfile.TemporaryDirectory(prefix="medtune-") as name:
        folder = Path(name)
        for file in attachment.files:
            path = folder / safe_name(file.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(layout.read_file(file))
        yield folder


def _manifest(layout: Layout, version: Version) -> dict[str, Any]:
    """What the adapter says of itself, and that it says what the version is pinned to."""
    file = next((file for file in version.files if file.name == MANIFEST), None)
    if file is None:
        raise VerificationError(f"the version has no {MANIFEST}")
    values = parse_json(layout.read_file(file), MANIFEST)
    if not isinstance(values, dict) or values.get("base_digest") != version.pins.base_digest:
        raise VerificationError(f"{MANIFEST} names another base than the version is pinned to")
    return values
