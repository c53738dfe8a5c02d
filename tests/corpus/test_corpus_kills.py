"""A build that is killed at any change of a file and continued gives the undisturbed bytes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_files import write_corpus
from test_corpus_building import bytes_of

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
KILLED = signal.SIGKILL


class Builds:
    """A process that forks a child for each build."""

    def __init__(self, killer: Path, recipe: Path, scratch: Path) -> None:
        self.scratch = scratch
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "killed_builds.py"), killer, recipe, scratch],
            env=os.environ | {"LD_PRELOAD": str(killer), "TOKENIZERS_PARALLELISM": "false"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def build(self, name: str, change: int = 0, halves: int = 0) -> bool:
        """Whether the build was killed at this change of a file."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, change, halves]) + "\n")
        self._process.stdin.flush()
        status, _ = json.loads(self._process.stdout.readline())
        assert status in (0, KILLED), status
        return status == KILLED

    def changes(self) -> int:
        """Changes of files that the last build made."""
        return len((self.scratch / "trace").read_text().splitlines())

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()


@pytest.fixture(scope="module")
def small_raw(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    recipe = write_corpus(tmp_path_factory.mktemp("raw"), papers=2, abstracts=6, pages=3, texts=2)
    shutil.copytree(tiny_base, recipe.parent / "tokenizer")
    text = recipe.read_text().replace("guidelines: 0.3", "guidelines: 0")
    recipe.write_text(text, encoding="utf-8")
    return recipe


@pytest.fixture(scope="module")
def builds(small_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builds]:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("killer.c needs Linux and a C compiler (cc)")
    scratch = tmp_path_factory.mktemp("kills").resolve()
    killer = scratch / "killer.so"
    source = HERE.parent / "kills" / "killer.c"
    flags = ["-shared", "-fPIC", "-O1", "-ldl", "-lpthread"]
    subprocess.run([compiler, str(source), *flags, "-o", str(killer)], check=True)
    made = Builds(killer, small_raw, scratch)
    yield made
    made.close()


def test_a_build_killed_at_any_change_of_a_file_goes_on_to_the_same_bytes(builds):
    assert not builds.build("whole")
    expected = bytes_of(builds.scratch / "whole" / "small")
    changes = builds.changes()
    chance = random.Random(9)
    # Every change of the first stage, and a sample of those of the 35 tasks that follow.
    chosen = sorted({*range(1, 80), *chance.sample(range(80, changes + 1), 120), changes})
    deaths = 0
    for change in chosen:
        name = f"killed-{change}"
        deaths += builds.build(name, change, change % 3)
        assert not builds.build(name), change
        assert bytes_of(builds.scratch / name / "small") == expected, change
        shutil.rmtree(builds.scratch / name)
    print(f"{deaths} deaths at {changes} changes of files, each continued to the same bytes")
    assert deaths > 150


def test_a_build_in_several_processes_killed_at_any_time_goes_on_to_the_same_bytes(
    builds, small_raw, tmp_path
):
    assert not builds.build("undisturbed")
    expected = bytes_of(builds.scratch / "undisturbed" / "small")
    command = [sys.executable, "-m", "medtune", "corpus", "build", str(small_raw)]
    command += ["executor.workers=2", "--out", str(tmp_path)]
    for seconds in (5.5, 6.5, 7.0, 7.5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.kill()
        process.wait()
        is_there = (tmp_path / "small").exists()
        again = [*command, "--resume"] if is_there else command
        done = subprocess.run(again, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or "finished" in done.stderr, done.stderr
        assert bytes_of(tmp_path / "small") == expected
        shutil.rmtree(tmp_path / "small")
