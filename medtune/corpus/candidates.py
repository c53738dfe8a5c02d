"""Pairs of rows that may be one document: those that share a key.

One task takes one kind of key, gathers it from all units, sorts and groups it. Each pair is (later
row, earlier row). In a group of many, a row is paired with the first and with the few before it:
the work grows with the number of documents, however many of them come from one template.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medtune.corpus.signatures import Signatures, numbers, signatures_of
from medtune.corpus.superseded import Numbers, first_rows, key_ranges, read_superseded
from medtune.digests import atomic_writer
from medtune.overlap import NO_WORDS, NUM_BANDS

EARLIER = 6
"""Rows of its group before it that a row of a near-duplicate's band is paired with, beside the
first."""
BANDS = tuple(f"band-{number:02d}" for number in range(NUM_BANDS))
IDENTITY = ("words", "identifiers", "titles")
KINDS = (*IDENTITY, *BANDS)
"""What rows are grouped by; a task each."""


def write_candidates(
    kind: str, signatures: Path, num_units: int, superseded: Path, target: Path
) -> None:
    """Pair the rows that share a key of one kind.

    Args:
        kind: One of KINDS.
        signatures: Folder of the units' signatures.
        num_units: How many there are.
        superseded: File of rows that are not compared any more.
        target: Folder of the files, one for each range of keys: arrays of shape (pairs, 2), later
            row and earlier row, sorted.
    """
    gone = read_superseded(superseded).losers
    gather = _gatherer(kind)
    count = sum(len(gather(signatures_of(signatures, unit))[0]) for unit in range(num_units))
    target.mkdir(exist_ok=True)
    for part, (low, high) in enumerate(key_ranges(count)):
        keys, rows = [], []
        for number in range(num_units):
            unit_keys, places = gather(signatures_of(signatures, number))
            chosen = (unit_keys >= low) & (unit_keys <= high)
            keys.append(unit_keys[chosen])
            rows.append(numbers(number, places[chosen]))
        pairs = _paired(np.concatenate(keys), np.concatenate(rows), gone, kind in BANDS)
        with atomic_writer(target / f"{part:05d}.npy") as file:
            np.save(file, pairs, allow_pickle=False)


def _gatherer(kind: str) -> Callable[[Signatures], tuple[Numbers, NDArray[np.int64]]]:
    """What gives a unit's keys of a kind, and the row of each."""
    if kind in BANDS:
        number = BANDS.index(kind)
        return lambda unit: _band(unit, number)
    if kind == "words":
        return lambda unit: (unit.array("words")[:, 0], first_rows(unit.array("row_documents")))
    return lambda unit: (unit.array(kind)[:, 0], unit.array(kind)[:, 1].astype(np.int64))


def _band(unit: Signatures, number: int) -> tuple[Numbers, NDArray[np.int64]]:
    values = unit.array("bands")[number]
    worded = np.flatnonzero(values != NO_WORDS)
    # Bands are 32 bits wide; ranges of keys are of 64.
    return values[worded].astype(np.uint64) << np.uint64(32), worded


def _paired(keys: Numbers, rows: Numbers, gone: Numbers, is_band: bool) -> Numbers:
    stays = ~_among(rows, gone)
    keys, rows = keys[stays], rows[stays]
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.empty(0, int)
    nth = np.arange(len(keys)) - np.repeat(starts, np.diff(np.r_[starts, len(keys)]))
    pairs = [
        np.stack([rows[later], rows[earlier]], axis=1)
        for later, earlier in _distances(nth, EARLIER if is_band else 1)
    ]
    both = np.concatenate(pairs)
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    is_new = np.ones(len(both), dtype=np.bool_)
    is_new[1:] = (both[1:] != both[:-1]).any(axis=1)
    return both[is_new]


def _distances(
    nth: NDArray[np.int64], before: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of rows and of the first of their group; then of rows and of those before them."""
    later = np.flatnonzero(nth > 0)
    yield later, later - nth[later]
    for distance in range(1, before + 1):
        later = np.flatnonzero(nth > distance)
        yield later, later - distance


def _among(rows: Numbers, sorted_rows: Numbers) -> NDArray[np.bool_]:
    if not len(sorted_rows):
        return np.zeros(len(rows), dtype=np.bool_)
    places = np.minimum(np.searchsorted(sorted_rows, rows), len(sorted_rows) - 1)
    found: NDArray[np.bool_] = sorted_rows[places] == rows
    return found
