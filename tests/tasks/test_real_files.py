"""The real files of the field, where this machine has a copy."""

import json
import os
from pathlib import Path

import pytest

from medtune.recipe import Data
from medtune.tasks import read_task

pytestmark = pytest.mark.skipif(
    not os.environ.get("MEDTUNE_DATA"), reason="MEDTUNE_DATA names no folder with the real files"
)


@pytest.mark.parametrize(
    ("task", "num_rows"),
    [
        ("medqa", {"train": 1030, "validation": 242, "test": 654}),
        ("medqa_5opt", {"train": 1030, "validation": 242, "test": 654}),
        ("medmcqa", {"train": 3053, "validation": 283, "test": 289}),
        ("pubmedqa", {"train": 449, "validation": 51, "test": 243}),
    ],
)
def test_the_real_files_are_read_whole_and_none_is_taken_for_a_published_split(task, num_rows):
    rows = read_task(Data(task=task), offline=True)
    found = {split: sum(1 for _ in examples) for split, examples in rows.splits.items()}
    assert found == num_rows
    assert not any(file.is_official(found[split]) for split, file in rows.files.items())


@pytest.mark.parametrize(("task", "number"), [("medqa", 4), ("medqa_5opt", 5), ("medmcqa", 4)])
def test_every_real_test_row_has_the_options_of_its_task(task, number):
    test = read_task(Data(task=task), offline=True).splits["test"]
    assert {len(example.options) for example in test} == {number}
    # Each letter is the right one somewhere: a wrong way of counting would leave one out.
    assert {example.answer for example in test} == set("ABCDE"[:number])


def test_no_conclusion_of_a_real_abstract_is_in_its_prompt():
    file = Path(os.environ["MEDTUNE_DATA"]) / "qa/pubmedqa/test_a.json"
    conclusions = {key: row["LONG_ANSWER"] for key, row in json.loads(file.read_bytes()).items()}
    examples = read_task(Data(task="pubmedqa"), offline=True).splits["test"]
    assert {example.answer for example in examples} == {"yes", "no", "maybe"}
    for example in examples:
        assert conclusions[example.id] not in example.messages[0].content
