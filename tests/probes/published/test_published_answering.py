"""TruthfulQA, PubMedQA and MMLU: the parts of them that tell of safety."""

from collections import Counter

import pytest
from published_rows import (
    PLANTED,
    folder_of,
    pubmedqa_record,
    read,
    refusal,
    write_csv,
    write_json,
)

TABLE = ("Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers")
TRUTH, MAYBE, GENERAL = "truthfulqa_medical", "pubmedqa_maybe", "mmlu_general"


def write_table(data, *rows):
    write_csv(folder_of(TRUTH, data) / "TruthfulQA.csv", TABLE, *rows)


def write_mc_task(data, *questions):
    rows = [
        {"question": question, "mc1_targets": {"So.": 1, "Not so.": 0, "Never.": 0}}
        for question in questions
    ]
    write_json(folder_of(TRUTH, data) / "mc_task.json", rows)


def test_the_best_answer_stands_against_every_wrong_one_and_other_right_ones_stay_out(tmp_path):
    write_table(tmp_path, ("Health", "Why? ", "so", "so; it is so", "not so; never"))
    (item,) = read(TRUTH, tmp_path).items
    assert item.prompt == "Why?"
    assert item.safe == ("so",)
    assert sorted(item.unsafe) == ["never", "not so"]
    assert (item.id, item.tags) == ("truthfulqa-2", {"category": "Health"})


def test_only_the_four_medical_categories_are_asked(tmp_path):
    categories = ("Law", "Health", "Nutrition", "Psychology", "Science", "Sociology")
    write_table(tmp_path, *((name, f"Why {name}?", "so", "so", "not so") for name in categories))
    family = read(TRUTH, tmp_path)
    found = [item.tags["category"] for item in family.items]
    assert found == ["Health", "Nutrition", "Psychology", "Science"]
    assert "left out" not in family.plan.measures


def test_answers_of_mc_task_take_their_category_from_the_table_beside_it(tmp_path):
    write_mc_task(tmp_path, "Why?", "How?")
    write_table(tmp_path, ("Health", "Why?", "x", "x", "y"), ("Law", "How?", "x", "x", "y"))
    family = read(TRUTH, tmp_path)
    (item,) = family.items
    assert item.safe == ("So.",)
    write_table(tmp_path, ("Science", "Why?", "x", "x", "y"), ("Law", "How?", "x", "x", "y"))
    assert read(TRUTH, tmp_path).digest != family.digest


def test_answers_without_any_category_are_refused_with_what_is_missing(tmp_path):
    write_mc_task(tmp_path, PLANTED)
    assert "left out: no category is known: TruthfulQA.csv tells it" in refusal(TRUTH, tmp_path)


def test_a_bad_row_of_truthfulqa_is_refused_with_its_line(tmp_path):
    write_table(tmp_path, ("Law", "Why?", "x", "x", "y"), ("Health", PLANTED, " ", "x", "y"))
    told = refusal(TRUTH, tmp_path)
    assert told.startswith("TruthfulQA.csv:3: found Best Answer is a blank text")


def labelled(**decisions):
    """PMID -> record, for p1="maybe" and so on."""
    return {name.removeprefix("p"): pubmedqa_record(value) for name, value in decisions.items()}


MANY = {f"p{n}": ("maybe", "yes", "no", "yes")[n % 4] for n in range(40)}


def test_abstracts_that_say_maybe_are_asked_with_as_many_that_do_not(tmp_path):
    write_json(folder_of(MAYBE, tmp_path) / "test_set.json", labelled(**MANY))
    items = read(MAYBE, tmp_path).items
    gold = Counter(item.tags["gold"] for item in items)
    assert gold["maybe"] == 10
    assert gold["yes"] + gold["no"] == 10
    assert gold["yes"] > 0
    assert gold["no"] > 0
    for item in items:
        assert item.safe == (item.tags["gold"],)
        assert {*item.safe, *item.unsafe} == {"yes", "no", "maybe"}
        assert item.prompt.endswith("\n\nJudging by the abstract, answer yes, no or maybe.")
        assert "It may help mice." not in item.prompt


def test_which_settled_abstracts_are_asked_does_not_depend_on_the_order_of_the_file(tmp_path):
    file = folder_of(MAYBE, tmp_path) / "test_set.json"
    write_json(file, labelled(**MANY))
    first = {item.id for item in read(MAYBE, tmp_path).items}
    write_json(file, dict(reversed(labelled(**MANY).items())))
    assert {item.id for item in read(MAYBE, tmp_path).items} == first
    assert "pmid-0" in first


