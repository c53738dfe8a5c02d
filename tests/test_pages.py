"""A page is one file that needs nothing else, and holds text as it is."""

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from medtune import pages

TEXT = st.text(max_size=30)


def body(page: str) -> ElementTree.Element:
    found = ElementTree.fromstring(page).find("body")
    assert found is not None
    return found


def all_text(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


@given(TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=4))
def test_a_page_is_well_formed_and_holds_its_text(title: str, rows: list[tuple[str, str]]) -> None:
    page = pages.page(
        title,
        pages.heading(title),
        pages.paragraph(title, faint=True),
        pages.table(("first", title), rows),
        pages.block(*(pages.span(text, "context") for text, _ in rows)),
        pages.bars([(text, len(text)) for text, _ in rows]),
    )
    assert page.startswith("<!DOCTYPE html>\n")
    cells = [all_text(cell) for cell in body(page).findall(".//table[1]/tbody/tr/td")]
    # XML reads a lone carriage return as a line break.
    expected = [readable(text) for row in rows for text in row]
    assert cells[: len(expected)] == expected
    assert all_text(body(page).findall("h1")[0]) == readable(title)


def readable(text: str) -> str:
    return pages.NOT_XML.sub("\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")


def test_a_page_reaches_for_nothing_outside_itself_and_runs_no_script() -> None:
    page = pages.page("t", pages.table(("a",), [("<script src='https://x.example'>",)]))
    elements = list(ElementTree.fromstring(page).iter())
    assert not {"script", "link", "img", "iframe"} & {element.tag for element in elements}
    assert not {"src", "href"} & {name for element in elements for name in element.attrib}
    assert not re.search(r"url\(|@import", page)
    assert "default-src 'none'" in page


def test_the_largest_bar_is_as_wide_as_there_is_room_and_none_is_no_division_by_zero() -> None:
    assert "width: 100.0%" in pages.bars([("a", 8), ("b", 2)])
    assert "width: 25.0%" in pages.bars([("a", 8), ("b", 2)])
    assert "width: 0.0%" in pages.bars([("a", 0)])
