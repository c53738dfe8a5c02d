"""`medtune eval`: from a name on the command line to results that stand up to being repeated."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from fixtures import question, recipe, write_jsonl, write_questions, write_recipe
from tiny_models import make_tiny_base

import medtune
from medtune.cli import main
from medtune.errors import AdapterError, DataError, DriftError, RecipeError, RunExistsError
from medtune.evidence.scores import read_evaluation
from medtune.models import adapter_digest, read_manifest
from medtune.recipe import Evaluate

DISEASES = ("Scurvy", "Rickets", "Beriberi", "Night blindness")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a tiny base, that is used and not changed."""
    folder = tmp_path_factory.mktemp("trained")
    base = make_tiny_base(folder / "base")
    rows = write_questions(folder / "rows")
    path = write_recipe(folder / "recipe.yaml", recipe(base, rows))
    return medtune.train(path, out=folder / "runs").path


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    """A copy of the run with all that its lock names, for one test."""
    copied = tmp_path / "trained"
    shutil.copytree(run.parents[1], copied)
    return copied / "runs" / run.name


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite with questions in lettered options, and plain text."""
    write_jsonl(tmp_path / "exam" / "train.jsonl", [question(n) for n in range(200, 212)])
    write_jsonl(tmp_path / "exam" / "test.jsonl", [question(n) for n in range(300, 340)])
    (tmp_path / "text.txt").write_text("\n\n".join(f"{d} is rare. " * 5 for d in DISEASES))
    sets = {
        "exam": {"kind": "choice", "rows": {"task": "mcq", "path": "./exam"}},
        "text": {"kind": "text", "text": "./text.txt"},
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "title": "Ours", "sets": sets}))
    return path


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Runs the command line in this process, in which torch is loaded already."""

    def run(*words: object, cwd: Path) -> Done:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["medtune", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return run


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("scores.json", "items.jsonl")}


def test_a_run_is_evaluated_with_its_base_in_its_own_folder(own_run: Path, suite: Path):
    found = medtune.evaluate(own_run, suite)
    assert found.path == own_run / "eval" / "mine.top_token"
    exam, text = found.evaluation.reports
    assert [(arm.arm, arm.num_items) for arm in exam.arms] == [("base", 40), ("adapter", 40)]
    assert exam.test_set.startswith("all 40 rows of test.jsonl: nothing is published")
    assert exam.comparisons[0].p_value is not None
    assert {m.name for m in exam.arms[0].measures} == {"brier", "ece", "option_mass"}
    assert text.arms[0].metric == "bits_per_byte"
    assert read_evaluation(found.path) == found.evaluation
    conditions = found.evaluation.conditions
    assert conditions["adapter"] == adapter_digest(own_run / "adapter")
    assert conditions["base"] == read_manifest(own_run / "adapter").base_digest


def test_the_score_of_the_run_itself_is_found_again(own_run: Path, tmp_path: Path):
    rows = own_run.parents[1] / "rows"
    sets = {"mcq": {"kind": "choice", "rows": {"task": "mcq", "path": str(rows)}}}
    path = tmp_path / "same.yaml"
    path.write_text(yaml.safe_dump({"name": "same", "title": "The run's own", "sets": sets}))
    [again] = medtune.evaluate(own_run, path).evaluation.reports
    before = read_evaluation(own_run).reports[0]
    for name in ("base", "adapter"):
        first, second = (
            next(arm for arm in report.arms if arm.arm == name and not arm.few_shot)
            for report in (before, again)
        )
        assert [i.log_likelihoods for i in first.items] == [i.log_likelihoods for i in second.items]
        assert first.interval == second.interval


def test_training_rows_that_stand_in_the_suite_are_found_by_the_runs_own_record(
    own_run: Path, suite: Path, tmp_path: Path
):
    rows = own_run.parents[1] / "rows"
    trained = [json.loads(line) for line in (rows / "train.jsonl").read_text().splitlines()]
    leaked = [trained[3], *(question(n) for n in range(300, 309))]
    # In a row of so few words one number makes a tenth: the others are like it by design.
    write_jsonl(tmp_path / "exam" / "test.jsonl", leaked)
    [exam, _] = medtune.evaluate(own_run, suite).evaluation.reports
    assert exam.contamination is not None
    assert exam.contamination.training_rows == len(trained)
    assert "test-1" in exam.contamination.hits


