"""Which files a source has: one, those of a folder, a glob or a URL, under names of their own."""

import dataclasses
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from medtune.errors import DataError
from medtune.tasks import TASKS
from medtune.tasks.finding import Found, find, find_published

MCQ = TASKS["mcq"]


def lay(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({"file": name}) + "\n")
    return folder


def names(found: Found) -> dict[str, list[str]]:
    return {split: [file.name for file in files] for split, files in found.files.items()}


def stems(found: Found) -> list[str]:
    return [file.origin.stem for files in found.files.values() for file in files]


def refusal(path: Path | str, **options: bool) -> str:
    with pytest.raises(DataError) as caught:
        find(MCQ, str(path), **options)
    return str(caught.value)


@pytest.fixture
def memory() -> Iterator[str]:
    system = fsspec.filesystem("memory")
    system.pipe({"/in/a.jsonl": b'{"a": 1}\n', "/in/b.csv": b"a\n2\n", "/in/deep/a.jsonl": b""})
    yield "memory://in"
    system.rm("/in", recursive=True)


def test_the_usual_names_are_found_with_any_ending(tmp_path):
    lay(tmp_path, "train.csv.gz", "val.parquet", "test.tsv", "notes.txt", "other.jsonl")
    found = find(MCQ, str(tmp_path))
    assert names(found) == {
        "train": ["train.csv.gz"],
        "validation": ["val.parquet"],
        "test": ["test.tsv"],
    }
    (note,) = found.notes
    assert note.endswith(": not read, because other files are the splits: other.jsonl")


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev", "Dev"])
def test_validation_rows_have_several_usual_names(tmp_path, name):
    lay(tmp_path, "train.json", f"{name}.csv")
    assert names(find(MCQ, str(tmp_path)))["validation"] == [f"{name}.csv"]


def test_the_names_of_the_task_come_before_the_usual_ones(tmp_path):
    lay(tmp_path, "phrases_no_exclude_train.jsonl", "train.csv", "dev.csv")
    assert names(find(TASKS["medqa"], str(tmp_path))) == {
        "train": ["phrases_no_exclude_train.jsonl"],
        "validation": ["dev.csv"],
    }


def test_numbered_parts_of_a_split_are_read_in_order(tmp_path):
    parts = [f"train-0000{number}-of-00002.parquet" for number in (1, 0)]
    lay(tmp_path, *parts, "test-00000-of-00001.parquet")
    assert names(find(MCQ, str(tmp_path))) == {
        "train": sorted(parts),
        "test": ["test-00000-of-00001.parquet"],
    }


def test_a_split_of_which_a_part_is_missing_is_refused(tmp_path):
    lay(tmp_path / "own", "train-00000-of-00003.parquet", "train-00002-of-00003.parquet")
    assert refusal(tmp_path / "own") == (
        "own: of the train rows 2 parts are there, such as train-00000-of-00003.parquet; expected 3"
    )


@pytest.mark.parametrize("other", ["train.csv", "train.jsonl.gz", "train-00000-of-00001.parquet"])
def test_two_files_that_could_be_one_split_are_refused(tmp_path, other):
    lay(tmp_path, "train.json", other)
    message = refusal(tmp_path)
    assert " could all be the train rows; keep one of them, or give the file" in message
    assert "train.json, " in message or ", train.json " in message
    assert other in message


def test_a_folder_without_the_usual_names_is_all_training_rows_and_says_so(tmp_path):
    lay(tmp_path / "own", "b.csv", "a.jsonl", ".hidden.txt", "README.md", "deeper/c.jsonl")
    found = find(MCQ, str(tmp_path / "own"))
    assert names(found) == {"train": ["a.jsonl", "b.csv"]}
    assert found.notes == (
        "own has no file that is named train, validation or test: all of its 2 files are training "
        "rows (a.jsonl, b.csv)",
    )


def test_a_folder_with_test_rows_alone_has_no_training_rows(tmp_path):
    lay(tmp_path, "test.jsonl", "other.jsonl")
    assert names(find(MCQ, str(tmp_path))) == {"test": ["test.jsonl"]}


def test_a_folder_without_files_of_rows_has_none(tmp_path):
    lay(tmp_path, "README.md")
    assert find(MCQ, str(tmp_path)).files == {}


def test_a_link_to_nothing_is_a_file_that_cannot_be_opened_and_is_not_passed_over(tmp_path):
    (tmp_path / "train.jsonl").symlink_to(tmp_path / "gone.jsonl")
    lay(tmp_path, "test.jsonl")
    for place in (tmp_path, tmp_path / "train.jsonl", tmp_path / "tr*.jsonl"):
        (file,) = find(MCQ, str(place)).files["train"]
        with pytest.raises(DataError, match=r"^train\.jsonl: a link to a file that is not there$"):
            list(file.rows())


