"""Rows that were prepared before are used only where they are what would be prepared now."""

import json
import tempfile
import threading
from pathlib import Path

import pytest
from fixtures import chat, write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import make_tokenizer

from medtune.data import Prepared, Workshop, make_key, make_template, prepare, read_material
from medtune.data import cache as caches
from medtune.data.build import alone_in
from medtune.data.cache import Key
from medtune.digests import remove_folder
from medtune.errors import MedtuneError
from medtune.models.cache import cache_folder
from medtune.recipe import Data, Rows
from medtune.records import Silent

LOCKS = Path("/proc/locks")
TEMPLATE = make_template("tokenizer", make_tokenizer())


class Told(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def rows(folder: Path) -> Path:
    return write_jsonl(folder / "rows.jsonl", [chat(number) for number in range(12)])


def section(file: Path, **more: object) -> Data:
    return Data(task="chat", path=str(file), validation_fraction=0.2, **more)  # type: ignore[arg-type]


def key_of(data: Data, *, template: str = "t", tokenizer: str = "k", seed: int = 1) -> Key:
    material = read_material(data)
    return make_key("r", material, data, template=template, tokenizer=tokenizer, seed=seed)


def prepared(parent: Path, data: Data) -> tuple[Prepared, list[str]]:
    told = Told()
    workshop = Workshop(key=key_of(data), parent=parent)
    found = prepare(read_material(data), data, TEMPLATE, seed=1, workshop=workshop, progress=told)
    return found, told.said


def test_prepared_rows_are_used_again_and_are_the_same(tmp_path: Path):
    data = section(rows(tmp_path))
    first, said = prepared(tmp_path / "cache", data)
    assert said == ["preparing the rows: no rows were prepared for this recipe before"]
    again, said = prepared(tmp_path / "cache", data)
    assert said == [f"rows prepared before are used: {key_of(data).digest[:12]}"]
    assert again.account() == first.account()
    assert list(again.splits["train"].encoded) == list(first.splits["train"].encoded)
    assert list(again.splits["train"].examples) == list(first.splits["train"].examples)


@given(st.integers(0, 10**6))
def test_any_changed_character_of_the_data_is_another_key(place):
    with tempfile.TemporaryDirectory() as name:
        file = rows(Path(name))
        before = key_of(section(file)).digest
        content = file.read_text()
        # Behind the first row, which is read to tell the layout.
        place = content.index("\n") + 1 + place % (len(content) - content.index("\n") - 1)
        file.write_text(content[:place] + "#" + content[place + 1 :])
        assert key_of(section(file)).digest != before


def test_template_tokenizer_seed_and_every_option_of_the_rows_are_in_the_key(tmp_path: Path):
    file = rows(tmp_path)
    other = write_jsonl(tmp_path / "more.jsonl", [chat(1)])
    exam = {"rows": [Rows(task="chat", path=str(other))]}
    source = {"name": "more", "task": "chat", "path": str(other)}
    keys = [
        key_of(section(file)),
        key_of(section(file), template="u"),
        key_of(section(file), tokenizer="l"),
        key_of(section(file), seed=2),
        key_of(section(file, max_tokens=512)),
        key_of(section(file, on_overlength="drop")),
        key_of(section(file, format="chat")),
        key_of(section(file, private=True)),
        key_of(section(file, sources=[source])),
        key_of(section(file, decontaminate=exam)),
        key_of(section(file, decontaminate={**exam, "ngram": 9})),
        key_of(section(file, decontaminate={**exam, "share": 0.9})),
    ]
    assert len({key.digest for key in keys}) == len(keys)
    renamed = tmp_path / "renamed.jsonl"
    renamed.write_bytes(file.read_bytes())
    assert key_of(section(renamed)).digest != keys[0].digest  # ids are by file and line
    # What is decided about prepared rows, and where they lie, makes no other rows.
    moved = tmp_path / "elsewhere" / "rows.jsonl"
    moved.parent.mkdir()
    moved.write_bytes(file.read_bytes())
    same = [
        key_of(section(moved)),
        key_of(section(file, leaks="keep")),
        key_of(section(file, canaries={})),
        key_of(Data(task="chat", path=str(file), validation_fraction=0.5)),
    ]
    assert {key.digest for key in same} == {keys[0].digest}


def test_other_code_is_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = section(rows(tmp_path))
    before = key_of(data).digest
    assert {"data", "tasks"} <= set(caches.CODE)
    monkeypatch.setattr(caches, "CODE", (*caches.CODE, "errors.py"))
    assert key_of(data).digest != before


def test_it_is_said_in_what_the_rows_prepared_before_differ(tmp_path: Path):
    file = rows(tmp_path)
    prepared(tmp_path / "cache", section(file))
    file.write_text(file.read_text().replace("Case 3", "Case X"))
    _, said = prepared(tmp_path / "cache", section(file, max_tokens=512))
    assert said == ["preparing the rows: those prepared before differ in: data, options"]


def test_a_folder_that_was_changed_behind_our_back_is_prepared_again(tmp_path: Path):
    data = section(rows(tmp_path))
    first, _ = prepared(tmp_path / "cache", data)
    (shard,) = (tmp_path / "cache").rglob("rows-*.arrow")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    again, said = prepared(tmp_path / "cache", data)
    assert said[0].startswith("preparing the rows")
    assert list(again.splits["train"].encoded) == list(first.splits["train"].encoded)


def test_a_folder_without_its_manifest_is_not_taken_for_whole(tmp_path: Path):
    data = section(rows(tmp_path))
    prepared(tmp_path / "cache", data)
    (manifest,) = (tmp_path / "cache").rglob("manifest.json")
    manifest.unlink()
    _, said = prepared(tmp_path / "cache", data)
    assert said[0].startswith("preparing the rows")
    assert json.loads(manifest.read_text())["recipe"] == "r"


def test_of_a_recipe_the_newest_folders_are_kept(tmp_path: Path):
    file = rows(tmp_path)
    for number in range(6):
        prepared(tmp_path / "cache", section(file, max_tokens=512 + number))
    assert len(list((tmp_path / "cache").glob("*/manifest.json"))) == caches.KEPT_OF_A_RECIPE
    _, said = prepared(tmp_path / "cache", section(file, max_tokens=517))
    assert said[0].startswith("rows prepared before are used")


def test_the_cache_is_for_its_owner_alone(tmp_path: Path):
    prepared(tmp_path / "cache", section(rows(tmp_path)))
    folders = [tmp_path / "cache", *(p for p in (tmp_path / "cache").iterdir() if p.is_dir())]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}


