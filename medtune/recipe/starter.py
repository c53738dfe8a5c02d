"""``medtune init``: a project that trains as it is, to be filled with one's own rows."""

import json
from pathlib import Path

from medtune.digests import write_text
from medtune.errors import RecipeError

RECIPE = """\
# An adapter on your own chat rows. `medtune schema` documents every key.
name: my_adapter
base:
  model: smollm2-135m         # or a hub id (owner/name), a folder (./name), a .gguf file
data:
  task: chat                  # one JSON object a line: {"messages": [{"role", "content"}, ...]}
  path: ./rows.jsonl          # replace these rows; put a patient's id into "group"
  validation_fraction: 0.2    # held out by group, to choose the best step
  test_fraction: 0.2          # held out by group, to score base and adapter
  max_tokens: 512
adapter:
  rank: 16
  alpha: 32
train:
  learning_rate: 2e-4
  epochs: 2
  batch_size: 8
  pack_tokens: 1024
"""
FINDINGS = (
    ("temperature", "38.9 °C", "fever"),
    ("heart rate", "128 per minute", "tachycardia"),
    ("heart rate", "44 per minute", "bradycardia"),
    ("blood pressure", "84/50 mmHg", "hypotension"),
    ("blood pressure", "168/104 mmHg", "hypertension"),
    ("respiratory rate", "29 per minute", "tachypnoea"),
    ("oxygen saturation", "86 % on air", "hypoxaemia"),
    ("temperature", "34.2 °C", "hypothermia"),
)
PHRASES = (
    "The {sign} is {value}. Name the finding in one word.",
    "On the chart: {sign} {value}. What is this called?",
    "Nurse's note: {sign} {value}. Which term belongs in the summary?",
    "{sign}, measured twice: {value}. One word for it?",
    "Give the medical term for a {sign} of {value}.",
)


def write_starter(folder: Path) -> list[Path]:
    """Write a recipe and example rows (ours, no patient's) into a new or empty folder.

    Raises:
        RecipeError: The folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(f"{folder} is not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "id": f"example-{number * len(PHRASES) + variant}",
            "group": f"finding-{number}-{variant}",
            "messages": [
                {"role": "user", "content": phrase.format(sign=sign, value=value)},
                {"role": "assistant", "content": term},
            ],
        }
        for number, (sign, value, term) in enumerate(FINDINGS)
        for variant, phrase in enumerate(PHRASES)
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / "recipe.yaml", RECIPE)
    write_text(folder / "rows.jsonl", lines)
    return [folder / "recipe.yaml", folder / "rows.jsonl"]
