"""Folders of HTML pages and of Markdown files, one document each."""

import re
from collections.abc import Iterator
from pathlib import Path

from medtune.corpus.cleaning.markup import DeepMarkupError, to_text
from medtune.corpus.cleaning.plain import clean
from medtune.corpus.document import Document, Drop, Record, digest_id
from medtune.corpus.licences import normalise
from medtune.corpus.sources.reader import place_of
from medtune.recipe.corpus import Cleaning, Source

HTML = (".html", ".htm", ".xhtml")
MARKDOWN = (".md", ".markdown")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HEADING = re.compile(r"^#\s+(.+?)\s*#*$", re.MULTILINE)


def parse_html(file: Path, source: Source, cleaning: Cleaning) -> Iterator[Record]:
    """The page of a file: its main part, with the licence that it links."""
    page = _read(file, source)
    if isinstance(page, Drop):
        yield page
        return
    try:
        text = to_text(page, tables=cleaning.tables == "markdown")
    except DeepMarkupError as error:
        place = place_of(file, source)
        key = digest_id(source.name, place)
        yield Drop(key, source.name, "malformed", f"{place}: {error}")
        return
    named = _TITLE.search(page)
    title = clean(named[1], drop_citations=False) if named else ""
    yield _document(text, title, file, source, cleaning, _linked_licence(page))


def parse_markdown(file: Path, source: Source, cleaning: Cleaning) -> Iterator[Record]:
    """The document of a file."""
    text = _read(file, source)
    yield text if isinstance(text, Drop) else _document(text, "", file, source, cleaning, "")


def _read(file: Path, source: Source) -> str | Drop:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        place = place_of(file, source)
        detail = f"{place}: not UTF-8 at byte {error.start}"
        return Drop(digest_id(source.name, place), source.name, "malformed", detail)


def _document(
    text: str, title: str, file: Path, source: Source, cleaning: Cleaning, licence: str
) -> Record:
    place = place_of(file, source)
    key = digest_id(source.name, place)
    text = clean(text, drop_citations=cleaning.citations == "drop")
    if not text:
        return Drop(key, source.name, "no_text", place, title)
    heading = _HEADING.search(text)
    if heading is None and title:
        text = f"# {title}\n\n{text}"
    title = heading[1] if heading else title
    licence = licence or normalise(source.licence or "")
    return Document(key, source.part, source.name, title, text, licence)


def _linked_licence(page: str) -> str:
    """The licence that a page links with ``rel="license"``; empty where it links none."""
    from lxml import html as lxml_html

    if "license" not in page:
        return ""
    links = [
        element.get("href", "")
        for element in lxml_html.document_fromstring(page.encode()).iter("a", "link")
        if "license" in element.get("rel", "").split()
    ]
    return normalise("", *links) if links else ""