def test_a_renamed_file_makes_other_rows_for_their_ids_begin_with_its_name(tmp_path: Path):
    named = {"columns": {"prompt": "q", "answer": "a"}, "format": "columns"}
    file = write_jsonl(tmp_path / "old.jsonl", [{"q": f"{n}?", "a": "yes"} for n in range(30)])
    prepared(tmp_path / "cache", section(file, **named))
    found, _ = prepared(tmp_path / "cache", section(file.rename(tmp_path / "new.jsonl"), **named))
    assert {row.id.partition("-")[0] for row in found.splits["train"].examples} == {"new"}


def test_a_renamed_evaluation_file_is_found_under_its_new_name(tmp_path: Path):
    exam = write_jsonl(tmp_path / "old.jsonl", [{"prompt": "Case 2: beriberi. Cause?",
                                                 "completion": "none"}])  # fmt: skip
    hits = []
    for name in ("old", "new"):
        exam = exam.rename(tmp_path / f"{name}.jsonl")
        against = {"rows": [Rows(task="chat", path=str(exam))], "ngram": 4}
        found, _ = prepared(tmp_path / "cache", section(rows(tmp_path), decontaminate=against))
        hits += [hit["name"] for row in found.record["contamination"]["rows"]
                 for hit in row["items"]]  # fmt: skip
    assert set(hits) == {"chat 1 train: old-1", "chat 1 train: new-1"}


def test_a_folder_that_another_process_is_at_is_not_let_go(tmp_path: Path):
    file = rows(tmp_path)
    prepared(tmp_path / "cache", section(file))
    (busy,) = (path.parent for path in (tmp_path / "cache").glob("*/manifest.json"))
    with alone_in(busy):
        for number in range(6):
            prepared(tmp_path / "cache", section(file, max_tokens=512 + number))
        assert (busy / "manifest.json").is_file()
    prepared(tmp_path / "cache", section(file, max_tokens=600))
    assert not busy.exists()


def test_whoever_waited_for_a_folder_that_was_let_go_is_alone_in_the_new_one(tmp_path: Path):
    folder, order = tmp_path / "rows", []

    def wait() -> None:
        with alone_in(folder):
            order.append((folder / ".lock").exists())

    with alone_in(folder):
        waiting = threading.Thread(target=wait)
        waiting.start()
        while not any("FLOCK" in line and "->" in line for line in LOCKS.read_text().splitlines()):
            pass
        remove_folder(folder)
    waiting.join()
    assert order == [True]


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_where_no_rows_can_be_kept_is_one_clear_line(tmp_path: Path, place: str):
    (tmp_path / "file").write_text("")
    with pytest.raises(MedtuneError, match="prepared rows cannot be kept there"):
        prepared(tmp_path / place, section(rows(tmp_path)))


def test_a_cache_that_cannot_be_made_is_one_clear_line(tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "file"))
    with pytest.raises(MedtuneError, match="cannot be made: File exists; set MEDTUNE_CACHE"):
        cache_folder()
