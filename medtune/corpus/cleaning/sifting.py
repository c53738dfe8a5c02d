"""Which documents are worth keeping: by language, length, quality and what identifies people."""

from collections import Counter

from medtune.corpus.document import Document, Drop, Record
from medtune.languages import UNCLEAR, tell_language
from medtune.recipe.corpus import Cleaning

WINDOW = 800
"""Characters that a language is told from at one place of a document."""


def sift(record: Record, cleaning: Cleaning) -> Record:
    """A document as it is, or as a drop with the first reason against it."""
    if not isinstance(record, Document):
        return record
    words = len(record.text.split())
    if words < cleaning.min_words:
        return _dropped(record, "too_short", f"{words} words")
    language = _language(record.text) if cleaning.languages else None
    if language is not None and language not in cleaning.languages:
        return _dropped(record, "language", language)
    return record


def _dropped(document: Document, reason: str, detail: str) -> Drop:
    return Drop(
        document.id, document.source, reason, detail, document.text, revision=document.revision
    )


def _language(text: str) -> str | None:
    """The language of most of a document; None where it cannot be told.

    A Spanish paper begins with an English abstract, and a table of species in an English one looks
    like Latin: where beginning and middle differ, more places decide.
    """
    told = _told(text, (0,) if len(text) < 2 * WINDOW else (0, len(text) // 2))
    if len(told) > 1:
        told = _told(text, (0, len(text) // 4, len(text) // 2, 3 * len(text) // 4))
    return told.most_common(1)[0][0] if told else None


def _told(text: str, starts: tuple[int, ...]) -> Counter[str]:
    windows = (tell_language(text[start : start + WINDOW]) for start in dict.fromkeys(starts))
    return Counter(code for code in windows if code is not None and code != UNCLEAR)
