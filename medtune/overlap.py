"""How much text two texts share: runs of words, their Jaccard similarity, near-duplicates.

A text is the set of its runs of words ("shingles"), each a 64-bit hash that is the same in every
process and on every machine. Near-duplicates are found by MinHash: 128 permutations in 32 bands of
4, so that two texts of Jaccard similarity J meet in a band with probability 1 - (1 - J^4)^32:
0.87 at 0.5, above 0.9999999 at 0.8 and on. Whoever meets is then compared on the shingles
themselves: what is returned is never below the threshold.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medtune.errors import DataError

NUM_BANDS = 32
"""Bands of a MinHash signature; texts that agree in one of them are compared."""
MAX_PAIRS = 20_000_000
"""More pairs to compare than this take hours, and come from templates."""

_BAND = 4
_BASE = np.uint64(0x9E3779B97F4A7C15)
_NO_WORDS = np.uint32(0xFFFFFFFF)
_MAX_CACHED_WORDS = 1 << 17
_MAX_CACHED_LETTERS = 40
_MAX_CACHED_TEXTS = 4096
_MAX_EARLIER = 8
_CHUNK = 1 << 20
_WORD = re.compile(r"\w+")

Shingles = NDArray[np.uint64]
"""Hashes of a text's runs of words, sorted, each once."""


def words(text: str) -> list[str]:
    r"""Words of a text: runs of ``\w`` after NFKC and case folding.

    Case, punctuation, white space and compatibility forms (ligatures, full-width letters) do not
    count. In a script without spaces between words everything between two punctuation marks is
    one word.
    """
    if text.isascii():
        return _WORD.findall(text.lower())
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def shingles(text: str, size: int = 5) -> Shingles:
    """Hashes of all runs of ``size`` words, sorted, each once.

    A text of fewer words has one shingle, all its words; a text without words has none.
    """
    return _runs(words(text), size)


def jaccard(left: Shingles, right: Shingles) -> float:
    """Shared shingles over all shingles of two texts, in [0, 1]; 0 for two without words."""
    both = np.concatenate((left, right))
    if not len(both):
        return 0.0
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)


def bands(shingles: Shingles) -> NDArray[np.uint32]:
    """MinHash signature of a text, of shape (NUM_BANDS,).

    Texts that agree in a band are candidates for near-duplicates. A text without words has a
    signature of its own, which is never a candidate.
    """
    if not len(shingles):
        return np.full(NUM_BANDS, _NO_WORDS)
    # The upper halves of mixed hashes are as good as the hashes, at a quarter of the work. A long
    # text goes through in pieces: its table has 128 columns.
    halves = (shingles >> np.uint64(32)).astype(np.uint32)
    lowest = np.full(NUM_BANDS * _BAND, 0xFFFFFFFF, dtype=np.uint32)
    for start in range(0, len(halves), 4096):
        table = halves[start : start + 4096, None] * _MULTIPLIERS
        table += _OFFSETS
        np.minimum(lowest, table.min(axis=0), out=lowest)
    parts = lowest.astype(np.uint64).reshape(NUM_BANDS, _BAND)
    return (_combine(parts.T) >> np.uint64(32)).astype(np.uint32)