def test_one_file_is_training_rows_whatever_its_name(tmp_path):
    lay(tmp_path, "test.jsonl")
    assert names(find(MCQ, str(tmp_path / "test.jsonl"))) == {"train": ["test.jsonl"]}
    assert names(find(MCQ, f"file://{tmp_path}/test.jsonl")) == {"train": ["test.jsonl"]}


def test_one_file_with_an_ending_of_no_kind_is_refused_with_those_that_are(tmp_path):
    lay(tmp_path, "rows.xlsx")
    assert refusal(tmp_path / "rows.xlsx") == (
        "rows.xlsx: files of rows end in .jsonl, .ndjson, .json, .csv, .tsv, .parquet, each also "
        "with .gz or .zst behind it"
    )
    assert refusal(tmp_path / "*.xlsx").startswith("rows.xlsx: files of rows end in")


def test_a_glob_names_training_rows_in_sorted_order(tmp_path):
    lay(tmp_path, "in/b.jsonl", "in/a.jsonl", "in/deep/c.jsonl", "in/d.csv", "in/e.jsonl/f.jsonl")
    assert names(find(MCQ, f"{tmp_path}/in/*.jsonl")) == {"train": ["a.jsonl", "b.jsonl"]}
    assert names(find(MCQ, f"{tmp_path}/i?/**/c.jsonl")) == {"train": ["in/deep/c.jsonl"]}
    assert find(MCQ, f"{tmp_path}/in/*.parquet").files == {}


def test_a_file_that_is_named_like_a_glob_is_itself(tmp_path):
    lay(tmp_path, "rows[1].jsonl", "rows1.jsonl")
    assert names(find(MCQ, f"{tmp_path}/rows[1].jsonl")) == {"train": ["rows[1].jsonl"]}


def test_files_of_one_stem_are_told_apart_by_their_folder_and_then_their_ending(tmp_path):
    lay(tmp_path, "in/a/x.jsonl", "in/b/x.jsonl", "in/b/x.csv", "in/b/y.csv")
    assert stems(find(MCQ, f"{tmp_path}/in/**/*.*")) == ["a/x", "b/x.csv", "b/x.jsonl", "y"]


def test_a_published_task_may_lie_in_many_files_without_a_header(tmp_path):
    lay(tmp_path, "dev/a_dev.csv", "dev/b_dev.csv", "test/a_test.csv", "dev/a_dev.txt")
    files = {"train": ("none.csv", "dev/*_dev.csv"), "test": ("test/*_test.csv", "test/*")}
    found = find_published(dataclasses.replace(MCQ, files=files), tmp_path)
    assert names(found) == {
        "train": ["dev/a_dev.csv", "dev/b_dev.csv"],
        "test": ["test/a_test.csv"],
    }
    assert stems(found) == ["a_dev", "b_dev", "a_test"]


def test_a_place_where_nothing_is_has_no_files(tmp_path):
    assert find(MCQ, str(tmp_path / "nothing")).files == {}
    assert find(MCQ, "memory://nothing/*.jsonl").files == {}


def test_a_url_names_one_file_or_a_glob(memory):
    found = find(MCQ, f"{memory}/b.csv", offline=True)
    assert names(found) == {"train": ["b.csv"]}
    assert [row.where for row in found.files["train"][0].rows()] == ["b.csv:2"]
    found = find(MCQ, f"{memory}/**/*.jsonl")
    assert names(found) == {"train": ["a.jsonl", "deep/a.jsonl"]}
    assert stems(found) == ["a.jsonl", "deep/a"]
    assert [row.values["a"] for row in found.files["train"][0].rows()] == [1]


def test_a_url_that_is_not_there_is_told_while_it_is_read(memory):
    (file,) = find(MCQ, f"{memory}/nothing.csv").files["train"]
    with pytest.raises(DataError, match=r"^nothing\.csv: there is no such file$"):
        list(file.rows())


def test_offline_no_other_machine_is_asked_and_the_query_of_a_url_stays_untold():
    message = refusal("https://user:word@example.invalid/rows.jsonl?token=secret", offline=True)
    assert message == (
        "https://example.invalid/rows.jsonl: --offline keeps medtune from reading https:// URLs; "
        "copy the rows to this machine and set data.path"
    )


def test_the_query_of_a_web_address_is_neither_a_placeholder_nor_a_name():
    (file,) = find(MCQ, "https://example.invalid/rows.jsonl.gz?token=secret").files["train"]
    assert (file.name, file.origin.stem) == ("rows.jsonl.gz", "rows")


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_protocol_whose_package_is_missing_is_told_with_it():
    message = (
        "s3://bucket/rows.jsonl: s3:// needs a package that is not installed: pip install 's3fs'"
    )
    (file,) = find(MCQ, "s3://bucket/rows.jsonl").files["train"]
    with pytest.raises(DataError) as caught:
        list(file.rows())
    assert str(caught.value) == message
    assert refusal("s3://bucket/*.jsonl") == message.replace("rows", "*")


def test_an_unknown_protocol_is_told():
    assert refusal("gopher://x/*.jsonl") == "gopher://x/*.jsonl: fsspec has no protocol gopher://"
