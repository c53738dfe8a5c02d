"""What cleaning takes out, and above all what it leaves: each defect of the original is a test."""

# ruff: noqa: RUF001 - Greek letters are what is tested

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.corpus.cleaning import marks
from medtune.corpus.cleaning.markup import DeepMarkupError, to_text
from medtune.corpus.cleaning.plain import clean
from medtune.corpus.cleaning.scripts import lowered, raised
from medtune.corpus.cleaning.tables import Cell, to_markdown

SURVIVES = [
    "The rate fell (p<0.001) in patients with BMI >30 kg/m2.",
    "If a < b and c > d then [Na+] and [Ca2+] rise; [13C]glucose too.",
    "Recommended [A] for adults [B]; concentrations in [mg/dL].",
    "obesity is common\nof all ages\no",
    "α-blockers, β₂-agonists, TNF-α, 5 µg, ΔG, ≥ 65 years, 37 °C, ± 2 SD, Sjögren",
    "The 95% CI [1, 2] and the range [18-65] were wide; median [3, 7].",
    "| Drug | Dose |\n| --- | --- |\n| amoxicillin | 50 mg/kg |\n| 5 | 10 |",
    "Vitamin B12 <200 pg/mL, Hb <7 g/dL, INR >5",
    "p<i and q>s, x<b",
    "- one\n  - two\n1. three",
]


@pytest.mark.parametrize("text", SURVIVES)
@pytest.mark.parametrize("drop_citations", [True, False])
def test_what_the_original_destroyed_survives(text, drop_citations):
    assert clean(text, drop_citations=drop_citations) == text


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("It helps [1].", "It helps."),
        ("It helps.[2,3] It also", "It helps. It also"),
        ("as shown [4-7] before", "as shown before"),
        ("See <b>this</b> and H<sub>2</sub>O, 10<sup>-3</sup>", "See this and H₂O, 10⁻³"),
        ("a<br/>b <span class='x'>c</span>", "a\nb c"),
        ("More (https://example.org/a?b=c) here", "More here"),
        ("Use [the tool](https://example.org/t) daily", "Use the tool daily"),
        ("• one\n◆ two\n\uf0b7 three", "- one\n- two\n- three"),
        ("=====\nText\n\n\n\nmore  text ", "Text\n\nmore text"),
        ("AT&amp;T &alpha; &lt; 3", "AT&T α < 3"),
        ("soft\xadhyphen, zero\u200bwidth\x01", "softhyphen, zerowidth"),
    ],
)
def test_left_overs_of_pages_go(raw, cleaned):
    assert clean(raw, drop_citations=True) == cleaned


def test_a_bracketed_number_of_an_abstract_stays():
    assert clean("a score of five [5] points", drop_citations=False).count("[5]") == 1


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs"]), max_size=200),
    st.booleans(),
)
def test_cleaning_twice_changes_nothing_more_in_texts_without_markup(text, drop_citations):
    text = text.replace("<", "").replace("&", "").replace("[", "")
    once = clean(text, drop_citations=drop_citations)
    assert clean(once, drop_citations=drop_citations) == once


@given(st.lists(st.sampled_from(["p<0.01", ">30", "[Na+]", "obese", "old", "5", "α", "(n=3)"])))
def test_no_word_of_a_sentence_is_lost(words):
    assert clean(" ".join(words), drop_citations=True).split() == words


@pytest.mark.parametrize(
    ("text", "high", "low"),
    [
        ("2", "²", "₂"),
        ("-3", "⁻³", "₋₃"),
        ("2 ", "² ", "₂ "),
        ("max", "^{max}", "_{max}"),
        ("a", "^a", "_a"),
        ("th", "th", "th"),
        ("®", "®", "®"),
        ("", "", ""),
    ],
)
def test_scripts_keep_their_meaning(text, high, low):
    assert raised(text) == high
    assert lowered(text) == low


def number(text: str) -> str:
    return marks.citation(text)


SMITH = marks.citation("Smith et al., 2005")
FIG = marks.reference("Fig. 1A")


