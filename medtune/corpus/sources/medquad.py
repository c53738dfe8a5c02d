"""Pages of questions and answers (MedQuAD's schema): focus, url and qa of question and answer."""

import re

from medtune.corpus.cleaning.plain import clean
from medtune.corpus.document import Document, digest_id
from medtune.corpus.sources.lines import BadRow, Row, document, licence_of, names_of, optional
from medtune.recipe.corpus import Cleaning, Source

# The answers were taken out of pages: items of lists run on in one line behind " - ".
_RUN_ON_ITEM = re.compile(r"(?<=[.:;?!)])[ ]+-[ ]+(?=[A-Z(])")
_BLANKS = re.compile(r"\n(?:[ ]*\n)+")
_TEMPLATE = re.compile(r"^What is \(are\) ", re.IGNORECASE)


def from_row(row: Row, place: str, source: Source, cleaning: Cleaning) -> Document:
    """One page, with its questions as headings.

    Raises:
        BadRow: It has no answered question.
    """
    pairs = row.get("qa")
    if not isinstance(pairs, list):
        raise BadRow("no list qa of questions and answers")
    drop_citations = cleaning.citations == "drop"
    sections = []
    for pair in pairs:
        if not isinstance(pair, dict):
            raise BadRow(f"{type(pair).__name__} in qa where an object belongs")
        answer = _answer(optional(pair, "answer"), drop_citations=drop_citations)
        if answer:
            sections.append(f"## {_question(optional(pair, 'question'))}\n\n{answer}")
    if not sections:
        raise BadRow("no question of it has an answer")
    # Collections number their pages each for itself.
    own, collection = optional(row, "id"), optional(row, "source")
    named = ":".join(filter(None, (collection, own)))
    key = f"medquad:{named}" if own else digest_id(source.name, place)
    title = clean(optional(row, "focus"), drop_citations=False)
    text = "\n\n".join(sections)
    return document(source, key, title, text, licence_of(row, source), **names_of(row, url="url"))


def _question(question: str) -> str:
    """The question without the marks of the template that it was made by."""
    text = " ".join(_TEMPLATE.sub("What is ", question).split())
    return re.sub(r"[\s?]+$", "?", text) if text else "?"


def _answer(answer: str, *, drop_citations: bool) -> str:
    lines = _BLANKS.sub("\n\n", _RUN_ON_ITEM.sub("\n- ", answer))
    lines = re.sub(r"^[ ]+", "", lines, flags=re.MULTILINE)
    return clean(lines, drop_citations=drop_citations)
