"""How often adapters of one lineage were put to the gate: who tunes until it passes is seen.

A ledger is a file of JSON lines that the site keeps (``--attempts FILE``). A lineage is the task
and the base of an adapter's recipe. Without a ledger, or for an adapter that does not lie in its
run, the number is unknown, and the report says so.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from medtune.digests import sha256_value, write_text
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
    """Verdicts of earlier adapters of the lineage, in their order."""

    def told(self) -> str:
        """In words."""
        if self.number is None:
            return "attempts of this lineage: unknown"
        before = f", after {', '.join(self.earlier)}" if self.earlier else ""
        return f"attempt {self.number} of this lineage{before}"


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
    for row in _rows(ledger):
        if row["lineage"] == lineage and row["adapter"] != adapter_digest:
            verdicts[row["adapter"]] = row["verdict"]
    return Attempts(lineage=lineage, number=len(verdicts) + 1, earlier=tuple(verdicts.values()))


def record(ledger: Path, lineage: str, adapter_digest: str, policy: str, verdict: str) -> None:
    """Add a line to the ledger."""
    row = {"lineage": lineage, "adapter": adapter_digest, "policy": policy, "verdict": verdict}
    lines = [json.dumps(one, sort_keys=True) for one in (*_rows(ledger), row)]
    write_text(ledger, "\n".join(lines) + "\n")


def _rows(ledger: Path) -> list[dict[str, str]]:
    if not ledger.is_file():
        return []
    try:
        rows = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
        assert all({"lineage", "adapter", "verdict"} <= row.keys() for row in rows)
    except (OSError, ValueError, AttributeError, AssertionError):
        raise VerificationError(f"{ledger} is no ledger of attempts that medtune wrote") from None
    return rows
