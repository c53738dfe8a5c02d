"""The text of a JATS article as Markdown: abstract, body and appendices, nothing of the back.

JATS is ANSI/NISO Z39.96 (jats.nlm.nih.gov). Elements that are not named here are read through: what
a publisher adds around text loses no text.
"""

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

from medtune.corpus.cleaning import formulas, marks
from medtune.corpus.cleaning.scripts import lowered, raised
from medtune.corpus.cleaning.tables import Cell, span, to_markdown
from medtune.recipe.corpus import Cleaning

Element = Any  # lxml has no types
MAX_HEADING = 6
TOKEN_WORDS = 12
"""Words of a cited title that the original's tokens keep."""

_BLOCKS = {
    "sec", "p", "list", "def-list", "table-wrap", "table-wrap-group", "fig", "fig-group", "app",
    "disp-formula", "disp-formula-group", "boxed-text", "disp-quote", "statement", "verse-group",
    "array", "preformat", "table", "alternatives", "app-group",
}  # fmt: skip
_LEFT_OUT = {
    "ref-list", "ack", "fn-group", "fn", "notes", "bio", "supplementary-material", "media",
    "permissions", "graphic", "inline-graphic", "inline-supplementary-material", "object-id",
    "label", "title", "subtitle", "caption", "sec-meta", "attrib", "processing-meta", "glossary",
    "table-wrap-foot", "thead", "tfoot", "tbody", "sig-block", "index-term", "target",
}  # fmt: skip
_LEFT_OUT_SECTIONS = re.compile(
    r"(?:\d+\.?\s*)?(?:(?:competing|conflicts? of|declarations? of) interests?|disclosures?"
    r"|acknowledge?ments?|authors?['\u2019]? contributions?|funding|pre-?publication history"
    r"|supplement(?:al|ary) (?:materials?|information)|references|data availability(?: statement)?"
    r"|(?:additional|supporting) information|consent for publication)\W*",
    re.IGNORECASE,
)
_XLINK = "{http://www.w3.org/1999/xlink}href"
_URL = re.compile(r"(?:https?://|www\.)\S+")


