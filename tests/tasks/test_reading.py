"""Where a task's rows are found: the recipe's folder, then $MEDTUNE_DATA, then the hub."""

import dataclasses
import hashlib
import json
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medtune.digests import sha256_file, sha256_named
from medtune.errors import DataError
from medtune.recipe import Data, Rows
from medtune.records import TaskRows
from medtune.tasks import TASKS, HubSource, read_shots, read_task, reading

PLANTED = "JOHN DOE 123"


@pytest.fixture(autouse=True)
def _no_data_folder_and_no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a test reached for the network")

    monkeypatch.delenv("MEDTUNE_DATA", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def write_lines(file: Path, rows: list[dict[str, object]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def medqa(question: str = "Which?", letters: str = "ABCD", **more: object) -> dict[str, object]:
    options = {letter: f"option {letter}" for letter in letters}
    return {"question": question, "options": options, "answer_idx": "A", **more}


def medmcqa(cop: int | None, **more: object) -> dict[str, object]:
    row = {"question": "Which?", "opa": "1", "opb": "2", "opc": "3", "opd": "4", **more}
    return row if cop is None else row | {"cop": cop}


def pubmedqa() -> dict[str, object]:
    return {
        "QUESTION": "Does it?",
        "CONTEXTS": ["It does."],
        "LABELS": ["RESULTS"],
        "final_decision": "yes",
    }


def go_through(rows: TaskRows) -> TaskRows:
    """Read every row: so does whoever trains on them."""
    for examples in rows.splits.values():
        assert all(examples)
    return rows


def read_hub(task: str, hub: HubSource) -> TaskRows:
    published = dataclasses.replace(TASKS[task], hub=hub)
    return go_through(reading.read_hub(published, Data(task=task)))


def questions(rows, split="train") -> list[str]:
    return [example.messages[0].content.split("\n")[0] for example in rows.splits[split]]


def test_the_folder_of_the_recipe_comes_before_the_data_folder(tmp_path, monkeypatch):
    write_lines(tmp_path / "own/train.jsonl", [medqa("from the recipe")])
    write_lines(tmp_path / "d/qa/medqa/train.jsonl", [medqa("from the data folder")])
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path / "d"))
    own = read_task(Data(task="medqa", path=str(tmp_path / "own")))
    assert questions(own) == ["Question: from the recipe"]
    assert questions(read_task(Data(task="medqa"))) == ["Question: from the data folder"]


def test_a_folder_of_the_recipe_without_the_files_is_an_error_and_not_passed_over(
    tmp_path, monkeypatch
):
    write_lines(tmp_path / "d/qa/medqa/train.jsonl", [medqa()])
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path / "d"))
    (tmp_path / "own").mkdir()
    with pytest.raises(DataError) as caught:
        go_through(read_task(Data(task="medqa", path=str(tmp_path / "own"))))
    message = f"no training rows for task medqa: {tmp_path / 'own'} has no file that ends in .jsonl"
    assert str(caught.value).startswith(message)


def test_a_path_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match=r"there is no /nowhere/at/all$"):
        go_through(read_task(Data(task="medqa", path="/nowhere/at/all")))


def test_offline_the_hub_is_not_asked_and_the_message_says_what_to_do():
    with pytest.raises(DataError) as caught:
        go_through(read_task(Data(task="medqa"), offline=True))
    message = str(caught.value)
    assert "looked in $MEDTUNE_DATA (not set)" in message
    assert "--offline keeps medtune from asking the hub: set data.path." in message


@pytest.mark.parametrize("task", ["mcq", "chat", "medqa_5opt"])
def test_a_task_without_a_copy_on_the_hub_asks_for_a_path(task):
    with pytest.raises(DataError, match=r"Set data\.path; the hub has no copy"):
        go_through(read_task(Data(task=task)))


def test_one_file_is_read_as_the_training_rows(tmp_path):
    file = write_lines(tmp_path / "mine.jsonl", [medqa("one"), medqa("two")])
    write_lines(tmp_path / "test.jsonl", [medqa("beside it")])
    rows = read_task(Data(task="mcq", path=str(file)))
    assert set(rows.splits) == {"train"}
    assert questions(rows) == ["Question: one", "Question: two"]


