"""What holds for every published set: where it is found, what its family says, what is refused."""

import re
from pathlib import Path

import pytest
from published_rows import PLANTED, folder_of, read, refusal, write_all, write_csv, write_jsonl

from medtune.digests import sha256_value
from medtune.errors import DataError, RecipeError
from medtune.probes.items import Written
from medtune.probes.published import PUBLISHED, describe, find_published, read_published

NAMES = [
    *("medsafetybench", "strongreject", "xstest", "truthfulqa_medical", "medec", "medhalt_fake"),
    *("bbq", "pubmedqa_maybe", "mmlu_general"),
]
VERSIONS = {
    "medsafetybench": (1, "2333546b87a21e6d"),
    "strongreject": (1, "7933341f52271715"),
    "xstest": (1, "8053f7c18f050e0c"),
    "truthfulqa_medical": (1, "8d252ee2dc0fc403"),
    "medec": (1, "b3fd49061fccf8c2"),
    "medhalt_fake": (1, "3d69a418cc52a8e3"),
    "bbq": (1, "8aa1821c494da9a5"),
    "pubmedqa_maybe": (1, "ad2e754a52693237"),
    "mmlu_general": (1, "2e2c2444624496e1"),
}
"""Version of each reader, and what it makes of the rows of ``write_all``."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_all(tmp_path)
    return tmp_path


def test_the_sets_are_those_that_are_documented():
    assert list(PUBLISHED) == NAMES


def test_in_an_empty_or_missing_folder_nothing_is_found(tmp_path):
    assert find_published(tmp_path) == {}
    assert find_published(tmp_path / "missing") == {}


def test_every_set_is_found_below_the_data_folder_and_only_where_its_files_lie(data):
    assert find_published(data) == {name: folder_of(name, data) for name in NAMES}
    (folder_of("medec", data) / "MEDEC-MS-val.csv").unlink()
    assert set(NAMES) - set(find_published(data)) == {"medec"}


@pytest.mark.parametrize("name", NAMES)
def test_a_family_warns_says_its_terms_and_counts_as_verified_and_unsigned(name, data):
    family = read(name, data)
    assert family.name == name
    assert (family.plan.level, family.plan.margin, family.plan.quick) == ("warning", 0.05, None)
    assert family.folder is None
    assert family.total is None
    assert family.plan.licence == PUBLISHED[name].licence
    for item in family.items:
        assert item.source == f"published: {PUBLISHED[name].citation}"
        assert item.is_verified
        assert not item.is_reviewed
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", item.id)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_reader_makes_of_its_rows_changes_only_with_its_version(name, data):
    # A new digest here is a new version there: results of two readers are never compared.
    made = [
        [item.id, item.cluster, item.severity, item.tags, item.prompts, item.continuations]
        + ([item.must_refuse, item.max_tokens] if isinstance(item, Written) else [])
        for item in read(name, data).items
    ]
    assert (PUBLISHED[name].version, sha256_value(made)[:16]) == VERSIONS[name]


def test_the_digest_is_that_of_the_files_and_of_nothing_else_in_the_folder(data):
    first = read("bbq", data).digest
    assert read("bbq", data).digest == first
    (folder_of("bbq", data) / "notes.txt").write_text("mine")
    assert read("bbq", data).digest == first
    file = folder_of("bbq", data) / "Height.jsonl"
    file.write_text(file.read_text() + "\n")
    assert read("bbq", data).digest != first


def test_a_renamed_file_is_another_set(data):
    first = read("bbq", data).digest
    file = folder_of("bbq", data) / "Height.jsonl"
    file.rename(file.with_name("Size.jsonl"))
    assert read("bbq", data).digest != first


def test_two_rows_of_one_id_are_refused_by_line(data):
    row = (7, PLANTED, "homonyms", "safe", "x", "")
    columns = ("id", "prompt", "type", "label", "focus", "note")
    write_csv(folder_of("xstest", data) / "xstest_prompts.csv", columns, row, row)
    assert refusal("xstest", data) == (
        "xstest_prompts.csv:3: found the id that the row at xstest_prompts.csv:2 has; expected "
        "another one for each row"
    )


def test_an_id_without_a_letter_or_digit_is_refused(data):
    rows = [("id", "question", "options"), ("???", "Why?", "{0: 'x', 1: 'I do not know'}")]
    write_csv(folder_of("medhalt_fake", data) / "reasoning_fake.csv", *rows)
    assert refusal("medhalt_fake", data).startswith("reasoning_fake.csv:2: found an id without")


def test_a_set_that_is_not_there_is_told_with_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"StrongREJECT is not there; looked for strongreject_da"):
        read_published("strongreject", tmp_path)


def test_a_file_without_rows_that_can_be_asked_is_refused(data):
    write_jsonl(folder_of("bbq", data) / "Height.jsonl")
    assert refusal("bbq", data).endswith("no row of BBQ can be asked.")


def test_an_unknown_name_is_refused_with_those_that_there_are(tmp_path):
    for call in (lambda: read_published("medqa", tmp_path), lambda: describe("medqa")):
        with pytest.raises(RecipeError, match="no probe medqa; there are medsafetybench, strong"):
            call()


@pytest.mark.parametrize("name", NAMES)
def test_a_description_says_what_is_asked_the_terms_and_where_it_is_looked_for(name):
    one = PUBLISHED[name]
    told = describe(name)
    for part in (one.title, one.citation, one.licence, one.measures, one.folder, one.looked_for):
        assert part in told


def test_of_two_copies_the_one_that_lies_highest_is_read(data):
    folder = folder_of("strongreject", data)
    header = ("category", "source", "forbidden_prompt")
    write_csv(folder / "a/strongreject_dataset.csv", header, ("Fraud", "custom", "How do I cheat?"))
    assert [item.prompts[0] for item in read("strongreject", data).items] == [
        "How do I forge a bus ticket?"
    ]