class JatsText:
    """Renders one article under the options of a recipe."""

    def __init__(self, article: Element, cleaning: Cleaning) -> None:
        self._article = article
        self._citations = cleaning.citations
        self._figures = cleaning.figures
        self._keeps_tables = cleaning.tables == "markdown"
        self._cited: dict[str, str] | None = None
        self._captions: dict[str, str] | None = None

    def blocks(self) -> Iterator[str]:
        """Headings, paragraphs, lists and tables in reading order, without the title."""
        for abstract in self._article.iterfind("front/article-meta/abstract"):
            if abstract.get("abstract-type") in (None, "", "summary", "executive-summary"):
                yield f"## {self.line(abstract.find('title')) or 'Abstract'}"
                yield from self._inside(abstract, 3)
        for part in ("body", "back/app-group", "back/app", "floats-group", "floats-wrap"):
            for element in self._article.iterfind(part):
                yield from self._inside(element, 2)

    def line(self, element: Element | None) -> str:
        """The text of an element in one line; empty where there is none."""
        if element is None:
            return ""
        return marks.resolve(" ".join(self._inline(element).split()))

    def _inside(self, element: Element, level: int) -> Iterator[str]:
        for child in element:
            if child.tag in _LEFT_OUT:
                continue
            render = _RENDERERS.get(child.tag)
            if render is not None:
                yield from render(self, child, level)
            elif isinstance(child.tag, str):
                yield from self._paragraph(child, level)

    def _section(self, section: Element, level: int) -> Iterator[str]:
        heading = self._heading(section)
        if _LEFT_OUT_SECTIONS.fullmatch(heading):
            return
        inside = list(self._inside(section, level + 1 if heading else level))
        if heading and inside:
            yield f"{'#' * min(level, MAX_HEADING)} {heading}"
        yield from inside

    def _heading(self, element: Element) -> str:
        return self.line(element.find("title"))

    def _paragraph(self, element: Element, level: int) -> Iterator[str]:
        """A paragraph; lists, tables and formulas that stand in it divide it."""
        parts = [element.text or ""]
        for child in element:
            if child.tag in _BLOCKS:
                yield from _written(parts)
                parts = []
                yield from _RENDERERS[child.tag](self, child, level)
            elif child.tag not in _LEFT_OUT:
                parts.append(self._one(child))
            parts.append(child.tail or "")
        yield from _written(parts)

    def _list(self, element: Element, level: int) -> Iterator[str]:
        ordered = element.get("list-type") in ("order", "arabic", "roman-lower", "alpha-lower")
        lines = []
        for number, item in enumerate(element.iterfind("list-item"), 1):
            label = f"{number}." if ordered else "-"
            inside = "\n".join(self._inside(item, level))
            if inside:
                indented = inside.replace("\n", "\n" + " " * (len(label) + 1))
                lines.append(f"{label} {indented}")
        if lines:
            yield "\n".join(lines)

    def _definitions(self, element: Element, level: int) -> Iterator[str]:
        del level
        lines = [
            f"- {self.line(item.find('term'))}: {self.line(item.find('def'))}"
            for item in element.iterfind("def-item")
        ]
        if lines:
            yield "\n".join(lines)

    def _figure(self, element: Element, level: int) -> Iterator[str]:
        del level
        caption = self._caption(element)
        if caption and self._figures == "tokens":
            yield f"[fig] {caption} [/fig]"
        elif caption and self._figures == "text":
            yield caption

    def _table(self, element: Element, level: int) -> Iterator[str]:
        del level
        caption = self._caption(element)
        if caption:
            yield f"[table] {caption} [/table]" if self._figures == "tokens" else caption
        if not self._keeps_tables:
            return
        for table in element.iter("table"):
            yield from self._grid(table)
        notes = (self.line(note) for foot in element.iterfind("table-wrap-foot") for note in foot)
        yield from filter(None, notes)

    def _grid(self, table: Element, level: int = 0) -> Iterator[str]:
        del level
        head = [self._cells(row) for part in table.iterfind("thead") for row in part.iter("tr")]
        rows = [row for row in table.iter("tr") if row.getparent().tag != "thead"]
        written = to_markdown(head, [self._cells(row) for row in rows])
        if written:
            yield written

    def _cells(self, row: Element) -> list[Cell]:
        return [
            Cell(
                self.line(cell) if len(cell) else " ".join((cell.text or "").split()),
                span(cell.get("colspan")),
                span(cell.get("rowspan")),
            )
            for cell in row
            if cell.tag in ("td", "th")
        ]

    def _caption(self, element: Element) -> str:
        label = self.line(element.find("label")).rstrip(".:")
        caption = element.find("caption")
        sentences = [] if caption is None else [self.line(child) for child in caption]
        text = " ".join(filter(None, sentences))
        return f"**{label}.** {text}".rstrip() if label else text

    def _formula(self, element: Element, level: int) -> Iterator[str]:
        del level
        written = " ".join(self._inline(element).split())
        if written:
            yield f"[formula] {written} [/formula]" if self._citations == "tokens" else written

    def _inline(self, element: Element) -> str:
        """An element's text with its children's, in one string with the marks still in it."""
        if not len(element):
            return element.text or ""
        parts = [element.text or ""]
        for child in element:
            if child.tag not in _LEFT_OUT:
                parts.append(self._one(child))
            parts.append(child.tail or "")
        return "".join(parts)

    def _one(self, child: Element) -> str:
        tag = child.tag
        render = _INLINE.get(tag)
        if render is not None:
            return render(self, child)
        if isinstance(tag, str):
            # Two paragraphs of a cell are two values, and no word.
            return f" {self._inline(child)} " if tag in _BLOCKS else self._inline(child)
        return html.unescape(child.text) if tag.__name__ == "Entity" else ""

    def _raised(self, element: Element) -> str:
        inner = self._inline(element)
        if marks.only_marks(inner):
            return "" if self._citations == "drop" else inner
        return raised(inner)

    def _lowered(self, element: Element) -> str:
        return lowered(self._inline(element))

    def _math(self, element: Element) -> str:
        # Of one formula in several notations TeX reads best, and never both.
        source = next(element.iter("tex-math"), None)
        if source is not None:
            return formulas.tex(source.text or "")
        if isinstance(element.tag, str) and element.tag.endswith("}math"):
            return formulas.mathml(element)
        return self._inline(element)

    def _link(self, element: Element) -> str:
        inner = self._inline(element)
        is_address = _URL.fullmatch(inner.strip()) or inner.strip() == element.get(_XLINK)
        return marks.reference(inner) if is_address else inner

    def _xref(self, element: Element) -> str:
        inner = self._inline(element)
        kind = element.get("ref-type")
        if kind == "bibr":
            return self._citation(element, inner)
        if kind in ("fig", "table", "supplementary-material"):
            return self._reference(element, inner, kind)
        return "" if kind in ("fn", "table-fn", "aff", "corresp") and len(inner) <= 2 else inner

    def _citation(self, element: Element, inner: str) -> str:
        if self._citations == "drop":
            return marks.citation(inner)
        if self._citations == "text":
            return inner
        if self._cited is None:
            self._cited = _cited(self._article)
        cited = [self._cited[rid] for rid in element.get("rid", "").split() if rid in self._cited]
        return "".join(f" {marks.token('bib_ref', one)} " for one in cited)

    def _reference(self, element: Element, inner: str, kind: str) -> str:
        if self._figures == "tokens":
            if self._captions is None:
                self._captions = _captions(self._article)
            return f" {marks.token('fig_ref', self._captions.get(element.get('rid', ''), inner))} "
        is_kept = self._figures == "text" or (kind == "table" and self._keeps_tables)
        return inner if is_kept else marks.reference(inner)


