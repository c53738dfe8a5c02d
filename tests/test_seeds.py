"""Several training seeds: whole runs on the same rows, with what they have in common."""

import json
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from fixtures import recipe, write_questions, write_recipe
from safetensors.torch import load_file

import medtune
from medtune.errors import DriftError, RecipeError, RunExistsError


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path) -> Path:
    rows = write_questions(tmp_path / "rows")
    (rows / "validation.jsonl").unlink()
    values = recipe(tiny_base, rows, data={"validation_fraction": 0.2})
    return write_recipe(tmp_path / "recipe.yaml", values)


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_each_seed_is_a_whole_run_on_the_same_rows_and_their_figures_are_kept(
    project: Path, tmp_path: Path
):
    found = medtune.train(project, {"train.seeds": [3, 4, 5]}, out=tmp_path / "runs")
    assert isinstance(found, medtune.SeedRuns)
    assert found.path == tmp_path / "runs" / "tiny"
    assert {path.name for path in found.path.iterdir()} == {
        "recipe.lock.yaml", "seeds.json", "seed-3", "seed-4", "seed-5",
    }  # fmt: skip
    paths = [run.path for run in found.runs]
    assert [path.name for path in paths] == ["seed-3", "seed-4", "seed-5"]
    assert all((path / "provenance.json").is_file() for path in paths)
    assert len({run.adapter_digest for run in found.runs}) == 3
    # The same rows in every split, in another order and from another start.
    assert len({(path / "data.json").read_text() for path in paths}) == 1
    items = [(path / "items.jsonl").read_text().splitlines() for path in paths]
    ids = [[(row["arm"], row["id"], row["prompt_digest"]) for row in map(json.loads, file)]
           for file in items]  # fmt: skip
    assert ids[0] == ids[1] == ids[2]
    written = read(found.path / "seeds.json")
    assert str(tmp_path) not in json.dumps(written)
    losses = [read(path / "train.json")["validation_loss"] for path in paths]
    assert written["validation_loss"]["values"] == losses
    assert written["validation_loss"]["mean"] == pytest.approx(sum(losses) / 3)
    mean = sum(losses) / 3
    by_hand = (sum((loss - mean) ** 2 for loss in losses) / 2) ** 0.5
    assert written["validation_loss"]["sd"] == pytest.approx(by_hand)
    scores = [read(path / "scores.json")["reports"][0]["arms"] for path in paths]
    for number, arm in enumerate(written["arms"]):
        values = [arms[number]["value"] for arms in scores]
        assert arm["score"]["values"] == values
        assert arm["score"]["sd"] == pytest.approx(statistics.stdev(values))
        assert (arm["arm"], arm["few_shot"]) == (
            scores[0][number]["arm"], scores[0][number]["few_shot"],
        )  # fmt: skip
    assert [arm["arm"] for arm in written["arms"]] == ["base", "base", "adapter"]


def test_the_lock_of_one_seed_repeats_that_run_alone(project: Path, tmp_path: Path):
    found = medtune.train(project, {"train.seeds": [3, 4]}, out=tmp_path / "runs")
    lock = found.path / "seed-4" / "recipe.lock.yaml"
    again = medtune.train(lock, out=tmp_path / "again")
    assert isinstance(again, medtune.Run)
    assert again.path == tmp_path / "again" / "seed-4"
    assert again.adapter_digest == found.runs[1].adapter_digest
    whole = medtune.train(found.path / "recipe.lock.yaml", out=tmp_path / "whole")
    assert [r.adapter_digest for r in whole.runs] == [r.adapter_digest for r in found.runs]


def test_one_seed_is_an_ordinary_run_with_that_training_seed(project: Path, tmp_path: Path):
    plain = medtune.train(project, out=tmp_path / "a")
    same = medtune.train(project, {"train.seeds": [17]}, out=tmp_path / "b")
    other = medtune.train(project, {"train.seeds": [18]}, out=tmp_path / "c")
    assert isinstance(same, medtune.Run)
    assert same.path == tmp_path / "b" / "tiny"
    assert same.adapter_digest == plain.adapter_digest != other.adapter_digest
    # The recipe's seed splits the rows; the training seed does not.
    assert (other.path / "data.json").read_text() == (plain.path / "data.json").read_text()
    split = medtune.train(project, {"seed": 18}, out=tmp_path / "d")
    assert (split.path / "data.json").read_text() != (plain.path / "data.json").read_text()


