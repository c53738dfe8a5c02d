"""How much text two texts share: runs of words, near-duplicates, and items of an evaluation set."""

from medtune.overlap.hashing import NO_WORDS, NUM_BANDS, Shingles, bands, jaccard, shingles, words
from medtune.overlap.near import MAX_PAIRS, near_earlier, near_pairs
from medtune.overlap.ngrams import Hit, NgramIndex, shared_text

__all__ = [
    "MAX_PAIRS",
    "NO_WORDS",
    "NUM_BANDS",
    "Hit",
    "NgramIndex",
    "Shingles",
    "bands",
    "jaccard",
    "near_earlier",
    "near_pairs",
    "shared_text",
    "shingles",
    "words",
]
