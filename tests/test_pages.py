"""A page is one file that needs nothing else, and holds text as it is."""

import math
import re
from xml.etree import ElementTree

import pytest
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
        pages.details(title, pages.facts(rows), pages.bullets(text for text, _ in rows)),
        pages.intervals(
            [(title, [interval(label=label, remark=text) for label, text in rows])],
            pages.Axis(ticks=(0.0, 1.0)),
            title,
            zero=True,
        ),
        pages.curves(
            title,
            [pages.Trace(name=title, points=[(1.0, 2.0)]), pages.Trace(name="", points=[(2, 1)])],
            across=title,
            marked=(1.0, title),
        ),
    )
    assert page.startswith("<!DOCTYPE html>\n")
    cells = [all_text(cell) for cell in body(page).findall(".//table[1]/tbody/tr/td")]
    # XML reads a lone carriage return as a line break.
    expected = [readable(text) for row in rows for text in row]
    assert cells[: len(expected)] == expected
    assert all_text(body(page).findall("h1")[0]) == readable(title)


def interval(label: str = "", remark: str = "", **more: float) -> pages.Interval:
    values = {"low": 0.25, "value": 0.5, "high": 0.75} | more
    return pages.Interval(label=label, figures=label, verdict=label, remark=remark, **values)


def readable(text: str) -> str:
    named = pages.REORDERS.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)
    return pages.NOT_XML.sub("\ufffd", named).replace("\r\n", "\n").replace("\r", "\n")


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


def test_text_that_would_reorder_a_line_is_named_and_not_obeyed() -> None:
    assert pages.text("dose 10\u202e01") == "dose 10⟨U+202E⟩01"
    assert pages.text("שלום") == "שלום"


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=6),
    st.integers(3, 8),
)
def test_an_axis_has_few_round_even_steps_and_room_for_all_values(
    values: list[float], most: int
) -> None:
    axis = pages.Axis.over(values, most=most)
    steps = [b - a for a, b in zip(axis.ticks, axis.ticks[1:], strict=False)]
    assert 1 <= len(steps) <= most
    assert all(math.isclose(step, steps[0], rel_tol=1e-6) for step in steps)
    mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
    assert any(math.isclose(mantissa, round_, rel_tol=1e-6) for round_ in (1, 2, 5))
    assert all(-1e-6 <= axis.at(value) <= 100 + 1e-6 for value in values)
    assert [axis.at(axis.ticks[0]), axis.at(axis.ticks[-1])] == pytest.approx([0, 100])


def test_an_axis_names_zero_without_a_sign_and_differences_with_one() -> None:
    axis = pages.Axis.over([-0.2, 0.3], signed=True)
    assert [axis.named(tick) for tick in axis.ticks] == [
        "-0.2", "-0.1", "0", "+0.1", "+0.2", "+0.3",
    ]  # fmt: skip


def test_an_interval_is_drawn_where_its_numbers_are() -> None:
    drawn = pages.intervals(
        [("", [interval(low=-10.0, value=0.0, high=20.0)])],
        pages.Axis(ticks=(-20.0, 0.0, 20.0)),
        "points",
        zero=True,
    )
    svg = ElementTree.fromstring(drawn).find(".//svg[@role='img']")
    assert svg is not None
    (zero,) = svg.findall("line[@class='zero']")
    assert zero.attrib["x1"] == zero.attrib["x2"] == "50.00%"
    whisker = svg.findall("line[@class='whisker']")[0]
    assert (whisker.attrib["x1"], whisker.attrib["x2"]) == ("25.00%", "100.00%")
    dot = svg.find("svg")
    assert dot is not None
    assert dot.attrib["x"] == "50.00%"


def test_a_curve_has_its_points_its_mark_and_its_words() -> None:
    drawn = pages.curves(
        "Loss",
        [pages.Trace(name="training", points=[(0.0, 4.0), (5.0, 2.0), (10.0, 0.0)])],
        across="step",
        marked=(5.0, "exported: 5"),
    )
    svg = ElementTree.fromstring(drawn).find("svg[@role='img']")
    assert svg is not None
    assert svg.findtext("title") == "Loss by step: training from 4 at 0 to 0 at 10"
    line = svg.find(".//polyline")
    assert line is not None
    assert line.attrib["points"] == "0.000,0.000 50.000,50.000 100.000,100.000"
    assert svg.find("line[@class='exported']").attrib["x1"] == "50.00%"  # type: ignore[union-attr]
    assert "exported: 5" in all_text(svg)


def test_numbers_stand_flush_right() -> None:
    table = ElementTree.fromstring(pages.table(("a", "n"), [("x", "1")], numbers=(1,)))
    assert [cell.get("class") for cell in table.findall(".//td")] == [None, "num"]
    assert [cell.get("class") for cell in table.findall(".//th")] == [None, "num"]