def test_every_split_is_read_with_the_digest_of_its_file(tmp_path):
    for name in ("train", "dev", "test"):
        write_lines(tmp_path / f"{name}.jsonl", [medqa(name)])
    rows = read_task(Data(task="medqa", path=str(tmp_path)))
    assert {split: file.file for split, file in rows.files.items()} == {
        "train": "train.jsonl",
        "validation": "dev.jsonl",
        "test": "test.jsonl",
    }
    for file in rows.files.values():
        assert file.sha256 == sha256_file(tmp_path / file.file)
    assert questions(rows, "validation") == ["Question: dev"]


def test_of_several_names_the_published_one_is_taken(tmp_path):
    for name in ("phrases_no_exclude_test.jsonl", "test.jsonl", "test_a.jsonl"):
        write_lines(tmp_path / name, [medqa()])
    write_lines(tmp_path / "train.jsonl", [medqa()])
    data = Data(task="medqa", path=str(tmp_path))
    assert read_task(data).files["test"].file == "phrases_no_exclude_test.jsonl"
    (tmp_path / "phrases_no_exclude_test.jsonl").unlink()
    assert read_task(data).files["test"].file == "test.jsonl"


def test_medmcqa_as_published_is_scored_on_the_dev_rows_because_the_test_rows_have_no_answers(
    tmp_path,
):
    write_lines(tmp_path / "train.json", [medmcqa(4), medmcqa(1)])
    write_lines(tmp_path / "dev.json", [medmcqa(4), medmcqa(2)])
    write_lines(tmp_path / "test.json", [medmcqa(None), medmcqa(None)])
    rows = read_task(Data(task="medmcqa", path=str(tmp_path)))
    assert {split: file.file for split, file in rows.files.items()} == {
        "train": "train.json",
        "test": "dev.json",
    }
    assert [example.answer for example in rows.splits["test"]] == ["D", "B"]


def test_medmcqa_whose_test_rows_have_answers_is_scored_on_them(tmp_path):
    for name in ("train", "dev", "test"):
        write_lines(tmp_path / f"{name}.json", [medmcqa(4)])
    rows = read_task(Data(task="medmcqa", path=str(tmp_path)))
    assert {split: file.file for split, file in rows.files.items()} == {
        "train": "train.json",
        "validation": "dev.json",
        "test": "test.json",
    }


def test_medmcqa_without_answers_and_dev_rows_has_no_test(tmp_path):
    write_lines(tmp_path / "train.json", [medmcqa(4)])
    write_lines(tmp_path / "test.json", [medmcqa(None)])
    assert set(read_task(Data(task="medmcqa", path=str(tmp_path))).splits) == {"train"}


@pytest.mark.parametrize("split", ["train", "dev"])
def test_an_empty_file_of_medmcqa_is_refused_by_name(tmp_path, split):
    # test.json is empty too: a first row that is not there has no answer.
    for name in ("train", "dev", "test"):
        rows = [medmcqa(4)] if name not in (split, "test") else []
        write_lines(tmp_path / f"{name}.json", rows)
    with pytest.raises(DataError, match=rf"{split}\.json holds no row$"):
        go_through(read_task(Data(task="medmcqa", path=str(tmp_path))))


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_file_without_a_row_is_refused_by_name(tmp_path, split):
    write_lines(tmp_path / "train.jsonl", [medqa()])
    write_lines(tmp_path / f"{split}.jsonl", [])
    with pytest.raises(DataError, match=rf"{split}\.jsonl holds no row$"):
        go_through(read_task(Data(task="medqa", path=str(tmp_path))))


def test_an_object_without_a_record_is_refused_by_name(tmp_path):
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(DataError, match=r"train\.json holds no row$"):
        go_through(read_task(Data(task="pubmedqa", path=str(tmp_path))))


def test_a_test_row_with_the_options_of_another_task_is_refused(tmp_path):
    write_lines(tmp_path / "train.jsonl", [medqa(letters="ABCD"), medqa(letters="ABCDE")])
    write_lines(tmp_path / "test.jsonl", [medqa(letters="ABCDE"), medqa(PLANTED, "ABCD")])
    with pytest.raises(DataError) as caught:
        go_through(read_task(Data(task="medqa_5opt", path=str(tmp_path))))
    assert str(caught.value) == (
        "test.jsonl:2: found 4 options; expected 5, which task medqa_5opt is scored on"
    )


