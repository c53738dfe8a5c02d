"""`medtune data preprocess`, and what `medtune train` makes of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fixtures import recipe, write_questions, write_recipe


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path) -> Path:
    rows = write_questions(tmp_path / "rows")
    return write_recipe(tmp_path / "recipe.yaml", recipe(tiny_base, rows))


def medtune_command(*arguments: object, folder: Path, **more: str) -> str:
    """What the command wrote to its stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "medtune", *map(str, arguments)],
        capture_output=True, text=True, cwd=folder,
        env=os.environ | {"MEDTUNE_CACHE": str(folder / "cache"), **more},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_training_uses_what_was_prepared_and_says_why_not_otherwise(project: Path, tmp_path: Path):
    said = medtune_command("data", "preprocess", project, "--workers", 1, folder=tmp_path)
    assert "train       24 rows, " in said
    assert "test        8 rows, " in said
    said = medtune_command("train", project, "train.max_steps=1", folder=tmp_path)
    assert "rows prepared before are used" in said
    again = ("train", project, "train.max_steps=1", "name=tiny2")
    said = medtune_command(*again, "--dry-run", "data.max_tokens=255", folder=tmp_path)
    assert "no rows were prepared for this recipe before" in said
    # The name is the recipe's: under it the rows are found again, and the difference is told.
    said = medtune_command("train", project, "data.max_tokens=254", "--dry-run", folder=tmp_path)
    assert "those prepared before differ in: options" in said


def test_a_run_of_several_processes_uses_prepared_rows_too(project: Path, tmp_path: Path):
    medtune_command("data", "preprocess", project, "--workers", 0, folder=tmp_path)
    values = yaml.safe_load(project.read_text())
    values["train"]["max_steps"] = 2
    write_recipe(project, values)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "medtune", "train", str(project)],
        capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"MEDTUNE_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rows prepared before are used" in done.stderr
