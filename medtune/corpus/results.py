"""The files that tell what a finished corpus is: statistics, manifest, mixture and page.

None of them holds a time or a path of this machine: the same raw files and recipe give the same
bytes.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medtune.corpus.layout import MANIFEST, MIXTURE, PAGE, STATISTICS, Layout
from medtune.corpus.page import render
from medtune.corpus.reading import Corpus
from medtune.corpus.summary import Summary, read_summary
from medtune.corpus.tokens import Borders
from medtune.digests import sha256_named, write_json, write_text
from medtune.errors import DataError
from medtune.recipe.corpus import CorpusRecipe


def write_results(layout: Layout, recipe: CorpusRecipe, summary: Summary, borders: Borders) -> None:
    """Write all of them.

    Raises:
        DataError: The mixture wants tokens of a part that has none.
    """
    write_json(layout.folder / STATISTICS, asdict(summary))
    write_json(
        layout.folder / MANIFEST,
        {
            "recipe": recipe_values(recipe),
            "tokenizer": asdict(borders),
            "raw": summary.raw,
            "shards": summary.files,
            "digest": sha256_named(summary.files),
        },
    )
    mixture = _mixture(Corpus(layout.folder))
    write_json(layout.folder / MIXTURE, mixture)
    write_text(layout.folder / PAGE, render(recipe, summary, mixture))


def read_statistics(folder: Path) -> Summary:
    """What a finished corpus holds.

    Raises:
        DataError: There is none in the folder.
    """
    file = folder / STATISTICS
    if not file.is_file():
        raise DataError(f"{folder} is no finished corpus: it has no {STATISTICS}")
    return read_summary(json.loads(file.read_text(encoding="utf-8")))


def _mixture(corpus: Corpus) -> list[dict[str, Any]]:
    """Of each phase how much of each part it reads, and how often."""
    return [
        {
            "phase": stretch.name,
            "tokens": stretch.tokens,
            "parts": corpus.reading.shares(stretch),
        }
        for stretch in corpus.reading.stretches
    ]


def recipe_values(recipe: CorpusRecipe) -> dict[str, Any]:
    """The recipe as JSON: what affects the result, with file names in place of paths."""
    values: dict[str, Any] = recipe.model_dump(
        mode="json", exclude={"executor": True, "keep_dropped": True}
    )
    values["tokenizer"] = _without_folder(values["tokenizer"])
    for source in values["sources"]:
        source["path"] = _without_folder(source["path"])
    for rows in (values["decontamination"] or {}).get("rows", []):
        rows["path"] = _without_folder(rows["path"])
    return values


def _without_folder(path: str | None) -> str | None:
    return os.path.basename(path) if path and os.path.isabs(path) else path  # noqa: PTH117, PTH119