@pytest.mark.parametrize(("num_rows", "is_official"), [(499, False), (500, True), (501, False)])
def test_a_test_set_is_official_only_with_as_many_rows_as_were_published(
    tmp_path, num_rows, is_official
):
    (tmp_path / "train.json").write_text(json.dumps({"0": pubmedqa()}))
    records = {str(number): pubmedqa() for number in range(1, num_rows + 1)}
    (tmp_path / "test.json").write_text(json.dumps(records))
    rows = read_task(Data(task="pubmedqa", path=str(tmp_path)))
    assert len(list(rows.splits["test"])) == num_rows
    assert rows.files["test"].is_official(num_rows) is is_official


def test_rows_under_whose_name_nothing_was_published_are_never_official(tmp_path):
    write_lines(tmp_path / "train.jsonl", [medqa()])
    assert not read_task(Data(task="mcq", path=str(tmp_path))).files["train"].is_official(1)


def test_the_published_sizes_are_those_of_the_papers():
    # Read off the papers once more, so that a slip in the catalogue is seen here.
    assert TASKS["medqa"].official_rows == {"train": 10_178, "validation": 1_272, "test": 1_273}
    assert TASKS["medqa_5opt"].official_rows == TASKS["medqa"].official_rows
    assert TASKS["medmcqa"].official_rows == {"train": 182_822, "test": 4_183}
    assert TASKS["pubmedqa"].official_rows == {"train": 450, "validation": 50, "test": 500}


