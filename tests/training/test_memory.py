"""The predicted memory of a step is what the step takes, and running out of it says what to do."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixtures import recipe, write_questions, write_recipe
from measured_memory import make_base

import medtune
from medtune.inputs import predict_memory
from medtune.training import Memory, too_much

SCRIPT = Path(__file__).with_name("measured_memory.py")
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peaks are read from Linux's /proc"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "wide"
    make_base(folder)
    return folder


CASES = [
    {"settings": {}, "length": 64, "answer": 2},
    {"settings": {}, "length": 1024, "answer": 900},
    {
        "settings": {"train": {"packing": False, "optimizer": "adamw_8bit"}},
        "length": 256,
        "answer": 2,
    },
    {"settings": {"train": {"gradient_checkpointing": True}}, "length": 256, "answer": 2},
    {"settings": {"base": {"dtype": "bfloat16"}}, "length": 256, "answer": 100},
    {"settings": {"base": {"quantization": "nf4"}}, "length": 256, "answer": 2},
]


@pytest.fixture(scope="module")
def results(base: Path) -> list[dict[str, Any]]:
    """What was predicted and what was measured, for each case."""
    # glibc keeps freed blocks that it cannot reuse: with this it returns them to the system, and
    # what the process holds is what the step has allocated.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    paths = [str(SCRIPT.parent), str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), str(base), json.dumps(CASES)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=lambda n: json.dumps(CASES[n]["settings"])
)
def test_the_predicted_peak_is_within_a_fifth_of_the_measured_one(
    results: list[dict[str, Any]], number: int
) -> None:
    rows, measured = results[number]["predicted"], results[number]["measured"]
    predicted = sum(rows.values())
    assert predicted == pytest.approx(measured, rel=0.2)
    # What lies there before a step is the same in both, so the step alone is looked at too.
    before = rows["Python and torch"]
    assert predicted - before == pytest.approx(measured - before, rel=0.2)


def project(folder: Path, base: Path, **sections: dict[str, Any]) -> Path:
    rows = write_questions(folder / "rows")
    return write_recipe(folder / "recipe.yaml", recipe(base, rows, **sections))


def predicted(path: Path, *overrides: str) -> Memory:
    return predict_memory(medtune.gather(medtune.load_recipe(path, overrides)))


def test_each_setting_saves_where_it_says(tmp_path: Path, tiny_base: Path) -> None:
    path = project(tmp_path, tiny_base)
    plain = predicted(path)
    assert plain.tokens <= 256
    assert predicted(path, "train.gradient_checkpointing=true").activations < plain.activations / 2
    assert predicted(path, "base.quantization=nf4").weights < plain.weights
    assert predicted(path, "adapter.rank=64", "train.optimizer=adamw_8bit").optimizer < (
        predicted(path, "adapter.rank=64").optimizer / 3
    )
    larger = predicted(path, "train.pack_tokens=1024")
    assert larger.tokens > 1.5 * plain.tokens
    assert larger.activations > 1.5 * plain.activations
    for init in ("pissa", "olora", "eva"):
        assert predicted(path, f"adapter.init={init}").adapter == plain.adapter


def test_three_ways_out_are_named_and_none_that_is_taken_or_impossible(
    tmp_path: Path, tiny_base: Path
) -> None:
    path = project(tmp_path, tiny_base)
    memory = predicted(path)
    for overrides in (
        [],
        ["train.gradient_checkpointing=true", "train.optimizer=adamw_8bit"],
        ["base.quantization=nf4", "adapter.targets=attention"],
        ["adapter.init=pissa", "train.pack_tokens=256"],
    ):
        loaded = medtune.load_recipe(path, overrides)
        text = too_much(memory, loaded, "no room")
        ways = re.findall(r"^  \d\. (.*)$", text, flags=re.MULTILINE)
        assert len(ways) == 3
        for way in ways:
            changes = [part for part in way.split(" (")[0].split() if "=" in part]
            assert changes
            assert not set(changes) & set(overrides)
            # Each is a recipe that loads, and another one.
            assert medtune.load_recipe(path, [*overrides, *changes]) != loaded


def test_a_step_that_finds_no_memory_tells_what_it_needs_and_what_to_change(
    tmp_path: Path, base: Path
) -> None:
    path = project(
        tmp_path,
        base,
        data={"max_tokens": 512},
        train={"batch_size": 24, "pack_tokens": 4096, "max_steps": 2},
    )
    script = (
        "import resource, sys, medtune\n"
        "from medtune.inputs import predict_memory\n"
        "recipe = medtune.load_recipe(sys.argv[1])\n"
        "predict_memory(medtune.gather(recipe))\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "size = next(int(l.split()[1]) * 1024 for l in lines if l.startswith('VmSize'))\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 2**27,) * 2)\n"
        "try:\n"
        "    medtune.train(recipe, out=sys.argv[2])\n"
        "except medtune.MedtuneError as error:\n"
        "    print(error.exit_code, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(path), str(tmp_path / "runs")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.startswith("1 memory was not enough"), done.stdout + done.stderr
    for part in ("activations", "base weights", "peak", "1. train.gradient_checkpointing=true"):
        assert part in done.stdout


def test_a_base_that_cannot_be_simulated_is_told_so_and_the_dry_run_goes_on(
    tmp_path: Path, tiny_base: Path
) -> None:
    """Dynamic rotary embeddings look at values, and a simulation has none."""
    folder = tmp_path / "dynamic"
    shutil.copytree(tiny_base, folder)
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"] = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    (folder / "config.json").write_text(json.dumps(config))
    path = project(tmp_path, folder)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "medtune", "train", str(path), "--dry-run"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "the memory of a step cannot be predicted for this base" in done.stdout
    assert "this was a dry run" in done.stdout
