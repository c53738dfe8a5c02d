"""Near-duplicates among many texts, found by their signatures and compared on their shingles.

What is returned is never below the threshold; what is missed is said with each function.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medtune.errors import DataError
from medtune.overlap.hashing import BAND_SIZE, NO_WORDS, NUM_BANDS, Shingles, combine, jaccard

MAX_PAIRS = 20_000_000
"""More pairs than this take minutes to compare, and come from templates."""

_MAX_MISSED = 1e-3
_MAX_CACHED_TEXTS = 4096
_MAX_EARLIER = 8
_CHUNK = 1 << 20


def near_pairs(
    bands_N32: NDArray[np.uint32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    shingles_of: Callable[[int], Shingles],
    threshold: float,
) -> dict[int, tuple[int, float]]:
    """Rows of ``left`` that have a near-duplicate among ``right``.

    A pair at the threshold is missed with a probability of at most one in a thousand where the
    threshold is 0.67 or more, and with (1 - threshold^4)^32 below it. Texts with the same shingles
    are never missed.

    Args:
        bands_N32: Signatures of all rows.
        left: Numbers of rows of ``bands_N32``.
        right: Numbers of rows to look among.
        shingles_of: Gives a row's shingles; called for candidates alone.
        threshold: Lowest Jaccard similarity of near-duplicates.

    Returns:
        For each such row the most similar one of ``right`` among its candidates, the lowest
        number among equals, and their Jaccard similarity.

    Raises:
        DataError: More than MAX_PAIRS pairs of different texts would have to be compared.
    """
    fetch = lru_cache(maxsize=_MAX_CACHED_TEXTS)(shingles_of)
    lefts, rights = _Alike.of(bands_N32, left), _Alike.of(bands_N32, right)
    candidates = _candidates(
        _keys(bands_N32[lefts.firsts], threshold), _keys(bands_N32[rights.firsts], threshold)
    )
    # Rows of one signature may still differ in a shingle or two.
    texts: dict[int, list[int]] = {}
    found: dict[int, tuple[int, float]] = {}
    for number, pairs in groupby(candidates, key=lambda pair: pair[0]):
        others = []
        for _, other in pairs:
            if other not in texts:
                texts[other] = [rows[0] for rows in rights.same_text(other, fetch)]
            others += texts[other]
        for rows in lefts.same_text(number, fetch):
            best = _most_similar(fetch(rows[0]), others, fetch, threshold)
            if best is not None:
                found |= dict.fromkeys(rows, best)
    return found


def near_earlier(
    bands_N32: NDArray[np.uint32],
    rows: NDArray[np.int64],
    shingles_of: Callable[[int], Shingles],
    threshold: float,
) -> dict[int, tuple[int, float]]:
    """Rows that have a near-duplicate among the rows before them in the list.

    The work grows with the number of rows, however alike they are: in each band a row meets the
    last 8 different signatures before it, and is compared with the 8 of these that agree with it
    in most bands. A row whose only near-duplicates are further back than 8 others of the same
    band, in every band, is therefore missed: among rows from one template the count is a lower
    bound. Rows with the shingles of an earlier row are never missed.

    Args:
        bands_N32: Signatures of all rows.
        rows: Numbers of rows of ``bands_N32``, in the order that counts.
        shingles_of: Gives a row's shingles; called for candidates alone.
        threshold: Lowest Jaccard similarity of near-duplicates.

    Returns:
        For each such row the first near-duplicate that was met, and their Jaccard similarity.
    """
    fetch = lru_cache(maxsize=_MAX_CACHED_TEXTS)(lambda place: shingles_of(int(rows[place])))
    listed = bands_N32[rows]
    alike = _Alike.of(listed, np.arange(len(rows)))
    found: dict[int, tuple[int, float]] = {}

    def compare(place: int, others: list[int]) -> None:
        for other in others:
            similarity = jaccard(fetch(place), fetch(other))
            if similarity >= threshold:
                found[place] = (other, similarity)
                return

    for group in np.flatnonzero(np.diff(alike.starts) > 1).tolist():
        texts = alike.same_text(group, fetch)
        for number, places in enumerate(texts):
            compare(places[0], [same[0] for same in texts[:number][-_MAX_EARLIER:]])
            found |= dict.fromkeys(places[1:], (places[0], 1.0))
    firsts = np.sort(alike.firsts)
    for number, options in _earlier(listed[firsts]):
        compare(int(firsts[number]), firsts[options].tolist())
    return {
        int(rows[place]): (int(rows[other]), similarity)
        for place, (other, similarity) in sorted(found.items())
    }


class _Alike(NamedTuple):
    """Rows in groups of one signature. Rows without words are in no group."""

    rows: NDArray[np.int64]
    """Group by group; ascending within a group."""
    starts: NDArray[np.int64]
    """Where each group begins, and where the last one ends."""

    @classmethod
    def of(cls, bands_N32: NDArray[np.uint32], rows: NDArray[np.int64]) -> "_Alike":
        rows = np.unique(rows)
        signatures = bands_N32[rows]
        worded = (signatures != NO_WORDS).any(axis=1)
        rows, signatures = rows[worded], signatures[worded]
        keys = combine([signatures[:, band].astype(np.uint64) for band in range(NUM_BANDS)])
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        new = np.flatnonzero(keys[1:] != keys[:-1]) + 1
        starts = np.concatenate(([0], new, [len(rows)])) if len(rows) else np.zeros(1)
        return cls(rows[order], starts.astype(np.int64))

    @property
    def firsts(self) -> NDArray[np.int64]:
        """The lowest row of each group."""
        return self.rows[self.starts[:-1]]

    def same_text(self, group: int, fetch: Callable[[int], Shingles]) -> list[list[int]]:
        """Rows of a group by their shingles, ascending."""
        rows = self.rows[self.starts[group] : self.starts[group + 1]].tolist()
        if len(rows) == 1:
            return [rows]
        texts: dict[bytes, list[int]] = {}
        for row in rows:
            texts.setdefault(fetch(row).tobytes(), []).append(row)
        return list(texts.values())


def _keys(bands_N32: NDArray[np.uint32], threshold: float) -> NDArray[np.uint64]:
    """What candidates have to agree in, once at least: bands, or several bands at a time.

    The higher the threshold, the more bands near-duplicates agree in: keys of several bands then
    find them as surely, and fewer others.
    """
    joined = 1
    for width in (2, 4, 8, 16, NUM_BANDS):
        missed = (1 - threshold ** (BAND_SIZE * width)) ** (NUM_BANDS // width)
        if missed <= _MAX_MISSED:
            joined = width
    parts = bands_N32.astype(np.uint64).reshape(-1, NUM_BANDS // joined, joined)
    return combine(np.moveaxis(parts, 2, 0))


def _candidates(
    left_LK: NDArray[np.uint64], right_RK: NDArray[np.uint64]
) -> Iterator[tuple[int, int]]:
    """Pairs of rows that agree in a key, each once, by left and then right row."""
    found: list[NDArray[np.int64]] = []
    count = 0
    for key in range(left_LK.shape[1]):
        order = np.argsort(right_RK[:, key], kind="stable")
        values = right_RK[order, key]
        low = np.searchsorted(values, left_LK[:, key], side="left")
        sizes = np.searchsorted(values, left_LK[:, key], side="right") - low
        _check_pairs(int(sizes.sum()))
        # In pieces of about a million pairs, so that only the pairs themselves take memory.
        pieces = np.searchsorted(np.cumsum(sizes), np.arange(_CHUNK, sizes.sum(), _CHUNK))
        for rows in np.split(np.arange(len(sizes)), pieces):
            lefts = np.repeat(rows, sizes[rows])
            nth = np.arange(len(lefts)) - np.repeat(
                np.cumsum(sizes[rows]) - sizes[rows], sizes[rows]
            )
            rights = order[np.repeat(low[rows], sizes[rows]) + nth]
            new = np.ones(len(lefts), dtype=np.bool_)
            for before in range(key):
                new &= left_LK[lefts, before] != right_RK[rights, before]
            found.append(lefts[new] * len(right_RK) + rights[new])
            count += len(found[-1])
        _check_pairs(count)
    numbers = np.sort(np.concatenate(found))
    for start in range(0, len(numbers), _CHUNK):
        lefts, rights = np.divmod(numbers[start : start + _CHUNK], len(right_RK))
        yield from zip(lefts.tolist(), rights.tolist(), strict=True)


def _check_pairs(count: int) -> None:
    if count > MAX_PAIRS:
        raise DataError(
            f"at least {count:,} pairs of rows are alike enough to be compared as "
            f"near-duplicates, more than {MAX_PAIRS:,}: most rows come from the same templates. "
            "Set a higher data.near_duplicate (1: only prompts of the same words)"
        )


def _most_similar(
    text: Shingles, others: list[int], fetch: Callable[[int], Shingles], threshold: float
) -> tuple[int, float] | None:
    """The most similar of the rows, the lowest among equals; None: all are below the threshold."""
    best = None
    for row in sorted(others):
        similarity = jaccard(text, fetch(row))
        if similarity >= threshold and (best is None or similarity > best[1]):
            best = (row, similarity)
    return best


def _earlier(bands_N32: NDArray[np.uint32]) -> Iterator[tuple[int, list[int]]]:
    """Rows with up to 8 earlier ones each that share bands with it, those with most bands first."""
    count = len(bands_N32)
    previous_N32 = np.full((count, NUM_BANDS), -1, dtype=np.int32)
    for band in range(NUM_BANDS):
        order = np.argsort(bands_N32[:, band], kind="stable")
        values = bands_N32[order, band]
        same = np.flatnonzero(values[1:] == values[:-1])
        previous_N32[order[same + 1], band] = order[same]
    met = np.flatnonzero((previous_N32 >= 0).any(axis=1))
    columns = np.arange(NUM_BANDS)
    for start in range(0, len(met), 1024):
        rows = met[start : start + 1024]
        steps = [previous_N32[rows]]
        while len(steps) < _MAX_EARLIER and (steps[-1] >= 0).any():
            steps.append(np.where(steps[-1] >= 0, previous_N32[steps[-1], columns], -1))
        options = np.concatenate(steps, axis=1).astype(np.int64)
        agreeing = np.zeros(options.shape, dtype=np.int64)
        for band in range(NUM_BANDS):
            agreeing += bands_N32[rows, None, band] == bands_N32[options, band]
        ranked = np.where(options >= 0, agreeing * count + options, -1)
        ranked = -np.sort(-ranked, axis=1)
        for row, keys in zip(rows.tolist(), ranked.tolist(), strict=True):
            different = [key % count for key, _ in groupby(keys) if key >= 0]
            yield row, different[:_MAX_EARLIER]
