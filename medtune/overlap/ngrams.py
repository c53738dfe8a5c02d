"""Items of an evaluation set, found again in other texts by runs of words."""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medtune.overlap.hashing import Shingles, hashed_runs, words


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
        return hashed_runs(found if len(found) >= self.MIN_WORDS else [], self._size)

    def _table(self) -> tuple[Shingles, NDArray[np.int32], NDArray[np.int64]]:
        """Sorted hashes, the item of each, and the number of runs of each item."""
        if self._built is None:
            sizes = np.array([len(runs) for runs in self._runs], dtype=np.int64)
            hashes = np.concatenate([hashed_runs([], self._size), *self._runs])
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
