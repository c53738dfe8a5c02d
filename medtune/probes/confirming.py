"""Sealed items are asked once for each adapter, so that nobody trains until they pass.

Beside the sealed files lies ``opened.jsonl``: a line for each adapter that was put to them, by its
digest, which a copy of the adapter has too. Who may write there can remove a line; the folder
belongs to the site and not to those who train.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from medtune.digests import write_text
from medtune.errors import RunExistsError

LEDGER = "opened.jsonl"


def require_unopened(folder: Path, adapter: str, families: Mapping[str, str]) -> None:
    """See that an adapter was never asked the sealed items.

    Args:
        folder: Of the sealed files.
        adapter: Its digest.
        families: Name -> digest of what is asked.

    Raises:
        RunExistsError: It was asked some of them before.
    """
    again = sorted(families.keys() & _opened(folder, adapter, families))
    if again:
        raise RunExistsError(
            f"{folder}: this adapter was asked the sealed items of {', '.join(again)} before; they "
            "are opened once for each adapter"
        )


def record_opened(folder: Path, adapter: str, families: Mapping[str, str]) -> None:
    """Record that sealed items are put to an adapter, before the first is asked."""
    before = _opened(folder, adapter, families)
    rows = [
        {"adapter": adapter, "digest": digest, "probe": name}
        for name, digest in sorted(families.items())
        if name not in before
    ]
    lines = [*_lines(folder), *(json.dumps(row, sort_keys=True) for row in rows)]
    write_text(folder / LEDGER, "\n".join(lines) + "\n")


def _opened(folder: Path, adapter: str, families: Mapping[str, str]) -> set[str]:
    seen = {(row["adapter"], row["digest"]) for row in map(json.loads, _lines(folder))}
    return {name for name, digest in families.items() if (adapter, digest) in seen}


def _lines(folder: Path) -> list[str]:
    file = folder / LEDGER
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
