"""RedPajama's JSON lines: text and meta. Replay is read as it is, as bases have read it."""

from medtune.corpus.cleaning.characters import tidy
from medtune.corpus.document import Document, digest_id
from medtune.corpus.licences import normalise
from medtune.corpus.sources.lines import Row, text_of
from medtune.recipe.corpus import Cleaning, Source


def from_row(row: Row, place: str, source: Source, cleaning: Cleaning) -> Document:
    """One document.

    Raises:
        BadRow: It has no text.
    """
    del cleaning
    key = digest_id(source.name, place)
    meta = row.get("meta")
    url = meta.get("url") if isinstance(meta, dict) else None
    text = tidy(text_of(row, "text"))
    names = {"url": url} if isinstance(url, str) and url else {}
    licence = normalise(source.licence or "")
    return Document(key, source.part, source.name, "", text, licence, identifiers=names)
