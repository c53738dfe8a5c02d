"""The quickstart's rows, and a short run of it on the real default base."""

import importlib.util
import json
from pathlib import Path

import pytest

import medtune
from medtune.models import LocatedBase
from medtune.recipe.bundled import recipes_folder

ROWS = recipes_folder() / "quickstart"


def rows(split: str) -> list[dict[str, str]]:
    text = (ROWS / f"{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_there_are_five_hundred_rows_and_no_scenario_stands_on_two_sides():
    groups = {split: {r["group"] for r in rows(split)} for split in ("train", "validation", "test")}
    assert sum(len(rows(split)) for split in groups) >= 500
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]


def test_the_generator_writes_the_shipped_rows_again_byte_for_byte(tmp_path: Path):
    spec = importlib.util.spec_from_file_location("make_rows", ROWS / "make_rows.py")
    assert spec is not None
    assert spec.loader is not None
    make_rows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_rows)
    make_rows.main(tmp_path)
    for split in ("train", "validation", "test"):
        assert (tmp_path / f"{split}.jsonl").read_bytes() == (ROWS / f"{split}.jsonl").read_bytes()


def test_a_short_quickstart_on_the_default_base_learns_and_keeps_its_promises(
    smollm2: LocatedBase, tmp_path: Path
):
    # In float32: CPUs without bfloat16 of their own take four times as long for it.
    short = {"train.max_steps": 12, "train.batch_size": 8, "evaluate.limit": 12}
    run = medtune.train(
        recipes_folder() / "quickstart.yaml", {**short, "base.dtype": "float32"}, out=tmp_path
    )
    losses = [
        json.loads(line)["loss"] for line in (run.path / "log.jsonl").read_text().splitlines()
    ]
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])
    assert run.effect > 0.01
    assert run.scores is not None
    assert [(arm.arm, arm.few_shot) for arm in run.scores.arms] == [
        ("base", 0),
        ("base", 5),
        ("adapter", 0),
    ]
    manifest = json.loads((run.adapter / "medtune.json").read_text())
    assert manifest["base"] == "smollm2-135m"
    assert manifest["base_digest"] == smollm2.digest


@pytest.mark.slow
def test_the_whole_quickstart_beats_its_base_with_five_examples(tmp_path: Path):
    run = medtune.train(recipes_folder() / "quickstart.yaml", out=tmp_path)
    assert run.scores is not None
    for comparison in run.scores.comparisons:
        assert comparison.interval[0] > 0, comparison