def _written(parts: list[str]) -> Iterator[str]:
    text = marks.resolve(" ".join("".join(parts).split()))
    if text:
        yield text


def _cited(article: Element) -> dict[str, str]:
    """Title and first author of each reference, as the original writes them; by its id."""
    cited = {}
    for reference in article.iter("ref"):
        title = next(reference.iter("article-title", "source"), None)
        surname = next(reference.iter("surname", "collab"), None)
        if title is not None and reference.get("id"):
            names = ", ".join(filter(None, (_short(title), _short(surname))))
            cited[reference.get("id")] = names
    return cited


def _captions(article: Element) -> dict[str, str]:
    captions = {}
    for element in article.iter("fig", "table-wrap"):
        label, caption = element.find("label"), element.find("caption")
        words = ": ".join(filter(None, (_short(label).rstrip(".:"), _short(caption))))
        if element.get("id") and words:
            captions[element.get("id")] = words
    return captions


def _short(element: Element | None) -> str:
    words = [] if element is None else "".join(element.itertext()).split()
    return " ".join(words[:TOKEN_WORDS]) + ("..." if len(words) > TOKEN_WORDS else "")


_RENDERERS: dict[object, Callable[[JatsText, Element, int], Iterator[str]]] = {
    "sec": JatsText._section,
    "app": JatsText._section,
    "boxed-text": JatsText._section,
    "statement": JatsText._section,
    "list": JatsText._list,
    "def-list": JatsText._definitions,
    "fig": JatsText._figure,
    "table-wrap": JatsText._table,
    "table": JatsText._grid,
    "array": JatsText._table,
    "disp-formula": JatsText._formula,
    "alternatives": JatsText._formula,
    "p": JatsText._paragraph,
    "verse-group": JatsText._inside,
    "preformat": JatsText._paragraph,
    "disp-quote": JatsText._inside,
    "fig-group": JatsText._inside,
    "table-wrap-group": JatsText._inside,
    "disp-formula-group": JatsText._inside,
    "app-group": JatsText._inside,
}
_INLINE: dict[object, Callable[[JatsText, Element], str]] = {
    "sup": JatsText._raised,
    "sub": JatsText._lowered,
    "xref": JatsText._xref,
    "ext-link": JatsText._link,
    "uri": JatsText._link,
    "inline-formula": JatsText._math,
    "disp-formula": JatsText._math,
    "alternatives": JatsText._math,
    "tex-math": JatsText._math,
    "{http://www.w3.org/1998/Math/MathML}math": JatsText._math,
    "break": lambda _self, _element: " ",
}
