"""A whole run on a tiny base: what it leaves behind, and that it can be trusted and repeated."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fixtures import chat, question, recipe, write_jsonl, write_questions, write_recipe
from peft import AutoPeftModelForCausalLM

import medtune
from medtune.errors import (
    DataError,
    DriftError,
    RecipeError,
    RunExistsError,
    TrainingError,
)
from medtune.evidence.scores import read_evaluation
from medtune.models import adapter_digest
from medtune.probes.starter import write_family
from medtune.recipe.section import Section
from medtune.records import Silent
from medtune.training import SingleProcess, mean_loss, pass_attention, passes_of


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path) -> Path:
    """A recipe file on the tiny base with its rows beside it."""
    rows = write_questions(tmp_path / "rows")
    return write_recipe(tmp_path / "recipe.yaml", recipe(tiny_base, rows))


def log_of(run: Path) -> list[dict[str, float]]:
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def losses(run: Path) -> list[float]:
    return [record["loss"] for record in log_of(run)]


def test_a_run_learns_and_leaves_everything_that_the_design_names(project: Path, tmp_path: Path):
    run = medtune.train(project, out=tmp_path / "runs")
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "recipe.lock.yaml",
        "data.json",
        "adapter",
        "train.json",
        "log.jsonl",
        "checkpoints",
        "scores.json",
        "items.jsonl",
        "provenance.json",
        "report.html",
        "tensorboard",
    }
    found = losses(run.path)
    assert len(found) == 8
    assert found[-1] < 0.7 * found[0]
    provenance = json.loads((run.path / "provenance.json").read_text())
    assert provenance["adapter_digest"] == run.adapter_digest == adapter_digest(run.adapter)
    assert provenance["packages"]["torch"] == torch.__version__


def test_scores_are_kept_item_by_item_and_add_up_to_the_summary(project: Path, tmp_path: Path):
    run = medtune.train(project, out=tmp_path / "runs")
    items = [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]
    scores = json.loads((run.path / "scores.json").read_text())
    arms = {(arm["arm"], arm["few_shot"]): arm for arm in scores["reports"][0]["arms"]}
    assert set(arms) == {("base", 0), ("base", 2), ("adapter", 0)}
    for (arm, shots), summary in arms.items():
        own = [item for item in items if (item["arm"], item["few_shot"]) == (arm, shots)]
        right = sum(item["predicted"] == item["answer"] for item in own)
        assert summary["value"] == right / len(own) == right / 8
        low, high = summary["interval"]
        assert 0 <= low < summary["value"] + 1e-12
        assert summary["value"] - 1e-12 < high <= 1
    [report] = scores["reports"]
    assert "8 rows of test.jsonl" in report["test_set"]
    assert not report["is_official"]
    assert scores["conditions"]["adapter"] == run.adapter_digest
    assert read_evaluation(run.path) == run.evaluation


def test_a_limit_marks_the_scores_incomplete(project: Path, tmp_path: Path):
    run = medtune.train(project, {"evaluate.limit": 3}, out=tmp_path / "runs")
    assert run.scores is not None
    assert not run.scores.is_complete
    assert run.scores.arms[0].num_items == 3


def test_the_exported_adapter_answers_the_same_in_plain_peft(
    project: Path, tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
):
    run = medtune.train(project, out=tmp_path / "runs")
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    recipe_ = medtune.load_recipe(project)
    ours = medtune.load_adapter(medtune.load_base(recipe_.base), run.adapter)
    with ours.disable_adapter():
        base = ours(ids).logits
    # The adapter names its base without a path: plain PEFT finds it from where it lies.
    monkeypatch.chdir(tiny_base.parent)
    plain = AutoPeftModelForCausalLM.from_pretrained(run.adapter, dtype=torch.float32)
    torch.testing.assert_close(plain(ids).logits, ours(ids).logits)
    assert (ours(ids).logits - base).abs().max() > 1e-3


def test_the_same_recipe_gives_the_same_adapter_to_the_byte(project: Path, tmp_path: Path):
    first = medtune.train(project, out=tmp_path / "a")
    second = medtune.train(project, out=tmp_path / "b")
    assert first.adapter_digest == second.adapter_digest
    other = medtune.train(project, {"seed": 18}, out=tmp_path / "c")
    assert other.adapter_digest != first.adapter_digest


def test_training_a_lock_repeats_its_run(project: Path, tmp_path: Path):
    first = medtune.train(project, out=tmp_path / "a")
    again = medtune.train(first.path / "recipe.lock.yaml", out=tmp_path / "b")
    assert again.adapter_digest == first.adapter_digest


def test_a_lock_whose_data_changed_is_refused_and_says_what_changed(project: Path, tmp_path: Path):
    first = medtune.train(project, out=tmp_path / "a")
    train_file = tmp_path / "rows" / "train.jsonl"
    train_file.write_text(train_file.read_text().replace("Patient 1 ", "Person 1 "))
    with pytest.raises(DriftError, match=r"data\.train\.sha256"):
        medtune.train(first.path / "recipe.lock.yaml", out=tmp_path / "b")


def test_a_lock_holds_no_path_of_the_machine(project: Path, tmp_path: Path):
    run = medtune.train(project, out=tmp_path / "runs")
    assert str(tmp_path) not in (run.path / "recipe.lock.yaml").read_text()
    for file in run.adapter.iterdir():
        assert str(tmp_path).encode() not in file.read_bytes(), file.name


def test_nothing_in_a_run_is_a_pickle(project: Path, tmp_path: Path):
    run = medtune.train(project, out=tmp_path / "runs")
    files = [file for file in run.path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files if "tensorboard" not in file.parts} <= {
        ".yaml",
        ".html",
        ".json",
        ".jsonl",
        ".jinja",
        ".md",
        ".safetensors",
    }
    assert not any(file.read_bytes()[:1] == b"\x80" for file in files)


def test_a_finished_name_is_refused(project: Path, tmp_path: Path):
    medtune.train(project, out=tmp_path / "runs")
    with pytest.raises(RunExistsError, match="is a finished run"):
        medtune.train(project, out=tmp_path / "runs")
    with pytest.raises(RunExistsError, match="is a finished run"):
        medtune.train(project, out=tmp_path / "runs", resume=True)


def cut_short(
    project: Path,
    out: Path,
    *,
    after_step: int,
    by: signal.Signals = signal.SIGTERM,
    threads: int = 1,
) -> Path:
    """Start the command line's training and send a signal once a step is logged."""
    command = [sys.executable, "-m", "medtune", "train", str(project)]
    with subprocess.Popen(
        [*command, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # As many as the tests' own process has: sums of more threads add up in another order.
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    ) as started:
        assert started.stderr is not None
        for line in started.stderr:
            if json.loads(line).get("done") == after_step and '"progress"' in line:
                started.send_signal(by)
                break
        rest = started.stderr.read()
    assert started.returncode == 130, rest
    assert "Continue with --resume" in rest
    return out / "tiny"


@pytest.mark.parametrize(
    ("quantization", "adapter"),
    [
        ("none", {}),
        ("none", {"init": "pissa"}),
        ("none", {"init": "olora", "rslora": True}),
        ("none", {"init": "eva", "method": "dora"}),
        ("nf4", {"init": "loftq"}),
    ],
    ids=["default", "pissa", "olora", "dora eva", "loftq"],
)
def test_a_run_that_was_stopped_and_resumed_is_the_undisturbed_run(
    project: Path, tmp_path: Path, quantization: str, adapter: dict[str, object]
):
    values = yaml.safe_load(project.read_text())
    values["base"]["quantization"] = quantization
    values["train"] |= {"max_steps": 60, "eval_every": 60, "lora_plus_ratio": 2}
    values["adapter"] |= {"dropout": 0.1, **adapter}
    write_recipe(project, values)
    whole = medtune.train(project, out=tmp_path / "whole")
    run = cut_short(project, tmp_path / "cut", after_step=3)
    assert len(losses(run)) < 60
    with pytest.raises(RunExistsError, match="--resume"):
        medtune.train(project, out=tmp_path / "cut")
    resumed = medtune.train(project, out=tmp_path / "cut", resume=True)
    assert losses(resumed.path) == losses(whole.path)
    assert resumed.adapter_digest == whole.adapter_digest


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def test_a_run_that_goes_on_with_other_threads_says_so_and_is_equal_up_to_rounding(
    project: Path, tmp_path: Path
):
    values = yaml.safe_load(project.read_text())
    values["train"]["max_steps"] = 60
    write_recipe(project, values)
    whole = medtune.train(project, out=tmp_path / "whole")
    cut_short(project, tmp_path / "cut", after_step=3, threads=2)
    notes = Notes()
    resumed = medtune.train(project, out=tmp_path / "cut", resume=True, progress=notes)
    assert any("1 processes of 2 threads and goes on with 1 of 1" in line for line in notes.said)
    # Later steps blow rounding up; the first ones show that the same was done.
    assert losses(resumed.path)[:10] == pytest.approx(losses(whole.path)[:10], rel=1e-3)


def test_a_resume_under_another_learning_rate_is_refused(project: Path, tmp_path: Path):
    values = yaml.safe_load(project.read_text())
    values["train"]["max_steps"] = 60
    write_recipe(project, values)
    cut_short(project, tmp_path / "cut", after_step=2)
    with pytest.raises(DriftError, match=r"train\.learning_rate: recorded 0\.005, now 0\.001"):
        medtune.train(project, {"train.learning_rate": 1e-3}, out=tmp_path / "cut", resume=True)


def test_resuming_what_never_began_is_refused(project: Path, tmp_path: Path):
    with pytest.raises(RunExistsError, match="there is no run"):
        medtune.train(project, out=tmp_path / "runs", resume=True)


def test_a_run_that_would_fill_the_disk_is_refused_before_its_first_step(
    project: Path, tmp_path: Path
):
    with pytest.raises(TrainingError, match=r"GiB free; make room, lower train\.keep_last"):
        medtune.train(project, {"train.keep_last": 10**15}, out=tmp_path / "runs")
    assert not (tmp_path / "runs" / "tiny" / "log.jsonl").exists()
    # Nothing that changes results was at fault: the run goes on with fewer checkpoints.
    run = medtune.train(project, {"train.keep_last": 1}, out=tmp_path / "runs", resume=True)
    assert len(losses(run.path)) == 8


def test_a_loss_that_is_not_finite_stops_and_names_the_rows(project: Path, tmp_path: Path):
    with pytest.raises(TrainingError, match=r"at step \d+ is (nan|inf).*train-\d+"):
        medtune.train(
            project,
            {"train.learning_rate": 0.9, "train.clip_norm": None, "adapter.alpha": 1e30},
            out=tmp_path / "runs",
        )


def test_the_best_step_is_exported_and_not_the_last(project: Path, tmp_path: Path):
    run = medtune.train(
        project,
        {
            "train.max_steps": 12,
            "train.eval_every": 1,
            "train.learning_rate": 0.05,
            # The last steps of a falling rate hardly move: a later step's weights would pass.
            "train.schedule": "constant",
        },
        out=tmp_path / "runs",
    )
    measured = {r["step"]: r["validation_loss"] for r in log_of(run.path)}
    assert run.trained.step == min(measured, key=lambda step: measured[step])
    assert run.trained.validation_loss == min(measured.values())
    manifest = json.loads((run.adapter / "medtune.json").read_text())
    assert manifest["step"] == run.trained.step < 12
    # And its weights are those of that step: they have its validation loss.
    inputs = medtune.gather(run.recipe)
    model = medtune.load_adapter(medtune.load_base(run.recipe.base), run.adapter)
    passes = passes_of(run.recipe.train, inputs.pad_id)
    with pass_attention(model, passes):
        found = mean_loss(
            model, inputs.prepared.splits["validation"].encoded, passes, SingleProcess()
        )
    assert found == pytest.approx(run.trained.validation_loss, rel=1e-6)


def test_training_stops_when_nothing_better_has_come_for_as_long_as_allowed(
    project: Path, tmp_path: Path
):
    settings = {"train.max_steps": 40, "train.eval_every": 1, "train.learning_rate": 0.05}
    whole = medtune.train(project, settings, out=tmp_path / "whole")
    early = medtune.train(project, {**settings, "train.patience": 3}, out=tmp_path / "early")
    measured = [record["validation_loss"] for record in log_of(whole.path)]
    best = [min(measured[: step + 1]) for step in range(40)]
    # The first step with three behind it that brought nothing better.
    expected = next(step for step in range(3, 40) if best[step] == best[step - 3]) + 1
    assert len(log_of(early.path)) == early.trained.position.step == expected < 40
    assert losses(early.path) == losses(whole.path)[:expected]
    assert early.trained.step == expected - 3
    assert early.trained.num_steps == 40


def test_a_checkpoint_beyond_the_recipes_last_step_is_refused(project: Path, tmp_path: Path):
    values = yaml.safe_load(project.read_text())
    values["train"]["max_steps"] = 60
    write_recipe(project, values)
    cut_short(project, tmp_path / "cut", after_step=5)
    with pytest.raises(TrainingError, match=r"is at step \d+, and the recipe has 2 steps now"):
        medtune.train(
            project, {"train.max_steps": 2}, out=tmp_path / "cut", resume=True, allow_drift=True
        )


def test_stopping_early_without_validation_rows_is_refused(tmp_path: Path, tiny_base: Path):
    rows = write_questions(tmp_path / "rows")
    (rows / "validation.jsonl").unlink()
    values = recipe(tiny_base, rows, data={"validation_fraction": 0.0}, train={"patience": 2})
    with pytest.raises(RecipeError, match=r"train\.patience stops by the validation loss"):
        medtune.train(write_recipe(tmp_path / "r.yaml", values), out=tmp_path / "runs")


def test_without_validation_rows_the_last_step_is_exported(tmp_path: Path, tiny_base: Path):
    rows = write_questions(tmp_path / "rows")
    (rows / "validation.jsonl").unlink()
    path = write_recipe(
        tmp_path / "r.yaml", recipe(tiny_base, rows, data={"validation_fraction": 0.0})
    )
    run = medtune.train(path, out=tmp_path / "runs")
    assert run.trained.step == 8
    assert run.trained.validation_loss is None


def test_chat_rows_are_split_by_group_and_scored_by_likelihood(tmp_path: Path, tiny_base: Path):
    rows = write_jsonl(tmp_path / "chat.jsonl", [chat(i) for i in range(60)])
    path = write_recipe(
        tmp_path / "r.yaml",
        recipe(
            tiny_base,
            rows,
            data={"task": "chat", "validation_fraction": 0.2, "test_fraction": 0.2},
            evaluate={"few_shot": 0},
        ),
    )
    run = medtune.train(path, out=tmp_path / "runs")
    assert run.scores is not None
    base, adapter = run.scores.arms
    assert adapter.metric == "answer_nll_per_token"
    assert adapter.value < base.value
    assert run.scores.comparisons[0].interval_method == "clustered_t"
    account = json.loads((run.path / "data.json").read_text())
    assert account["held_out_by_group"] == ["validation", "test"]
    assert sum(part["kept"] for part in account["splits"].values()) == 60


def test_a_probe_that_is_not_there_is_told_before_anything_is_trained(
    project: Path, tmp_path: Path
):
    asked = {"probe.suite": "quick", "probe.probes": ["dosage"]}
    with pytest.raises(RecipeError, match="there is no probe dosage"):
        medtune.train(project, asked, out=tmp_path / "runs")
    assert not list((tmp_path / "runs").iterdir())


@pytest.fixture
def notes(tmp_path: Path, tiny_base: Path) -> Path:
    """A recipe file whose answers are written and compared with the reference."""
    rows = write_jsonl(tmp_path / "chat.jsonl", [chat(i) for i in range(60)])
    values = recipe(
        tiny_base,
        rows,
        data={"task": "chat", "validation_fraction": 0.2, "test_fraction": 0.2},
        train={"max_steps": 24, "learning_rate": 0.02},
        evaluate={"few_shot": 0, "metric": "rouge_l", "max_new_tokens": 24},
    )
    return write_recipe(tmp_path / "notes.yaml", values)


def test_a_model_that_learned_its_answers_writes_them(notes: Path, tmp_path: Path):
    run = medtune.train(notes, out=tmp_path / "runs")
    assert run.scores is not None
    base, adapter = run.scores.arms
    assert base.metric == adapter.metric == "rouge_l"
    assert base.value < 0.3 < 0.7 < adapter.value
    assert adapter.num_cut == adapter.num_empty == 0 < base.num_cut
    items = [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]
    # "Vitamin C." word for word, up to the stop token.
    full = [item for item in items if item["arm"] == "adapter" and item["value"] == 1.0]
    assert full
    assert all(re.fullmatch(r"Vitamin [ABCD]\.", item["texts"][0]) for item in full)
    scores = json.loads((run.path / "scores.json").read_text())
    assert [arm["num_cut"] for arm in scores["reports"][0]["arms"]] == [base.num_cut, 0]
    card = (run.adapter / "README.md").read_text()
    assert f"| adapter | 0 | ROUGE-L {100 * adapter.value:.1f} |" in card
    assert f"of {base.num_items} items {base.num_cut} texts were cut" in card


def test_what_is_written_about_private_rows_is_kept_in_no_file(notes: Path, tmp_path: Path):
    told = medtune.train(notes, out=tmp_path / "a")
    run = medtune.train(notes, {"data.private": True}, out=tmp_path / "b")
    assert run.scores is not None
    assert told.scores is not None
    assert run.scores.comparisons == told.scores.comparisons
    items = [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]
    assert {(item["texts"], item["question"]) for item in items} == {(None, "")}
    assert not (run.path / ".responses").exists()


def test_an_answer_that_the_base_has_no_room_for_is_refused(notes: Path, tmp_path: Path):
    with pytest.raises(RecipeError, match=r"evaluate\.max_new_tokens, 500, .* this base reads 5"):
        medtune.train(notes, {"evaluate.max_new_tokens": 500}, out=tmp_path / "runs")
    assert not (tmp_path / "runs" / "tiny").exists()


def test_rows_without_a_test_split_train_and_say_that_nothing_was_scored(
    tmp_path: Path, tiny_base: Path
):
    rows = write_jsonl(tmp_path / "chat.jsonl", [chat(i) for i in range(20)])
    path = write_recipe(
        tmp_path / "r.yaml",
        recipe(tiny_base, rows, data={"task": "chat"}, evaluate={"few_shot": 0}),
    )
    run = medtune.train(path, out=tmp_path / "runs")
    assert run.scores is None
    assert not (run.path / "scores.json").exists()
    assert "None: the recipe's data has no test rows" in (run.adapter / "README.md").read_text()


def test_the_card_tells_base_data_and_scores_and_fills_nothing_in(project: Path, tmp_path: Path):
    run = medtune.train(project, out=tmp_path / "runs")
    card = (run.adapter / "README.md").read_text()
    manifest = json.loads((run.adapter / "medtune.json").read_text())
    for fact in ("base_model: tiny", run.adapter_digest, manifest["base_digest"], "8 rows of test"):
        assert fact in card
    assert "None" not in card


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_a_quantised_base_trains_and_its_adapter_has_an_effect(
    project: Path, tmp_path: Path, quantization: str
):
    run = medtune.train(
        project,
        {"base.quantization": quantization, "base.dtype": "bfloat16", "train.eval_every": 2},
        out=tmp_path / "runs",
    )
    found = losses(run.path)
    assert found[-1] < 0.8 * found[0]
    assert run.effect > 1e-3
    assert json.loads((run.adapter / "medtune.json").read_text())["quantization"] == quantization


@pytest.mark.parametrize(
    "settings",
    [
        {"adapter.rslora": True, "train.lora_plus_ratio": 4},
        {"adapter.method": "dora"},
        {"adapter.method": "dora", "adapter.init": "eva", "train.gradient_checkpointing": True},
        {"adapter.method": "dora", "base.quantization": "nf4", "base.dtype": "bfloat16"},
        {"adapter.init": "pissa"},
        {"adapter.init": "pissa", "base.dtype": "bfloat16", "train.gradient_checkpointing": True},
        {"adapter.init": "olora", "train.learning_rate": 2e-3},
        {"adapter.init": "eva"},
        {"adapter.init": "eva", "base.quantization": "int8", "base.dtype": "bfloat16"},
        {"adapter.init": "loftq", "base.quantization": "nf4", "base.dtype": "bfloat16"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_every_kind_of_adapter_learns_and_its_file_is_what_is_measured(
    project: Path, tmp_path: Path, settings: dict[str, object]
):
    run = medtune.train(project, settings, out=tmp_path / "runs")
    found = losses(run.path)
    assert found[-1] < 0.8 * found[0]
    recipe_ = medtune.load_recipe(project, settings)
    inputs = medtune.gather(recipe_)
    model = medtune.load_adapter(medtune.load_base(recipe_.base), run.adapter)
    validation = inputs.prepared.splits["validation"].encoded
    passes = passes_of(recipe_.train, inputs.pad_id)
    with pass_attention(model, passes):
        loss = mean_loss(model, validation, passes, SingleProcess())
    assert run.trained.validation_loss == loss
    manifest = json.loads((run.adapter / "medtune.json").read_text())
    assert manifest["init"] == settings.get("adapter.init", "default")


def test_gradient_checkpointing_changes_no_weight(project: Path, tmp_path: Path):
    plain = medtune.train(project, out=tmp_path / "a")
    checkpointed = medtune.train(
        project, {"train.gradient_checkpointing": True}, out=tmp_path / "b"
    )
    assert losses(checkpointed.path) == pytest.approx(losses(plain.path), rel=1e-5)


@pytest.mark.parametrize("passes", [{"pack_tokens": 1024}, {"packing": False}])
def test_neither_packing_nor_the_size_of_a_pass_changes_a_loss(
    project: Path, tmp_path: Path, passes: dict[str, Any]
):
    small = medtune.train(project, out=tmp_path / "a")
    other = {f"train.{name}": value for name, value in passes.items()}
    large = medtune.train(project, other, out=tmp_path / "b")
    assert losses(small.path) == pytest.approx(losses(large.path), rel=1e-4)
    measured = [
        [record["validation_loss"] for record in log_of(run.path) if "validation_loss" in record]
        for run in (small, large)
    ]
    assert len(measured[0]) > 2
    assert measured[0] == pytest.approx(measured[1], rel=1e-4)


def test_a_pass_that_cannot_hold_the_longest_example_is_refused(project: Path):
    with pytest.raises(RecipeError, match=r"train\.pack_tokens \(128\) is less than data\.max_tok"):
        medtune.load_recipe(project, {"train.pack_tokens": 128})


def test_too_many_examples_in_the_prompt_are_refused_with_the_numbers(
    project: Path, tmp_path: Path
):
    with pytest.raises(RecipeError, match="this base reads 512"):
        medtune.train(project, {"evaluate.few_shot": 20}, out=tmp_path / "runs")
    with pytest.raises(RecipeError, match="there are 24 training rows"):
        medtune.train(project, {"evaluate.few_shot": 25}, out=tmp_path / "runs")
    # Refused before anything was trained: the name is free.
    assert not (tmp_path / "runs" / "tiny").exists()


def test_a_target_that_is_not_there_is_refused_and_takes_no_name(project: Path, tmp_path: Path):
    with pytest.raises(RecipeError, match="its linear layers are down_proj"):
        medtune.train(project, {"adapter.targets": ["c_attn"]}, out=tmp_path / "runs")
    assert not (tmp_path / "runs" / "tiny").exists()


def test_a_run_whose_rows_are_bad_can_be_started_again_once_they_are_mended(
    project: Path, tmp_path: Path
):
    train_file = tmp_path / "rows" / "train.jsonl"
    good = train_file.read_text()
    train_file.write_text(good + '{"question": 1}\n')
    with pytest.raises(DataError, match=r"train\.jsonl:25"):
        medtune.train(project, out=tmp_path / "runs")
    train_file.write_text(good)
    assert medtune.train(project, out=tmp_path / "runs").path.is_dir()


def test_an_offline_run_opens_no_socket(project: Path, tmp_path: Path):
    script = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")
for name in ("connect", "connect_ex"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = refuse
from medtune.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, "train", str(project), "--offline", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the run is in" in done.stdout


def sections(above: type[Section] = Section) -> list[type[Section]]:
    """All kinds of sections of a run's recipe: a corpus' and files of suites are made of others."""
    found = [kind for own in above.__subclasses__() for kind in (own, *sections(own))]
    modules = ("medtune.recipe.sections", "medtune.recipe.data")
    return [kind for kind in found if kind.__module__ in modules]


def whole_data_section(folder: Path) -> dict[str, object]:
    """Every part of the data section that other runs have no use for."""
    replay = [
        {"who": "x", "ask": f"Case {n}?", "say": f"Yes, {n}.", "n": n, "p": n // 2, "s": "own"}
        for n in range(6)
    ]
    write_jsonl(folder / "replay.jsonl", replay)
    choice = [{"q": f"Which {n}?", "a": "one", "b": f"two {n}", "right": 1} for n in range(6)]
    write_jsonl(folder / "choice.jsonl", choice)
    write_jsonl(folder / "exam.jsonl", [{"messages": [
        {"role": "user", "content": "An exam that no row holds, which has words enough to compare"},
        {"role": "assistant", "content": "x"}]}])  # fmt: skip
    columns = {"prompt": "Of {who}: {ask}", "answer": "say", "system": "who", "id": "n",
               "group": "p", "source": "s", "licence": "s"}  # fmt: skip
    options = {"prompt": "q", "answer": "right", "options": ["a", "b"], "options_from": 1}
    return {
        "private": True,
        "sources": [
            {"name": "replay", "task": "chat", "path": str(folder / "replay.jsonl"),
             "format": "columns", "columns": columns, "weight": 0.1},
            {"name": "choice", "task": "mcq", "path": str(folder / "choice.jsonl"),
             "columns": options},
        ],
        "leaks": "keep",
        "near_duplicate": 0.9,
        "decontaminate": {
            "against": ["medqa"], "ngram": 9, "share": 0.5, "action": "report",
            "rows": [{"task": "chat", "path": str(folder / "exam.jsonl")}],
        },
        "canaries": {"secrets": 2, "twins": 3, "repetitions": [1]},
        "limits": {
            "max_dropped": 1.0, "max_truncated": 1.0, "max_duplicates": 1.0,
            "max_near_duplicates": 1.0, "max_contradictions": 1.0, "min_supervised": 0.0,
        },
    }  # fmt: skip


def test_every_field_of_the_schema_is_read_by_some_run(
    project: Path, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # R36: six runs that between them need every field.
    read: set[tuple[str, str]] = set()
    plain = Section.__getattribute__

    def owner(kind: type, name: str) -> str:
        """The section that a field is written in; others inherit it."""
        return next(
            (k.__name__ for k in kind.__mro__ if name in vars(k).get("__annotations__", {})), ""
        )

    def watched(self: Section, name: str) -> object:
        # Writing the lock reads every field by itself: only the stages' own reading counts.
        frame = sys._getframe(1)
        if "recipe" not in Path(frame.f_code.co_filename).parent.name:
            read.add((owner(type(self), name), name))
        return plain(self, name)

    # Rows that an earlier test session prepared would be used without reading how.
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Section, "__getattribute__", watched)
    medtune.train(project, out=tmp_path / "a")
    long_row = question(100) | {"question": "Which vitamin is missing? " * 50}
    one_file = write_jsonl(tmp_path / "all.jsonl", [long_row, *(question(i) for i in range(40))])
    held_out = {"data.path": str(one_file), "data.test_fraction": 0.2}
    dropped = {"data.on_overlength": "drop", "train.max_steps": None}
    labels = {"data.limits": {"min_label": 0.01, "languages": ["en", "la", "fr", "de"]}}
    medtune.train(project, held_out | dropped, out=tmp_path / "b")
    others = {"adapter.init": "pissa", "adapter.rslora": True, "train.lora_plus_ratio": 4}
    medtune.train(project, {**others, "train.seeds": [3]}, out=tmp_path / "c")
    probes = {"probe.suite": "quick", "probe.probes": ["sepsis_orders"], "probe.limit": 2,
              "probe.folders": [str(write_family("sepsis_orders", tmp_path / "site"))]}  # fmt: skip
    medtune.train(notes, {"train.max_steps": 1, **probes}, out=tmp_path / "d")
    with suppress(DataError):  # what language these rows are in is nobody's concern here
        medtune.train(project, labels, out=tmp_path / "e")
    write_jsonl(tmp_path / "qa" / "medqa" / "test.jsonl", [question(900)])
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path))
    whole = {f"data.{name}": value for name, value in whole_data_section(tmp_path).items()}
    run = medtune.train(notes, {"train.max_steps": 1, **whole}, out=tmp_path / "f")
    again = {**whole, "data.canaries.file": str(run.path / "canaries.json")}
    assert medtune.gather(medtune.load_recipe(notes, again))
    monkeypatch.undo()
    fields = {
        (kind.__name__, name)
        for kind in sections()
        for name in kind.model_fields
        if name in kind.__annotations__
    }
    assert fields - read == set()


def test_sigint_between_steps_writes_a_checkpoint(project: Path, tmp_path: Path):
    values = yaml.safe_load(project.read_text())
    values["train"] |= {"max_steps": 200, "checkpoint_every": 1000, "eval_every": 1000}
    write_recipe(project, values)
    run = cut_short(project, tmp_path / "runs", after_step=2, by=signal.SIGINT)
    saved = list((run / "checkpoints").glob("step-*"))
    assert len(saved) == 1
    assert json.loads((saved[0] / "state.json").read_text())["step"] == len(log_of(run))
