"""S2ORC full texts: a text, and annotations of it as strings of JSON with offsets into it.

Annotations say what is a heading, an author, a bibliography, a figure. The text is taken from the
abstract or first heading on; captions of figures and tables stand at its end.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medtune.corpus.cleaning import marks
from medtune.corpus.cleaning.characters import squeeze, tidy
from medtune.corpus.document import Document, Drop
from medtune.corpus.sources.lines import BadRow, Row, document, optional
from medtune.corpus.sources.s2orc_abstracts import identity, licence
from medtune.recipe.corpus import Cleaning, Source

TOKEN_WORDS = 12
_CUT = (
    "title", "author", "authorfirstname", "authorlastname", "authoraffiliation", "venue",
    "publisher", "bibentry", "figure", "table",
)  # fmt: skip
_LONGEST_SHORT_CAPITALS = 4  # HIV, COPD: names, and no shouting


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    attributes: dict[str, Any]


class _Annotated:
    """A text with its annotations, each read when it is asked for."""

    def __init__(self, content: Row) -> None:
        text = content.get("text")
        if not isinstance(text, str) or not text.strip():
            raise BadRow("no text in content")
        self.text = text
        found = content.get("annotations")
        self._annotations = found if isinstance(found, dict) else {}

    def spans(self, name: str) -> list[_Span]:
        """Annotations of one kind in their order; none where the row has none."""
        written = self._annotations.get(name)
        if not written:
            return []
        try:
            rows = json.loads(written) if isinstance(written, str) else written
            spans = [
                _Span(int(row["start"]), int(row["end"]), row.get("attributes") or {})
                for row in rows
            ]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadRow(f"annotation {name} cannot be read: {error}") from None
        for span in spans:
            if not 0 <= span.start <= span.end <= len(self.text):
                raise BadRow(
                    f"annotation {name} has {span.start}-{span.end} in {len(self.text)} characters"
                )
        return spans

    def of(self, span: _Span) -> str:
        """The text of an annotation in one line."""
        return " ".join(self.text[span.start : span.end].split())


def from_row(row: Row, place: str, source: Source, cleaning: Cleaning) -> Document | Drop:
    """One paper; a drop where it is of no medical journal.

    Raises:
        BadRow: It has no corpusid, no text, or annotations that cannot be read.
    """
    key, names = identity(row)
    if not names.keys() & {"pmid", "pmcid"}:
        return Drop(key, source.name, "not_pubmed", "neither a PubMed nor a PMC id")
    content = row.get("content")
    if not isinstance(content, dict):
        raise BadRow("no content")
    annotated = _Annotated(content)
    titles = annotated.spans("title")
    title = optional(row, "title") or (annotated.of(titles[0]) if titles else "")
    body = _body(annotated, cleaning)
    if not body:
        return Drop(key, source.name, "no_text", f"{place}: neither abstract nor sections", title)
    captions = list(_captions(annotated, cleaning))
    text = "\n\n".join([body, *captions])
    return document(source, key, tidy(title), text, licence(row, source), **names)


def _body(annotated: _Annotated, cleaning: Cleaning) -> str:
    """The running text with headings, from the abstract or first heading on."""
    begins = annotated.spans("abstract")[:1] + annotated.spans("sectionheader")[:1]
    if not begins:
        return ""
    cursor = min(span.start for span in begins)
    parts: list[str] = []
    for start, end, replacement in _replacements(annotated, cleaning):
        if start < cursor:
            cursor = max(cursor, end) if not replacement else cursor
            continue
        parts += [tidied(annotated.text[cursor:start]), replacement]
        cursor = end
    parts.append(tidied(annotated.text[cursor:]))
    lines = "".join(parts).split("\n")
    return squeeze("\n".join(marks.resolve(line) for line in lines))


def tidied(text: str) -> str:
    """Text between annotations: characters in order, spaces at its ends as they were."""
    inner = tidy(text)
    left = text[: len(text) - len(text.lstrip())]
    right = text[len(text.rstrip()) :] if inner else ""
    return f"{left}{inner}{right}"


def _replacements(annotated: _Annotated, cleaning: Cleaning) -> list[tuple[int, int, str]]:
    """Places of the text with what is written there, in their order; cuts before the rest."""
    found = [(s.start, s.end, "") for name in _CUT for s in annotated.spans(name)]
    found += [
        (span.start, span.end, f"\n\n## {_heading(annotated.of(span))}\n\n")
        for span in annotated.spans("sectionheader")
    ]
    found += [(s.start, s.end, _cited(annotated, s, cleaning)) for s in annotated.spans("bibref")]
    for name in ("figureref", "tableref"):
        found += [
            (span.start, span.end, _shown(annotated, span, cleaning))
            for span in annotated.spans(name)
        ]
    if cleaning.citations == "tokens":
        found += [
            (span.start, span.end, f"\n[formula] {annotated.of(span)} [/formula]\n")
            for span in annotated.spans("formula")
        ]
    return sorted(found, key=lambda one: (one[0], one[2] != "", -one[1]))


def _heading(words: str) -> str:
    shouts = words.isupper() and (len(words) > _LONGEST_SHORT_CAPITALS)
    return words.capitalize() if shouts else words


def _cited(annotated: _Annotated, span: _Span, cleaning: Cleaning) -> str:
    inner = annotated.of(span)
    if cleaning.citations == "text":
        return inner
    if cleaning.citations == "drop":
        return marks.citation(inner)
    entry = _with_id(annotated.spans("bibentry"), span)
    if entry is None:
        return ""
    title = next((t for t in annotated.spans("bibtitle") if _within(t, entry)), None)
    author = next((a for a in annotated.spans("bibauthorlastname") if _within(a, entry)), None)
    words = [_short(annotated.of(one)) for one in (title, author) if one is not None]
    return f" {marks.token('bib_ref', ', '.join(words))} " if words else ""


def _shown(annotated: _Annotated, span: _Span, cleaning: Cleaning) -> str:
    inner = annotated.of(span)
    if cleaning.figures == "text":
        return inner
    if cleaning.figures == "drop":
        return marks.reference(inner)
    figure = _with_id(annotated.spans("figure"), span)
    caption = next(
        (c for c in annotated.spans("figurecaption") if figure and _within(c, figure)), None
    )
    words = f"{inner}: {_short(annotated.of(caption))}" if caption else inner
    return f" {marks.token('fig_ref', words)} "


def _with_id(spans: list[_Span], reference: _Span) -> _Span | None:
    wanted = reference.attributes.get("ref_id")
    return next((s for s in spans if wanted and s.attributes.get("id") == wanted), None)


def _within(inner: _Span, outer: _Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _short(text: str) -> str:
    words = text.split()
    return " ".join(words[:TOKEN_WORDS]) + ("..." if len(words) > TOKEN_WORDS else "")


def _captions(annotated: _Annotated, cleaning: Cleaning) -> Iterator[str]:
    if cleaning.figures == "drop":
        return
    seen = set()
    for span in annotated.spans("figurecaption"):
        caption = tidy(annotated.of(span))
        if caption and caption not in seen:
            seen.add(caption)
            kind = "table" if caption.lower().startswith("table") else "fig"
            as_token = cleaning.figures == "tokens"
            yield f"[{kind}] {caption} [/{kind}]" if as_token else caption
