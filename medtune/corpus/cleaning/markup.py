"""HTML as Markdown: headings, paragraphs, nested lists, tables, definitions; no page furniture.

Pages of guidelines hold tables in their lists and lists in their tables. What cannot be said in
Markdown is read through, so that no text is lost to an unknown element.
"""

from collections.abc import Callable, Iterator
from typing import Any

from medtune.corpus.cleaning import marks
from medtune.corpus.cleaning.characters import squeeze, tidy
from medtune.corpus.cleaning.plain import marked_addresses
from medtune.corpus.cleaning.scripts import lowered, raised
from medtune.corpus.cleaning.tables import Cell, span, to_markdown

Element = Any  # lxml has no types
_LEFT_OUT = {
    "script", "style", "nav", "header", "footer", "aside", "form", "noscript", "template", "iframe",
    "button", "select", "svg", "img", "picture", "video", "audio", "head", "object", "canvas",
}  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = {
    "p", "div", "section", "article", "main", "body", "blockquote", "pre", "center", "figure",
    "figcaption", "ul", "ol", "dl", "table", "details", "summary", "address", "fieldset", "hr",
    "li", "dd", "dt", "tr", "td", "th", "tbody", "html", *_HEADINGS,
}  # fmt: skip


class DeepMarkupError(ValueError):
    """Elements are nested so deep that the parser leaves out what is in them."""


def to_text(source: str, *, heading: int = 1, tables: bool = True) -> str:
    """Markdown of an HTML page or fragment.

    Args:
        source: The page; of a whole one ``<main>`` or ``<article>`` is read if it has one.
        heading: Level that ``<h1>`` gets.
        tables: Whether tables are written.

    Raises:
        DeepMarkupError: More than about 2,000 elements are nested: libxml2 reads none deeper.
    """
    from lxml import etree
    from lxml import html as lxml_html

    source = tidy(source)
    if not source:
        return ""
    try:
        parser = lxml_html.HTMLParser(
            remove_comments=True, remove_pis=True, no_network=True, huge_tree=True
        )
        root = lxml_html.fromstring(f"<html><body>{source}</body></html>", parser=parser)
    except etree.ParserError:  # nothing but comments
        return ""
    if any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log):
        raise DeepMarkupError("elements are nested too deep to be read")
    main = root.find(".//main")
    chosen = main if main is not None else root.find(".//article")
    page = _Page(heading - 1, tables)
    read = root if chosen is None else chosen
    try:
        return squeeze("\n\n".join(page.blocks(read)))
    except RecursionError:  # hundreds of open elements: a broken page, whose words are still there
        return squeeze("\n\n".join(filter(None, map(str.strip, read.itertext()))))


class _Page:
    def __init__(self, lowering: int, tables: bool) -> None:
        self._lowering = lowering
        self._tables = tables

    def blocks(self, element: Element) -> Iterator[str]:
        """Blocks of an element; text between its blocks is a paragraph."""
        run = [element.text or ""]
        for child in element:
            if child.tag in _BLOCKS:
                yield from _paragraph(run)
                run = []
                yield from self._block(child)
            elif child.tag == "br" and child.getnext() is not None and child.getnext().tag == "br":
                yield from _paragraph(run)
                run = []
            elif isinstance(child.tag, str) and child.tag not in _LEFT_OUT:
                if any(inner.tag in _BLOCKS for inner in child.iter()):
                    yield from _paragraph(run)
                    run = []
                    yield from self.blocks(child)
                else:
                    run.append(self._one(child))
            run.append(child.tail or "")
        yield from _paragraph(run)

    def _block(self, element: Element) -> Iterator[str]:
        tag = element.tag
        render = _RENDERERS.get(tag)
        if render is not None:
            yield from render(self, element)
        elif tag in _HEADINGS:
            title = self._line(element)
            if title:
                yield f"{'#' * min(_HEADINGS[tag] + self._lowering, 6)} {title}"
        else:
            yield from self.blocks(element)

    def _list(self, element: Element) -> Iterator[str]:
        lines = []
        number = 0
        for item in element:
            if item.tag in ("ul", "ol"):  # wrong but common: a list between items
                lines += ["  " + line for line in "\n".join(self._list(item)).split("\n")]
            elif isinstance(item.tag, str) and (inside := "\n".join(self.blocks(item))):
                number += 1
                label = f"{number}. " if element.tag == "ol" else "- "
                lines.append(label + inside.replace("\n", "\n" + " " * len(label)))
        if lines:
            yield "\n".join(lines)

    def _definitions(self, element: Element) -> Iterator[str]:
        lines = []
        for item in element.iter("dt", "dd"):
            text = self._line(item)
            lines.append(f"- {text}:" if item.tag == "dt" else f"  {text}")
        if lines:
            yield "\n".join(lines)

    def _table(self, element: Element) -> Iterator[str]:
        caption = element.find("caption")
        if caption is not None and (text := self._line(caption)):
            yield text
        if not self._tables:
            return
        rows = [row for row in element.iter("tr") if _owner(row) is element]
        if not any(len(_cells_of(row)) > 1 for row in rows):
            # A table of one column is a frame around text.
            for cell in (cell for row in rows for cell in _cells_of(row)):
                yield from self.blocks(cell)
            return
        head = 0
        while head < len(rows) - 1 and _is_header(rows[head]):
            head += 1
        grid = [self._cells(row) for row in rows]
        written = to_markdown(grid[:head], grid[head:])
        if written:
            yield written

    def _cells(self, row: Element) -> list[Cell]:
        return [
            Cell(
                "; ".join(block.replace("\n", "; ") for block in self.blocks(cell)),
                span(cell.get("colspan")),
                span(cell.get("rowspan")),
            )
            for cell in _cells_of(row)
        ]

    def _line(self, element: Element) -> str:
        return next(_paragraph([self._inline(element)]), "")

    def _inline(self, element: Element) -> str:
        parts = [element.text or ""]
        for child in element:
            if isinstance(child.tag, str) and child.tag not in _LEFT_OUT:
                parts.append(self._one(child))
            parts.append(child.tail or "")
        return "".join(parts)

    def _one(self, element: Element) -> str:
        if element.tag == "br":
            return " "
        inner = self._inline(element)
        if element.tag == "sup":
            return raised(inner)
        return lowered(inner) if element.tag == "sub" else inner


def _paragraph(run: list[str]) -> Iterator[str]:
    text = " ".join("".join(run).split())
    if text:
        text = marks.resolve(marked_addresses(text))
    if text:
        yield text


def _owner(row: Element) -> Element:
    """The table that a row belongs to; tables stand in tables."""
    return next(row.iterancestors("table"))


def _is_header(row: Element) -> bool:
    if row.getparent().tag == "thead":
        return True
    cells = _cells_of(row)
    return bool(cells) and all(cell.tag == "th" for cell in cells)


def _cells_of(row: Element) -> list[Element]:
    return [cell for cell in row if cell.tag in ("td", "th")]


_RENDERERS: dict[str, Callable[[_Page, Element], Iterator[str]]] = {
    "ul": _Page._list,
    "ol": _Page._list,
    "dl": _Page._definitions,
    "table": _Page._table,
}
