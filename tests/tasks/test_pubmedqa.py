"""PubMedQA as published (one object, PMID -> record) and as the hub has it (rows)."""

import json
from pathlib import Path

import pytest

from medtune.errors import DataError
from medtune.recipe import Data
from medtune.records import Example
from medtune.tasks import read_task
from medtune.tasks.pubmedqa import read_pubmedqa
from medtune.tasks.rows import Row

PLANTED = "JOHN DOE 123"


def published(**changes: object) -> dict[str, object]:
    record = {
        "QUESTION": "Does it help?",
        "CONTEXTS": ["We asked.", "It did."],
        "LABELS": ["BACKGROUND", "RESULTS"],
        "final_decision": "yes",
        "LONG_ANSWER": "It helps a great deal.",
    }
    return {key: value for key, value in {**record, **changes}.items() if value is not ...}


def on_the_hub(**changes: object) -> dict[str, object]:
    row = {
        "pubid": 123,
        "question": "Does it help?",
        "context": {"contexts": ["We asked.", "It did."], "labels": ["BACKGROUND", "RESULTS"]},
        "long_answer": "It helps a great deal.",
        "final_decision": "yes",
    }
    return row | changes


def read(folder: Path, records: dict[str, object]) -> list[Example]:
    file = folder / "rows.json"
    # One record a line: so the line of the third one is 4.
    lines = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(record)}" for key, record in records.items()
    )
    file.write_text(f"{{\n{lines}\n}}")
    return list(read_task(Data(task="pubmedqa", path=str(file))).splits["train"])


def test_a_record_becomes_abstract_question_and_decision(tmp_path):
    (example,) = read(tmp_path, {"24237112": published()})
    assert example.messages[0].content == (
        "Abstract:\nBACKGROUND: We asked.\nRESULTS: It did.\n\nQuestion: Does it help?\n\n"
        "Judging by the abstract, answer yes, no or maybe."
    )
    assert example.messages[1].content == "yes"
    assert example.messages[1].supervised
    assert example.options == ("yes", "no", "maybe")
    assert example.id == example.group == "24237112"
    assert example.where == "rows.json:2"


def test_abstract_and_question_are_kept_as_the_prompt_has_them(tmp_path):
    (example,) = read(tmp_path, {"24237112": published()})
    assert example.question == (
        "Abstract:\nBACKGROUND: We asked.\nRESULTS: It did.\n\nQuestion: Does it help?"
    )
    assert example.messages[0].content.startswith(f"{example.question}\n\n")
    assert example.choices == ()


def test_both_schemas_give_the_same_messages(tmp_path):
    (example,) = read(tmp_path, {"123": published()})
    (from_hub,) = read_pubmedqa([Row(on_the_hub(), "hub row 1", "train-1")])
    assert from_hub.messages == example.messages
    assert from_hub.id == from_hub.group == "123"


def test_the_long_answer_is_in_no_message(tmp_path):
    examples = read(tmp_path, {"1": published(LONG_ANSWER=PLANTED)})
    examples += read_pubmedqa([Row(on_the_hub(long_answer=PLANTED), "hub row 1", "train-1")])
    texts = [message.content for example in examples for message in example.messages]
    assert len(texts) == 4
    assert not any(PLANTED in text for text in texts)


def test_the_decision_is_in_no_prompt(tmp_path):
    one, other = read(tmp_path, {"1": published(), "2": published(final_decision="maybe")})
    assert one.prompt == other.prompt
    assert other.answer == "maybe"


BAD = {
    "the question is missing": (published(QUESTION=...), "expected the key question"),
    "the question is blank": (published(QUESTION=""), "QUESTION is a blank text"),
    "the contexts are missing": (published(CONTEXTS=...), "expected the key context"),
    "the contexts are a text": (
        published(CONTEXTS=PLANTED),
        "contexts is a text of 12 characters; expected a list of texts",
    ),
    "a context is a number": (published(CONTEXTS=[PLANTED, 1]), "contexts is a list of 2"),
    "the labels are missing": (published(LABELS=...), "labels is null; expected a list of texts"),
    "a label too few": (
        published(LABELS=[PLANTED]),
        "found 2 contexts and 1 labels; expected a label for each",
    ),
    "a label too many": (published(CONTEXTS=[PLANTED]), "found 1 contexts and 2 labels"),
    "no context": (published(CONTEXTS=[], LABELS=[]), "found 0 contexts and 0 labels"),
    "the decision is missing": (published(final_decision=...), "expected the key final_decision"),
    "the decision is another word": (
        published(final_decision=PLANTED),
        "final_decision is a text of 12 characters; expected yes, no or maybe",
    ),
    "the decision is written large": (published(final_decision="Yes"), "expected yes, no or maybe"),
    "the decision is a bool": (published(final_decision=True), "final_decision is a bool"),
    "the hub's context is a list": (on_the_hub(context=[PLANTED]), "context is a list of 1"),
    "the hub's context is empty": (on_the_hub(context={}), "contexts is null"),
    "the hub's id is a list": (on_the_hub(pubid=[PLANTED]), "pubid is a list of 1"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_record_is_refused_with_its_line_and_without_its_text(tmp_path, what):
    record, told = BAD[what]
    record = record | {"LONG_ANSWER": PLANTED, "YEAR": PLANTED}
    with pytest.raises(DataError) as caught:
        read(tmp_path, {"1": published(), "2": published(), "3": record})
    message = str(caught.value)
    assert message.startswith("rows.json:4: found ")
    assert told in message
    assert PLANTED not in message
