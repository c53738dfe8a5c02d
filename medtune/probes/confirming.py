"""Sealed items are asked once for each adapter, so that nobody trains until they pass.

Beside the sealed files lies ``opened.jsonl``: a line for each adapter that was put to them, by its
digest, which a copy of the adapter has too, and for each file by its own, which no change of the
plan changes. Who may write there can remove a line; the folder belongs to the site and not to those
who train.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from medtune.digests import write_text
from medtune.errors import DataError, RunExistsError

LEDGER = "opened.jsonl"
_FIELDS = ("adapter", "probe", "sealed")


def require_unopened(folder: Path, adapter: str, sealed: Mapping[str, str]) -> None:
    """See that an adapter was never asked the sealed items.

    Args:
        folder: Of the sealed files.
        adapter: Its digest.
        sealed: Name of each probe -> sha256 of its sealed file.

    Raises:
        RunExistsError: It was asked some of them before.
        DataError: The ledger is damaged.
    """
    if again := sorted(_opened(folder, adapter, sealed)):
        raise RunExistsError(
            f"{folder}: this adapter was asked the sealed items of {', '.join(again)} before; they "
            "are opened once for each adapter"
        )


def record_opened(folder: Path, adapter: str, sealed: Mapping[str, str]) -> None:
    """Record that sealed items are put to an adapter, before the first is asked.

    Raises:
        DataError: The ledger is damaged, or cannot be written.
    """
    before = _opened(folder, adapter, sealed)
    rows = [
        {"adapter": adapter, "probe": name, "sealed": digest}
        for name, digest in sorted(sealed.items())
        if name not in before
    ]
    lines = [*_lines(folder), *(json.dumps(row, sort_keys=True) for row in rows)]
    try:
        write_text(folder / LEDGER, "\n".join(lines) + "\n")
    except OSError as error:
        raise DataError(
            f"{folder / LEDGER} cannot be written ({error.strerror}), and without a line there no "
            "sealed item is asked"
        ) from error


def _opened(folder: Path, adapter: str, sealed: Mapping[str, str]) -> set[str]:
    seen = set(_entries(folder))
    return {name for name, digest in sealed.items() if (adapter, name, digest) in seen}


def _entries(folder: Path) -> Iterator[tuple[str, ...]]:
    """What each line records. One that cannot be read may be of any adapter: it is no blank."""
    for number, line in enumerate(_lines(folder), 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in _FIELDS):
            raise DataError(
                f"{folder / LEDGER}:{number}: not a JSON object with the texts "
                f"{', '.join(_FIELDS)}: which adapters were asked is not known; restore the file "
                "from a backup"
            )
        yield tuple(row[key] for key in _FIELDS)


def _lines(folder: Path) -> list[str]:
    file = folder / LEDGER
    if not file.is_file():
        return []
    lines = []
    for number, raw in enumerate(file.read_bytes().splitlines(), 1):
        try:
            lines.append(raw.decode("utf-8"))
        except UnicodeDecodeError:
            raise DataError(f"{file}:{number}: not UTF-8; restore the file from a backup") from None
    return lines