@pytest.mark.parametrize(
    ("paragraph", "resolved"),
    [
        (f"It helps [{number('1')},{number('2')}-{number('4')}].", "It helps."),
        (f"It helps{number('[12]')}.", "It helps."),
        (f"It helps ({SMITH}; {marks.citation('Doe 2006')}).", "It helps."),
        (f"It helps (see {SMITH} for a review).", "It helps."),
        (f"{SMITH} found that", "Smith et al., 2005 found that"),
        (f"It helps (P = 0.03; {FIG}).", "It helps (P = 0.03)."),
        (f"It helps ({FIG}, B).", "It helps."),
        (f"{FIG} shows it", "Fig. 1A shows it"),
        (f"(as {SMITH} said before)", "(as Smith et al., 2005 said before)"),
        ("([Na+], p<0.001)", "([Na+], p<0.001)"),
        (
            f"It helps [{marks.token('bib_ref', 'A title, Doe')},"
            f"{marks.token('bib_ref', 'B, Roe')}].",
            "It helps [bib_ref] A title, Doe [/bib_ref] [bib_ref] B, Roe [/bib_ref].",
        ),
    ],
)
def test_references_go_where_the_sentence_allows_it(paragraph, resolved):
    assert marks.resolve(paragraph) == resolved


def test_a_dosing_table_keeps_every_number_in_its_column():
    header = [
        [Cell("Drug", rows=2), Cell("Dose", columns=2)],
        [Cell("Child"), Cell("Adult | max")],
    ]
    body = [
        [Cell("Oral", columns=3)],
        [Cell("amoxicillin", rows=2), Cell("50 mg/kg"), Cell("1 g")],
        [Cell("90 mg/kg", columns=2)],
        [Cell(""), Cell("")],
    ]
    assert to_markdown(header, body).splitlines() == [
        "| Drug | Dose / Child | Dose / Adult \\| max |",
        "| --- | --- | --- |",
        "| Oral |  |  |",
        "| amoxicillin | 50 mg/kg | 1 g |",
        "| amoxicillin | 90 mg/kg | 90 mg/kg |",
    ]


@given(
    st.lists(
        st.lists(
            st.builds(
                Cell, st.sampled_from(["1", "2 mg", ""]), st.integers(1, 3), st.integers(1, 3)
            ),
            max_size=4,
        ),
        max_size=5,
    )
)
def test_every_line_of_a_table_has_as_many_cells(rows):
    lines = to_markdown([], rows).splitlines()
    assert len({line.count("|") for line in lines}) <= 1
    for text in {cell.text for row in rows for cell in row} - {""}:
        assert any(text in line for line in lines)


def test_a_page_becomes_markdown():
    page = """<html><head><title>T</title><style>x{}</style></head><body><nav>menu</nav><main>
    <h1>Sepsis</h1><p>Give <b>fluids</b>&nbsp;30&thinsp;mL/kg within 3&nbsp;h.
    <h2>Antibiotics</h2>
    <ul><li>first<ul><li>inner</li></ul></li><li>p&lt;0.001,
    BMI &gt;30</li></ul>
    <table><tr><th>Drug</th><th>Dose</th></tr><tr><td>A</td><td>1 g<br>2 g</td></tr></table>
    <dl><dt>MAP</dt><dd>mean pressure</dd></dl></main><footer>copyright</footer></body></html>"""
    assert to_text(page) == (
        "# Sepsis\n\nGive fluids 30 mL/kg within 3 h.\n\n## Antibiotics\n\n"
        "- first\n  - inner\n- p<0.001, BMI >30\n\n"
        "| Drug | Dose |\n| --- | --- |\n| A | 1 g 2 g |\n\n- MAP:\n  mean pressure"
    )


def test_a_frame_of_one_column_is_no_table():
    assert to_text("<table><tr><td><p>a</p><p>b</p></td></tr></table>") == "a\n\nb"


@pytest.mark.parametrize("opened", ["<div>", "<b>", "<ul><li>", "<table><tr><td>a<td>"])
def test_a_page_of_unclosed_elements_keeps_its_words_and_ends(opened):
    assert "words" in to_text(opened * 400 + "words")


def test_a_page_too_deep_for_the_parser_is_refused_and_not_cut():
    with pytest.raises(DeepMarkupError):
        to_text("<div>" * 3000 + "words")


def test_empty_pages_have_no_text():
    assert to_text("") == to_text("<!-- nothing -->") == ""
