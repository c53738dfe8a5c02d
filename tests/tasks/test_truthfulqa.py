"""TruthfulQA: the right answer stands first in the files and anywhere in the prompt."""

import csv
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import DataError
from medtune.records import Example
from medtune.tasks.rows import Row
from medtune.tasks.truthfulqa import CATEGORIES, read_truthfulqa, with_categories

PLANTED = "JOHN DOE 123"


def as_json(question: object, right: str, *wrong: str) -> dict[str, object]:
    return {"question": question, "mc1_targets": {right: 1, **dict.fromkeys(wrong, 0)}}


def as_csv(question: object, right: str, *wrong: str) -> dict[str, object]:
    return {"Question": question, "Best Answer": right, "Incorrect Answers": "; ".join(wrong)}


def as_hub(question: object, right: str, *wrong: str) -> dict[str, object]:
    labels = [1] + [0] * len(wrong)
    return {"question": question, "mc1_targets": {"choices": [right, *wrong], "labels": labels}}


def read(values: dict[str, object]) -> Example:
    (example,) = read_truthfulqa([Row(values, "mc_task.json:1", "mc_task-1")])
    return example


def listed(example: Example) -> dict[str, str]:
    lines = example.messages[0].content.split("\n\n")[1].split("\n")
    return dict(line.split(". ", 1) for line in lines)


@pytest.mark.parametrize("layout", [as_json, as_csv, as_hub])
def test_the_answers_become_lettered_options_of_which_one_is_right(layout):
    example = read(layout(" Why? ", "so ", "not so", "never"))
    assert example.messages[0].content.startswith("Question: Why?\n\nA. ")
    assert set(listed(example).values()) == {"so", "not so", "never"}
    assert listed(example)[example.answer] == "so"
    assert example.options == ("A", "B", "C")
    assert (example.source, example.licence) == ("TruthfulQA", "Apache-2.0")


def test_the_choices_are_the_answers_in_the_order_of_their_letters():
    example = read(as_json(" Why? ", "so", "not so", "never"))
    assert example.question == "Why?"
    assert dict(zip(example.options, example.choices, strict=True)) == listed(example)
    assert example.subject == ""


ALL = {"so": 1, " it is so ": 1, "never": 0, "not so": 0}


def test_all_right_and_all_wrong_answers_are_kept_in_their_order():
    both = {"choices": list(ALL), "labels": list(ALL.values())}
    for targets in (ALL, both):
        example = read(as_json("Why?", "so", "never") | {"mc2_targets": targets})
        assert example.true_texts == ("so", "it is so")
        assert example.false_texts == ("never", "not so")
    example = read(as_csv("Why?", "so", "x", "y", "x") | {"Correct Answers": "so; it is so; so;"})
    assert (example.true_texts, example.false_texts) == (("so", "it is so"), ("x", "y"))


def test_without_all_answers_there_are_no_right_and_no_wrong_ones():
    for layout in (as_json, as_csv, as_hub):
        example = read(layout("Why?", "so", "x"))
        assert (example.true_texts, example.false_texts) == ((), ())


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        ({PLANTED: 0}, "mc2_targets with 0 right answers; expected one or more"),
        ({PLANTED: 2}, "mc2_targets with a label that is neither 0 nor 1; expected 0 or 1"),
        ([PLANTED], "mc2_targets is a list of 1; expected an object: answer -> 0 or 1"),
    ],
)
def test_bad_lists_of_all_answers_are_refused(targets, told):
    with pytest.raises(DataError) as caught:
        read(as_json("Why?", "so", "x") | {"mc2_targets": targets})
    assert str(caught.value).startswith(f"mc_task.json:1: found {told}")
    assert PLANTED not in str(caught.value)


def table(*rows: tuple[str, str]) -> list[Row]:
    return [
        Row({"Category": category, "Question": question}, f"TruthfulQA.csv:{n}", f"T-{n}")
        for n, (question, category) in enumerate(rows, 2)
    ]


def joined(questions: list[object], *known: tuple[str, str]) -> list[str]:
    rows = [Row(as_json(question, "so", "x"), "mc_task.json:1", "mc-1") for question in questions]
    return [row.values["Category"] for row in with_categories(rows, table(*known))]


def test_a_category_is_found_by_the_text_of_the_question():
    known = (("Why? ", "Health"), ("How?", "Law"), ("Who?", "Law"))
    assert joined(["How?", " Why?", "When?", 7], *known) == ["Law", "Health", "", ""]


def test_a_row_that_says_its_category_keeps_it():
    row = Row(as_csv("Why?", "so", "x") | {"Category": "Law"}, "TruthfulQA.csv:2", "T-2")
    (kept,) = with_categories([row], table(("Why?", "Health")))
    assert kept.values["Category"] == "Law"
    (example,) = read_truthfulqa([kept])
    assert example.subject == "Law"


