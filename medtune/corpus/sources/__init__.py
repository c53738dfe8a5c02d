"""Readers of the formats that the corpus' sources are published in."""

from collections.abc import Mapping

from medtune.corpus.sources import abstracts, jats, medquad, ngc, plain_text
from medtune.corpus.sources.lines import JSON_LINES, parser
from medtune.corpus.sources.reader import Reader

READERS: Mapping[str, Reader] = {
    "abstracts_jsonl": Reader(JSON_LINES, parser(abstracts.from_row)),
    "jats": Reader(jats.SUFFIXES, jats.parse),
    "medquad_jsonl": Reader(JSON_LINES, parser(medquad.from_row)),
    "ngc_xml": Reader(ngc.SUFFIXES, ngc.parse),
    "text": Reader(plain_text.SUFFIXES, plain_text.parse),
}
"""By the recipe's ``format``."""

__all__ = ["READERS", "Reader"]