def test_rows_that_changed_since_the_training_leave_contamination_untested(
    own_run: Path, suite: Path
):
    rows = own_run.parents[1] / "rows" / "train.jsonl"
    rows.write_text(rows.read_text().replace("Patient 1 ", "Patient 1000 "))
    report = medtune.evaluate(own_run, suite).evaluation.reports[0]
    assert report.contamination is None
    assert "contamination was not tested: the rows of train are not those" in report.notes[-1]


def test_several_draws_of_examples_have_a_mean_and_a_standard_deviation(own_run: Path, suite: Path):
    section = Evaluate(few_shot=3, shot_seeds=[1, 2, 5])
    exam, text = medtune.evaluate(own_run, suite, section).evaluation.reports
    assert [(arm.arm, arm.few_shot, arm.shot_seed) for arm in exam.arms] == [
        (name, 3, seed) for name in ("base", "adapter") for seed in (1, 2, 5)
    ]
    assert [len(spread.score.values) for spread in exam.spreads] == [3, 3]
    assert [c.against for c in exam.comparisons] == [
        f"base, 3 examples in the prompt (seed {seed})" for seed in (1, 2, 5)
    ]
    digests = [{item.prompt_digest for item in arm.items} for arm in exam.arms[:3]]
    assert not digests[0] & digests[1]
    # Plain text stands behind no examples.
    assert [(arm.arm, arm.few_shot) for arm in text.arms] == [("base", 0), ("adapter", 0)]


