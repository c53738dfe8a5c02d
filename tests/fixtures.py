"""Rows that the tests write: questions whose answer can be learned, in the published schemas."""

import json
from pathlib import Path
from typing import Any

import yaml

VITAMINS = {"scurvy": "C", "rickets": "D", "beriberi": "B", "night blindness": "A"}


def question(number: int) -> dict[str, Any]:
    """A row in MedQA's schema; the answer follows from the disease in the question."""
    disease = list(VITAMINS)[number % len(VITAMINS)]
    return {
        "question": f"Patient {number} has {disease}. Which vitamin is missing?",
        "options": {letter: f"vitamin {letter}" for letter in "ABCD"},
        "answer_idx": VITAMINS[disease],
        "answer": f"vitamin {VITAMINS[disease]}",
    }


def chat(number: int) -> dict[str, Any]:
    """A chat row with two assistant turns."""
    disease = list(VITAMINS)[number % len(VITAMINS)]
    return {
        "id": f"chat-{number}",
        "group": f"patient-{number // 2}",
        "messages": [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": f"Case {number}: {disease}. Cause?"},
            {"role": "assistant", "content": "A missing vitamin."},
            {"role": "user", "content": "Which one?"},
            {"role": "assistant", "content": f"Vitamin {VITAMINS[disease]}."},
        ],
    }


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_questions(folder: Path, train: int = 24, validation: int = 8, test: int = 8) -> Path:
    """A folder of the task mcq."""
    numbers = iter(range(train + validation + test))
    for split, count in (("train", train), ("validation", validation), ("test", test)):
        write_jsonl(folder / f"{split}.jsonl", [question(next(numbers)) for _ in range(count)])
    return folder


def recipe(base_folder: Path, rows: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """A recipe for a tiny base, in float32 so that results are exact."""
    values: dict[str, Any] = {
        "name": "tiny",
        "base": {"model": str(base_folder), "dtype": "float32"},
        "data": {"task": "mcq", "path": str(rows), "max_tokens": 256},
        "adapter": {"rank": 4, "alpha": 8},
        "train": {"learning_rate": 5e-3, "max_steps": 8, "batch_size": 8, "pack_tokens": 256},
        "evaluate": {"few_shot": 2},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section}
    return values


def write_recipe(path: Path, values: dict[str, Any]) -> Path:
    """Write a recipe file."""
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path
