"""Columns that the recipe gives a meaning: prompts, answers and options."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import DataError
from medtune.recipe import Columns, Rows
from medtune.records import Example
from medtune.tasks import TASKS
from medtune.tasks.columns import Template
from medtune.tasks.rows import Row

PLANTED = "JOHN DOE 123"


def row_of(values: dict[str, object]) -> Row:
    return Row(values, "rows.csv:2", "rows-2")


def read(values: dict[str, object], **columns: object) -> Example:
    task = "mcq" if "options" in columns else "chat"
    section = Rows(task=task, format="columns", columns=Columns.model_validate(columns))
    (example,) = TASKS[task].make_reader(section)([row_of(values)])
    return example


def refusal(values: dict[str, object], **columns: object) -> str:
    with pytest.raises(DataError) as caught:
        read(values, **columns)
    assert PLANTED not in str(caught.value)
    return str(caught.value)


def test_a_column_or_text_with_columns_makes_prompt_answer_and_system():
    example = read(
        {"note": "Cough.\n", "summary": " Cold. ", "who": "a nurse", "age": 7},
        prompt="Sum up {{this}} ({age}):\n\n{note}",
        answer="summary",
        system="You are {who}.",
    )
    assert [(turn.role, turn.content, turn.supervised) for turn in example.messages] == [
        ("system", "You are a nurse.", False),
        ("user", "Sum up {this} (7):\n\nCough.\n", False),
        ("assistant", " Cold. ", True),
    ]
    assert (example.answer, example.options, example.source) == (" Cold. ", (), "chat rows")
    assert example.id == example.group == "rows-2"


def test_question_and_choices_of_columns_are_kept_apart_from_the_prompt():
    values = {"q": "Which? ", "one": "first", "two": 2, "right": "B", "age": 7}
    example = read(values, prompt="Aged {age}. {q}", options=["one", "two"], answer="right")
    assert example.messages[0].content.startswith("Question: Aged 7. Which?\n\nA. first\nB. 2\n")
    assert (example.question, example.choices) == ("Aged 7. Which?", ("first", "2"))


def test_labels_are_taken_from_the_named_columns_and_from_no_other():
    values = {"q": "a", "a": "b", "MRN": 12, "id": "x", "group": "y", "doc": " d1 ", "lic": "own"}
    named = read(values, prompt="q", answer="a", id="MRN", group="doc", licence="lic")
    assert (named.id, named.group, named.licence) == ("12", "d1", "own")
    unnamed = read(values, prompt="q", answer="a", id="MRN")
    assert (unnamed.id, unnamed.group) == ("12", "12")
    assert read(values, prompt="q", answer="a").id == "rows-2"


columns_strategy = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="{}!:.[]"), min_size=1
).filter(lambda name: not name.isdigit())
literals = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="{}"))
parts = st.lists(
    st.tuples(
        st.lists(literals | st.sampled_from(["{{", "}}"]), max_size=3).map("".join),
        columns_strategy,
    ),
    min_size=1,
    max_size=4,
)


@given(parts, st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_template_is_what_str_format_makes_of_it(pieces, value):
    if isinstance(value, str) and not value.strip():
        value = "x"
    text = "".join(f"{literal}{{{column}}}" for literal, column in pieces)
    values = {column: value for _, column in pieces}
    assert Template("columns.prompt", text).fill(row_of(values)) == text.format(**values)


BAD_TEMPLATES = {
    "{note": "columns.prompt: expected '}' before end of string; a brace of the text is written "
    "twice",
    "note}": "columns.prompt: single '}' encountered in format string; a brace of the text is "
    "written twice",
    "{}": "columns.prompt: found {} with no column's name alone in it; expected {column}",
    "{note!r}": "columns.prompt: found {} with no column's name alone in it; expected {column}",
    "{note:>9}": "columns.prompt: found {} with no column's name alone in it; expected {column}",
    "{{note}}": "columns.prompt: names no column; expected {column}, in single braces",
}


@pytest.mark.parametrize("text", BAD_TEMPLATES)
def test_a_text_that_is_no_template_is_refused_before_any_row(text):
    section = Rows(task="chat", format="columns", columns=Columns(prompt=text, answer="a"))
    with pytest.raises(DataError, match=f"^{re.escape(BAD_TEMPLATES[text])}$"):
        TASKS["chat"].make_reader(section)


@pytest.mark.parametrize("text", ["{note.upper}", "{note[0]}"])
def test_a_field_is_the_whole_name_of_a_column_and_reaches_into_no_value(text):
    assert refusal({"note": PLANTED, "a": "b"}, prompt=text, answer="a") == (
        f"rows.csv:2: found keys note, a; expected the column {text[1:-1]}"
    )
    assert read({text[1:-1]: "n", "a": "b"}, prompt=text, answer="a").messages[0].content == "n"


BAD_CELLS = {
    "missing": (..., "keys other; expected the column note (is it other?)"),
    "null": (None, "note is null; expected a text that is not blank, or a number"),
    "empty": ("", "note is a blank text; expected a text that is not blank, or a number"),
    "blank": (" \t", "note is a blank text; expected a text that is not blank, or a number"),
    "true": (True, "note is a bool; expected a text that is not blank, or a number"),
    "not a number": (float("nan"), "note is NaN or infinite; expected a text that is not"),
    "a list": ([PLANTED], "note is a list of 1; expected a text that is not blank, or a number"),
    "an object": ({"a": PLANTED}, "note is an object with the keys a; expected a text that is"),
}


@pytest.mark.parametrize("what", BAD_CELLS)
@pytest.mark.parametrize("use", ["prompt", "answer", "system", "id", "group", "source", "licence"])
def test_a_cell_of_no_use_is_refused_with_its_column(what, use):
    value, told = BAD_CELLS[what]
    values = {"other": PLANTED} | ({} if value is ... else {"note": value})
    told = told.replace(" (is it other?)", "")
    columns = {"prompt": "other", "answer": "other"} | {use: "note"}
    assert refusal(values, **columns).startswith(f"rows.csv:2: found {told}")


def test_a_misspelt_column_is_told_the_nearest_one():
    assert refusal({"Clinical Note": PLANTED, "a": "b"}, prompt="clinical_note", answer="a") == (
        "rows.csv:2: found keys Clinical Note, a; expected the column clinical_note "
        "(is it Clinical Note?)"
    )


CHOICE = {"q": " Which? ", "o1": "one ", "o2": "two", "o3": "three"}


def choose(answer: object, *, first: int = 0, **changes: object) -> str:
    values = CHOICE | {"right": answer} | changes
    columns = {"prompt": "q", "answer": "right", "options": ["o1", "o2", "o3"]}
    return read(values, **columns, options_from=first).answer


def test_columns_make_the_prompt_that_all_multiple_choice_has():
    example = read(
        CHOICE | {"right": "two", "role": "Be a doctor."},
        prompt="{q}", answer="right", options=["o1", "o2", "o3"], system="role",
    )  # fmt: skip
    (medqa,) = TASKS["mcq"].make_reader(Rows(task="mcq"))(
        [
            row_of(
                {
                    "question": "Which?",
                    "options": {"A": "one", "B": "two", "C": "three"},
                    "answer_idx": "B",
                }
            )
        ]
    )
    assert example.messages[1:] == medqa.messages
    assert example.messages[0].content == "Be a doctor."
    assert (example.options, example.answer) == (medqa.options, medqa.answer)


@given(st.integers(0, 2), st.sampled_from([0, 1]))
def test_letter_number_and_text_mean_the_same_option(place, first):
    letter = "ABC"[place]
    for answer in (letter, f" {letter}", place + first, str(place + first)):
        assert choose(answer, first=first) == letter
    assert choose(["one", " two ", "three"][place], first=first) == letter


def refused_choice(answer: object, first: int = 0, **changes: object) -> str:
    with pytest.raises(DataError) as caught:
        choose(answer, first=first, **changes)
    assert PLANTED not in str(caught.value)
    return str(caught.value)


EXPECTED = "expected a letter from A to C, a number from 0 to 2, or the text of an option"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (PLANTED, "a text of 12 characters"),
        ("D", "a text of 1 characters"),
        ("b", "a text of 1 characters"),
        (3, "a text of 1 characters"),
        (-1, "a text of 2 characters"),
        (1.0, "a text of 3 characters"),
        ("02", "a text of 2 characters"),
        ("Two", "a text of 3 characters"),
    ],
)
def test_an_answer_that_is_no_option_is_refused(answer, found):
    message = refused_choice(answer)
    assert message == f"rows.csv:2: found an answer that is {found}; {EXPECTED}"


def test_numbers_are_counted_from_where_the_recipe_says():
    assert refused_choice(0, first=1).endswith(
        "expected a letter from A to C, a number from 1 to 3, or the text of an option"
    )


def test_an_answer_that_could_mean_two_options_is_refused_and_said_how():
    assert refused_choice(PLANTED, o1=PLANTED, o3=PLANTED + " ") == (
        "rows.csv:2: found an answer that is the text of option A and the text of option C; "
        "expected an answer that means one option"
    )
    # Options that are numbers themselves: is "1" the second option, or the first?
    assert refused_choice("1", o1="1", o2="2", o3="3") == (
        "rows.csv:2: found an answer that is the text of option A and the number of option B; "
        "expected an answer that means one option"
    )
    assert choose("1", first=1, o1="1", o2="2", o3="3") == "A"


def test_a_blank_option_is_refused_with_its_column():
    assert refused_choice("A", o2=" ") == (
        "rows.csv:2: found o2 is a blank text; expected a text that is not blank, or a number"
    )


def test_multiple_choice_without_medqas_keys_is_told_of_columns():
    with pytest.raises(DataError) as caught:
        list(TASKS["mcq"].make_reader(Rows(task="mcq"))([row_of({"q": PLANTED, "a": PLANTED})]))
    assert str(caught.value) == (
        "rows.csv:2: found keys q, a; expected question, options, answer_idx, as MedQA has them; "
        "or say in the recipe what your keys mean, with columns: "
        "{prompt: ..., options: ..., answer: ...}"
    )


def test_more_options_than_letters_are_refused_before_any_row():
    columns = Columns(prompt="q", answer="a", options=[f"o{n}" for n in range(27)])
    with pytest.raises(DataError, match=r"^columns\.options: found 27 options; expected at most"):
        TASKS["mcq"].make_reader(Rows(task="mcq", columns=columns))
