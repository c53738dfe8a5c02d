"""The engine as a whole: one report, its verdict, and texts that cannot be read."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import medtune.guard
from medtune.guard import Context, check, load_rules, worst
from medtune.guard.plain import plain
from medtune.guard.sentences import MAX_LENGTH, sentences

RULES = load_rules("demo_rules")
PACKAGE = Path(medtune.guard.__file__).parent


def test_the_worst_finding_decides_and_findings_come_in_the_order_of_the_text():
    report = check(
        "SSN 123-45-6789. Lisinopril 10 mg daily. Warfarin .5 mg daily. Digoxin 9 mg daily.", RULES
    )
    assert report.verdict == "violation"
    assert [found.verdict for found in report.findings] == ["violation", "ok", "flag", "violation"]
    assert [found.span.start for found in report.findings] == sorted(
        found.span.start for found in report.findings
    )
    assert report.of("dose-range") == "violation"
    assert report.of("quotes") == "ok"
    assert report.rules_digest == RULES.digest


def test_a_harmless_text_is_ok():
    assert check("Rest, drink enough, and come back if the fever returns.", RULES).verdict == "ok"


@given(st.lists(st.sampled_from(["ok", "flag", "violation"])))
def test_a_violation_is_worse_than_a_flag_and_a_flag_worse_than_ok(verdicts: list[str]):
    expected = next((v for v in ("violation", "flag") if v in verdicts), "ok")
    assert worst(verdicts) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no text"),
        (" \n\t", "no text"),
        ("acet\u200baminophen 9 g", "hidden characters"),
        ("\u202egm 9 nirips\u0430", "hidden characters"),
        ("warfarin \u0665\u0660 mg daily", "digits of another script"),
        ("\u041f\u0440\u0438\u043d\u0438\u043c\u0430\u0439\u0442\u0435 9 \u0433", "another script"),
        ("aspirin " + 30 * "9" + " mg", "too long"),
    ],
)
def test_a_text_that_is_empty_or_cannot_be_read_is_a_flag(text: str, told: str):
    report = check(text, RULES)
    assert report.verdict != "ok"
    assert any(found.rule == "text" and told in found.message for found in report.findings)


PIECES = """
    aspirin warfarin insulin 5 10 .5 5.0 1,000 mg mcg g units U % /kg /day per day q6h daily bid not
    never stop start chemotherapy avoid ( ) , . ; : ? ! - " up to max NICE 2019 guideline et al.
    Smith 123-45-6789 MRN half two hundred and tablets x \u00bd \u00b5g \u2022 \u201c \u201d
"""
WORDS = st.sampled_from([*PIECES.split(), "\n", "\n\n"])


@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=30).map(" ".join)))
def test_any_text_has_a_report_with_places_inside_it(text: str):
    report = check(text, RULES, Context(weight_kg=70.0, snippets=("a snippet",)))
    for found in report.findings:
        assert 0 <= found.span.start <= found.span.end <= len(text)
    assert report == check(text, RULES, Context(weight_kg=70.0, snippets=("a snippet",)))


ODD_LETTERS = {"i": "\u0130\u0131", "s": "\u017f", "k": "\u212a"}
"""Letters that a pattern takes for an English one where case does not count."""
NAMED = """
    ibuprofen aspirin insulin lisinopril twice thirty six milligrams million micrograms daily skip
    stop sick kidney Miss Smith American Heart Association tablets is six-year-old skin penicillin
"""


@st.composite
def oddly_spelled(draw: st.DrawFn) -> str:
    """English words, some of whose letters are ones that only look like them."""
    text = " ".join(draw(st.lists(st.sampled_from([*NAMED.split(), "5", "mg"]), max_size=12)))
    return "".join(draw(st.sampled_from([one, *ODD_LETTERS.get(one, "")])) for one in text)


@given(oddly_spelled() | st.text(alphabet="iIsSkK\u0130\u0131\u017f\u212amgx5 .", max_size=40))
def test_letters_that_match_others_never_end_in_an_error(text: str):
    context = Context(question=text, allergies=(text,), conditions=(text,), snippets=(text,))
    assert check(text, RULES, context).rules_digest == RULES.digest


@pytest.mark.parametrize(
    "text",
    [
        "\u0130buprofen 4000 mg al\u0131n.",
        "Take asp\u0131rin 5 g.",
        "take ibuprofen 800 mg every s\u0131xth hour and tw\u0131ce a day, 9 g",
        "Take warfarin th\u0131rty mg",
        "According to the Amer\u0131can Society of Bogus Medicine, rest.",
        "Take a\u017fpirin 5 g.",
        "Ta\u212ae ibuprofen 4000 mg.",
    ],
)
def test_letters_that_match_others_are_read_as_those(text: str):
    assert check(text, RULES).verdict == "violation"


@given(st.text(max_size=60), st.lists(WORDS, max_size=20).map(" ".join))
def test_reading_a_text_keeps_its_length_and_its_sentences_do_not_overlap(one: str, other: str):
    for text in (one, other):
        assert len(plain(text)) == len(text)
        end = 0
        for sentence in sentences(plain(text)):
            assert end <= sentence.start < sentence.end
            end = sentence.end


def test_a_long_sentence_is_cut_but_no_number_from_its_unit():
    text = "aspirin 81 mg and " * 200
    pieces = sentences(text)
    assert max(end - start for start, end in pieces) <= MAX_LENGTH
    assert all(not text[start:end].endswith("81") for start, end in pieces)
    assert len(check(text, RULES).findings) == 200


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Give 5 mg. Then wait.", ["Give 5 mg.", "Then wait."]),
        ("Dr. Smith saw her b.i.d. Monday.", ["Dr. Smith saw her b.i.d. Monday."]),
        ("Give 2.5 mg.\n- Rest\n- Fluids", ["Give 2.5 mg.", "- Rest", "- Fluids"]),
        ("| a | b |\n| c | d |", ["| a | b |", "| c | d |"]),
        ("a line\nthat goes on", ["a line\nthat goes on"]),
        ('He said "Stop." She left.', ['He said "Stop."', "She left."]),
    ],
)
def test_sentences_end_at_stops_and_list_items_and_not_at_abbreviations(
    text: str, parts: list[str]
):
    assert [text[start:end] for start, end in sentences(text)] == parts


@pytest.mark.parametrize("name", ["weight_kg", "surface_m2", "age_years"])
@pytest.mark.parametrize("value", [-1.0, 1000.0, float("nan")])
def test_a_context_refuses_what_nobody_has(name: str, value: float):
    with pytest.raises(ValueError, match=name):
        Context(**{name: value})


def test_the_package_imports_only_what_it_may():
    allowed = ("medtune.guard", "medtune.errors", "medtune.digests", "medtune.recipe.")
    for file in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = node.module if isinstance(node, ast.ImportFrom) else None
            if name and name.startswith("medtune."):
                may_count = file.name == "measuring.py" and name.startswith("medtune.stats.")
                assert name.startswith(allowed) or may_count, f"{file.name}: {name}"
