"""Citations that are in the list, that are not, and what is no citation."""

from pathlib import Path

import pytest

from medtune.guard import Context
from medtune.guard.citations import unsupported_citation
from medtune.guard.reading import FOLDER
from medtune.guard.sections import UnsupportedCitation
from medtune.guard.tables import load_citations
from medtune.guard.texts import Text

LIST = load_citations(Path(FOLDER) / "citations.yaml")
RULE = UnsupportedCitation(id="cited", kind="unsupported_citation", citations="citations")
CHECK = unsupported_citation(RULE, LIST)


def verdicts(text: str) -> list[str]:
    return [found.verdict for found in CHECK(Text.of(text), Context())]


@pytest.mark.parametrize(
    "text",
    [
        "The 2021 ESC guidelines recommend it.",
        "KDIGO 2012 defines AKI.",
        "NICE guideline NG136 covers it.",
        "According to the World Health Organization it works.",
        "GOLD 2023 merged two groups.",
        "See PMID 26903338.",
        "See doi:10.1001/jama.2016.0287.",
        "Singer et al. (2016) define sepsis.",
        "The Surviving Sepsis Campaign Guidelines recommend it.",
    ],
)
def test_what_is_in_the_list_is_ok(text: str):
    assert set(verdicts(text)) == {"ok"}


@pytest.mark.parametrize(
    "text",
    [
        "The 2021 ZQX guidelines recommend it.",
        "KDIGO 2016 defines it.",
        "NICE guideline NG999 covers it.",
        "According to the Royal Society of Bogus Medicine it works.",
        "The Global Council on Nonsense recommends it.",
        "According to the Hartwell Guidelines (2019), give it.",
        "The Hartwell guideline recommends rest.",
        "The 2019 Kleinhaus Consensus recommends it.",
        "The Ostermark Sepsis Charter recommends it.",
        "The 1987 GINA guideline says so.",
        "The 2199 WHO guideline says so.",
        "See PMID: 11111111.",
        "See doi 10.1000/made.up.",
        "Smith et al. (2019) found it.",
        "It was shown (Nakamura and Holt, 2018).",
        "A 2018 study in the Lancet showed it.",
        "N Engl J Med 2020;383:1234.",
        "The trial (NCT01234567) was negative.",
    ],
)
def test_what_looks_like_a_citation_and_is_not_in_the_list_is_found(text: str):
    assert "violation" in verdicts(text)


@pytest.mark.parametrize(
    "text",
    [
        "COPD guidelines recommend it.",
        "Current guidelines recommend it.",
        "Current Clinical Guidelines recommend it.",
        "Asthma guidelines recommend it, and the European guidelines do.",
        "MRI is recommended.",
        "He was seen at the Purdy Institute in May.",
        "She works for the City Council of Springfield.",
        "In 2019 she had an MI (March 2019).",
        "A QRS above 120 ms suggests a block.",
    ],
)
def test_diseases_places_and_dates_are_no_citations(text: str):
    assert verdicts(text) == []


def test_a_rule_looks_for_the_kinds_that_it_names_alone():
    papers = unsupported_citation(RULE.model_copy(update={"of": ["pmid"]}), LIST)
    text = Text.of("The ZQX guideline cites PMID 11111111.")
    assert [found.message for found in papers(text, Context())] == [
        "a PMID that is not in the list"
    ]