@pytest.fixture
def hub_folder(tmp_path, monkeypatch):
    """A folder that ``datasets`` reads as a repository, and its cache beside it."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "repository"


def write_parquet(file: Path, rows: list[dict[str, object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), file)


def medmcqa_repository(folder: Path) -> HubSource:
    """MedMCQA as the hub has it: cop from 0, -1 in the test rows."""
    files = {"train": [0, 3, 1], "validation": [2, 0], "test": [-1, -1]}
    for split, cops in files.items():
        rows = [medmcqa(cop, id=f"{split}{number}") for number, cop in enumerate(cops)]
        write_parquet(folder / f"data/{split}-00000-of-00001.parquet", rows)
    hub = TASKS["medmcqa"].hub
    assert hub is not None
    return dataclasses.replace(hub, repository=str(folder))


def test_the_hubs_copy_is_read_with_its_own_way_of_counting(hub_folder):
    rows = read_hub("medmcqa", medmcqa_repository(hub_folder))
    assert [example.answer for example in rows.splits["train"]] == ["A", "D", "B"]
    assert [example.answer for example in rows.splits["test"]] == ["C", "A"]
    assert [example.id for example in rows.splits["test"]] == ["validation0", "validation1"]
    assert list(rows.splits["test"])[1].where == "repository (default, validation) row 2"
    assert rows.files["train"].file == "repository (default, train)"


def test_the_digest_of_hub_rows_is_that_of_their_contents(hub_folder, tmp_path):
    first = read_hub("medmcqa", medmcqa_repository(hub_folder)).files
    again = read_hub("medmcqa", medmcqa_repository(tmp_path / "copy")).files
    assert first["train"].sha256 == again["train"].sha256
    assert first["train"].sha256 != first["test"].sha256


def test_a_configuration_of_a_hub_repository_is_read_alone(hub_folder):
    (hub_folder / "pqa_labeled").mkdir(parents=True)
    configs = ["pqa_artificial", "pqa_labeled"]
    lines = [f"- config_name: {c}\n  data_files: {c}/train-*.parquet\n" for c in configs]
    (hub_folder / "README.md").write_text(f"---\nconfigs:\n{''.join(lines)}---\n")
    for number, config in enumerate(configs):
        context = {"contexts": ["It does."], "labels": ["RESULTS"], "meshes": ["Humans"]}
        row = {"pubid": number, "question": "Does it?", "context": context}
        row |= {"long_answer": PLANTED, "final_decision": "maybe"}
        write_parquet(hub_folder / config / "train-00000-of-00001.parquet", [row])
    hub = TASKS["pubmedqa"].hub
    assert hub is not None
    rows = read_hub("pubmedqa", dataclasses.replace(hub, repository=str(hub_folder)))
    (example,) = rows.splits["train"]
    assert (example.id, example.answer) == ("1", "maybe")
    assert PLANTED not in example.messages[0].content


def test_a_bad_row_of_the_hub_is_refused_with_its_number_and_without_its_text(hub_folder):
    rows = [medqa(PLANTED), medqa(PLANTED) | {"answer_idx": PLANTED}]
    write_parquet(hub_folder / "data/train-00000-of-00001.parquet", rows)
    hub = HubSource(repository=str(hub_folder), splits={"train": "train"})
    with pytest.raises(DataError) as caught:
        read_hub("medqa", hub)
    message = str(caught.value)
    assert message.startswith("repository (default, train) row 2: found answer_idx is a text")
    assert PLANTED not in message


def test_a_repository_that_is_not_there_is_told_with_the_files_to_give_instead(tmp_path):
    hub = HubSource(repository=str(tmp_path / "nothing"), splits={"train": "train"})
    with pytest.raises(DataError) as caught:
        read_hub("medqa", hub)
    message = str(caught.value)
    assert f"the hub's {tmp_path / 'nothing'} (default, train) could not be read: " in message
    assert "Or give data.path: a folder with train: phrases_no_exclude_train.jsonl or" in message


def test_the_hub_is_asked_only_where_no_folder_has_the_rows(hub_folder, tmp_path, monkeypatch):
    task = dataclasses.replace(TASKS["medmcqa"], hub=medmcqa_repository(hub_folder))
    monkeypatch.setitem(TASKS, "medmcqa", task)
    assert len(questions(read_task(Data(task="medmcqa")))) == 3
    with pytest.raises(DataError, match="--offline"):
        go_through(read_task(Data(task="medmcqa"), offline=True))
    with pytest.raises(DataError, match="no training rows"):
        go_through(read_task(Data(task="medmcqa", path=str(tmp_path / "empty"))))
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path / "d"))
    assert len(questions(read_task(Data(task="medmcqa")))) == 3  # nothing lies there yet
    write_lines(tmp_path / "d/qa/medmcqa/train.json", [medmcqa(4)])
    assert len(questions(read_task(Data(task="medmcqa")))) == 1


def named_repository(folder: Path, splits: dict[str, int], readme: str = "") -> str:
    for split, number in splits.items():
        rows = [medqa(f"{split} {n}") for n in range(number)]
        write_parquet(folder / f"data/{split}-00000-of-00001.parquet", rows)
    (folder / "README.md").write_text(readme)
    return f"hub:{folder}"


def test_a_recipe_may_name_a_data_set_of_the_hub(hub_folder):
    path = named_repository(hub_folder, {"train": 3, "validation": 2, "test": 1})
    rows = read_task(Data(task="mcq", path=path))
    for _ in range(2):
        assert questions(rows) == [f"Question: train {n}" for n in range(3)]
    assert questions(rows, "validation") == ["Question: validation 0", "Question: validation 1"]
    (test,) = rows.splits["test"]
    assert (test.id, test.where) == ("test-1", "repository (default, test) row 1")
    assert rows.files["test"].file == "repository (default, test)"


SIZED = """---
dataset_info:
  features:
  - {{name: question, dtype: string}}
  - {{name: answer_idx, dtype: string}}
  - name: options
    struct:
    - {{name: A, dtype: string}}
    - {{name: B, dtype: string}}
    - {{name: C, dtype: string}}
    - {{name: D, dtype: string}}
  splits:
  - {{name: train, num_bytes: {size}, num_examples: 3}}
  dataset_size: {size}
