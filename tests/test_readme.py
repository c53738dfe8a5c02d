"""Every command that the README shows, tried: nothing is documented that does not run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures import recipe, write_questions, write_recipe
from tiny_models import make_tiny_base

import medtune

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The medtune commands of the README's shell blocks, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [part.strip() for block in blocks for part in re.split(r"\n|&&", block)]
    return [shlex.split(line)[1:] for line in lines if line.startswith("medtune ")]


def test_the_readme_shows_each_command_group():
    groups = {
        "train", "recipes", "validate", "schema", "init", "data", "eval", "suites", "report",
        "probe", "gate", "waiver", "ci", "merge", "parity", "chat",
        "registry", "corpus",
    }  # fmt: skip
    assert {words[0] for words in commands()} == groups


def test_every_command_of_the_readme_runs_from_the_folder_it_is_shown_in(
    tmp_path: Path, tiny_base: Path, medtune_data: Path
):
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    # What the README trains and evaluates has this base's place here, and a run of its own.
    small = make_tiny_base(tmp_path / "smollm2-135m", context_tokens=8192)
    values = recipe(small, write_questions(tmp_path / "rows")) | {"name": "quickstart"}
    medtune.train(write_recipe(tmp_path / "r.yaml", values), out=tmp_path / "runs")
    for words in commands():
        if words[:2] == ["corpus", "build"]:
            words = [*words, f"tokenizer={small}"]
        if words[0] == "train" or (words[0] == "data" and words[1] != "rehearse"):
            # What the command would do is checked to the last row; training has its own tests.
            words = [*words, f"base.model={tiny_base}", "data.max_tokens=512"]
            # The tiny base reads 512 tokens, and its vocabulary makes many of them.
            words += ["data.on_overlength=drop", "evaluate.few_shot=0"]
            words += [] if "--dry-run" in words or words[0] == "data" else ["--dry-run"]
        if words[:2] == ["eval", "smollm2-135m"]:
            words[1] = str(small)
        if words[0] == "eval" and words[1].startswith("registry:"):
            words += ["--base", str(small)]
        if words[0] == "eval":
            words = ["4" if before == "--limit" else word
                     for before, word in zip(["", *words], words, strict=False)]  # fmt: skip
        words = [word.replace("first32", "first4") for word in words]
        done = subprocess.run(
            [sys.executable, "-m", "medtune", *words],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        # A random adapter may get any verdict of the gate.
        allowed = (0, 3, 4) if words[0] == "gate" else (0,)
        assert done.returncode in allowed, (words, done.stderr)


def test_python_blocks_name_only_what_medtune_has():
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
    names = set(re.findall(r"medtune\.(\w+)", blocks)) - {"recipe", "guard"}
    assert names == {
        "train", "load_recipe", "gather", "preprocess", "load_base", "attach", "load_adapter",
        "evaluate", "probe", "decide", "replay", "open_registry", "push", "promote", "pull",
    }  # fmt: skip
    for name in names | {"load_metric", "evaluate_served"}:
        assert callable(getattr(medtune, name))


@pytest.mark.parametrize("name", ["Inputs", "Run", "Recipe", "Evaluated", "MedtuneError"])
def test_exported_types_can_be_imported_from_the_top(name: str):
    assert name in medtune.__all__
    assert isinstance(getattr(medtune, name), type)
