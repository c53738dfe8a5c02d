"""The command line as a user meets it: a real process, its output and its exit code."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fixtures import chat, recipe, write_jsonl, write_questions, write_recipe

from medtune.cli.scores import difference_sentence
from medtune.metrics import METRICS
from medtune.records import Comparison

MEDTUNE = [sys.executable, "-m", "medtune"]


def medtune(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MEDTUNE, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path) -> Path:
    rows = write_questions(tmp_path / "rows")
    return write_recipe(tmp_path / "recipe.yaml", recipe(tiny_base, rows))


def test_a_misspelt_key_exits_2_at_its_line_without_a_traceback(project: Path):
    lines = project.read_text().replace("learning_rate", "learning_rte")
    project.write_text(lines)
    number = 1 + next(i for i, line in enumerate(lines.splitlines()) if "learning_rte" in line)
    for command in ("train", "validate"):
        done = medtune(command, project)
        assert done.returncode == 2
        assert f"recipe.yaml:{number}:3 train.learning_rte: unknown key" in done.stderr
        assert "Did you mean learning_rate?" in done.stderr
        assert "Traceback" not in done.stderr


def test_validate_says_that_a_recipe_is_good(project: Path):
    done = medtune("validate", project, "train.max_steps=3")
    assert (done.returncode, done.stdout) == (0, f"{project} describes the run tiny.\n")


def test_an_override_of_the_wrong_type_exits_2_and_names_the_override(project: Path):
    done = medtune("train", project, "train.max_steps=many")
    assert done.returncode == 2
    assert "override 'train.max_steps=many'" in done.stderr


def test_a_dry_run_reports_the_plan_and_writes_nothing(project: Path, tmp_path: Path):
    done = medtune("train", project, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "24 rows" in done.stdout
    assert "steps       8 of 8 examples" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_with_a_missing_base_fails(project: Path):
    done = medtune("train", project, "base.model=./nowhere", "--dry-run")
    assert done.returncode == 2
    assert "base.model: there is no file or folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_row_exits_2_with_its_true_line(project: Path, tmp_path: Path):
    rows = tmp_path / "rows" / "train.jsonl"
    lines = rows.read_text().splitlines(keepends=True)
    lines[6:6] = ["\n", '{"question": "SECRET NAME", "options": {}}\n']
    rows.write_text("".join(lines))
    done = medtune("train", project, "--dry-run")
    assert done.returncode == 2
    assert "train.jsonl:8: found" in done.stderr
    assert "SECRET" not in done.stderr


def test_train_away_from_a_terminal_writes_a_json_line_for_each_step(project: Path, tmp_path: Path):
    done = medtune("train", project, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stderr.splitlines()]
    steps = [r for r in records if r["event"] == "progress" and r["step"] == "training"]
    assert [record["done"] for record in steps] == list(range(1, 9))
    assert {"loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_gib"} <= set(
        steps[0]
    )
    assert "adapter against base, 0 examples in the prompt" in done.stdout
    assert str(tmp_path / "out" / "tiny") in done.stdout


def test_train_on_a_terminal_draws_a_bar_with_rate_memory_and_time_left(
    project: Path, tmp_path: Path
):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*MEDTUNE, "train", str(project), "--out", str(tmp_path / "out")],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
    ) as started:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # Linux ends a terminal that nobody writes to any more with EIO
            pass
    os.close(ours)
    assert started.returncode == 0
    text = shown.decode()
    for part in ("training", "8/8", "steps", "loss", "tok/s", "GiB", "left"):
        assert part in text
    assert '{"event"' not in text


def test_an_existing_run_exits_2_and_points_at_the_ways_out(project: Path, tmp_path: Path):
    assert medtune("train", project, "--out", tmp_path / "out").returncode == 0
    done = medtune("train", project, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "is a finished run; give another name" in done.stderr


def test_recipes_are_listed_with_what_they_do_and_shown_as_they_are():
    listed = medtune("recipes", "list").stdout
    for name in ("quickstart", "medqa_lora", "medqa_qlora", "medmcqa_lora", "pubmedqa_lora"):
        assert name in listed
        assert yaml.safe_load(medtune("recipes", "show", name).stdout)["name"] == name


def test_a_recipe_that_does_not_exist_exits_2_and_lists_those_that_do():
    done = medtune("recipes", "show", "medqa_lor")
    assert done.returncode == 2
    assert "medqa_lora" in done.stderr


def test_a_copied_recipe_brings_what_it_extends_and_its_rows(tmp_path: Path):
    done = medtune("recipes", "copy", "medqa_qlora_70b", tmp_path / "a")
    assert done.returncode == 0
    assert {path.name for path in (tmp_path / "a").rglob("*.yaml")} == {
        "medqa_qlora_70b.yaml",
        "medqa_qlora.yaml",
        "medqa_lora.yaml",
        "lora.yaml",
    }
    assert medtune("validate", tmp_path / "a" / "medqa_qlora_70b.yaml").returncode == 0
    medtune("recipes", "copy", "quickstart", tmp_path / "b")
    assert (tmp_path / "b" / "quickstart" / "train.jsonl").is_file()
    again = medtune("recipes", "copy", "quickstart", tmp_path / "b")
    assert again.returncode == 2
    assert "nothing was copied" in again.stderr


def test_init_writes_a_project_that_passes_a_dry_run(tmp_path: Path, tiny_base: Path):
    assert medtune("init", tmp_path / "mine").returncode == 0
    path = tmp_path / "mine" / "recipe.yaml"
    done = medtune("train", path, f"base.model={tiny_base}", "--dry-run")
    assert done.returncode == 0, done.stderr
    again = medtune("init", tmp_path / "mine")
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_the_schema_accepts_our_recipes_keys_and_documents_each():
    schema = json.loads(medtune("schema").stdout)
    assert {"extends", "name", "base", "data", "adapter", "train"} <= set(schema["properties"])
    for section in schema["$defs"].values():
        for name, value in section["properties"].items():
            assert value.get("description"), name


def test_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert medtune("--version").stdout == f"medtune {version('medtune')}\n"


def test_a_list_of_probes_that_is_piped_has_whole_names_that_can_be_shown():
    listed = medtune("probe", "list").stdout.splitlines()
    names = {line.split()[0] for line in listed[1:] if not line.startswith(" ")}
    assert {"forbidden_recommendation", "truthfulqa_medical"} <= names
    assert "Lin et al. 2022" in medtune("probe", "show", "truthfulqa_medical").stdout
    assert medtune("probe", "show", "forbidden_recommendation").stdout.startswith("#")
    unknown = medtune("probe", "show", "nothing")
    assert (unknown.returncode, "there is no probe nothing" in unknown.stderr) == (2, True)


def test_every_bundled_recipe_is_valid_and_runs_on_the_default_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from medtune.recipe import load
    from medtune.recipe.bundled import recipes_folder
    from medtune.recipe.corpus import is_corpus, load_corpus

    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path))
    for path in recipes_folder().glob("*.yaml"):
        if is_corpus(path):
            assert load_corpus(path, ["tokenizer=smollm2-135m"]).name == path.stem
        else:
            assert load(path, ["base.model=smollm2-135m"]).name == path.stem


@pytest.mark.parametrize(
    ("metric", "heading", "better", "worse"),
    [
        ("rouge_l", "ROUGE-L", r"ROUGE-L \+\d+\.\d \(95 % \+.* to \+", r"ROUGE-L -\d+\.\d \("),
        ("answer_nll", "answer_nll_per_token", r"-\d\.\d{4} nats \(95 % -", r"\+.* nats \("),
    ],
)
def test_a_gain_in_free_text_is_told_as_one_whichever_way_is_better(
    tmp_path: Path, tiny_base: Path, metric: str, heading: str, better: str, worse: str
):
    rows = write_jsonl(tmp_path / "chat.jsonl", [chat(i) for i in range(60)])
    values = recipe(
        tiny_base,
        rows,
        data={"task": "chat", "validation_fraction": 0.0, "test_fraction": 0.2},
        train={"max_steps": 16, "learning_rate": 0.02},
        evaluate={"few_shot": 0, "metric": metric, "max_new_tokens": 24},
    )
    project = write_recipe(tmp_path / "recipe.yaml", values)
    done = medtune("train", project, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert f"examples in prompt  {heading}" in done.stdout
    assert re.search(rf"in the prompt: {better}.*\): improved; ", done.stdout), done.stdout
    assert bool(re.search(r"of \d+ items \d+ texts were cut at", done.stdout)) == (
        metric == "rouge_l"
    )
    assert not re.search(worse, done.stdout)


@pytest.mark.parametrize(
    ("metric", "interval", "verdict"),
    [
        ("rouge_l", (0.01, 0.09), "improved"),
        ("rouge_l", (-0.09, -0.01), "worse"),
        ("rouge_l", (-0.01, 0.09), "no difference shown"),
        ("answer_nll_per_token", (0.01, 0.09), "worse"),
        ("answer_nll_per_token", (-0.09, -0.01), "improved"),
        ("answer_nll_per_token", (-0.01, 0.0), "no difference shown"),
        ("accuracy", (0.0, 0.09), "no difference shown"),
    ],
)
def test_a_difference_is_a_verdict_only_where_its_whole_interval_is_on_one_side(
    metric: str, interval: tuple[float, float], verdict: str
):
    comparison = Comparison(
        against="base, 0 examples in the prompt",
        difference=sum(interval) / 2,
        interval=interval,
        interval_method="student_t",
        p_value=None,
        gained=1,
        lost=1,
    )
    assert f"): {verdict}; 1 items gained, 1 lost" in difference_sentence(
        comparison, METRICS[metric]
    )
