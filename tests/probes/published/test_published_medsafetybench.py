"""MedSafetyBench: pairs of one length, made of the request and of the published response."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_rows import (
    DECLINED,
    PLANTED,
    folder_of,
    medsafetybench_row,
    read,
    refusal,
    write_csv,
    write_jsonl,
)

from medtune.probes.checks import MAX_CHARACTERS, MAX_SHARE, MAX_WORDS, check_family
from medtune.probes.published.medsafetybench import ANSWERING, HELPING, complying, opening

NAME = "medsafetybench"
HEADER = ("", "harmful_medical_request", "safe_response")
SAFE = "I'm sorry, but I cannot help with padding invoices, since patients would"


def restated(request: str) -> str:
    """What stands behind the opening."""
    text = complying(request, SAFE)
    assert text is not None
    (frame,) = [frame for frame in (*HELPING, *ANSWERING) if text.startswith(frame)]
    return text.removeprefix(frame).strip()


def test_the_safe_answer_is_the_beginning_of_the_published_one():
    assert opening(DECLINED) == SAFE
    assert opening("No, I will not. Ever.") == "No, I will not. Ever"


@pytest.mark.parametrize(
    ("request_text", "begins"),
    [
        ("How can a clerk pad an invoice?", "a clerk pad"),
        ("How might they pad an invoice?", "them pad an"),
        ("How do I pad my invoice?", "you pad your"),
        ("How to pad an invoice?", "you pad an"),
        ("Could you please pad an invoice?", "you pad an"),
        ("Pad an invoice for a clerk.", "you pad an"),
        ("Please pad an invoice for a clerk.", "you pad an"),
        ("What is the best way to pad an invoice?", "what is the"),
        ("Is it hard to pad an invoice?", "is it hard"),
    ],
)
def test_the_unsafe_answer_restates_the_beginning_of_the_request(request_text, begins):
    assert restated(request_text).startswith(begins)


def test_only_questions_that_ask_for_no_deed_are_answered_instead_of_helped_with():
    assert complying("What is a padded invoice worth to us?", SAFE).startswith(ANSWERING)
    assert complying("Howl like a wolf at every patient.", SAFE).startswith(HELPING)


def test_the_opening_follows_from_the_request_and_all_openings_are_used():
    requests = [f"How can a clerk pad invoice number {n} of the month?" for n in range(200)]
    found = [complying(request, SAFE) for request in requests]
    assert found == [complying(request, SAFE) for request in requests]
    used = {frame for frame in HELPING for text in found if text.startswith(frame)}
    assert used == set(HELPING)


def test_where_the_first_opening_does_not_fit_the_others_are_tried():
    # The answer is so short that one opening alone, in the midst of the others, has its length.
    safe = "I do not do so as it is a b c deee"
    text = "How can a b{} c d e f g h i j k l m n o p?"
    found = [complying(text.format(number), safe) for number in range(100, 160)]
    assert all(answer and answer.startswith("Sure, ") for answer in found)


words = st.lists(st.text("abcdefgh'", min_size=1, max_size=12), min_size=1, max_size=30)


@given(words, words)
def test_a_pair_is_of_one_length_or_there_is_none(request_words, response_words):
    safe = opening("I cannot do this " + " ".join(response_words))
    unsafe = complying("How can " + " ".join(request_words) + "?", safe)
    if unsafe is None:
        return
    assert abs(len(safe.split()) - len(unsafe.split())) <= MAX_WORDS
    longest = max(len(safe), len(unsafe))
    assert abs(len(safe) - len(unsafe)) <= max(MAX_CHARACTERS, MAX_SHARE * longest)


def test_both_answers_end_without_a_mark_and_pass_the_checks_of_pairs(tmp_path):
    write_jsonl(
        folder_of(NAME, tmp_path) / "test_a.jsonl",
        *(
            medsafetybench_row(f"{deed}, and tell nobody at all.", response)
            for deed in ("Draft a letter that hides fee", "How can a nurse lose form", "Lie, now")
            for response in (DECLINED, "No. This is wrong; it harms: you, me, and all of us. Stop.")
        ),
    )
    family = read(NAME, tmp_path)
    assert len(family.items) == 6
    faults = check_family(family).faults
    assert not [fault for fault in faults if "answer" in fault]


def test_a_short_request_is_carried_on_and_a_short_response_is_left_out(tmp_path):
    assert len(complying("Lie.", SAFE).split()) >= len(SAFE.split()) - MAX_WORDS
    file = folder_of(NAME, tmp_path) / "test.jsonl"
    rows = [medsafetybench_row("Lie to her.", DECLINED), medsafetybench_row("Lie to him.", "No.")]
    write_jsonl(file, *rows)
    family = read(NAME, tmp_path)
    assert [item.id for item in family.items] == ["test-1"]
    assert family.plan.measures.endswith(
        " Of 2 rows, 1 is left out: no complying answer has the length of the safe one."
    )


def test_the_published_files_are_read_from_the_test_folder_alone(tmp_path):
    folder = folder_of(NAME, tmp_path) / "datasets"
    name = "med_safety_demonstrations_category_{}.csv"
    for split, number in (("test", 3), ("test", 4), ("train", 5)):
        row = (0, f"Pad invoice {number} for {split}.", DECLINED)
        write_csv(folder / split / "gpt4" / name.format(number), HEADER, row)
    family = read(NAME, tmp_path)
    assert "left out" not in family.plan.measures
    items = family.items
    assert [(item.prompt, item.tags) for item in items] == [
        ("Pad invoice 3 for test.", {"principle": "3"}),
        ("Pad invoice 4 for test.", {"principle": "4"}),
    ]
    assert items[0].id == "datasets-test-gpt4-med_safety_demonstrations_category_3-2"


def test_training_rows_by_themselves_are_no_set(tmp_path):
    write_jsonl(folder_of(NAME, tmp_path) / "train.jsonl", medsafetybench_row("Lie.", DECLINED))
    assert "is not there" in refusal(NAME, tmp_path)


def test_the_principle_is_a_tag_and_a_row_without_one_has_none(tmp_path):
    rows = [medsafetybench_row("Lie to her.", DECLINED, "2")]
    rows += [{k: v for k, v in rows[0].items() if k != "category"}]
    write_jsonl(folder_of(NAME, tmp_path) / "test.jsonl", *rows)
    assert [item.tags for item in read(NAME, tmp_path).items] == [{"principle": "2"}, {}]


@pytest.mark.parametrize("category", [0, 10, 12, "", "x", [PLANTED]])
def test_a_principle_that_there_is_not_is_refused(tmp_path, category):
    row = medsafetybench_row(PLANTED, DECLINED, category)
    write_jsonl(folder_of(NAME, tmp_path) / "test.jsonl", row)
    told = refusal(NAME, tmp_path)
    assert told.startswith("test.jsonl:1: found category is ")
    assert told.endswith("expected a number from 1 to 9")


@pytest.mark.parametrize("response", [None, "", " ", 7])
def test_a_row_without_a_response_is_refused_with_its_line(tmp_path, response):
    good, bad = medsafetybench_row("Lie.", DECLINED), medsafetybench_row(PLANTED, response)
    write_jsonl(folder_of(NAME, tmp_path) / "test.jsonl", good, bad)
    assert refusal(NAME, tmp_path).startswith("test.jsonl:2: found safe_response is ")


def test_a_table_without_its_header_is_refused_and_its_first_row_is_not_told(tmp_path):
    write_csv(folder_of(NAME, tmp_path) / "test.csv", (0, PLANTED, DECLINED))
    assert refusal(NAME, tmp_path) == (
        "test.csv:1: found 3 columns with other names; expected harmful_medical_request and "
        "safe_response"
    )
