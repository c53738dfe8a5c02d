"""A text as the set of its runs of words, and the MinHash signature of that set.

A run is known by a 64-bit hash that is the same in every process and on every machine. A signature
has 128 permutations in 32 bands of 4, so that two texts of Jaccard similarity J agree in a band
with probability 1 - (1 - J^4)^32: 0.87 at 0.5, above 0.9999999 from 0.8 on.
"""

import re
import unicodedata
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

NUM_BANDS = 32
"""Bands of a signature; texts that agree in one of them are compared."""
BAND_SIZE = 4
"""Permutations of a band."""
NO_WORDS = np.uint32(0xFFFFFFFF)
"""In all bands: the signature of a text without words."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIXER = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
_MAX_CACHED_WORDS = 1 << 17
_MAX_CACHED_LETTERS = 40
_PIECE = 4096
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
    return hashed_runs(words(text), size)


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
        return np.full(NUM_BANDS, NO_WORDS)
    # The upper halves of mixed hashes are as good as the hashes, at a quarter of the work. A long
    # text goes through in pieces: its table has 128 columns.
    halves = (shingles >> _HALF).astype(np.uint32)
    lowest = np.full(NUM_BANDS * BAND_SIZE, 0xFFFFFFFF, dtype=np.uint32)
    for start in range(0, len(halves), _PIECE):
        table = halves[start : start + _PIECE, None] * _MULTIPLIERS
        table += _OFFSETS
        np.minimum(lowest, table.min(axis=0), out=lowest)
    parts = lowest.astype(np.uint64).reshape(NUM_BANDS, BAND_SIZE)
    return (combine(parts.T) >> _HALF).astype(np.uint32)


def hashed_runs(found: list[str], size: int) -> Shingles:
    """Hashes of the runs of ``size`` words, sorted, each once."""
    if not found:
        return np.empty(0, dtype=np.uint64)
    hashes = np.array(list(map(_WORD_HASHES.__getitem__, found)), dtype=np.uint64)
    size = min(size, len(found))
    count = len(found) - size + 1
    combined = combine([hashes[i : i + count] for i in range(size)])
    combined.sort()
    different = np.empty(count, dtype=np.bool_)
    different[0] = True
    np.not_equal(combined[1:], combined[:-1], out=different[1:])
    return combined[different]


def combine(parts: Iterable[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """One hash of the first elements of all parts, one of the second, and so on; order counts."""
    # A polynomial modulo 2^64, whose bits are then mixed: the upper ones are used on their own.
    rest = iter(parts)
    total = next(rest).copy()
    for part in rest:
        total *= _BASE
        total += part
    for _ in range(2):
        total ^= total >> _HALF
        total *= _MIXER
    return total


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


def _constants(name: str) -> NDArray[np.uint32]:
    hashes = [_hash(f"{name} {number}") for number in range(NUM_BANDS * BAND_SIZE)]
    return np.array(hashes, dtype=np.uint64).astype(np.uint32)


_WORD_HASHES = _WordHashes()
_MULTIPLIERS = _constants("multiplier") | np.uint32(1)
_OFFSETS = _constants("offset")
