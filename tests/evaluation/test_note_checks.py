"""Headings and numbers of written notes, against conversations made up here and real ones."""

import csv
from fractions import Fraction
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.evaluation.note_checks import headings, number_support, section_f1, spoken_numbers

NOTE = """CHIEF COMPLAINT

Cough.

Current Medications:
- Aspirin 81 mg daily

ASSESSMENT & PLAN
1. Bronchitis.
"""


def test_headings_are_lines_in_capitals_or_with_a_colon_at_their_end():
    assert headings(NOTE) == {"chief complaint", "current medications", "assessment and plan"}


@pytest.mark.parametrize(
    "line",
    [
        "Cough for three days.",
        "GERD.",
        "- GERD",
        "1. GERD",
        "BP 120/80",
        "Plan: rest and fluids",
        "She has undergone these operations so far this year:",
        "",
        ":",
        "***",
        "120/80:",
    ],
)
def test_sentences_bullets_and_measurements_are_no_headings(line: str):
    assert headings(line) == frozenset()


@pytest.mark.parametrize("line", ["## Plan:", "**PLAN**", "**Plan:**", "  plan :", "PLAN:", "PLAN"])
def test_markup_and_letter_case_of_a_heading_do_not_count(line: str):
    assert headings(line) == {"plan"}


def test_headings_that_are_missing_and_that_are_invented_both_cost():
    assert section_f1(NOTE, NOTE) == 1.0
    assert section_f1("PLAN\nEXAM", "PLAN") == pytest.approx(2 / 3)
    assert section_f1("PLAN", "PLAN\nEXAM") == pytest.approx(2 / 3)
    assert section_f1("PLAN\nEXAM", "PLAN\nVITALS") == 0.5
    assert section_f1("PLAN", "Rest.") == 0.0
    assert section_f1("PLAN", "") == 0.0


def test_a_reference_without_headings_has_no_score():
    assert section_f1("Rest and fluids.", NOTE) is None


@given(st.lists(st.sampled_from(["PLAN", "EXAM", "VITALS", "CC", "LABS"])), st.data())
def test_f1_is_the_harmonic_mean_of_precision_and_recall(wanted: list[str], data: st.DataObject):
    found = data.draw(st.lists(st.sampled_from(["PLAN", "EXAM", "HPI"])))
    score = section_f1("\n".join(wanted), "\ntext.\n".join(found))
    if not wanted:
        assert score is None
        return
    both = len({*wanted} & {*found})
    if not both:
        assert score == 0
        return
    precision, recall = both / len({*found}), both / len({*wanted})
    assert score == pytest.approx(2 * precision * recall / (precision + recall))


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("take eighty one milligrams", "Aspirin 81 mg"),
        ("I'm fifty five", "55-year-old"),
        ("fifty-five years old", "55 y.o."),
        ("one twenty over eighty", "BP 120/80"),
        ("it was 120 over 80", "120/80"),
        ("a hundred and twenty over seventy", "120/70"),
        ("one hundred and five pounds", "105 pounds"),
        ("one oh five", "105"),
        ("back in two thousand eight", "in 2008"),
        ("in two thousand and twelve", "in 2012"),
        ("in twenty twenty one", "in 2021"),
        ("nineteen eighty five", "since 1985"),
        ("march twelfth two thousand eight", "03/12/2008"),
        ("june fourth of nineteen ninety three", "6/4/93"),
        ("on the twenty third", "on the 23rd"),
        ("ninety eight point six", "98.6 F"),
        ("one point two five", "1.25 mg"),
        ("one point oh five", "1.05"),
        ("point five milligrams", "0.5 mg"),
        ("two and a half", "2.5 mg"),
        ("one and a half packs", "1-1/2 packs"),
        ("one and a half packs", "1 1/2 packs"),
        ("half a tablet", "1/2 tablet"),
        ("half a tablet", "0.5 tablet"),
        ("about a hundred percent", "100%"),
        ("ten thousand units", "10,000 units"),
        ("10 thousand units", "10000 units"),
        ("two hundred fifty", "250 mg"),
        ("two fifty", "250 mg"),
        ("two thousand three hundred and forty five", "2,345"),
        ("one million two hundred thousand", "1,200,000"),
        ("five or six hundred", "600"),
        ("in her eighties", "80s"),
        ("twice a day", "2 times a day"),
        ("at ten thirty", "10:30"),
        ("at eight o'clock", "8:00"),
        ("at eight in the morning", "8:00"),
        ("march fourth two thousand eight", "3/4/08"),
        ("1,200 calories", "1200 kcal"),
        ("5 milligrams", "5.0 mg"),
        ("eighty-one mg and 5", "81mg, 5mg"),
        ("TWENTY", "20"),
    ],
)
def test_a_number_is_found_however_it_was_said(said: str, written: str):
    assert number_support(said, written) == 1.0


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("fifty milligrams", "15 mg"),
        ("fifteen milligrams", "50 mg"),
        ("one point five", "15 mg"),
        ("fifty five", "50"),
        ("eighty", "120/80"),
        ("one twenty over eighty", "120/90"),
        ("one hundred", "1000"),
        ("two thousand eight", "208"),
        ("in march", "03/2008"),
        ("march fourth two thousand eight", "3/4/09"),
        ("one and a half", "120/80"),
        ("500 200", "500200"),
        ("at ten", "10:30"),
        ("it hurts, oh, badly", "0"),
        ("no numbers at all", "7"),
        ("", "7"),
    ],
)
def test_a_number_that_was_not_said_is_not_supported(said: str, written: str):
    assert number_support(said, written) == 0.0