def near_pairs(
    bands_N32: NDArray[np.uint32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    shingles_of: Callable[[int], Shingles],
    threshold: float,
) -> dict[int, tuple[int, float]]:
    """Rows of ``left`` that have a near-duplicate among ``right``.

    Args:
        bands_N32: Signatures of all rows.
        left: Numbers of rows of ``bands_N32``.
        right: Numbers of rows to look among.
        shingles_of: Gives a row's shingles; called for candidates alone.
        threshold: Lowest Jaccard similarity of near-duplicates.

    Returns:
        For each such row the most similar one of ``right`` among its candidates, the lowest
        number among equals, and their Jaccard similarity. Texts with the same shingles are always
        candidates.

    Raises:
        DataError: More than MAX_PAIRS pairs of different texts would have to be compared.
    """
    fetch = lru_cache(maxsize=_MAX_CACHED_TEXTS)(shingles_of)
    lefts, rights = _Alike.of(bands_N32, left), _Alike.of(bands_N32, right)
    candidates = _candidates(bands_N32[lefts.firsts], bands_N32[rights.firsts])
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


class Hit(NamedTuple):
    """An item of which a text holds words."""

    name: str
    num_shared: int
    """Different runs of words in both."""
    share_of_item: float
    """Of the item's runs, in (0, 1]."""
    share_of_text: float
    """Of the text's runs, in (0, 1]."""


class NgramIndex:
    """Items, such as those of an evaluation set, whose words are looked for in texts.

    A text of fewer than ``size`` words is one run of all its words, which only a text of the same
    words holds; below MIN_WORDS words it is none, and never a hit.

    Args:
        size: Words of a run.
    """

    MIN_WORDS = 4

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._names: list[str] = []
        self._runs: list[Shingles] = []
        self._built: tuple[Shingles, NDArray[np.int32], NDArray[np.int64]] | None = None

    def add(self, name: str, text: str) -> None:
        """Add an item.

        Raises:
            ValueError: The index was asked, copied or sent before: it is closed then.
        """
        if self._built is not None:
            raise ValueError("an index that has been used takes no more items")
        self._names.append(name)
        self._runs.append(self._runs_of(text))

    def hits(self, text: str, share: float) -> list[Hit]:
        """Items of which ``share`` is in the text, or which make up ``share`` of the text.

        Shares are of different runs of words. The largest share comes first, then the item that
        was added first.
        """
        hashes, items, sizes = self._table()
        runs = self._runs_of(text)
        low = np.searchsorted(hashes, runs, side="left")
        high = np.searchsorted(hashes, runs, side="right")
        met = np.flatnonzero(high > low)
        if not len(met):
            return []
        holders = np.concatenate([items[low[i] : high[i]] for i in met])
        numbers, shared = np.unique(holders, return_counts=True)
        of_item, of_text = shared / sizes[numbers], shared / len(runs)
        largest = np.maximum(of_item, of_text)
        order = np.argsort(-largest, kind="stable")
        return [
            Hit(self._names[numbers[i]], int(shared[i]), float(of_item[i]), float(of_text[i]))
            for i in order
            if largest[i] >= share
        ]

    def __getstate__(self) -> dict[str, object]:
        self._table()  # once here, and not in each process that it is sent to
        return self.__dict__

    def _runs_of(self, text: str) -> Shingles:
        found = words(text)
        return _runs(found if len(found) >= self.MIN_WORDS else [], self._size)

    def _table(self) -> tuple[Shingles, NDArray[np.int32], NDArray[np.int64]]:
        """Sorted hashes, the item of each, and the number of runs of each item."""
        if self._built is None:
            sizes = np.array([len(runs) for runs in self._runs], dtype=np.int64)
            hashes = np.concatenate([_NONE, *self._runs])
            items = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
            order = np.argsort(hashes, kind="stable")
            self._built = (hashes[order], items[order], sizes)
            self._runs = []
        return self._built


def shared_text(text: str, other: str, size: int) -> str:
    """The longest run of words that both texts hold, as it stands in ``text``.

    It begins and ends at white space. Empty where no run of ``size`` words is shared, or of all
    words of the shorter text if it has fewer.
    """
    # Pieces between white space are words with their punctuation: a run is told from them, for
    # words alone do not say where they stood.
    pieces = list(re.finditer(r"\S+", text))
    piece_of = [number for number, piece in enumerate(pieces) for _ in words(piece.group())]
    left = [word for piece in pieces for word in words(piece.group())]
    right = words(other)
    size = min(size, len(left), len(right))
    if not size:
        return ""
    places: dict[tuple[str, ...], list[int]] = {}
    for j in range(len(right) - size + 1):
        places.setdefault(tuple(right[j : j + size]), []).append(j)
    best_end, best_length = 0, 0
    lengths: dict[int, int] = {}
    for i in range(len(left) - size + 1):
        # A run that ends at word j of the other text goes on from one that ended at j - 1.
        ends = places.get(tuple(left[i : i + size]), [])
        lengths = {j: lengths.get(j - 1, 0) + 1 for j in ends}
        longest = max(lengths.values(), default=0)
        if longest > best_length:
            best_end, best_length = i, longest
    if not best_length:
        return ""
    start, end = best_end - best_length + 1, best_end + size - 1
    return text[pieces[piece_of[start]].start() : pieces[piece_of[end]].end()]


def _hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")


class _WordHashes(dict[str, int]):
    """Hashes of the words met last; emptied when full, so that rare words do not pile up."""

    def __missing__(self, word: str) -> int:
        value = _hash(word)
        if len(word) <= _MAX_CACHED_LETTERS:
            if len(self) >= _MAX_CACHED_WORDS:
                self.clear()
            self[word] = value
        return value


_WORD_HASHES = _WordHashes()
_NONE = np.empty(0, dtype=np.uint64)
_MULTIPLIERS = np.array(
    [_hash(f"multiplier {i}") % 2**32 | 1 for i in range(NUM_BANDS * _BAND)], dtype=np.uint32
)
_OFFSETS = np.array(
    [_hash(f"offset {i}") % 2**32 for i in range(NUM_BANDS * _BAND)], dtype=np.uint32
)


def _runs(found: list[str], size: int) -> Shingles:
    """Hashes of the runs of ``size`` words, sorted, each once."""
    if not found:
        return _NONE
    hashes = np.array(list(map(_WORD_HASHES.__getitem__, found)), dtype=np.uint64)
    size = min(size, len(found))
    count = len(found) - size + 1
    combined = _combine([hashes[i : i + count] for i in range(size)])
    combined.sort()
    different = np.empty(count, dtype=np.bool_)
    different[0] = True
    np.not_equal(combined[1:], combined[:-1], out=different[1:])
    return combined[different]


def _combine(parts: "list[Shingles] | NDArray[np.uint64]") -> Shingles:
    """One hash of the first elements of all parts, one of the second, and so on; order counts."""
    # A polynomial modulo 2^64, whose bits are then mixed: the upper ones are used on their own.
    total = parts[0].copy()
    for part in parts[1:]:
        total *= _BASE
        total += part
    total ^= total >> np.uint64(32)
    total *= np.uint64(0xD6E8FEB86659FD93)
    total ^= total >> np.uint64(32)
    total *= np.uint64(0xD6E8FEB86659FD93)
    return total


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
        worded = (signatures != _NO_WORDS).any(axis=1)
        rows, signatures = rows[worded], signatures[worded]
        keys = _combine([signatures[:, band].astype(np.uint64) for band in range(NUM_BANDS)])
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


def _candidates(
    left_L32: NDArray[np.uint32],
    right_R32: NDArray[np.uint32],
) -> Iterator[tuple[int, int]]:
    """Pairs of rows that agree in a band, each once, by left and then right row."""
    found: list[NDArray[np.int64]] = []
    count = 0
    for band in range(NUM_BANDS):
        order = np.argsort(right_R32[:, band], kind="stable")
        values = right_R32[order, band]
        low = np.searchsorted(values, left_L32[:, band], side="left")
        sizes = np.searchsorted(values, left_L32[:, band], side="right") - low
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
            for before in range(band):
                new &= left_L32[lefts, before] != right_R32[rights, before]
            found.append(lefts[new] * len(right_R32) + rights[new])
            count += len(found[-1])
        _check_pairs(count)
    keys = np.sort(np.concatenate(found))
    for start in range(0, len(keys), _CHUNK):
        lefts, rights = np.divmod(keys[start : start + _CHUNK], len(right_R32))
        yield from zip(lefts.tolist(), rights.tolist(), strict=True)


def _check_pairs(count: int) -> None:
    if count > MAX_PAIRS:
        raise DataError(
            f"at least {count:,} pairs of rows are alike enough to be compared as "
            f"near-duplicates, more than {MAX_PAIRS:,}: most rows come from the same templates. "
            "Set data.leaks: keep, or data.near_duplicate: 1"
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
