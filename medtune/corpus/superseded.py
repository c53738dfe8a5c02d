"""Documents that a later one of the same id replaces, or that their source withdrew.

PubMed's updates say the same record again with a new revision, and delete others. Of all documents
with one id the highest revision stands. A paper that any source calls retracted goes from all of
them, by its identifiers. Documents of one id and one revision are left to the
comparison of their identifiers and words: ids of a source are not always its own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medtune.corpus.signatures import numbers, signatures_of
from medtune.digests import atomic_writer

ROWS_AT_ONCE = 1 << 22
"""Keys that are held in memory and sorted; of more, one range of keys is taken after another."""
SUPERSEDED = "superseded.npy"
RETRACTED = np.uint64((1 << 64) - 1)
"""Stands for a keeper where nothing does."""
_FULL = 1 << 64

Numbers = NDArray[np.uint64]


class Superseded(NamedTuple):
    """Rows that go before any are compared; both arrays are sorted by row."""

    losers: Numbers
    keepers: Numbers
    """The row that stands instead; the loser itself where its source withdrew it; RETRACTED where
    it is a retracted paper."""


def key_ranges(count: int) -> Iterator[tuple[np.uint64, np.uint64]]:
    """First and last key of ranges that hold about ROWS_AT_ONCE of ``count`` hashes each."""
    parts = -(-count // ROWS_AT_ONCE) or 1
    for part in range(parts):
        yield np.uint64(_FULL * part // parts), np.uint64(_FULL * (part + 1) // parts - 1)


def first_rows(documents: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Place of the first row of each document: that of its text."""
    return np.flatnonzero(np.diff(documents.astype(np.int64), prepend=-1))


def write_superseded(signatures: Path, num_units: int, target: Path) -> None:
    """Find all rows that go because of their document's id, and write them.

    Args:
        signatures: Folder of the units' signatures.
        num_units: How many there are.
        target: The file.
    """
    units = [signatures_of(signatures, unit) for unit in range(num_units)]
    count = sum(len(unit.array("ids")) for unit in units)
    found = [_of_range(signatures, num_units, low, high) for low, high in key_ranges(count)]
    found.insert(0, _retracted(signatures, num_units))
    losers = np.concatenate([part.losers for part in found])
    keepers = np.concatenate([part.keepers for part in found])
    # Sorted, and the first of several reasons alone.
    losers, first = np.unique(losers, return_index=True)
    with atomic_writer(target) as file:
        np.save(file, np.stack([losers, keepers[first]]), allow_pickle=False)


def read_superseded(target: Path) -> Superseded:
    """What :func:`write_superseded` wrote."""
    losers, keepers = np.load(target, allow_pickle=False)
    return Superseded(losers, keepers)


def _retracted(signatures: Path, num_units: int) -> Superseded:
    """Rows of papers that any source says were retracted: few enough to be held in memory."""
    units = [signatures_of(signatures, unit) for unit in range(num_units)]
    keys = np.unique(np.concatenate([unit.array("retractions") for unit in units]))
    rows = []
    for number, unit in enumerate(units):
        named = unit.array("identifiers")
        rows.append(numbers(number, named[np.isin(named[:, 0], keys), 1]))
    losers = np.unique(np.concatenate(rows))
    return Superseded(losers, np.full(len(losers), RETRACTED))


def _of_range(signatures: Path, num_units: int, low: np.uint64, high: np.uint64) -> Superseded:
    keys, revisions, rows, deletions = [], [], [], []
    for number in range(num_units):
        unit = signatures_of(signatures, number)
        ids = unit.array("ids")
        chosen = np.flatnonzero((ids >= low) & (ids <= high))
        keys.append(ids[chosen])
        revisions.append(unit.array("revisions")[chosen])
        rows.append(numbers(number, first_rows(unit.array("row_documents"))[chosen]))
        deleted = unit.array("deletions")
        deletions.append(deleted[(deleted[:, 0] >= low) & (deleted[:, 0] <= high)])
    return _losers(
        np.concatenate(keys),
        np.concatenate(revisions),
        np.concatenate(rows),
        np.concatenate(deletions),
    )


def _losers(
    keys: Numbers, revisions: NDArray[np.int64], rows: Numbers, deletions: Numbers
) -> Superseded:
    # The highest revision of each key first, and of equal ones the first row.
    order = np.lexsort((rows, -revisions, keys))
    keys, revisions, rows = keys[order], revisions[order], rows[order]
    is_first = np.ones(len(keys), dtype=np.bool_)
    is_first[1:] = keys[1:] != keys[:-1]
    latest = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
    keepers = rows[latest]
    withdrawn = revisions <= _withdrawn_until(keys, deletions)
    keepers = np.where(withdrawn, rows, keepers)
    loses = (revisions < revisions[latest]) | withdrawn
    return Superseded(rows[loses], keepers[loses])


def _withdrawn_until(keys: Numbers, deletions: Numbers) -> NDArray[np.int64]:
    """For each key the highest revision up to which it is withdrawn; below all where it is not."""
    never = np.iinfo(np.int64).min
    if not len(deletions):
        return np.full(len(keys), never)
    order = np.lexsort((deletions[:, 1].astype(np.int64), deletions[:, 0]))
    sorted_ids = deletions[order, 0]
    last = np.searchsorted(sorted_ids, keys, side="right") - 1
    until = deletions[order, 1].astype(np.int64)
    met = (last >= 0) & (sorted_ids[np.maximum(last, 0)] == keys)
    return np.where(met, until[np.maximum(last, 0)], never)
