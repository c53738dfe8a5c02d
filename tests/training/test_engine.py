"""Processes that train together take the step that one process takes, and end together."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fixtures import recipe, write_questions, write_recipe

import medtune
from medtune.errors import TrainingError
from medtune.training import SingleProcess, process_rank
from medtune.training.engine import require_equal


def torchrun(*arguments: str, processes: int = 2) -> subprocess.Popen[str]:
    """``medtune train`` in several processes on this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), "-m", "medtune", "train", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def log_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def figures(run: Path, *names: str) -> list[float]:
    return [record[name] for record in log_of(run) for name in names if name in record]


def project(folder: Path, base: Path, **sections: dict[str, Any]) -> Path:
    rows = write_questions(folder / "rows")
    return write_recipe(folder / "recipe.yaml", recipe(base, rows, **sections))


@pytest.mark.parametrize(
    "train",
    [
        {"max_steps": 4, "eval_every": 2},
        # More processes than examples in a step, and a last step of a pass that is smaller.
        {"batch_size": 1, "max_steps": 3, "clip_norm": 0.1, "packing": False},
    ],
    ids=["eight examples", "one example"],
)
def test_two_processes_take_the_steps_of_one(
    tmp_path: Path, tiny_base: Path, train: dict[str, Any]
) -> None:
    path = project(tmp_path, tiny_base, train=train)
    one = medtune.train(path, out=tmp_path / "one")
    both = torchrun(str(path), "--out", str(tmp_path / "both"))
    out, err = both.communicate(timeout=240)
    assert both.returncode == 0, err
    run = tmp_path / "both" / "tiny"
    for name in ("loss", "grad_norm", "validation_loss", "tokens", "supervised_tokens"):
        assert figures(run, name) == pytest.approx(figures(one.path, name), rel=1e-5), name
    assert out.count("adapter digest") == 1, "one process tells"
    assert err.count('"event": "start", "step": "training"') == 1
    assert json.loads((run / "provenance.json").read_text())["adapter_digest"] in out


def workers(pid: int) -> dict[int, int]:
    """Process ids by rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if parent == pid:
            ranks = [entry[5:] for entry in environment if entry.startswith(b"RANK=")]
            found |= {int(rank): int(folder.name) for rank in ranks}
    return found


def wait_for_steps(run: Path, number: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        if (run / "log.jsonl").is_file() and len(log_of(run)) >= number:
            return
        time.sleep(0.05)
    raise AssertionError(f"step {number} was never logged: {process.communicate()}")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_dead_process_ends_all_with_its_rank_named_and_the_run_can_be_continued(
    tmp_path: Path, tiny_base: Path
) -> None:
    train = {"max_steps": 4000, "checkpoint_every": 2}
    path = project(tmp_path, tiny_base, train=train)
    both = torchrun(str(path), "--out", str(tmp_path / "both"))
    run = tmp_path / "both" / "tiny"
    wait_for_steps(run, 5, both)
    os.kill(workers(both.pid)[1], signal.SIGKILL)
    _, err = both.communicate(timeout=120)
    assert both.returncode != 0
    assert re.search(r"medtune: rank 1 of 2 is gone, so this process stops too", err), err
    assert not workers(both.pid)
    assert not (run / "provenance.json").exists()
    last = max(int(folder.name[5:]) for folder in (run / "checkpoints").glob("step-*"))
    assert last >= 4
    # Fewer steps than planned is drift; one process instead of two is not.
    with pytest.raises(medtune.MedtuneError, match="max_steps: recorded 4000"):
        medtune.train(path, {"train.max_steps": last + 2}, out=tmp_path / "both", resume=True)


def test_one_signal_to_the_launcher_stops_all_after_the_same_step_with_a_checkpoint(
    tmp_path: Path, tiny_base: Path
) -> None:
    path = project(tmp_path, tiny_base, train={"max_steps": 4000, "checkpoint_every": 3000})
    both = torchrun(str(path), "--out", str(tmp_path / "both"))
    run = tmp_path / "both" / "tiny"
    wait_for_steps(run, 3, both)
    os.kill(workers(both.pid)[1], signal.SIGTERM)
    _, err = both.communicate(timeout=120)
    stopped = set(re.findall(r"after step (\d+) of 4000; a checkpoint is written", err))
    assert len(stopped) == 1, err
    (step,) = stopped
    assert (run / "checkpoints" / f"step-{int(step):08}").is_dir()


class Second(SingleProcess):
    """A process that was told something by the first."""

    rank = 1

    def from_first(self, what, make):
        return "abc"


def test_processes_that_start_from_different_weights_are_refused() -> None:
    require_equal(SingleProcess(), "start", "abd")
    require_equal(Second(), "start", "abc")
    with pytest.raises(TrainingError, match="process 1 has another start than process 0"):
        require_equal(Second(), "start", "abd")


def test_a_process_alone_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert process_rank() == 0
    assert SingleProcess().total(1.0, 2.0) == [1.0, 2.0]
    assert SingleProcess().from_first("anything", lambda: "made") == "made"


def test_processes_with_other_rows_are_refused_before_a_step(
    tmp_path: Path, tiny_base: Path
) -> None:
    """As on machines whose files differ: each would train on a problem of its own."""
    path = project(tmp_path, tiny_base)
    other = tmp_path / "other"
    write_questions(other, train=23)
    script = tmp_path / "differ.py"
    script.write_text(
        "import os, sys, medtune\n"
        "rows = sys.argv[2] if os.environ['RANK'] == '1' else sys.argv[3]\n"
        "try:\n"
        "    medtune.train(sys.argv[1], {'data.path': rows}, out=sys.argv[4])\n"
        "except medtune.MedtuneError as error:\n"
        "    print(error, flush=True)\n"
        "    sys.exit(1)\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    command += [
        "2",
        str(script),
        str(path),
        str(other),
        str(tmp_path / "rows"),
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode != 0
    assert "process 1 has another recipe, rows, base or package than process 0" in done.stdout
    assert not (tmp_path / "o" / "tiny" / "checkpoints").exists()
