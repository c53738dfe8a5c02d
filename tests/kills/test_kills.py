"""A run that is killed at any instant and continued is the undisturbed run, bit for bit.

killer.c stands between a training and the C library and kills the process just before the N-th
call that changes something in the run's folder, for every N there is; a torn death does half of a
write first. Then the run is continued as a user would, and compared with one that nobody killed.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import yaml
from fixtures import recipe, write_questions, write_recipe
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tiny_models import make_tiny_base

from medtune.models import adapter_digest
from medtune.runs import FINISHED

HERE = Path(__file__).parent
KILLED = -9
STEPS = 6
# These tell of time, memory and the machine; everything else has to be equal byte for byte.
NOT_COMPARED = {"log.jsonl", "train.json", FINISHED, "state.json", "report.html"}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that changed something in the run's folder."""

    kind: str
    size: int
    path: str

    @property
    def stage(self) -> str:
        """Where it was, without what differs from run to run or from step to step."""
        path = re.sub(r"\.tfevents\..*", ".tfevents", self.path)
        path = re.sub(r"step-\d{8}", "step-N", path)
        path = re.sub(r"\.tmp\w{6}$", ".tmp*", path)
        return re.sub(r"\.[a-z0-9_]{8}\.partial\b", ".*.partial", path)


class Forks:
    """A process with torch in memory that forks a child for each training."""

    def __init__(self, killer: Path, recipe_file: Path, scratch: Path) -> None:
        self.scratch = scratch
        self._stderr = scratch / "stderr"
        command = [sys.executable, str(HERE / "fork_server.py"), str(killer), str(recipe_file)]
        with self._stderr.open("w") as stderr:
            self._process = self._start(command, killer, stderr)
        assert self._answer() == "ready"

    def _start(self, command: list[str], killer: Path, stderr: IO[str]) -> subprocess.Popen[str]:
        # Threads do not survive a fork, and two processes would only share the cores.
        one_thread = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        own = {"LD_PRELOAD": str(killer), "MEDTUNE_CACHE": str(self.scratch / "cache")}
        return subprocess.Popen(
            command,
            env=os.environ | one_thread | own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._stderr.read_text()
        return json.loads(line)

    def train(
        self,
        out: Path,
        *,
        resume: bool = False,
        kill_at: int = 0,
        halves: int = 0,
        kill_after: float | None = None,
    ) -> tuple[bool, float]:
        """Train in a child; whether it was killed, and its seconds."""
        order = {
            "out": str(out),
            "resume": resume,
            "kill_at": kill_at,
            "halves": halves,
            "kill_after": kill_after,
            "trace": str(self.scratch / "trace"),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code, seconds = self._answer()
        assert code in (0, KILLED), self._stderr.read_text()
        return code == KILLED, seconds

    def calls(self, out: Path) -> list[Call]:
        """What the last child changed in its run's folder, the call that it died at included."""
        found = []
        for line in (self.scratch / "trace").read_text().splitlines():
            kind, size, path = line.split(" ", 2)
            found.append(Call(kind, int(size), os.path.relpath(path, out / "tiny")))
        return found

    def continue_as_a_user_would(self, out: Path, **death: Any) -> bool:
        """Resume what is there, begin where nothing is, accept what is finished; was it killed?"""
        run = out / "tiny"
        if (run / FINISHED).is_file():
            # The lock is a finished run's only trace of its death, and nobody holds it.
            (run / ".lock").unlink(missing_ok=True)
            return False
        return self.train(out, resume=run.exists(), **death)[0]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait() == 0, self._stderr.read_text()


@dataclass(frozen=True, slots=True)
class Whole:
    """The run that nobody killed."""

    run: Path
    calls: list[Call]
    seconds: float


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    folder = tmp_path_factory.mktemp("kills").resolve()
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("killer.c needs Linux and a C compiler (cc)")
    killer = folder / "killer.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-ldl", "-lpthread"]
    subprocess.run([compiler, str(HERE / "killer.c"), *flags, "-o", str(killer)], check=True)
    base = make_tiny_base(folder / "base")
    rows = write_questions(folder / "rows", train=16, validation=2, test=2)
    train = {
        "max_steps": STEPS,
        "batch_size": 4,
        "pack_tokens": 256,
        "checkpoint_every": 2,
        "eval_every": 3,
        "keep_last": 1,
    }
    values = recipe(base, rows, adapter={"dropout": 0.1}, train=train, evaluate={"few_shot": 0})
    server = Forks(killer, write_recipe(folder / "recipe.yaml", values), folder)
    yield server
    server.close()


@pytest.fixture(scope="module")
def whole(forks: Forks) -> Whole:
    out = forks.scratch / "whole"
    killed, seconds = forks.train(out)
    assert not killed
    return Whole(run=out / "tiny", calls=forks.calls(out), seconds=seconds)


def log_of(run: Path) -> list[tuple[float | None, ...]]:
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    wanted = ("step", "loss", "grad_norm", "validation_loss")
    return [tuple(record.get(name) for name in wanted) for record in records]


def board_of(run: Path) -> dict[int, float]:
    """Step -> loss in TensorBoard's files; a step that was done again is there again."""
    found = {}
    for file in sorted((run / "tensorboard").iterdir(), key=lambda file: file.stat().st_mtime_ns):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.tag == "loss":
                    found[event.step] = value.tensor.float_val[0]
    return found


def files_of(run: Path) -> dict[str, Path]:
    return {
        str(path.relative_to(run)): path
        for path in run.rglob("*")
        if path.is_file() and path.parent.name != "tensorboard"
    }


def require_equal(run: Path, whole: Path) -> None:
    """Refuse a finished run that is not the undisturbed one."""
    assert adapter_digest(run / "adapter") == adapter_digest(whole / "adapter")
    assert log_of(run) == log_of(whole)
    assert board_of(run) == board_of(whole)
    assert [path for path in run.rglob("*") if path.name.startswith(".")] == []
    files, expected = files_of(run), files_of(whole)
    assert files.keys() == expected.keys()
    for name, path in files.items():
        if path.name not in NOT_COMPARED:
            assert path.read_bytes() == expected[name].read_bytes(), name
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".yaml":
            yaml.safe_load(path.read_text())
        elif path.suffix == ".safetensors":
            assert load_file(path)


def require_whole_folders(run: Path, whole: Path) -> None:
    """Refuse a folder under its final name that is not whole, whenever one looks."""
    for folder in (run / "checkpoints").glob("step-*"):
        last = whole / "checkpoints" / f"step-{STEPS:08}"
        optional = {"best.safetensors"}
        found = {path.name for path in folder.iterdir()}
        assert found | optional == {path.name for path in last.iterdir()} | optional, folder
        assert all(load_file(path) for path in folder.glob("*.safetensors"))
    if (run / "adapter").exists():
        assert adapter_names(run) >= adapter_names(whole)


def adapter_names(run: Path) -> set[str]:
    return {path.name for path in (run / "adapter").iterdir()} - {"README.md"}


class Deaths:
    """The deaths that a test brought about; the table of them is its result."""

    def __init__(self, forks: Forks, whole: Whole) -> None:
        self._forks = forks
        self._whole = whole
        self.table: Counter[tuple[str, str]] = Counter()

    def at(self, number: int, *, halves: int = 0) -> bool:
        """Kill at the call of that number and continue; False where the run ended before it.

        ``halves`` of a write are done before: none, one, or both.
        """
        out = self._empty_folder()
        killed, _ = self._forks.train(out, kill_at=number, halves=halves)
        if killed:
            call = self._forks.calls(out)[-1]
            when = ("before", "in the middle of", "after")[halves]
            self.table[call.stage, f"{when} {call.kind}"] += 1
            self._compare(out, f"killed {when} {call}, number {number}")
        return killed

    def after(self, seconds: float) -> None:
        """Kill at an instant from outside and continue."""
        out = self._empty_folder()
        killed, _ = self._forks.train(out, kill_after=seconds)
        calls = self._forks.calls(out)
        stage = f"after {calls[-1].kind} of {calls[-1].stage}" if calls else "before all"
        self.table[stage if killed else "finished before", "kill"] += 1
        self._compare(out, f"killed {stage}, after {seconds} s")

    def twice(self, first: int, second: int) -> None:
        """Kill, continue, kill again, and continue."""
        out = self._empty_folder()
        assert self._forks.train(out, kill_at=first)[0]
        before = self._forks.calls(out)[-1]
        assert self._forks.continue_as_a_user_would(out, kill_at=second)
        again = self._forks.calls(out)[-1]
        where = f"{before.kind} {before.stage}, then {again.kind} {again.stage}"
        self.table[where, "before both"] += 1
        self._compare(out, f"killed before {before} ({first}), then before {again} ({second})")

    def _empty_folder(self) -> Path:
        out = self._forks.scratch / "killed"
        shutil.rmtree(out, ignore_errors=True)
        return out

    def _compare(self, out: Path, how: str) -> None:
        try:
            require_whole_folders(out / "tiny", self._whole.run)
            assert not self._forks.continue_as_a_user_would(out)
            require_equal(out / "tiny", self._whole.run)
        except AssertionError as error:
            raise AssertionError(f"{how}: {error}") from error

    def report(self, title: str) -> None:
        """Print the table, and append it to the file that MEDTUNE_KILL_TABLE names."""
        rows = [f"| {stage} | {kind} | {n} |" for (stage, kind), n in sorted(self.table.items())]
        kinds: Counter[str] = Counter()
        for (_, kind), count in self.table.items():
            kinds[kind] += count
        sums = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        total = f"{self.table.total()} deaths, all runs equal ({sums})"
        lines = [f"### {title}", total, "", "| where | call | deaths |", "|---|---|---|", *rows]
        text = "\n".join([*lines, "", ""])
        print("\n" + text)
        if os.environ.get("MEDTUNE_KILL_TABLE"):
            with Path(os.environ["MEDTUNE_KILL_TABLE"]).open("a", encoding="utf-8") as file:
                file.write(text)


@pytest.fixture
def deaths(forks: Forks, whole: Whole) -> Deaths:
    return Deaths(forks, whole)


def torn_writes(calls: list[Call]) -> list[int]:
    """Numbers of the calls that can be done by half."""
    return [n for n, call in enumerate(calls, start=1) if "write" in call.kind and call.size > 1]


def test_no_file_of_a_run_is_written_out_of_the_killers_sight(whole: Whole):
    # A library that wrote past the C library would never be killed while it writes.
    written: Counter[str] = Counter()
    for call in whole.calls:
        written[call.path] += call.size
    for name, path in files_of(whole.run).items():
        assert path.stat().st_size in written.values(), name


def test_every_file_is_on_the_disk_before_its_folder_gets_its_name(whole: Whole):
    # A killed process loses nothing that it wrote; only a power cut would, and that is not tried.
    last = f"step-{STEPS:08}"
    expected = {
        f"checkpoints/{last}": {path.name for path in (whole.run / "checkpoints" / last).iterdir()},
        "adapter": adapter_names(whole.run),
    }
    for target, names in expected.items():
        before = whole.calls[: whole.calls.index(Call("rename", 0, target))]
        synced = {Path(call.path) for call in before if call.kind == "fsync"}
        hidden = f".{Path(target).name}."
        assert names <= {path.name for path in synced if path.parent.name.startswith(hidden)}


def test_a_run_killed_at_its_most_delicate_moments_goes_on_to_the_same_end(
    deaths: Deaths, whole: Whole
):
    moments = [(call.kind, call.stage) for call in whole.calls]
    last = len(moments) - moments[::-1].index(("rename", "checkpoints/step-N"))
    assert deaths.at(last), "no checkpoint of the last step"
    assert deaths.at(last + 2), "more checkpoints than are kept"
    third = [n for n, moment in enumerate(moments) if moment == ("write", "log.jsonl")][2]
    assert deaths.at(third + 1, halves=1), "half a line in the log"
    assert deaths.at(moments.index(("rename", "adapter")) + 2), "no score of the adapter yet"
    assert deaths.at(moments.index(("rename", FINISHED)) + 1), "not finished yet"


@pytest.mark.slow
def test_a_run_killed_before_any_change_to_its_folder_goes_on_to_the_same_end(deaths: Deaths):
    number = 1
    while deaths.at(number):
        number += 1
    deaths.report("Killed before each change to the run's folder")


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_or_after_any_write_goes_on_to_the_same_end(
    deaths: Deaths, whole: Whole
):
    for number in torn_writes(whole.calls):
        assert deaths.at(number, halves=1)
        assert deaths.at(number, halves=2)
    deaths.report("Killed in the middle of and after each write")


@pytest.mark.slow
def test_a_run_killed_at_random_instants_goes_on_to_the_same_end(deaths: Deaths, whole: Whole):
    instants = random.Random(17)
    for _ in range(50):
        deaths.after(instants.uniform(0, whole.seconds))
    deaths.report("Killed at 50 random instants")


@pytest.mark.slow
def test_a_run_killed_and_killed_again_when_continued_goes_on_to_the_same_end(
    deaths: Deaths, whole: Whole
):
    chosen = random.Random(18)
    paths = [(call.kind, call.path) for call in whole.calls]
    before_the_end = paths.index(("rename", FINISHED)) + 1
    for _ in range(30):
        first = chosen.randint(1, before_the_end)
        # A continued run changes at least what was still to be changed.
        deaths.twice(first, chosen.randint(1, len(paths) - first))
    deaths.report("Killed twice, 30 pairs")
