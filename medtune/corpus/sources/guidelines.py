"""Clinical guidelines in the schema of epfl-llm/guidelines: id, title, clean_text, raw_text.

``raw_text`` is read where there is one: ``clean_text`` has lost tables, "<0.001" and "[Na+]".
"""

from medtune.corpus.cleaning.plain import clean
from medtune.corpus.document import Document, digest_id
from medtune.corpus.sources.lines import Row, document, licence_of, names_of, optional, text_of
from medtune.recipe.corpus import Cleaning, Source


def from_row(row: Row, place: str, source: Source, cleaning: Cleaning) -> Document:
    """One guideline.

    Raises:
        BadRow: It has no text.
    """
    drop_citations = cleaning.citations == "drop"
    text = clean(text_of(row, "raw_text", "clean_text", "text"), drop_citations=drop_citations)
    title = " ".join(clean(optional(row, "title"), drop_citations=False).split())
    first, _, rest = text.partition("\n")
    if title and first.lstrip("# ").casefold() == title.casefold():
        text = rest.strip() or text
    own = optional(row, "id")
    key = f"guideline:{own}" if own else digest_id(source.name, place)
    return document(
        source, key, title, text, licence_of(row, source), **names_of(row, url="url", doi="doi")
    )