def test_training_rows_of_pubmedqa_are_never_asked(tmp_path):
    folder = folder_of(MAYBE, tmp_path)
    write_json(folder / "train.json", labelled(p1="maybe", p2="yes"))
    assert "is not there" in refusal(MAYBE, tmp_path)
    write_json(folder / "test_a.json", labelled(p3="maybe", p4="yes"))
    assert [item.id for item in read(MAYBE, tmp_path).items] == ["pmid-3", "pmid-4"]


def test_of_all_labelled_abstracts_only_those_that_are_told_to_be_test_rows_are_asked(tmp_path):
    folder = folder_of(MAYBE, tmp_path) / "data"
    write_json(folder / "ori_pqal.json", labelled(p1="maybe", p2="yes", p3="maybe", p4="no"))
    assert "is not there" in refusal(MAYBE, tmp_path)
    write_json(folder / "test_ground_truth.json", {"3": "maybe", "4": "no"})
    assert [item.id for item in read(MAYBE, tmp_path).items] == ["pmid-3", "pmid-4"]


@pytest.mark.parametrize("content", ["[]", "{", f'"{PLANTED}"'])
def test_test_ids_in_another_form_are_refused(tmp_path, content):
    folder = folder_of(MAYBE, tmp_path)
    write_json(folder / "ori_pqal.json", labelled(p1="maybe"))
    (folder / "test_ground_truth.json").write_text(content)
    assert refusal(MAYBE, tmp_path).startswith("test_ground_truth.json: ")


def test_a_bad_abstract_is_refused_with_its_line(tmp_path):
    records = labelled(p1="maybe") | {"2": pubmedqa_record(PLANTED, PLANTED)}
    write_json(folder_of(MAYBE, tmp_path) / "test_set.json", records)
    told = refusal(MAYBE, tmp_path)
    assert told.startswith("test_set.json:15: found final_decision is a text of 12 characters")


QUESTION = ("Which is a star?", "Sun", "Moon", "Mars", "Venus", "A")


def write_subject(data, subject, *rows, below="test"):
    write_csv(folder_of(GENERAL, data) / below / f"{subject}_test.csv", *rows)


def test_general_subjects_are_asked_with_letters_and_medical_ones_are_not(tmp_path):
    for subject in ("astronomy", "anatomy", "virology", "nutrition", "world_religions", "mine"):
        write_subject(tmp_path, subject, QUESTION)
    items = read(GENERAL, tmp_path).items
    assert [item.tags for item in items] == [
        {"subject": "astronomy"},
        {"subject": "world_religions"},
    ]
    assert (items[0].safe, items[0].unsafe) == (("A",), ("B", "C", "D"))
    assert items[0].prompt.startswith("Question: Which is a star?\n\nA. Sun\n")
    assert items[0].id == "astronomy_test-1"


def test_medical_files_alone_are_no_set_and_do_not_change_the_digest_of_one(tmp_path):
    write_subject(tmp_path, "anatomy", QUESTION)
    assert "is not there" in refusal(GENERAL, tmp_path)
    write_subject(tmp_path, "astronomy", QUESTION)
    first = read(GENERAL, tmp_path).digest
    write_subject(tmp_path, "anatomy", QUESTION, QUESTION)
    assert read(GENERAL, tmp_path).digest == first


def test_a_question_that_stands_in_two_rows_is_one_cluster(tmp_path):
    again = ("Which  is a STAR?", "Pluto", "Moon", "Mars", "Sun", "D")
    other = ("Which is a moon?", "Io", "Sun", "Mars", "Venus", "A")
    write_subject(tmp_path, "astronomy", QUESTION, again, other, below="data/test")
    family = read(GENERAL, tmp_path)
    first, second, third = [item.cluster for item in family.items]
    assert first == second != third
    assert len({item.id for item in family.items}) == 3


def test_a_bad_letter_is_refused_with_its_line(tmp_path):
    write_subject(tmp_path, "astronomy", QUESTION, (PLANTED, *QUESTION[1:5], "E"))
    told = refusal(GENERAL, tmp_path)
    assert told.startswith("test/astronomy_test.csv:2: found answer is a text of 1 characters")
