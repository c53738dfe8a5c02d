"""Readers of the formats that the corpus' sources are published in."""

from collections.abc import Mapping

from medtune.corpus.sources import jats
from medtune.corpus.sources.reader import Reader

READERS: Mapping[str, Reader] = {
    "jats": Reader(jats.SUFFIXES, jats.parse),
}
"""By the recipe's ``format``."""

__all__ = ["READERS", "Reader"]
