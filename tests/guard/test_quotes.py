"""Claims with a quote, without one, and with one that nobody wrote."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.guard import Context
from medtune.guard.quotes import missing_quote
from medtune.guard.sections import MissingQuote
from medtune.guard.texts import Text

SNIPPET = "The target INR is 2.0 to 3.0. It is checked\n  every four weeks."
RULE = MissingQuote(id="quotes", kind="missing_quote", needs=["dose", "number", "recommendation"])


def verdicts(text: str, snippets: tuple[str, ...] | None = (SNIPPET,), **keys: Any) -> list[str]:
    check = missing_quote(RULE.model_copy(update=keys))
    return [found.verdict for found in check(Text.of(text), Context(snippets=snippets))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Aim for 2.5: "The target INR is 2.0 to 3.0."', ["ok"]),
        ("Aim for 2.5 (\u201cThe target INR is 2.0 to 3.0\u201d).", ["ok"]),
        ('Check it monthly, as "It is checked every four weeks" says.', ["ok"]),
        ('It should be 2.5. "The target INR is 2.0 to 3.0."', ["ok"]),
        ('It is "3.0. It is checked every" month.', ["ok"]),
        ("Aim for 2.5.", ["flag"]),
        ("It should be checked.", ["flag"]),
        ("Give 5 mg.", ["flag"]),
        ('Aim for 2.5 ("INR").', ["flag"]),
        ('"The target INR is 2.5 to 3.5."', ["violation"]),
        ('"the target INR is 2.0 to 3.0."', ["violation"]),
        ('"The target INR is 2.0 to 3.0." Bleeding falls by 20%.', ["ok", "flag"]),
        ("I hope that you feel better.", []),
        ("Should it be 2.5?", []),
    ],
)
def test_a_claim_needs_a_quote_that_stands_in_a_snippet(text: str, expected: list[str]):
    assert verdicts(text) == expected


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("maximum daily dose is 4", "violation"),
        ("maximum daily dose is 40", "ok"),
        ("aximum daily dose is", "violation"),
        ("maximum daily dos", "violation"),
        ("usual dose is 1", "violation"),
        ("usual dose is 1,", "violation"),
        ("usual dose is 1,000", "ok"),
        ("000 mg in adults", "violation"),
        ("usual dose is 1,000 mg in non", "violation"),
        ("pregnant adults of any age", "violation"),
        ("non-pregnant adults of any age", "ok"),
        ("at most 5 mg", "violation"),
        ("at most 5 mg/kg", "ok"),
        ("is 4 in some", "ok"),
    ],
)
def test_no_end_of_a_quote_cuts_a_word_or_a_number(quote: str, expected: str):
    snippet = """The maximum daily dose is 40 g. The usual dose is 1,000 mg in non-pregnant adults
        of any age, at most 5 mg/kg. It is 4 in some. This is 4 in some."""
    assert verdicts(f'"{quote}"', (snippet,)) == [expected]


def test_without_snippets_no_claim_is_supported_and_where_none_are_asked_for_all_pass():
    assert verdicts("Aim for 2.5.", ()) == ["flag"]
    assert verdicts('"The target INR is 2.0 to 3.0"', ()) == ["violation"]
    assert verdicts("Aim for 2.5.", None) == []


def test_a_rule_can_ask_for_a_quote_in_every_sentence():
    assert verdicts("I hope that you feel better.", needs=["sentence"]) == ["flag"]


@given(st.data())
def test_any_part_of_a_snippet_is_a_quote_however_its_white_space_is(data: st.DataObject):
    words = SNIPPET.split()
    start = data.draw(st.integers(0, len(words) - 3))
    end = data.draw(st.integers(start + 3, len(words)))
    space = data.draw(st.sampled_from([" ", "  ", "\u00a0", "\t"]))
    assert verdicts(f"Note: \u201c{space.join(words[start:end])}\u201d")[0] == "ok"
