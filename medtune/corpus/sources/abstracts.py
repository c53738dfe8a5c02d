"""Abstracts as JSON lines: title, abstract, pmid, pmcid, doi, licence."""

from medtune.corpus.cleaning.plain import clean
from medtune.corpus.document import Document, digest_id
from medtune.corpus.sources.lines import Row, document, licence_of, names_of, optional, text_of
from medtune.recipe.corpus import Cleaning, Source


def from_row(row: Row, place: str, source: Source, cleaning: Cleaning) -> Document:
    """One abstract.

    Raises:
        BadRow: It has no abstract.
    """
    del cleaning  # an abstract cites nothing and shows no table
    names = names_of(row, pmid="pmid", pmcid="pmcid", doi="doi")
    key = f"pmid:{names['pmid']}" if "pmid" in names else digest_id(source.name, place)
    text = clean(text_of(row, "abstract", "text"), drop_citations=False)
    title = " ".join(clean(optional(row, "title"), drop_citations=False).split())
    return document(source, key, title, text, licence_of(row, source), **names)
