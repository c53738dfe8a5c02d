"""MMLU's headerless CSV and the hub's rows."""

import csv

import pytest

from medtune.errors import DataError
from medtune.recipe import Rows
from medtune.tasks import TASKS
from medtune.tasks.mmlu import HEADER, read_mmlu
from medtune.tasks.rows import Row

PLANTED = "JOHN DOE 123"
CELLS = ("Which? ", "1", "two", "three", "four", "B")


def published(where: str = "test/anatomy_test.csv:3", **changes: object) -> Row:
    return Row(dict(zip(HEADER, CELLS, strict=True)) | changes, where, "anatomy_test-3")


def of_hub(**changes: object) -> Row:
    values = {"question": "Which?", "subject": "anatomy", "answer": 1}
    values |= {"choices": ["1", "two", "three", "four"]}
    return Row(values | changes, "cais/mmlu (all, test) row 3", "test-3")


def test_a_row_becomes_the_prompt_of_all_multiple_choice_and_keeps_its_subject():
    (example,) = read_mmlu([published()])
    assert example.messages[0].content == (
        "Question: Which?\n\nA. 1\nB. two\nC. three\nD. four\n\n"
        "Answer with the letter of the best option."
    )
    assert (example.answer, example.options) == ("B", ("A", "B", "C", "D"))
    assert (example.source, example.licence) == ("MMLU anatomy", "MIT")
    assert example.id == example.group == "anatomy_test-3"


def test_the_hubs_rows_say_the_same():
    (one,), (other,) = read_mmlu([published()]), read_mmlu([of_hub()])
    assert (one.messages, one.options, one.answer) == (other.messages, other.options, other.answer)
    assert one.source == other.source
    (training,) = read_mmlu([of_hub(subject="")])
    assert training.source == "MMLU"


def test_the_question_its_choices_and_its_subject_are_kept_apart_from_the_prompt():
    (one,), (other,) = read_mmlu([published()]), read_mmlu([of_hub()])
    assert (one.question, one.choices) == ("Which?", ("1", "two", "three", "four"))
    assert one.subject == "anatomy"
    assert (other.question, other.choices, other.subject) == (
        one.question, one.choices, one.subject
    )  # fmt: skip
    (training,) = read_mmlu([of_hub(subject="")])
    assert training.subject == ""


def test_a_question_that_stands_in_a_file_twice_is_two_rows():
    again = Row(published().values, "test/anatomy_test.csv:9", "anatomy_test-9")
    one, other = read_mmlu([published(), again])
    assert one.question == other.question
    assert one.id != other.id


@pytest.mark.parametrize(
    ("where", "subject"),
    [
        ("anatomy_dev.csv:1", "anatomy"),
        ("val/us_foreign_policy_val.csv:7", "us_foreign_policy"),
        ("auxiliary_train/race.csv.gz:12", "race"),
    ],
)
def test_the_subject_is_in_the_name_of_the_file(where, subject):
    (example,) = read_mmlu([published(where)])
    assert example.source == f"MMLU {subject}"


BAD = {
    "a small letter": (published(answer="b"), "answer is a text of 1 characters; expected one of"),
    "no letter": (published(answer=PLANTED), "answer is a text of 12 characters; expected one of"),
    "a blank option": (published(C=" "), "C is a blank text; expected a text that is not blank"),
    "a blank question": (published(question=""), "question is a blank text; expected a text"),
    "three choices": (of_hub(choices=[PLANTED] * 3), "choices is a list of 3; expected a list of"),
    "a null choice": (of_hub(choices=[PLANTED, None, "", "x"]), "choices is a list of 4; expected"),
    "choices is a text": (of_hub(choices=PLANTED), "choices is a text of 12 characters; expected"),
    "answer 4": (of_hub(answer=4), "answer is an int; expected the number of the right choice"),
    "answer -1": (of_hub(answer=-1), "answer is an int; expected the number of the right choice"),
    "answer true": (of_hub(answer=True), "answer is a bool; expected the number of the right"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_is_refused_with_its_place_and_without_its_text(what):
    row, told = BAD[what]
    with pytest.raises(DataError) as caught:
        list(read_mmlu([row]))
    assert str(caught.value).startswith(f"{row.where}: found {told}")
    assert PLANTED not in str(caught.value)


@pytest.mark.parametrize(("split", "num_files", "num_rows"), [("dev", 20, 100), ("test", 20, 2169)])
def test_all_real_rows_are_read(medtune_data, split, num_files, num_rows):
    task = TASKS["mmlu"]
    paths = sorted((medtune_data / task.folder / split).glob("*.csv"))
    rows = []
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            rows += [
                Row(dict(zip(task.header, cells, strict=True)), f"{path.name}:{n}", f"{path}-{n}")
                for n, cells in enumerate(csv.reader(file), 1)
            ]
    examples = list(task.make_reader(Rows(task="mmlu"))(rows))
    assert (len(paths), len(examples)) == (num_files, num_rows)
    assert {example.answer for example in examples} == set("ABCD")
    assert len({example.source for example in examples}) == num_files
    assert {example.subject for example in examples} <= set(task.subjects)
    assert "MMLU clinical_knowledge" in {example.source for example in examples}