def test_the_order_of_a_pair_is_not_checked_as_the_module_says():
    assert number_support("one twenty over eighty", "80/120") == 1.0


def test_the_share_is_over_all_numbers_of_the_text():
    assert number_support("five and six", "5 mg, 6 mg, 7 mg, 8 mg") == 0.5


@pytest.mark.parametrize(
    "text",
    ["", "Rest.", "five days", "vitamin B12", "L4-L5", "COVID-19", "1. Rest\n2. Fluids", "H1N1"],
)
def test_a_text_without_numbers_has_no_score(text: str):
    assert number_support("five", text) is None


def test_numbers_of_a_list_are_not_looked_at_and_those_that_end_a_sentence_are():
    assert number_support("nine", "1. Rest for 9 days. 2. Fluids.\n3) Salt") == 1.0
    assert number_support("nothing", "Her mother died at 60. She smokes.") == 0.0


UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def spell(number: int, joint: str = " ") -> str:
    if number < 20:
        return UNITS[number]
    if number < 100:
        unit = f"-{UNITS[number % 10]}" if number % 10 else ""
        return TENS[number // 10 - 2] + unit
    for scale, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= scale:
            rest = number % scale
            return f"{spell(number // scale, joint)} {name}" + (
                f"{joint}{spell(rest, joint)}" if rest else ""
            )
    raise AssertionError


@given(st.integers(0, 10**7), st.sampled_from([" ", " and "]))
def test_every_whole_number_in_words_is_read(number: int, joint: str):
    assert Fraction(number) in spoken_numbers(f"about {spell(number, joint)} of them")


@given(st.integers(1100, 2099).filter(lambda year: year % 100 > 9))
def test_every_year_in_two_pieces_is_read(year: int):
    assert Fraction(year) in spoken_numbers(f"in {spell(year // 100)} {spell(year % 100)}")


@given(st.integers(0, 300), st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_every_decimal_number_is_read(whole: int, digits: list[int]):
    said = f"{spell(whole)} point {' '.join(UNITS[digit] for digit in digits)}"
    written = f"{whole}.{''.join(map(str, digits))}"
    assert Fraction(written) in spoken_numbers(said)
    assert number_support(said, f"{written} mg") == 1.0


@given(st.lists(st.sampled_from(["5", "81 mg", "120/80", "rest", "1.5", "3/4/08", "\n", "L4"])))
def test_a_text_is_wholly_supported_by_itself(parts: list[str]):
    text = ", ".join(parts)
    assert number_support(text, text) in (None, 1.0)


@given(st.text(), st.text())
def test_any_text_has_a_share_or_none(conversation: str, text: str):
    support, sections = number_support(conversation, text), section_f1(conversation, text)
    assert support is None or 0 <= support <= 1
    assert sections is None or 0 <= sections <= 1


def pairs(path: Path, note: str) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["dialogue"], row[note]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("file", "note", "least", "most_of_another"),
    [
        ("ehr/mts_dialog/test1.csv", "section_text", 0.85, 0.2),
        ("ehr/aci_bench/clinicalnlp_taskB_test1.csv", "note", 0.8, 0.5),
    ],
)
def test_references_are_supported_by_their_conversations_and_not_by_others(
    medtune_data: Path, file: str, note: str, least: float, most_of_another: float
):
    rows = pairs(medtune_data / file, note)
    own = [number_support(said, written) for said, written in rows]
    others = [
        number_support(said, written)
        for (said, _), (_, written) in zip([*rows[1:], rows[0]], rows, strict=True)
    ]
    assert fmean(share for share in own if share is not None) > least
    assert fmean(share for share in others if share is not None) < most_of_another


def test_whole_notes_have_headings_and_single_sections_have_none(medtune_data: Path):
    notes = pairs(medtune_data / "ehr/aci_bench/clinicalnlp_taskB_test1.csv", "note")
    assert all(section_f1(note, note) == 1.0 for _, note in notes)
    sections = pairs(medtune_data / "ehr/mts_dialog/test1.csv", "section_text")
    assert all(section_f1(text, text) is None for _, text in sections)
