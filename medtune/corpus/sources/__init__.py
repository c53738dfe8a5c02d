"""Readers of the formats that the corpus' sources are published in."""

from collections.abc import Mapping

from medtune.corpus.sources import (
    abstracts,
    guidelines,
    hub,
    jats,
    medquad,
    ngc,
    pages,
    plain_text,
    pubmed,
    redpajama,
    s2orc,
    s2orc_abstracts,
)
from medtune.corpus.sources.lines import JSON_LINES, parser
from medtune.corpus.sources.reader import Reader

READERS: Mapping[str, Reader] = {
    "guidelines_jsonl": Reader(JSON_LINES, parser(guidelines.from_row)),
    "ngc_xml": Reader(ngc.SUFFIXES, ngc.parse),
    "medquad_jsonl": Reader(JSON_LINES, parser(medquad.from_row)),
    "html": Reader(pages.HTML, pages.parse_html),
    "markdown": Reader(pages.MARKDOWN, pages.parse_markdown),
    "pubmed_xml": Reader(pubmed.SUFFIXES, pubmed.parse),
    "s2orc_abstracts": Reader(JSON_LINES, parser(s2orc_abstracts.from_row)),
    "abstracts_jsonl": Reader(JSON_LINES, parser(abstracts.from_row)),
    "jats": Reader(jats.SUFFIXES, jats.parse),
    "s2orc": Reader(JSON_LINES, parser(s2orc.from_row)),
    "redpajama_jsonl": Reader(JSON_LINES, parser(redpajama.from_row)),
    "text": Reader(plain_text.SUFFIXES, plain_text.parse),
    "datasets": Reader(hub.SUFFIXES, hub.parse),
}
"""By the recipe's ``format``."""

__all__ = ["READERS", "Reader"]
