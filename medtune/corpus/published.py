"""Table 1 of the MEDITRON paper (arXiv:2311.16079): what GAP-Replay held."""

from typing import NamedTuple

from medtune.recipe.corpus import Part


class Published(NamedTuple):
    """A row of the table."""

    title: str
    train_documents: str
    validation_documents: str
    train_tokens: str
    validation_tokens: str


TABLE_1: dict[Part, Published] = {
    "guidelines": Published("Clinical guidelines", "41K", "2,284", "107M", "6M"),
    "abstracts": Published("PubMed abstracts", "15.7M", "487K", "5.48B", "170M"),
    "papers": Published("PubMed papers", "4.9M", "142K", "40.7B", "1.23B"),
    "replay": Published("Experience replay", "494K", "0", "420M", "0"),
}
"""Rounded as the paper has it; tokens are Llama-2's."""
TOTAL = Published("Total", "21.1M", "631K", "46.7B", "1.4B")
