"""How often adapters of one lineage were put to the gate: trying until it passes is seen.

A ledger is a file of JSON lines that the site keeps (``--attempts FILE``). A lineage is the task
and the base of an adapter's recipe. Without a ledger, or for an adapter that does not lie in its
run, the number is unknown, and the report says so.
"""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

from medtune.digests import sha256_value
from medtune.errors import VerificationError
from medtune.recipe import lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """What a ledger knows of a lineage."""

    lineage: str | None
    """None: it cannot be told."""
    number: int | None
    """Which attempt this one is, counted by different adapters; None: not known."""
    earlier: tuple[str, ...]
    """Last verdicts of earlier adapters of the lineage, in their order."""
    own: tuple[str, ...] = ()
    """Verdicts on this very adapter before, under whichever policy."""

    def told(self) -> str:
        """In words."""
        if self.number is None:
            return "attempts of this lineage: unknown"
        before = f", after {', '.join(self.earlier)}" if self.earlier else ""
        own = f"; this adapter was decided on before: {', '.join(self.own)}" if self.own else ""
        return f"attempt {self.number} of this lineage{before}{own}"


def lineage_of(adapter: Path) -> str | None:
    """Digest of the task of the run's recipe and of its base; None where there is no run."""
    file = adapter.parent / lock.FILE_NAME
    if not file.is_file():
        return None
    return sha256_value(list(lock.read_lineage(file)))


def count(ledger: Path | None, lineage: str | None, adapter_digest: str) -> Attempts:
    """Which attempt this is.

    Raises:
        VerificationError: The ledger is none.
    """
    if ledger is None or lineage is None:
        return Attempts(lineage=lineage, number=None, earlier=())
    verdicts: dict[str, str] = {}
    own = []
    for row in _rows(ledger):
        if row["lineage"] != lineage:
            continue
        if row["adapter"] == adapter_digest:
            policy = str(row.get("policy", ""))
            own.append(f"{row['verdict']} (policy {policy[:8]})")
        else:
            verdicts[row["adapter"]] = row["verdict"]
    return Attempts(
        lineage=lineage, number=len(verdicts) + 1, earlier=tuple(verdicts.values()), own=tuple(own)
    )


def record(ledger: Path, lineage: str, adapter_digest: str, policy: str, verdict: str) -> None:
    """Add a line to the ledger; one of two that write at once waits for the other.

    Raises:
        VerificationError: It cannot be written.
    """
    row = {"lineage": lineage, "adapter": adapter_digest, "policy": policy, "verdict": verdict}
    try:
        with ledger.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(row, sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise VerificationError(f"{ledger} cannot be written: {error.strerror}") from error


def _rows(ledger: Path) -> list[dict[str, str]]:
    if not ledger.exists():
        return []
    try:
        *lines, rest = ledger.read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line) for line in lines]
        # A torn line is refused: what is added would stand in it.
        if rest or not all({"lineage", "adapter", "verdict"} <= row.keys() for row in rows):
            raise ValueError
    except (OSError, ValueError, AttributeError):
        raise VerificationError(
            f"{ledger} is no ledger of attempts that medtune wrote, or its last line is torn: look "
            "at it, and give it back its end"
        ) from None
    return rows
