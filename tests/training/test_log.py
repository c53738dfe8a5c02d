"""The log survives a crash and a resume without a step too many or too few."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medtune.training import read_log
from medtune.training.log import step_log


def write(run: Path, steps: range, *, from_step: int) -> None:
    with step_log(run, from_step=from_step) as log:
        for step in steps:
            log.write(step, {"loss": 1 / step, "session": float(from_step)})


def test_each_step_is_one_line_of_json_in_both_logs(tmp_path: Path) -> None:
    write(tmp_path, range(1, 4), from_step=0)
    expected = [{"step": n, "loss": 1 / n, "session": 0.0} for n in (1, 2, 3)]
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == expected == read_log(tmp_path / "log.jsonl")
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in board.Scalars("loss")] == [
        (n, pytest.approx(1 / n)) for n in (1, 2, 3)
    ]


def test_a_resumed_run_drops_what_it_does_again(tmp_path: Path) -> None:
    write(tmp_path, range(1, 8), from_step=0)
    write(tmp_path, range(5, 10), from_step=4)
    records = read_log(tmp_path / "log.jsonl")
    assert [record["step"] for record in records] == list(range(1, 10))
    assert [record["session"] for record in records] == [0.0] * 4 + [4.0] * 5
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("session")] == list(range(1, 10))


def test_a_line_that_a_crash_cut_short_is_no_record(tmp_path: Path) -> None:
    write(tmp_path, range(1, 4), from_step=0)
    file = tmp_path / "log.jsonl"
    file.write_text(file.read_text()[:-5])
    assert [record["step"] for record in read_log(file)] == [1, 2]
    write(tmp_path, range(3, 5), from_step=2)
    assert [record["step"] for record in read_log(file)] == [1, 2, 3, 4]


def test_every_record_is_there_before_the_next_step(tmp_path: Path) -> None:
    with step_log(tmp_path, from_step=0) as log:
        log.write(1, {"loss": 2.0})
        assert [record["step"] for record in read_log(tmp_path / "log.jsonl")] == [1]


def test_the_log_is_closed_when_training_fails(tmp_path: Path) -> None:
    logs = []

    def fail() -> None:
        with step_log(tmp_path, from_step=0) as log:
            logs.append(log)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with pytest.raises(ValueError, match="closed"):
        logs[0].write(2, {"loss": 1.0})


def test_a_log_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log.jsonl") == []