def test_a_bare_base_is_evaluated_below_runs_by_its_name(
    run: Path, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    base = run.parents[1] / "base"
    found = medtune.evaluate(str(base), suite, Evaluate(limit=5), dtype="float32")
    assert found.path == Path("runs/base/eval/mine.top_token.first5")
    exam = found.evaluation.reports[0]
    assert exam.test_set.startswith("the first 5 (evaluate.limit) of all 40 rows")
    assert not exam.is_complete
    assert [arm.arm for arm in exam.arms] == ["base"]


def test_an_adapter_outside_its_run_needs_its_base_and_says_that_contamination_is_untested(
    own_run: Path, suite: Path, tmp_path: Path
):
    alone = tmp_path / "alone"
    shutil.copytree(own_run / "adapter", alone)
    with pytest.raises(RecipeError, match="give --base FOLDER"):
        medtune.evaluate(alone, suite)
    base = str(own_run.parents[1] / "base")
    found = medtune.evaluate(alone, suite, base=base, dtype="float32", out=tmp_path / "o")
    assert found.path == tmp_path / "o" / "alone" / "eval" / "mine.top_token"
    assert "does not lie in its run" in found.evaluation.reports[0].notes[-1]


def test_an_adapter_is_not_asked_on_another_base(own_run: Path, suite: Path, tmp_path: Path):
    other = make_tiny_base(tmp_path / "other", seed=9)
    with pytest.raises(AdapterError, match="was trained on base with digest"):
        medtune.evaluate(own_run, suite, base=str(other))


def test_suites_of_a_recipe_are_scored_after_its_own_rows(run: Path, suite: Path, tmp_path: Path):
    values = recipe(
        run.parents[1] / "base", run.parents[1] / "rows", evaluate={"suites": [str(suite)]}
    )
    found = medtune.train(write_recipe(tmp_path / "r.yaml", values), out=tmp_path / "runs")
    assert found.evaluation is not None
    assert [report.name for report in found.evaluation.reports] == ["mcq", "exam", "text"]
    locked = yaml.safe_load((found.path / "recipe.lock.yaml").read_text())
    assert "suite mine: exam" in locked["resolved"]["data"]
    assert read_evaluation(found.path) == found.evaluation
    lines = (tmp_path / "exam" / "test.jsonl").read_text()
    (tmp_path / "exam" / "test.jsonl").write_text(lines.replace("Patient 300", "Patient 3000"))
    with pytest.raises(DriftError, match="suite mine: exam"):
        medtune.train(found.path / "recipe.lock.yaml", {"name": "again"}, out=tmp_path / "runs")


# Stopped, resumed, repeated


REASONED = Evaluate(protocol="cot", max_new_tokens=4, limit=6)


def require_nothing_kept(folder: Path, cache: Path) -> None:
    """The exam was asked in writing, and no text of it is left."""
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    asked = [(row["texts"], row["question"]) for row in rows if row["set"] == "exam"]
    assert len(asked) == 2 * REASONED.limit
    assert set(asked) == {(None, "")}
    kept = "".join(file.read_text() for file in (cache / "responses").glob("*.jsonl"))
    assert '"text"' not in kept
    assert not list(folder.rglob(".responses"))


def test_what_an_adapter_of_patients_rows_writes_is_kept_nowhere(
    run: Path, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
    asked = REASONED.model_dump(include={"protocol", "max_new_tokens", "limit"})
    values = recipe(
        run.parents[1] / "base", run.parents[1] / "rows", data={"private": True},
        train={"max_steps": 2}, evaluate={"few_shot": 0, "suites": [str(suite)]} | asked,
    )  # fmt: skip
    trained = medtune.train(write_recipe(tmp_path / "private.yaml", values), out=tmp_path)
    require_nothing_kept(trained.path, tmp_path / "cache")
    # A link lies in no run by its name, and the adapter that it leads to does.
    (tmp_path / "link").symlink_to(trained.adapter)
    found = medtune.evaluate(tmp_path / "link", suite, REASONED)
    require_nothing_kept(found.path, tmp_path / "cache")


def test_an_adapter_outside_its_run_is_said_to_have_learned_patients_rows(
    run: Path, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
    shutil.copytree(run / "adapter", tmp_path / "moved")
    found = medtune.evaluate(
        tmp_path / "moved", suite, REASONED, base=str(run.parents[1] / "base"), dtype="float32",
        out=tmp_path, private=True,
    )  # fmt: skip
    require_nothing_kept(found.path, tmp_path / "cache")


def test_a_killed_evaluation_continues_to_the_same_files_and_repeats_nothing(
    own_run: Path, suite: Path, tmp_path: Path
):
    write_jsonl(tmp_path / "exam" / "test.jsonl", [question(n) for n in range(300, 700)])
    words = [sys.executable, "-m", "medtune", "eval", own_run, "--suite", suite,
             "--batch-size", "2"]  # fmt: skip
    # A cache of its own for each: nothing that one found helps the other.
    whole = {**os.environ, "MEDTUNE_CACHE": str(tmp_path / "whole")}
    broken = {**os.environ, "MEDTUNE_CACHE": str(tmp_path / "broken")}
    done = subprocess.run(
        [*words, "--name", "whole"], env=whole, cwd=tmp_path, capture_output=True, check=True
    )
    assert b"accuracy" in done.stdout
    answers = tmp_path / "broken" / "responses"
    found = 0
    for kills, wanted in enumerate((3, 60, 250)):
        resumed = ["--resume"] if kills else []
        process = subprocess.Popen(
            [*words, "--name", "broken", *resumed], env=broken, cwd=tmp_path,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and _lines(answers) < wanted:
            time.sleep(0.01)
        assert process.poll() is None, "it was not stopped in the middle"
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = max(found, _lines(answers))
    assert not (own_run / "eval" / "broken" / "scores.json").exists()
    refused = subprocess.run(
        [*words, "--name", "broken"], env=broken, cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    subprocess.run(
        [*words, "--name", "broken", "--resume"], env=broken, cwd=tmp_path, capture_output=True,
        check=True,
    )  # fmt: skip
    assert files(own_run / "eval" / "broken") == files(own_run / "eval" / "whole")
    # Every batch was answered once: the file has no key twice.
    for folder in ("whole", "broken"):
        for file in (tmp_path / folder / "responses").glob("*.jsonl"):
            keys = [json.loads(line).get("key") for line in file.read_text().splitlines()]
            assert len(keys) == len(set(keys))
    assert found > 200


def _lines(folder: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in folder.glob("*.jsonl"))


def test_a_finished_evaluation_is_never_overwritten_and_another_way_has_another_name(
    own_run: Path, suite: Path
):
    first = medtune.evaluate(own_run, suite)
    with pytest.raises(RunExistsError, match="is a finished run"):
        medtune.evaluate(own_run, suite)
    other = medtune.evaluate(own_run, suite, Evaluate(rotate_options=True))
    assert other.path.name == "mine.top_token.rotated"
    assert first.path != other.path


def test_a_resume_under_other_conditions_is_refused_with_the_difference(own_run: Path, suite: Path):
    folder = own_run / "eval" / "mine.top_token"
    medtune.evaluate(own_run, suite)
    for name in ("provenance.json", "scores.json"):
        (folder / name).unlink()
    with pytest.raises(DriftError, match=r"evaluate.limit: None then, 7 now"):
        medtune.evaluate(own_run, suite, Evaluate(limit=7), name="mine.top_token", resume=True)
    again = medtune.evaluate(own_run, suite, resume=True)
    assert again.path == folder


# The command line


def test_the_command_prints_scores_with_intervals_and_compares(
    own_run: Path, suite: Path, command: Callable[..., Done]
):
    cwd = own_run.parents[1]
    done = command("eval", own_run, "--suite", suite, "--lm-eval", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "exam: scored on all 40 rows of test.jsonl" in done.stdout
    assert "adapter against base, 0 examples in the prompt:" in done.stdout
    assert "McNemar p =" in done.stdout
    assert "95 % interval" in done.stdout
    assert "bits per byte" in done.stdout
    assert '"event": "progress"' in done.stderr
    assert "eta_seconds" in done.stderr
    folder = own_run / "eval" / "mine.top_token"
    assert list(folder.glob("samples_*.jsonl"))
    rotated = command(
        "eval", own_run, "--suite", suite, "--rotate-options", "--offline", cwd=cwd
    )  # fmt: skip
    assert "same choice in all orders" in rotated.stdout, rotated.stderr
    compared = command("eval", "--compare", folder, f"{folder}.rotated", cwd=cwd)
    assert compared.returncode == 0, compared.stderr
    assert "B against A:" in compared.stdout
    assert "differs besides: rotate_options: False and True" in compared.stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "name what is asked, and on which suite"),
        (["base"], 2, "name what is asked, and on which suite"),
        (["base", "--suite", "medqaa"], 2, "there is no suite medqaa. Did you mean medqa"),
        (["base", "--suite", "./none.yaml"], 2, "there is no suite file"),
        (["base", "--suite", "MINE", "--protocol", "magic"], 2, "Invalid value"),
        (["base", "--suite", "MINE", "--normalise", "byte"], 2, "normalise is for protocol"),
        (["base", "--suite", "MINE", "--shot-seeds", "1,2"], 2, "no meaning without few_shot"),
        (["base", "--suite", "MINE", "--few-shot", "2", "--shot-seeds", "1,x"], 2, "whole numbers"),
        (["base", "--suite", "MINE", "--few-shot", "2", "--protocol", "cot"], 2, "worked examples"),
        (["base", "--suite", "MINE", "--few-shot", "20"], 2, "there are 12 training rows to show"),
        (["base", "--suite", "MINE", "--limit", "0"], 2, "greater than 0"),
        (["base", "--suite", "MINE", "--prompt", "no.yaml"], 2, "there is no prompt file"),
        (["base", "--suite", "MINE", "--base", "base"], 2, "--base is for an adapter"),
        (["base", "--suite", "MINE", "--tokenizer", "base"], 2, "--tokenizer is for --server"),
        (["base", "--suite", "MINE", "--against", "meditron-7"], 2, "meditron-7b"),
        (["nowhere", "--suite", "MINE"], 1, "there is no base at"),
        (["base", "--suite", "medqa", "--data", "none"], 2, "medqa"),
        (["--compare", "a", "b"], 1, "a: scores.json and items.jsonl could not be read"),
        (["base", "--suite", "MINE", "--compare", "a", "b"], 2, "leave out the base"),
        (["runs/none", "--suite", "MINE"], 1, "there is no base at"),
    ],
)
def test_a_wrong_call_is_one_clear_message_and_an_exit_code(
    run: Path,
    suite: Path,
    words: list[str],
    code: int,
    message: str,
    command: Callable[..., Done],
):
    given = [str(suite) if word == "MINE" else word for word in words]
    done = command("eval", *given, cwd=run.parents[1])
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (run.parents[1] / "runs" / "base").exists()


def test_an_empty_set_of_rows_is_refused(run: Path, suite: Path, tmp_path: Path):
    (tmp_path / "exam" / "test.jsonl").write_text("")
    with pytest.raises(DataError, match=r"test\.jsonl holds no row"):
        medtune.evaluate(str(run.parents[1] / "base"), suite, dtype="float32", out=tmp_path / "o")


def test_suites_and_prompts_are_listed_and_shown(tmp_path: Path, command: Callable[..., Done]):
    listed = command("suites", "list", cwd=tmp_path).stdout
    for name in ("medqa", "medmcqa", "pubmedqa", "mmlu_medical", "truthfulqa_medical", "general"):
        assert name in listed
    shown = command("suites", "show", "pubmedqa", cwd=tmp_path).stdout
    assert yaml.safe_load(shown)["name"] == "pubmedqa"
    prompts = command("suites", "prompt", cwd=tmp_path).stdout
    (tmp_path / "mine.yaml").write_text(prompts)
    assert yaml.safe_load(prompts)["name"] == "medtune"
