"""Prepared rows on disk: in parallel, resumed after a kill, never stale, never half."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import make_example, make_tokenizer

from medtune.data import Encoder, make_template
from medtune.data import store as stores
from medtune.data.build import Job, RawRow, build, key
from medtune.data.store import Joined, Store, Stored, shard_path
from medtune.errors import DataError, MedtuneError, TemplateError
from medtune.overlap import bands, shingles
from medtune.recipe import Data
from medtune.records import Example, Silent

TEMPLATE = make_template("tokenizer", make_tokenizer())
DATA = Data(task="chat", max_tokens=64)


def example(number: int) -> Example:
    return make_example(f"Case {number}: fever?", f"yes {number}", id=f"row-{number}")


def rows(count: int) -> Iterator[RawRow]:
    return (RawRow(0, number / count, example(number)) for number in range(count))


def job(data: Data = DATA) -> Job:
    return Job(template=TEMPLATE, data=data, index=None, compared=frozenset())


def make(folder: Path, count: int, workers: int = 0, **more: object) -> Store:
    folder.mkdir(exist_ok=True)
    given = {"rows": rows(count), "max_rows": None, **more}
    build(folder, job=job(), workers=workers, progress=Silent(), **given)  # type: ignore[arg-type]
    return Store(folder)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(stores, "SHARD_ROWS", 16)
    monkeypatch.setattr("medtune.data.build.SHARD_ROWS", 16)
    return 16


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("rows-*.arrow")}


def test_what_is_read_back_is_what_was_encoded(tmp_path: Path, small_shards: int):
    store = make(tmp_path / "a", 40)
    encoder = Encoder(TEMPLATE)
    assert len(store) == 40
    for number in (0, 15, 16, 39):
        assert store.example(number) == example(number)
        assert store.encoded(number) == encoder.example(example(number))
    assert store.numbers("length").tolist() == [
        len(encoder.example(example(number))) for number in range(40)
    ]
    assert store.numbers("id_key")[17] == key("row-17")
    assert (store.bands()[3] == bands(shingles(example(3).own_text))).all()


def test_rows_of_every_shape_come_back_as_they_were(tmp_path: Path):
    odd = make_example("é\n\u2028?", "ja", "mehr", "nein", id="ö", system="s", group="g")
    choice = make_example("Which?", "A", id="mc", options=("A", "B"))
    given = [RawRow(1, 0.5, odd), RawRow(0, 0.25, choice)]
    store = make(tmp_path / "a", 0, rows=iter(given))
    assert [store.example(0), store.example(1)] == [odd, choice]
    assert store.numbers("part").tolist() == [1, 0]
    assert store.numbers("share").tolist() == [0.5, 0.25]


def test_a_sequence_of_stored_rows_is_read_by_place_and_slice(tmp_path: Path):
    store = make(tmp_path / "a", 10)
    chosen = Stored(store.example, np.array([7, 3, 3, 9]))
    assert [row.id for row in chosen] == ["row-7", "row-3", "row-3", "row-9"]
    assert [row.id for row in chosen[1:3]] == ["row-3", "row-3"]
    assert chosen[-1].id == "row-9"
    with pytest.raises(IndexError):
        chosen[4]


def test_datasets_opens_a_shard(tmp_path: Path):
    make(tmp_path / "a", 5)
    found = datasets.Dataset.from_file(str(shard_path(tmp_path / "a", 0)))
    assert found["id"] == [f"row-{number}" for number in range(5)]


def test_workers_write_the_same_bytes_as_one_process(tmp_path: Path, small_shards: int):
    alone = make(tmp_path / "a", 100)
    shared = make(tmp_path / "b", 100, workers=2)
    assert len(alone) == len(shared) == 100
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_shards_that_are_there_are_kept_and_the_rest_is_made(tmp_path: Path, small_shards: int):
    make(tmp_path / "a", 100)
    whole = contents(tmp_path / "a")
    for number in (1, 4):
        shard_path(tmp_path / "a", number).unlink()
    kept = shard_path(tmp_path / "a", 0).stat().st_mtime_ns
    (tmp_path / "a" / ".rows-000001.arrow.x.partial").write_bytes(b"torn")
    make(tmp_path / "a", 100)
    assert contents(tmp_path / "a") == whole
    assert shard_path(tmp_path / "a", 0).stat().st_mtime_ns == kept
    assert not list((tmp_path / "a").glob(".*.partial"))


@pytest.mark.parametrize("workers", [0, 1])
def test_the_first_bad_row_is_told_whoever_meets_it(
    tmp_path: Path, small_shards: int, workers: int
):
    def given(bad: int, unreadable: int) -> Iterator[RawRow]:
        for number in range(100):
            if number == unreadable:
                raise DataError(f"rows.jsonl:{number}: unreadable")
            answer = "a</s>" if number == bad else "yes"
            yield RawRow(0, 0.5, make_example("q", answer, id=f"row-{number}"))

    with pytest.raises(TemplateError, match=r"rows\.jsonl:20: a assistant message"):
        make(tmp_path / "a", 0, workers, rows=given(bad=20, unreadable=50))
    with pytest.raises(DataError, match=r"rows\.jsonl:20: unreadable"):
        make(tmp_path / "b", 0, workers, rows=given(bad=50, unreadable=20))


def test_more_rows_than_each_of_several_processes_should_encode_are_refused(
    tmp_path: Path, small_shards: int
):
    with pytest.raises(DataError, match=r"more than 50 rows.*medtune data preprocess"):
        make(tmp_path / "a", 100, max_rows=50)
    assert len(make(tmp_path / "b", 50, max_rows=50)) == 50


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_build import *
if __name__ == "__main__":
    stores.SHARD_ROWS = 16
    import medtune.data.build as building
    building.SHARD_ROWS = 16
    class Slow(Silent):
        def advance(self, units, **figures):
            print("shard", flush=True)
    Path(sys.argv[1]).mkdir(exist_ok=True)
    build(Path(sys.argv[1]), rows(4000), job(), workers=int(sys.argv[3]), max_rows=None,
          progress=Slow())
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_a_build_that_was_killed_goes_on_to_the_same_bytes_and_leaves_no_process(
    tmp_path: Path, small_shards: int, workers: int
):
    make(tmp_path / "whole", 4000)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path / "cut"), str(Path(__file__).parent)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [*command, str(workers)], stdout=subprocess.PIPE, env=env, start_new_session=True
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"shard\n"
        children = _children(started.pid)
        assert len(children) >= workers
        started.send_signal(signal.SIGKILL)
    done = len(contents(tmp_path / "cut"))
    assert 0 < done < 250
    for child in children:
        _wait_until_gone(child)
    make(tmp_path / "cut", 4000)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def _wait_until_gone(pid: int) -> None:
    for _ in range(600):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    raise AssertionError(f"process {pid} outlived its parent")


def test_a_worker_that_dies_ends_the_build_with_advice(tmp_path: Path, small_shards: int):
    def given() -> Iterator[RawRow]:
        for number in range(100_000):
            if number == 400:
                for child in multiprocessing.active_children():
                    assert child.pid is not None
                    os.kill(child.pid, signal.SIGKILL)
            yield RawRow(0, 0.5, example(number))

    with pytest.raises(MedtuneError, match=r"a worker process was killed.*run the command again"):
        make(tmp_path / "a", 0, 1, rows=given())


def test_a_worker_that_died_before_the_next_shard_is_told_in_the_same_words(
    tmp_path: Path, small_shards: int
):
    def given() -> Iterator[RawRow]:
        for number in range(small_shards * 3):
            if number == small_shards * 2:
                (child,) = multiprocessing.active_children()
                os.kill(child.pid or 0, signal.SIGKILL)
                time.sleep(1)  # so that the pool knows before it is given more
            yield RawRow(0, 0.5, example(number))

    with pytest.raises(MedtuneError, match="a worker process was killed"):
        make(tmp_path / "a", 0, 1, rows=given())


@given(st.integers(-12, 12) | st.none(), st.integers(-12, 12) | st.none())
def test_a_slice_of_two_sequences_is_that_of_a_list_and_reads_nothing(start, stop):
    found = Joined(Stored(int, np.arange(6)), [6, 7, 8])[start:stop]
    assert list(found) == list(range(9))[start:stop]
    assert isinstance(found, Joined)
