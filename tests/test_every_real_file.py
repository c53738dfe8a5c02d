"""Every file of questions and notes that the field publishes: loaded, checked and previewed."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from fixtures import recipe, write_recipe

import medtune
from medtune.data.check import Examination, examine
from medtune.data.preview import pick, revealed, spans

FOLDERS = {
    "qa/medqa": 4,
    "qa/medmcqa": 3,
    "qa/pubmedqa": 3,
    "qa/mmlu": 40,
    "ehr/mts_dialog": 3,
    "ehr/aci_bench": 3,
}
"""Folder -> files of rows in it. The metadata of ACI-Bench are no rows."""
ROWS = {
    "medqa": (1030, 242, 654),
    "medqa_5opt": (1030, 242, 654),
    "medmcqa": (3053, 283, 289),
    "pubmedqa": (449, 51, 243),
    "mts_dialog": (1201, 100, 200),
    "aci_bench": (67, 20, 40),
}
"""Rows to train on, to choose by, and to be scored on, as the README of the data states them."""
LETTERED = ("medqa", "medqa_5opt", "medmcqa", "mmlu")


@pytest.fixture(scope="module")
def patient_base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with room for a whole visit in its few hundred tokens."""
    folder = tmp_path_factory.mktemp("patient") / "tiny"
    folder.mkdir()
    for file in tiny_base.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = 100_000
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def gathered(base: Path, folder: Path, task: str, path: Path | None) -> medtune.Inputs:
    data: dict[str, Any] = {"task": task, "max_tokens": 50_000, "on_overlength": "drop",
                            "validation_fraction": 0.0, "template": "plain"}  # fmt: skip
    values = recipe(base, path or folder, data=data, train={"pack_tokens": 50_000})
    if path is None:
        del values["data"]["path"]
    written = write_recipe(folder / "recipe.yaml", values)
    return medtune.gather(medtune.load_recipe(written), offline=True)


def counted_elsewhere(file: Path) -> int:
    """Rows as the standard library counts them."""
    if file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as stream:
            rows = sum(1 for cells in csv.reader(stream) if cells)
        return rows - ("mmlu" not in file.parts)
    if file.parent.name == "pubmedqa":
        return len(json.loads(file.read_bytes()))
    return sum(1 for line in file.read_bytes().splitlines() if json.loads(line))


def require_sane(found: Examination, task: str, rows: int) -> None:
    train = found.splits["train"]
    assert found.rows == train.rows == rows
    assert 0 < train.supervised < train.tokens
    absent = ("dropped", "leaked", "contaminated", "truncated", "near_across", "blank_answers",
              "spaced_answers", "system", "several_turns")  # fmt: skip
    assert {name: found.findings[name].rows for name in absent} == dict.fromkeys(absent, 0)
    # Published sets have a few repetitions, and no more.
    for name in ("duplicates", "contradictions", "near_duplicates"):
        assert found.share(name) < 0.06, name
    others = sum(n for code, n in found.languages.items() if code not in ("en", "unclear"))
    assert others <= 0.05 * rows
    if task in LETTERED:
        assert sum(found.labels.values()) == rows
        # A letter and the stop token of every row.
        assert train.supervised == 2 * rows
    elif task == "pubmedqa":
        assert set(found.labels) == {"maybe", "no", "yes"}
    else:
        assert not found.labels


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_real_file_is_loaded_checked_and_previewed(
    folder: str, medtune_data: Path, patient_base: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
    files = [path for path in sorted((medtune_data / folder).rglob("*.*"))
             if path.is_file() and not path.stem.endswith("_metadata")]  # fmt: skip
    assert len(files) == FOLDERS[folder]
    for file in files:
        task = "medqa_5opt" if file.stem.endswith("5opt") else Path(folder).name
        inputs = gathered(patient_base, tmp_path, task, file)
        part = inputs.prepared.splits["train"]
        rows = counted_elsewhere(file)
        assert part.num_read == part.num_own == len(part.encoded) == rows, file.name
        require_sane(examine(inputs.prepared, inputs.recipe.data, seed=7), task, rows)
        for shown in pick(inputs.prepared, "train", 2):
            parts = spans(shown.encoded, inputs.prepared.encoder, hide=False)
            text = revealed("".join(piece for part in parts for piece in part.pieces))
            assert text == inputs.tokenizer.decode(shown.encoded.input_ids)
            learned = [part for part in parts if part.kind == "supervised"]
            assert len(learned) == 1
            assert revealed("".join(learned[0].pieces)).strip().startswith(shown.example.answer)


@pytest.mark.parametrize("task", ROWS)
def test_the_splits_of_a_published_set_are_found_by_its_name_alone(
    task: str, medtune_data: Path, patient_base: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
    assert splits_read(gathered(patient_base, tmp_path, task, None)) == ROWS[task]


def test_mmlu_is_found_by_its_name_alone_with_a_file_for_each_subject(
    medtune_data: Path, patient_base: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
    inputs = gathered(patient_base, tmp_path, "mmlu", None)
    tests = sum(map(counted_elsewhere, (medtune_data / "qa/mmlu/test").glob("*.csv")))
    # Five examples for each of 20 subjects, and no file to choose by.
    assert splits_read(inputs) == (100, 0, tests)


def splits_read(inputs: medtune.Inputs) -> tuple[int, ...]:
    parts = inputs.prepared.splits
    for split in ("train", "validation", "test"):
        part = parts[split]
        # Rows that stand in two published splits are the only ones that are left out.
        assert len(part.encoded) + len(part.leaked) == part.num_read
        assert part.dropped == part.truncated == part.contaminated == ()
        assert len(part.leaked) <= 0.1 * part.num_read
    assert not parts["test"].leaked
    return tuple(parts[split].num_read for split in ("train", "validation", "test"))
