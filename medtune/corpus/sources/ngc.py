"""Summaries of the National Guideline Clearinghouse (AHRQ, until 2018): XML with HTML inside.

The fields that speak of medicine are kept; who paid, who sat on the committee and how to order
copies are not.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medtune.corpus.cleaning.markup import DeepMarkupError, to_text
from medtune.corpus.cleaning.plain import clean
from medtune.corpus.document import Document, Drop, Record, digest_id
from medtune.corpus.licences import normalise
from medtune.corpus.sources.reader import place_of
from medtune.recipe.corpus import Cleaning, Source

SUFFIXES = (".xml",)
KEPT_SECTIONS = {
    "Regulatory Alert",
    "Recommendations",
    "Scope",
    "Methodology",
    "Evidence Supporting the Recommendations",
    "Benefits/Harms of Implementing the Guideline Recommendations",
    "Contraindications",
    "Qualifying Statements",
    "Implementation of the Guideline",
}
_LEFT_OUT_FIELDS = {"Implementation Tools", "Cost Analysis", "Method of Guideline Validation"}
_EMPTY = re.compile(r"(?:not (?:stated|applicable|available)|none (?:stated|available))\W*", re.I)
_NUMBER = re.compile(r"\d+")


def parse(file: Path, source: Source, cleaning: Cleaning) -> Iterator[Record]:
    """The one summary of a file."""
    from lxml import etree

    place = place_of(file, source)
    number = _NUMBER.search(file.stem)
    key = f"ngc:{number[0]}" if number else digest_id(source.name, place)
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(file.read_bytes(), parser)
    except etree.XMLSyntaxError as error:
        detail = f"{place}:{error.position[0]}: {error.msg}"
        yield Drop(key, source.name, "malformed", detail)
        return
    fields = [
        (section.get("Name", ""), field) for section in root for field in section.iter("Field")
    ]
    title = " ".join(_value(_named(fields, "Guideline Title")).split())
    try:
        blocks = list(_blocks(fields, cleaning))
    except DeepMarkupError as error:
        yield Drop(key, source.name, "malformed", f"{place}: {error}", title)
        return
    if not blocks:
        yield Drop(key, source.name, "no_text", f"{place}: no section of medicine", title)
        return
    yield Document(
        id=key,
        part=source.part,
        source=source.name,
        title=title,
        text="\n\n".join([f"# {title}", *blocks] if title else blocks),
        licence=_licence(_value(_named(fields, "Copyright Statement")), source),
        publication_types=("guideline",),
    )


def _blocks(fields: list[tuple[str, Any]], cleaning: Cleaning) -> Iterator[str]:
    last = ""
    for section, field in fields:
        name = field.get("Name", "")
        if section not in KEPT_SECTIONS or name in _LEFT_OUT_FIELDS:
            continue
        text = _value(field, cleaning)
        if not text or _EMPTY.fullmatch(text):
            continue
        if section != last:
            yield f"## {section}"
            last = section
        if name != section:
            yield f"### {name}"
        yield text


def _named(fields: list[tuple[str, Any]], name: str) -> Any:  # noqa: ANN401 - lxml has no types
    return next((field for _, field in fields if field.get("Name") == name), None)


def _value(field: Any, cleaning: Cleaning | None = None) -> str:  # noqa: ANN401
    """A field's values as Markdown; several of a pick list as a list."""
    if field is None:
        return ""
    tables = cleaning is None or cleaning.tables == "markdown"
    drop_citations = cleaning is not None and cleaning.citations == "drop"
    values = [
        clean(
            to_text(value.get("Value", ""), heading=4, tables=tables), drop_citations=drop_citations
        )
        for value in field.iter("FieldValue")
    ]
    values = [value for value in values if value]
    return "\n".join(f"- {value}" for value in values) if len(values) > 1 else "".join(values)


def _licence(statement: str, source: Source) -> str:
    return normalise(statement or source.licence or "")
