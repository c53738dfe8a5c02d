"""Rows of patients: nothing that a run writes, says or leaves behind tells a value of them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures import recipe, write_jsonl, write_recipe

import medtune
from medtune.errors import DataError
from medtune.recipe import load

MARKS = [
    "ZQJane Zyqwick",
    "ZQ1961-03-07",
    "ZQMRN884213",
    "ZQpatient7",
    "ZQward-licence",
    "ZQclinic",
]
MARK = re.compile(rb"ZQ(Jane|1961|MRN|patient|ward|clinic|nurse)|Zyqwick", re.IGNORECASE)


def row(number: int) -> dict[str, object]:
    """A row with a mark in everything that a row can say."""
    return {
        "id": f"ZQMRN884213-{number}",
        "group": f"ZQpatient7-{number // 2}",
        "source": "ZQclinic",
        "licence": "ZQward-licence",
        "messages": [
            {"role": "system", "content": "You write for ZQclinic."},
            {"role": "user", "content": f"Jane ZQJane Zyqwick, born ZQ1961-03-07, visit {number}."},
            {"role": "assistant", "content": f"Seen, ZQMRN884213, {number}."},
        ],
    }


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path) -> Path:
    rows = write_jsonl(tmp_path / "rows.jsonl", [row(number) for number in range(24)])
    values = recipe(
        tiny_base,
        rows,
        data={
            "task": "chat",
            "private": True,
            "validation_fraction": 0.3,
            "test_fraction": 0.3,
            # All rows are alike here, and that is not what is tried.
            "leaks": "keep",
            "canaries": {"secrets": 3, "twins": 5},
            "decontaminate": {"rows": [{"task": "chat", "path": str(rows)}], "action": "report"},
        },
        train={"max_steps": 3},
        evaluate={"few_shot": 0, "metric": "rouge_l", "max_new_tokens": 8},
    )
    return write_recipe(tmp_path / "recipe.yaml", values)


def medtune_command(
    *arguments: object, folder: Path, cache: Path
) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"MEDTUNE_CACHE": str(cache), "TMPDIR": str(folder / "tmp")}
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "medtune", *map(str, arguments)],
        capture_output=True, text=True, cwd=folder, env=env,
    )  # fmt: skip


def files_with_marks(*folders: Path) -> set[Path]:
    return {
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and MARK.search(path.read_bytes())
    }


def test_only_the_files_that_are_listed_hold_what_was_planted(project: Path, tmp_path: Path):
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    done = medtune_command("train", project, folder=home, cache=cache)
    assert done.returncode == 0, done.stderr
    assert not MARK.search((done.stdout + done.stderr).encode())
    run = home / "runs" / "tiny"
    account = json.loads((run / "data.json").read_text())
    listed = {file for pattern in account["files_with_text"] for file in run.glob(pattern)}
    found = files_with_marks(home, cache)
    assert found, "the prepared rows hold the marks: the search works"
    assert found <= listed
    assert run / "canaries.json" in listed
    assert run / "data" / "salt" in listed
    # Nothing below data/ or of the secrets is for others; nothing of the rows is in the cache.
    assert (run / "data").stat().st_mode & 0o777 == 0o700
    assert (run / "data" / "salt").stat().st_mode & 0o777 == 0o600
    assert (run / "canaries.json").stat().st_mode & 0o777 == 0o600
    assert not (cache / "prepared").exists()
    assert not list((home / "tmp").iterdir())


def test_canaries_and_twins_are_nowhere_but_in_their_file(project: Path, tmp_path: Path):
    run = medtune.train(project, out=tmp_path / "runs").path
    content = json.loads((run / "canaries.json").read_text())
    secrets = [canary["secret"] for canary in content["canaries"]]
    names = [canary["name"] for canary in content["canaries"]]
    assert len(secrets) == 8
    for path in run.rglob("*"):
        # Six digits stand in weights by chance; names do not.
        if path.is_file() and path.name != "canaries.json" and path.suffix != ".safetensors":
            text = path.read_bytes().decode(errors="ignore")
            assert not any(name in text for name in names), path
            if path.suffix in (".json", ".yaml", ".md"):
                words = set(re.findall(r"\b\d{6}\b", text))
                assert not words & set(secrets), path
    account = json.loads((run / "data.json").read_text())
    assert account["canaries"]["planted"] == 3
    assert account["splits"]["train"]["sources"]["canaries"] == 1 + 4 + 16


def test_ids_are_salted_so_that_two_runs_share_none_and_results_are_the_same(
    project: Path, tmp_path: Path
):
    quiet = {"data.canaries": None}
    first = medtune.train(project, quiet, out=tmp_path / "a")
    second = medtune.train(project, quiet, out=tmp_path / "b")
    ids = [
        {json.loads(line)["id"] for line in (run.path / "items.jsonl").read_text().splitlines()}
        for run in (first, second)
    ]
    assert all(re.fullmatch(r"row-[0-9a-f]{16}", name) for found in ids for name in found)
    assert not ids[0] & ids[1]
    assert first.adapter_digest == second.adapter_digest
    items = [json.loads(line) for line in (first.path / "items.jsonl").read_text().splitlines()]
    assert {item["texts"] for item in items} == {None}
    # The digest of a short prompt could be found by trying prompts.
    assert {item["prompt_digest"] for item in items} == {""}


BAD_ROWS = {
    "a blank answer": {"role": "assistant", "content": "  "},
    "a wrong role": {"role": "ZQnurse", "content": "ZQ1961-03-07"},
    "more keys": {"role": "assistant", "content": "x", "name": "ZQJane Zyqwick"},
    "a number": {"role": "assistant", "content": 19610307},
    "a control token": {"role": "assistant", "content": "ZQJane Zyqwick</s>"},
}


@pytest.mark.parametrize("message", BAD_ROWS.values(), ids=BAD_ROWS)
def test_an_error_about_a_row_tells_no_value(project: Path, tmp_path: Path, message: object):
    bad = row(3)
    bad["messages"] = [{"role": "user", "content": "ZQJane Zyqwick?"}, message]
    write_jsonl(tmp_path / "rows.jsonl", [row(1), bad])
    home = tmp_path / "home"
    home.mkdir()
    done = medtune_command("train", project, folder=home, cache=tmp_path / "cache")
    assert done.returncode == 2
    assert "rows.jsonl:2" in done.stderr
    assert not MARK.search(done.stderr.encode() + done.stdout.encode())
    assert files_with_marks(home, tmp_path / "cache") == set()
    assert not (home / "runs" / "tiny").exists()


def test_two_rows_of_one_id_are_told_by_their_lines(project: Path, tmp_path: Path):
    write_jsonl(tmp_path / "rows.jsonl", [row(1), row(2), row(1)])
    with pytest.raises(DataError) as caught:
        medtune.gather(load(project))
    assert str(caught.value).startswith("rows.jsonl:3: the id of this row is also that of rows")
    assert not MARK.search(str(caught.value).encode())


def test_rows_that_were_preprocessed_wait_inside_the_run_and_are_used(
    project: Path, tmp_path: Path
):
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    for _ in range(2):  # once more goes on where it was, and needs no --resume
        done = medtune_command(
            "data", "preprocess", project, "--workers", 1, folder=home, cache=cache
        )
        assert done.returncode == 0, done.stderr
    run = home / "runs" / "tiny"
    assert {path.name for path in run.iterdir()} == {"data", "canaries.json"}
    secrets = (run / "canaries.json").read_bytes()
    done = medtune_command("train", project, folder=home, cache=cache)
    assert done.returncode == 0, done.stderr
    assert "rows prepared before are used" in done.stderr
    assert (run / "canaries.json").read_bytes() == secrets


def test_check_and_preview_tell_no_value_and_keep_nothing(project: Path, tmp_path: Path):
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    for command in (("check",), ("preview", "--show-mask"), ("preview",)):
        done = medtune_command(
            "data", command[0], project, *command[1:], "--html", "page.html",
            folder=home, cache=cache,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not MARK.search((done.stdout + done.stderr).encode())
        assert files_with_marks(home, cache) == set()
