"""MedQA's and MedMCQA's schemas, as published and as the hub has them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import DataError
from medtune.recipe import Data
from medtune.records import Example
from medtune.tasks import read_task
from medtune.tasks.multiple_choice import read_medmcqa
from medtune.tasks.rows import Row

PLANTED = "JOHN DOE 123"
OPTIONS = {"A": "one", "B": "two", "C": "three", "D": "four"}


def medqa(**changes: object) -> dict[str, object]:
    row = {"question": "Which?", "options": OPTIONS, "answer_idx": "B", "answer": "two"}
    return {key: value for key, value in {**row, **changes}.items() if value is not ...}


def medmcqa(**changes: object) -> dict[str, object]:
    row = {"question": "Which?", "opa": "one", "opb": "two", "opc": "three", "opd": "four"}
    row |= {"cop": 4, "id": None}
    return {key: value for key, value in {**row, **changes}.items() if value is not ...}


def read(task: str, folder: Path, *rows: object) -> list[Example]:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(read_task(Data(task=task, path=str(file))).splits["train"])


def refusal(task: str, folder: Path, *rows: object) -> str:
    with pytest.raises(DataError) as caught:
        read(task, folder, *rows)
    return str(caught.value)


def test_a_medqa_row_becomes_question_options_and_letter(tmp_path):
    (example,) = read("medqa", tmp_path, medqa(question=" Which? ", meta_info="step1"))
    user, assistant = example.messages
    assert user.content == (
        "Question: Which?\n\nA. one\nB. two\nC. three\nD. four\n\n"
        "Answer with the letter of the best option."
    )
    assert (user.role, user.supervised) == ("user", False)
    assert (assistant.role, assistant.content, assistant.supervised) == ("assistant", "B", True)
    assert example.options == ("A", "B", "C", "D")
    assert example.answer == "B"
    assert example.id == example.group == "rows-1"
    assert example.where == "rows.jsonl:1"


def test_the_question_and_its_choices_are_kept_apart_from_the_prompt(tmp_path):
    (example,) = read("medqa", tmp_path, medqa(question=" Which? ", options=OPTIONS | {"B": " x "}))
    assert (example.question, example.choices) == ("Which?", ("one", "x", "three", "four"))
    assert example.subject == ""
    (example,) = read("medmcqa", tmp_path, medmcqa())
    assert (example.question, example.choices) == ("Which?", ("one", "two", "three", "four"))


def test_the_answer_stands_nowhere_in_the_prompt(tmp_path):
    example, other = read(
        "medqa", tmp_path, medqa(answer_idx="B"), medqa(answer_idx="C", answer="three")
    )
    assert example.prompt == other.prompt


def test_id_group_source_and_licence_of_a_row_are_kept(tmp_path):
    (example,) = read(
        "mcq", tmp_path, medqa(id=7, group="patient-1", source="ward 3", licence="own")
    )
    assert (example.id, example.group) == ("7", "patient-1")
    assert (example.source, example.licence) == ("ward 3", "own")


def lettered(number: int) -> dict[str, str]:
    return {chr(ord("A") + place): f"option {place}" for place in range(number)}


@pytest.mark.parametrize(
    ("task", "number"),
    [("medqa", 4), ("medqa_5opt", 4), ("medqa_5opt", 5), ("mcq", 2), ("mcq", 26)],
)
def test_the_number_of_options_that_a_task_has_is_read(tmp_path, task, number):
    (example,) = read(task, tmp_path, medqa(options=lettered(number)))
    assert len(example.options) == number


BAD_MEDQA = {
    "the question is missing": (medqa(question=...), "expected the key question"),
    "the question is blank": (medqa(question=" \n"), "question is a blank text"),
    "the question is a list": (medqa(question=[PLANTED]), "question is a list of 1"),
    "the options are missing": (medqa(options=...), "expected the key options"),
    "the options are a list": (medqa(options=[PLANTED, "x"]), "options is a list of 2"),
    "the options are a text": (medqa(options=PLANTED), "options is a text of 12 characters"),
    "one option only": (medqa(options={"A": PLANTED}, answer_idx="A"), "object with the keys A"),
    "27 options": (
        medqa(options={**lettered(26), "[": PLANTED}),
        "expected an object of two or more: letter -> text",
    ),
    "letters out of order": (
        medqa(options={"A": PLANTED, "C": "x", "B": "y", "D": "z"}),
        "found options with the keys A, C, B, D; expected the letters A, B, C, D in order",
    ),
    "letters with a hole": (
        medqa(options={"A": PLANTED, "B": "x", "D": "z", "E": "y"}),
        "the letters A, B, C, D in order",
    ),
    "small letters": (
        medqa(options={"a": PLANTED, "b": "x", "c": "y", "d": "z"}),
        "the letters A, B, C, D in order",
    ),
    "three options for medqa": (medqa(options=lettered(3)), "found 3 options; expected 4 options"),
    "five options for medqa": (medqa(options=lettered(5)), "found 5 options; expected 4 options"),
    "an option is blank": (medqa(options=OPTIONS | {"C": " "}), "option C is a blank text"),
    "an option is a number": (medqa(options=OPTIONS | {"D": 1}), "option D is an int"),
    "an option is null": (medqa(options=OPTIONS | {"A": None}), "option A is null"),
    "the answer is missing": (medqa(answer_idx=...), "expected the key answer_idx"),
    "the answer is no letter": (
        medqa(answer_idx=PLANTED),
        "answer_idx is a text of 12 characters; expected one of the letters A, B, C, D",
    ),
    "the answer is not an option": (medqa(answer_idx="E"), "one of the letters A, B, C, D"),
    "the answer is a small letter": (medqa(answer_idx="b"), "one of the letters A, B, C, D"),
    "the answer is a number": (medqa(answer_idx=1), "answer_idx is an int"),
    "the answer is null": (medqa(answer_idx=None), "answer_idx is null"),
    "the id is a list": (medqa(id=[PLANTED]), "id is a list of 1"),
    "the group is a bool": (medqa(group=True), "group is a bool"),
    "the source is an object": (medqa(source={"a": PLANTED}), "source is an object"),
}


@pytest.mark.parametrize("what", BAD_MEDQA)
def test_a_bad_medqa_row_is_refused_with_its_line_and_without_its_text(tmp_path, what):
    row, told = BAD_MEDQA[what]
    # The name stands in every text that the fault leaves alone: none of them may be told either.
    if isinstance(row.get("question"), str) and row["question"].strip():
        row = row | {"question": PLANTED}
    row = row | {"answer": PLANTED}
    message = refusal("medqa", tmp_path, medqa(), medqa(), row)
    assert message.startswith("rows.jsonl:3: found ")
    assert told in message
    assert PLANTED not in message


def test_the_options_of_medqa_with_five_are_four_or_five(tmp_path):
    message = refusal("medqa_5opt", tmp_path, medqa(options=lettered(3)))
    assert message == "rows.jsonl:1: found 3 options; expected 4 or 5 options"


def answers(folder: Path, *cops: int) -> str:
    examples = read("medmcqa", folder, *(medmcqa(cop=cop) for cop in cops))
    return "".join(example.answer for example in examples)


def test_cop_is_counted_from_one_where_there_is_a_four(tmp_path):
    assert answers(tmp_path, 1, 2, 3, 4) == "ABCD"


def test_cop_is_counted_from_zero_where_there_is_a_zero(tmp_path):
    assert answers(tmp_path, 3, 2, 1, 0) == "DCBA"


@given(st.lists(st.sampled_from("ABCD"), min_size=1))
def test_both_ways_of_counting_give_the_same_letters_or_neither_can_be_told(letters):
    def read_counted_from(first: int) -> str | None:
        rows = [
            Row(medmcqa(cop="ABCD".index(letter) + first), f"f:{line}", str(line))
            for line, letter in enumerate(letters, 1)
        ]
        try:
            return "".join(example.answer for example in read_medmcqa(rows))
        except DataError:
            return None

    # What tells: an A counted from 0 is a 0, and a D counted from 1 is a 4.
    assert read_counted_from(0) == ("".join(letters) if "A" in letters else None)
    assert read_counted_from(1) == ("".join(letters) if "D" in letters else None)


def test_a_medmcqa_row_becomes_question_options_and_letter(tmp_path):
    (example,) = read("medmcqa", tmp_path, medmcqa(id="x-1", exp=PLANTED, choice_type="multi"))
    assert example.messages[0].content == (
        "Question: Which?\n\nA. one\nB. two\nC. three\nD. four\n\n"
        "Answer with the letter of the best option."
    )
    assert (example.id, example.answer, example.source) == ("x-1", "D", "MedMCQA")
    # The explanation gives the answer away.
    assert not any(PLANTED in message.content for message in example.messages)


BAD_MEDMCQA = {
    "an option is missing": (medmcqa(opc=...), "expected the key opc"),
    "an option is blank": (medmcqa(opa=""), "opa is a blank text"),
    "an option is a number": (medmcqa(opd=3), "opd is an int"),
    "the question is missing": (medmcqa(question=...), "expected the key question"),
    "cop is missing": (medmcqa(cop=...), "expected the key cop"),
    "cop is null": (medmcqa(cop=None), "cop is null"),
    "cop is a letter": (medmcqa(cop=PLANTED), "cop is a text of 12 characters"),
    "cop is a real number": (medmcqa(cop=1.0), "cop is a float"),
    "cop is a bool": (medmcqa(cop=True), "cop is a bool"),
    "cop is too large": (medmcqa(cop=5), "cop is an int, and not from 0 to 4"),
    "cop is negative": (medmcqa(cop=-1), "cop is an int, and not from 0 to 4"),
    "cop is a record number": (medmcqa(cop=123123123), "cop is an int, and not from 0 to 4"),
}


@pytest.mark.parametrize("what", BAD_MEDMCQA)
def test_a_bad_medmcqa_row_is_refused_with_its_line_and_without_its_text(tmp_path, what):
    row, told = BAD_MEDMCQA[what]
    message = refusal("medmcqa", tmp_path, medmcqa(), row | {"exp": PLANTED, "opb": PLANTED})
    assert message.startswith("rows.jsonl:2: found ")
    assert told in message
    assert PLANTED not in message
    assert "123123" not in message


def test_a_zero_and_a_four_in_one_file_are_refused_with_both_lines(tmp_path):
    message = refusal("medmcqa", tmp_path, *(medmcqa(cop=cop) for cop in (1, 4, 2, 0, 4)))
    assert message == (
        "rows.jsonl:4: found cop counted from 0 here and from 1 in rows.jsonl:2; expected one way "
        "of counting"
    )


def test_a_file_without_zero_and_four_is_refused_because_a_guess_could_train_on_wrong_answers(
    tmp_path,
):
    message = refusal("medmcqa", tmp_path, medmcqa(cop=1), medmcqa(cop=3, opa=PLANTED))
    assert message.startswith("rows.jsonl:1: cop is counted from 0 on the hub and from 1 in the")
    assert "none of the 2 rows has a 0 or a 4" in message
    assert PLANTED not in message
