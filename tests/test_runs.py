"""The run directory: its name is taken once, by one process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from medtune.digests import PARTIAL
from medtune.errors import MedtuneError, RunExistsError
from medtune.runs import FINISHED, is_finished, open_run


def open_and_leave(name: str, parent: Path | None, *, resume: bool = False) -> Path:
    with open_run(name, parent, resume=resume) as run:
        return run


def begin(name: str, parent: Path) -> Path:
    """Leave an unfinished run behind."""
    with open_run(name, parent, resume=False) as run:
        (run / "log.jsonl").write_text("kept")
    return run


def refusal(name: str, parent: Path, *, resume: bool = False) -> str:
    with pytest.raises(RunExistsError) as caught:
        open_and_leave(name, parent, resume=resume)
    return str(caught.value)


def test_a_new_run_gets_its_folder_with_all_above_it(tmp_path):
    with open_run("first", tmp_path / "deep/er", resume=False) as run:
        assert run == tmp_path / "deep/er/first"
        assert run.is_dir()
        assert not is_finished(run)


def test_without_a_parent_runs_lie_below_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_and_leave("first", None).resolve() == tmp_path / "runs/first"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MedtuneError, match=r"nothing can be written there .*--out"):
        open_and_leave("first", tmp_path / "file")


def test_a_finished_run_is_refused_with_and_without_resume(tmp_path):
    with open_run("first", tmp_path, resume=False) as run:
        (run / FINISHED).write_text("{}")
    assert is_finished(run)
    for resume in (False, True):
        message = refusal("first", tmp_path, resume=resume)
        assert f"{run} is a finished run" in message
        assert "name=" in message
        assert "--out" in message
    assert RunExistsError.exit_code == 2


def test_a_finished_run_holds_nothing_but_its_results(tmp_path):
    with open_run("first", tmp_path, resume=False) as run:
        (run / FINISHED).write_text("{}")
    assert [file.name for file in run.iterdir()] == [FINISHED]


def test_an_unfinished_run_is_refused_with_a_hint_at_resume(tmp_path):
    run = begin("first", tmp_path)
    message = refusal("first", tmp_path)
    assert f"{run} is there already, unfinished; continue it with --resume" in message
    assert (run / "log.jsonl").read_text() == "kept"


def test_an_unfinished_run_is_resumed_with_all_that_lies_in_it(tmp_path):
    run = begin("first", tmp_path)
    assert open_and_leave("first", tmp_path, resume=True) == run
    assert (run / "log.jsonl").read_text() == "kept"


def fail_in(parent: Path, *, after_writing: bool) -> None:
    def fail() -> None:
        with open_run("first", parent, resume=False) as run:
            if after_writing:
                (run / "log.jsonl").write_text("kept")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_a_run_that_failed_can_be_resumed(tmp_path):
    fail_in(tmp_path, after_writing=True)
    assert open_and_leave("first", tmp_path, resume=True) == tmp_path / "first"
    assert (tmp_path / "first/log.jsonl").read_text() == "kept"


def test_a_run_that_failed_before_it_wrote_anything_takes_no_name(tmp_path):
    fail_in(tmp_path, after_writing=False)
    assert list(tmp_path.iterdir()) == []
    assert open_and_leave("first", tmp_path) == tmp_path / "first"


def test_what_a_killed_process_left_half_written_is_removed_on_resume(tmp_path):
    run = begin("first", tmp_path)
    (run / "checkpoints" / f".step-2.x{PARTIAL}").mkdir(parents=True)
    (run / "checkpoints" / f".step-2.x{PARTIAL}" / f".state.json.y{PARTIAL}").write_text("{")
    (run / f".data.json.z{PARTIAL}").write_text("{")
    (run / "checkpoints" / "step-1").mkdir()
    (run / ".mine").write_text("kept")
    with open_run("first", tmp_path, resume=True):
        left = {str(path.relative_to(run)) for path in run.rglob("*")}
    assert left == {".lock", ".mine", "log.jsonl", "checkpoints", "checkpoints/step-1"}


def test_nothing_is_removed_under_the_hands_of_another_process(tmp_path):
    with open_run("first", tmp_path, resume=False) as run:
        (run / f".data.json.z{PARTIAL}").write_text("{")
        refusal("first", tmp_path, resume=True)
        refusal("first", tmp_path, resume=False)
        assert (run / f".data.json.z{PARTIAL}").is_file()


def test_there_is_nothing_to_resume_where_there_is_no_run(tmp_path):
    assert (
        refusal("first", tmp_path, resume=True) == f"there is no run {tmp_path / 'first'} to resume"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_of_that_name_is_no_run(tmp_path, resume):
    (tmp_path / "first").write_text("mine")
    refusal("first", tmp_path, resume=resume)
    assert (tmp_path / "first").read_text() == "mine"


def test_two_names_do_not_stand_in_each_others_way(tmp_path):
    with (
        open_run("first", tmp_path, resume=False) as first,
        open_run("second", tmp_path, resume=False) as second,
    ):
        assert first != second


HOLD = """
import sys
from pathlib import Path
from medtune.runs import open_run

with open_run("first", Path(sys.argv[1]), resume=False) as run:
    (run / "log.jsonl").write_text("kept")
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_is_refused_while_the_first_is_at_the_run(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        try:
            assert first.stdout.readline() == "held\n"
            expected = f"another process is working on {tmp_path / 'first'}"
            assert refusal("first", tmp_path, resume=True) == expected
            refusal("first", tmp_path, resume=False)
        finally:
            first.stdin.close()
    assert first.returncode == 0
    assert open_and_leave("first", tmp_path, resume=True) == tmp_path / "first"


def test_a_process_that_was_killed_holds_the_run_no_longer(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        first.kill()
    assert first.returncode == -9
    assert open_and_leave("first", tmp_path, resume=True) == tmp_path / "first"


def test_one_run_under_two_spellings_of_its_folder_is_one_run(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with open_run("first", tmp_path, resume=False):
        assert "another process" in refusal("first", tmp_path / "link", resume=True)
