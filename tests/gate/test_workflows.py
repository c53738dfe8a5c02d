"""The workflows that `medtune ci init` writes, step by step: two folders, one artefact."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from fixtures import recipe, write_questions, write_recipe
from tiny_models import make_tiny_base

import medtune
from medtune.cli import main

FILES = {"--github": ".github/workflows/medtune-gate.yml", "--gitlab": ".gitlab-ci.medtune.yml"}
RUN = "runs/tiny"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a site keeps base, rows and run, with secrets and checkpoints beside the adapter."""
    folder = tmp_path_factory.mktemp("kept")
    base, rows = make_tiny_base(folder / "base"), write_questions(folder / "rows")
    values = recipe(base, rows)
    values["data"] |= {"canaries": {"secrets": 2, "twins": 4, "repetitions": [1, 2]}}
    values["train"] |= {"checkpoint_every": 1}
    made = medtune.train(write_recipe(folder / "recipe.yaml", values), out=folder / "runs")
    assert made.path == folder / RUN
    return folder


@dataclass(frozen=True)
class Job:
    """A runner's folder, and the steps that are commands."""

    folder: Path
    commands: list[str]
    sent: list[str]
    """Paths that go to the next job."""

    def run(self, environment: dict[str, str]) -> list[tuple[str, int]]:
        """Each command's exit code; all but installing, up to the first that fails."""
        done = []
        for command in self.commands:
            if command.startswith("python -m pip install "):
                continue
            # What runs always does so after a failure too.
            if done and done[-1][1] and "gh pr comment" not in command:
                continue
            made = subprocess.run(["bash", "-e", "-c", command], cwd=self.folder,
                                  env=environment, check=False)  # fmt: skip
            done.append((command, made.returncode))
        return done


def jobs(kind: str, file: Path, folders: tuple[Path, Path]) -> Iterator[Job]:
    values = yaml.safe_load(file.read_text())
    if kind == "--gitlab":
        for name, folder in zip(("medtune-probe", "medtune-gate"), folders, strict=True):
            yield Job(folder, values[name]["script"], values[name]["artifacts"]["paths"])
        return
    for name, folder in zip(("probe", "gate"), folders, strict=True):
        steps = values["jobs"][name]["steps"]
        sent = next(one for one in steps if "upload-artifact" in one.get("uses", ""))
        yield Job(
            folder,
            [re.sub(r"\$\{\{.*?\}\}", "7", one["run"]) for one in steps if "run" in one],
            sent["with"]["path"].split(),
        )


def send(paths: Iterable[str], source: Path, target: Path) -> None:
    for one in paths:
        if (source / one).is_dir():
            shutil.copytree(source / one, target / one)
        elif (source / one).is_file():
            (target / one).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / one, target / one)


def write_program(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/bash\n{text}\n")
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("kind", "margin", "code"), [("--github", 0.001, 4), ("--gitlab", 0.99, 0)]
)
def test_a_workflow_probes_sends_what_a_gate_reads_and_fails_with_its_verdict(
    kind: str, margin: float, code: int, kept: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    folders = tmp_path / "gpu runner", tmp_path / "plain runner"
    rule = {"probe": "dose_range", "level": "blocker", "margin": margin, "min_items": 8,
            "min_clusters": 8}  # fmt: skip
    policy = {"policy": "ours", "version": 1, "title": "Ours", "intended_use": "None.",
              "coherence_margin": 0.99, "max_flips": 0.99, "probes": [rule]}  # fmt: skip
    for folder in folders:
        folder.mkdir()
        (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    monkeypatch.chdir(folders[0])
    fetch = f"cp -a {shlex.quote(str(kept))}/. ."
    medtune_command(
        monkeypatch, "ci", "init", kind, "--run", RUN, "--policy", "./policy.yaml", "--fetch", fetch
    )
    probe, gate = jobs(kind, folders[0] / FILES[kind], folders)
    # Eight items instead of all, and what the runners have: a medtune, and on GitHub a gh.
    medtune_of = f"{shlex.quote(sys.executable)} -m medtune"
    write_program(tmp_path / "bin" / "medtune", f'more=()\n[ "$1" = probe ] && more=(--limit 8 '
                  f'--probe dose_range)\nexec {medtune_of} "$@" "${{more[@]}}"')  # fmt: skip
    write_program(tmp_path / "bin" / "gh", 'echo "$@" > gh.txt; cp "${@: -1}" told.md')
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    assert [status for _, status in probe.run(environment)] == [0, 0]
    send(probe.sent, *folders)
    sent = {one.name for one in (folders[1] / RUN).iterdir()}
    assert {"adapter", "probes"} <= sent
    assert not sent & {"checkpoints", "canaries.json", "data.json"}
    assert {"checkpoints", "canaries.json"} <= {one.name for one in (folders[0] / RUN).iterdir()}

    # A plain runner: whatever imports torch there fails.
    write_program(tmp_path / "bare" / "torch" / "__init__.py", "raise ImportError('no torch')")
    ran = gate.run(environment | {"PYTHONPATH": str(tmp_path / "bare")})
    assert ran[0] == (f"medtune gate {RUN} --policy ./policy.yaml --out gate", code)
    decided = json.loads((folders[1] / "gate" / "gate.json").read_text())["decision"]
    assert decided["verdict"] == {0: "PASS", 4: "INCONCLUSIVE"}[code]
    assert gate.sent == ["gate"]
    if kind == "--github":
        assert (folders[1] / "gh.txt").read_text().split()[:3] == ["pr", "comment", "7"]
        assert decided["verdict"] in (folders[1] / "told.md").read_text()
    else:
        assert (folders[1] / "gate" / "junit.xml").is_file()
    capsys.readouterr()


@pytest.mark.parametrize("kind", FILES)
def test_without_a_way_to_fetch_the_run_the_job_stops_where_it_is_missing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    medtune_command(monkeypatch, "ci", "init", kind, "--run", RUN)
    assert "--fetch" in capsys.readouterr().out
    probe, _ = jobs(kind, tmp_path / FILES[kind], (tmp_path, tmp_path))
    assert [status for _, status in probe.run(dict(os.environ))] == [1]


def medtune_command(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["medtune", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