---
"""


@pytest.mark.parametrize(
    ("readme", "told"),
    [
        (SIZED.format(size=1 << 30), None),
        (SIZED.format(size=(1 << 30) + 1), "1,073,741,825 bytes"),
        ("", "the hub does not say how large it is"),
    ],
)
def test_a_large_data_set_is_not_stored_here_and_its_rows_are_the_same(
    hub_folder, tmp_path, readme, told
):
    rows = read_task(Data(task="mcq", path=named_repository(hub_folder, {"train": 3}, readme)))
    streamed = "repository (default): read from the hub at every pass, not stored here: "
    assert rows.notes == ((f"{streamed}{told}",) if told else ())
    assert bool(list((tmp_path / "cache").glob("**/*.arrow"))) is (told is None)
    for _ in range(2):
        assert questions(rows) == [f"Question: train {n}" for n in range(3)]
    expected = "".join(
        json.dumps(medqa(f"train {n}"), sort_keys=True, ensure_ascii=False) + "\n" for n in range(3)
    )
    assert rows.files["train"].sha256 == hashlib.sha256(expected.encode()).hexdigest()


def test_splits_of_the_hub_that_have_no_place_are_told(hub_folder):
    (hub_folder / "x").mkdir(parents=True)
    for split in ("train", "dev", "extra"):
        write_parquet(hub_folder / f"x/{split}.parquet", [medqa(split)])
    files = "".join(f"  - split: {s}\n    path: x/{s}.parquet\n" for s in ("train", "dev", "extra"))
    (hub_folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: ward\n  data_files:\n{files}---\n"
    )
    rows = read_task(Data(task="mcq", path=f"hub:{hub_folder}:ward"))
    assert rows.notes[0] == "repository (ward): the splits extra are left out"
    assert questions(rows, "validation") == ["Question: dev"]
    assert rows.files["validation"].file == "repository (ward, dev)"


def test_a_data_set_of_the_hub_without_training_rows_is_refused_unless_none_are_needed(hub_folder):
    data = Data(task="mcq", path=named_repository(hub_folder, {"test": 1}))
    with pytest.raises(DataError, match=r"has no split train$"):
        read_task(data)
    assert set(read_task(data, needs_train=False).splits) == {"test"}


def test_a_data_set_of_the_hub_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match=r"^the hub's .*nothing \(default\) could not be read: "):
        read_task(Data(task="mcq", path=f"hub:{tmp_path}/nothing"))


def test_offline_a_data_set_of_the_hub_is_refused():
    with pytest.raises(DataError, match=r"^hub:a/b: --offline keeps medtune from asking the hub"):
        read_task(Data(task="mcq", path="hub:a/b"), offline=True)


def test_rows_are_read_when_they_are_gone_through_and_anew_each_time(tmp_path):
    file = write_lines(tmp_path / "train.jsonl", [medqa("one"), {}])
    rows = read_task(Data(task="mcq", path=str(file)))
    with pytest.raises(DataError, match=r"^train\.jsonl:2: "):
        questions(rows)
    first = iter(rows.splits["train"])
    assert next(first).where == "train.jsonl:1"
    write_lines(file, [medqa("one"), medqa("two")])
    assert questions(rows) == ["Question: one", "Question: two"]


def test_several_files_are_one_split_under_one_digest(tmp_path):
    for name in ("b", "a"):
        write_lines(tmp_path / f"{name}.jsonl", [medqa(name)])
    rows = read_task(Data(task="mcq", path=f"{tmp_path}/*.jsonl"))
    assert [(e.id, e.where) for e in rows.splits["train"]] == [
        ("a-1", "a.jsonl:1"),
        ("b-1", "b.jsonl:1"),
    ]
    assert rows.files["train"].file == "a.jsonl and 1 more files"
    digests = {name: sha256_file(tmp_path / name) for name in ("a.jsonl", "b.jsonl")}
    assert rows.files["train"].sha256 == sha256_named(digests)


def test_of_several_files_none_may_be_empty(tmp_path):
    write_lines(tmp_path / "a.jsonl", [medqa()])
    (tmp_path / "b.csv").write_text("question,answer\n")
    with pytest.raises(DataError, match=r"^b\.csv holds no row$"):
        go_through(read_task(Data(task="mcq", path=str(tmp_path))))


@pytest.mark.parametrize("raw", [b"", b"\n \n\n"])
@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv"])
def test_a_file_that_is_empty_or_blank_holds_no_row(tmp_path, ending, raw):
    (tmp_path / f"train.{ending}").write_bytes(raw)
    with pytest.raises(DataError, match=rf"^train\.{ending} holds no row$"):
        go_through(read_task(Data(task="mcq", path=str(tmp_path))))


def test_no_message_or_id_names_the_folder_of_this_machine(tmp_path):
    write_lines(tmp_path / "train.jsonl", [medqa()])
    write_lines(tmp_path / "test.jsonl", [medqa(), {}])
    rows = read_task(Data(task="mcq", path=str(tmp_path)))
    (example,) = rows.splits["train"]
    assert str(tmp_path) not in repr((example, rows.files, rows.notes))
    with pytest.raises(DataError) as caught:
        go_through(rows)
    assert str(tmp_path) not in str(caught.value)


def test_test_rows_alone_are_enough_where_no_training_rows_are_needed(tmp_path):
    write_lines(tmp_path / "test.jsonl", [medqa()])
    data = Data(task="mcq", path=str(tmp_path))
    assert set(read_task(data, needs_train=False).splits) == {"test"}
    with pytest.raises(DataError, match="no training rows for task mcq"):
        read_task(data)
    with pytest.raises(DataError, match="no rows for task mcq"):
        read_task(Data(task="mcq", path=str(tmp_path / "x")), needs_train=False)


def test_the_columns_of_a_task_without_a_header_reach_its_reader(tmp_path, monkeypatch):
    read_mcq = TASKS["mcq"].make_reader(Data(task="mcq"))

    def read_table(rows):
        full = (dataclasses.replace(row, values=medqa(row.text("question"))) for row in rows)
        return read_mcq(list(full))

    task = dataclasses.replace(TASKS["mcq"], header=("question",), make_reader=lambda _: read_table)
    monkeypatch.setitem(TASKS, "mcq", task)
    (tmp_path / "train.csv").write_text("one\ntwo\n")
    rows = read_task(Data(task="mcq", path=str(tmp_path)))
    assert questions(rows) == ["Question: one", "Question: two"]


def test_what_the_first_rows_tell_is_noted_once(tmp_path, monkeypatch):
    for name, letters in (("train", "ABC"), ("dev", "ABC"), ("test", "AB")):
        write_lines(tmp_path / f"{name}.jsonl", [medqa(letters=letters), medqa(letters="ABCDE")])
    task = dataclasses.replace(
        TASKS["mcq"], explain=lambda section, row: f"{section.task} of {len(row.values['options'])}"
    )
    monkeypatch.setitem(TASKS, "mcq", task)
    rows = read_task(Data(task="mcq", path=str(tmp_path)))
    assert rows.notes == ("mcq of 3", "mcq of 2")


def test_a_file_that_is_named_itself_is_of_the_split_that_is_asked_for(tmp_path):
    file = write_lines(tmp_path / "exam.jsonl", [medqa()])
    for path in (str(file), str(tmp_path / "*.jsonl"), f"file://{file}"):
        rows = read_task(Rows(task="medqa", path=path), needs_train=False, lone="test")
        assert list(rows.splits) == ["test"]
        assert rows.files["test"].official_rows == 1273
    five = write_lines(tmp_path / "five.jsonl", [medqa(letters="ABCD")])
    rows = read_task(Rows(task="medqa_5opt", path=str(five)), needs_train=False, lone="test")
    with pytest.raises(DataError, match="found 4 options; expected 5"):
        go_through(rows)


def test_published_test_rows_of_medmcqa_alone_are_refused_for_their_answers(tmp_path):
    file = write_lines(tmp_path / "test.json", [medmcqa(None)])
    for path in (file, tmp_path):
        rows = read_task(Rows(task="medmcqa", path=str(path)), needs_train=False, lone="test")
        with pytest.raises(DataError, match=r"^test\.json:1: found keys .*; expected the key cop"):
            go_through(rows)


def truthfulqa(question: str) -> dict[str, object]:
    return {"question": question, "mc1_targets": {"so": 1, "not so": 0}}


def write_csv(file: Path, *lines: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


KNOWN = "Category,Question,Best Answer,Incorrect Answers"


def test_categories_come_from_the_file_beside_and_its_bytes_count(tmp_path):
    rows_file = write_lines(tmp_path / "mc_task.json", [truthfulqa("Why?"), truthfulqa("How?")])
    section = Rows(task="truthfulqa", path=str(tmp_path))
    alone = read_task(section, needs_train=False)
    assert [e.subject for e in alone.splits["test"]] == ["", ""]
    assert alone.files["test"].sha256 == sha256_file(rows_file)
    table = write_csv(tmp_path / "TruthfulQA.csv", KNOWN, "Law,How?,x,y", "Health,Why?,x,y")
    beside = read_task(section, needs_train=False)
    assert [e.subject for e in beside.splits["test"]] == ["Health", "Law"]
    assert [e.messages for e in beside.splits["test"]] == [e.messages for e in alone.splits["test"]]
    assert beside.files["test"].file == "mc_task.json"
    both = {file.name: sha256_file(file) for file in (rows_file, table)}
    assert beside.files["test"].sha256 == sha256_named(both)


def test_the_table_of_categories_is_read_as_rows_where_it_is_alone(tmp_path):
    table = write_csv(tmp_path / "TruthfulQA.csv", KNOWN, "Law,How?,x,y")
    rows = read_task(Rows(task="truthfulqa", path=str(tmp_path)), needs_train=False)
    assert [example.subject for example in rows.splits["test"]] == ["Law"]
    assert rows.files["test"].sha256 == sha256_file(table)
    write_csv(table, KNOWN.removeprefix("Category,"), "How?,x,y")
    rows = read_task(Rows(task="truthfulqa", path=str(tmp_path)), needs_train=False)
    assert [example.subject for example in rows.splits["test"]] == [""]


def mmlu_folder(folder: Path, *parts: str) -> Path:
    for part in parts:
        split = {"auxiliary_train": "train"}.get(part, part)
        write_csv(folder / part / f"anatomy_{split}.csv", f"{part}?,a,b,c,d,A")
    return folder


def shots(task: str, path: Path | None, **more: bool) -> list[str]:
    found = read_shots(Rows(task=task, path=path and str(path)), **more)
    assert [e.question for e in found] == [e.question for e in found], "again and again"
    return [example.question for example in found]


def test_shots_are_the_rows_that_are_published_for_it_and_else_the_training_rows(
    tmp_path, monkeypatch
):
    mmlu_folder(tmp_path / "d/qa/mmlu", "auxiliary_train", "dev", "test")
    write_lines(tmp_path / "d/qa/medqa/train.jsonl", [medqa("training?")])
    assert shots("mmlu", tmp_path / "d/qa/mmlu") == ["dev?"]
    assert shots("medqa", tmp_path / "d/qa/medqa") == ["training?"]
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path / "d"))
    assert shots("mmlu", None, offline=True) == ["dev?"]
    assert shots("medqa", None, offline=True) == ["training?"]


def test_no_row_that_is_scored_is_taken_for_a_shot(tmp_path):
    write_csv(tmp_path / "flat/anatomy_test.csv", "scored?,a,b,c,d,A")
    with pytest.raises(DataError, match=r"has no dev/\*\.csv\.$"):
        shots("mmlu", tmp_path / "flat")
    file = write_lines(tmp_path / "exam.jsonl", [medqa("scored?")])
    with pytest.raises(DataError, match="is no folder with training rows"):
        shots("medqa", file)
    write_lines(tmp_path / "q/test.jsonl", [medqa("scored?")])
    with pytest.raises(DataError, match="has test rows alone"):
        shots("medqa", tmp_path / "q")
    with pytest.raises(DataError, match="truthfulqa is published without training rows"):
        shots("truthfulqa", None)


def test_shots_are_not_asked_of_the_hub_for_test_rows_that_lie_here(tmp_path, monkeypatch):
    # The training rows of the hub's PubMedQA hold the published test rows.
    (tmp_path / "qa/pubmedqa").mkdir(parents=True)
    (tmp_path / "qa/pubmedqa/test_set.json").write_text(json.dumps({"1": pubmedqa()}))
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no training rows for task pubmedqa: looked in"):
        shots("pubmedqa", None)


def test_the_hubs_shots_are_those_of_the_split_that_it_has_for_them(hub_folder, monkeypatch):
    row = {"subject": "anatomy", "choices": list("abcd"), "answer": 0}
    write_parquet(hub_folder / "mmlu/dev-00000-of-00001.parquet", [row | {"question": "dev?"}])
    write_parquet(hub_folder / "mmlu/test-00000-of-00001.parquet", [row | {"question": "test?"}])
    hub = HubSource(
        repository=str(hub_folder / "mmlu"), splits={"test": "test"}, shots="validation"
    )
    monkeypatch.setitem(reading.TASKS, "mmlu", dataclasses.replace(TASKS["mmlu"], hub=hub))
    (example,) = read_shots(Rows(task="mmlu"))
    assert (example.question, example.subject) == ("dev?", "anatomy")
