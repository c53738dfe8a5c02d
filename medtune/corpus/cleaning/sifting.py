"""Which documents are worth keeping: by length, language, quality and what identifies people."""

import re
from collections import Counter
from dataclasses import replace
from functools import cache

from medtune.corpus.cleaning.quality import fault_of
from medtune.corpus.document import Document, Drop, Record
from medtune.guard.identifier_patterns import PATTERNS
from medtune.languages import UNCLEAR, tell_language
from medtune.recipe.corpus import Cleaning, Pii

WINDOW = 500
"""Characters that a language is told from at one place of a document."""


def sift(record: Record, cleaning: Cleaning) -> Record:
    """A document, masked where the recipe says so, or a drop with the first reason against it."""
    if not isinstance(record, Document):
        return record
    words = len(record.text.split())
    if words < cleaning.min_words:
        return _dropped(record, "too_short", f"{words} words")
    language = _language(record.text) if cleaning.languages else None
    if language is not None and language not in cleaning.languages:
        return _dropped(record, "language", language)
    fault = fault_of(record.text) if cleaning.quality else None
    if fault is not None:
        return _dropped(record, "quality", fault)
    return record if cleaning.pii is None else _without_pii(record, cleaning.pii)


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


def _without_pii(document: Document, pii: Pii) -> Document | Drop:
    """A document whose identifiers are masked; a drop that names kinds and never values."""
    text, found = document.text, Counter[str]()
    for kind in pii.kinds:
        text, times = _pattern(kind).subn(f"[{kind}]", text)
        found[kind] += times
    told = ", ".join(f"{kind} {times}" for kind, times in found.items() if times)
    if told and pii.action == "drop":
        return _dropped(replace(document, text=text), "pii", told)
    return replace(document, text=text) if told else document


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    return re.compile(PATTERNS[kind], re.IGNORECASE | re.VERBOSE)  # type: ignore[index]