def test_start_and_order_follow_the_training_seed(project: Path, tmp_path: Path):
    settings = {"train.max_steps": 1, "data.validation_fraction": 0.0}
    first = medtune.train(project, settings | {"train.seeds": [3]}, out=tmp_path / "a")
    second = medtune.train(project, settings | {"train.seeds": [4]}, out=tmp_path / "b")
    # A has no gradient while B is zero: after one step it is that of the start.
    a, b = (load_file(run.adapter / "adapter_model.safetensors") for run in (first, second))
    assert all(not torch.allclose(a[name], b[name]) for name in a if "lora_A" in name)
    losses = [json.loads((run.path / "log.jsonl").read_text())["loss"] for run in (first, second)]
    assert losses[0] != losses[1]


def test_stopped_seeds_go_on_where_they_were_and_the_finished_are_kept(
    project: Path, tmp_path: Path
):
    values = yaml.safe_load(project.read_text())
    values["train"] |= {"seeds": [3, 4, 5], "max_steps": 40, "eval_every": 40}
    write_recipe(project, values)
    whole = medtune.train(project, out=tmp_path / "whole")
    command = [sys.executable, "-m", "medtune", "train", str(project)]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "cut")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        second = False
        for line in started.stderr:
            second = second or "seed 4" in line
            if second and json.loads(line).get("done") == 3 and '"progress"' in line:
                started.send_signal(signal.SIGTERM)
                break
        rest = started.stderr.read()
    assert started.returncode == 130, rest
    cut = tmp_path / "cut" / "tiny"
    assert {path.name for path in cut.glob("s*")} == {"seed-3", "seed-4"}
    finished = (cut / "seed-3" / "provenance.json").read_text()
    with pytest.raises(RunExistsError, match="--resume"):
        medtune.train(project, out=tmp_path / "cut")
    with pytest.raises(DriftError, match=r"train\.seeds: recorded \[3, 4, 5\], now \[3, 4\]"):
        medtune.train(project, {"train.seeds": [3, 4]}, out=tmp_path / "cut", resume=True)
    with pytest.raises(DriftError, match=r"train\.seeds"):
        medtune.train(project, {"train.seeds": None}, out=tmp_path / "cut", resume=True)
    resumed = medtune.train(project, out=tmp_path / "cut", resume=True)
    assert (cut / "seed-3" / "provenance.json").read_text() == finished
    assert read(cut / "seed-4" / "provenance.json")["resumed"]
    assert (cut / "seeds.json").read_text() == (whole.path / "seeds.json").read_text()
    assert [r.adapter_digest for r in resumed.runs] == [r.adapter_digest for r in whole.runs]
    with pytest.raises(RunExistsError, match="is a finished run"):
        medtune.train(project, out=tmp_path / "cut", resume=True)


def test_seeds_that_fail_before_the_first_began_take_no_name(project: Path, tmp_path: Path):
    wrong = {"train.seeds": [3, 4], "adapter.targets": ["c_attn"]}
    with pytest.raises(RecipeError, match="its linear layers are down_proj"):
        medtune.train(project, wrong, out=tmp_path / "runs")
    assert not (tmp_path / "runs" / "tiny").exists()


def test_the_command_line_prints_a_line_for_each_seed_and_mean_and_deviation(
    project: Path, tmp_path: Path
):
    done = subprocess.run(
        [sys.executable, "-m", "medtune", "train", str(project), "train.seeds=[3, 4]",
         "train.max_steps=2", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    for seed in (3, 4):
        pattern = rf"seed {seed}: base \d+\.\d%, adapter \d+\.\d%, validation loss .*, digest "
        assert sum(bool(re.match(pattern, line)) for line in lines) == 1, lines
    assert any(re.match(r"adapter, 0 examples in prompt: accuracy .*% ± .*%$", line)
               for line in lines)  # fmt: skip
    assert any(re.match(r"validation loss \d+\.\d{4} ± \d+\.\d{4}$", line) for line in lines)
    assert lines[-1].startswith("the runs are in ")


def test_rows_without_test_or_validation_split_have_neither_figure(project: Path, tmp_path: Path):
    (tmp_path / "rows" / "test.jsonl").unlink()
    settings = {"data.validation_fraction": 0.0, "evaluate.few_shot": 0, "train.seeds": [3, 4]}
    found = medtune.train(project, settings, out=tmp_path / "runs")
    assert found.arms == ()
    assert found.validation_loss is None