def test_a_question_under_two_categories_is_refused():
    assert joined(["Why?"], ("Why?", "Law"), ("Why?", "Law")) == ["Law"]
    with pytest.raises(DataError, match=r"^TruthfulQA\.csv:3: found a question that stands in"):
        joined(["Why?"], ("Why?", "Law"), ("Why?", "Health"))


answers = st.lists(
    st.text("abcdefgh", min_size=1), min_size=2, max_size=8, unique=True
)  # fmt: skip


@given(st.text("abc?", min_size=1), answers, st.randoms())
def test_the_order_depends_on_the_texts_and_on_nothing_else(question, texts, random):
    right, *wrong = texts
    example = read(as_json(question, right, *wrong))
    random.shuffle(wrong)
    for layout in (as_json, as_csv, as_hub):
        again = read(layout(question, right, *wrong))
        assert (again.messages, again.answer) == (example.messages, example.answer)


def test_the_right_answer_stands_in_every_place_about_equally_often():
    places = Counter(
        read(as_json(f"Question {n}?", "right", "a", "b", "c")).answer for n in range(400)
    )
    # Binomial, 400 draws of one in four: five standard deviations are 43.
    assert set(places) == set("ABCD")
    assert all(abs(count - 100) <= 43 for count in places.values())


def test_a_semicolon_at_the_end_and_an_answer_given_twice_add_no_option():
    values = {"Question": "Why?", "Best Answer": "so", "Incorrect Answers": "x; y;x ; "}
    assert set(listed(read(values)).values()) == {"so", "x", "y"}


BAD = {
    "no targets": ({"question": "Why?"}, "keys question; expected the key mc1_targets"),
    "targets in a list": (
        {"question": "Why?", "mc1_targets": [PLANTED]},
        "mc1_targets is a list of 1; expected an object: answer -> 0 or 1",
    ),
    "two right answers": (
        {"question": "Why?", "mc1_targets": {PLANTED: 1, "x": 1}},
        "mc1_targets with 2 right answers; expected exactly one",
    ),
    "no right answer": (
        {"question": "Why?", "mc1_targets": {PLANTED: 0, "x": 0}},
        "mc1_targets with 0 right answers; expected exactly one",
    ),
    "a label that is a text": (
        {"question": "Why?", "mc1_targets": {PLANTED: "1", "x": 0}},
        "mc1_targets with a label that is neither 0 nor 1; expected 0 or 1 for each",
    ),
    "a label of 2": (
        {"question": "Why?", "mc1_targets": {PLANTED: 2, "x": 0}},
        "mc1_targets with a label that is neither 0 nor 1; expected 0 or 1 for each",
    ),
    "a blank answer": (
        {"question": "Why?", "mc1_targets": {PLANTED: 1, " ": 0}},
        "mc1_targets with an answer that is blank or no text; expected texts",
    ),
    "fewer labels than choices": (
        {"question": "Why?", "mc1_targets": {"choices": [PLANTED, "x"], "labels": [1]}},
        "mc1_targets with choices and labels that do not pair; expected a label for each",
    ),
    "one answer": (as_json("Why?", PLANTED), "0 wrong answers; expected 1 to 25"),
    "26 wrong answers": (
        as_json("Why?", PLANTED, *"abcdefghijklmnopqrstuvwxyz"),
        "26 wrong answers; expected 1 to 25",
    ),
    "an answer both right and wrong": (
        as_csv("Why?", PLANTED, "x", PLANTED),
        "an answer that is both right and wrong; expected one or the other",
    ),
    "a blank best answer": (
        as_csv(PLANTED, " ", "x"),
        "Best Answer is a blank text; expected a text that is not blank",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_is_refused_with_its_line_and_without_its_text(what):
    values, told = BAD[what]
    with pytest.raises(DataError) as caught:
        read(values)
    assert str(caught.value) == f"mc_task.json:1: found {told}"
    assert PLANTED not in str(caught.value)


def test_all_real_rows_are_read_in_both_layouts_with_the_same_right_answers(medtune_data):
    folder = medtune_data / "safety/truthfulqa"
    of_json = json.loads((folder / "mc_task_a.json").read_bytes())
    with (folder / "TruthfulQA_a.csv").open(newline="", encoding="utf-8") as file:
        of_csv = list(csv.DictReader(file))
    ours, others = [read(row) for row in of_json], [read(row) for row in of_csv]
    assert len(ours) == len(others) == 415

    def right(examples: list[Example]) -> list[str]:
        return sorted(listed(example)[example.answer].rstrip(".") for example in examples)

    assert right(ours) == right(others)
    assert Counter(e.answer for e in ours)["A"] < 415 / 2
    assert all(e.true_texts and e.false_texts for e in (*ours, *others))
    assert {e.subject for e in others} == set(CATEGORIES)
