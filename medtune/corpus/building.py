"""A corpus, from its recipe to its folder: stages in order, then what is told about the whole."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from medtune.corpus.blocks import (
    DropDuplicates,
    FindSuperseded,
    KeepUnit,
    LoadUnit,
    PairRows,
    ReadUnit,
    Screen,
    make_contamination_filter,
    make_licence_filter,
    make_sample_filter,
)
from medtune.corpus.candidates import KINDS
from medtune.corpus.executors import Stage, run_stage
from medtune.corpus.layout import CONDITIONS, Layout
from medtune.corpus.results import recipe_values, write_results
from medtune.corpus.shards import WriteShards
from medtune.corpus.summary import Summary, summarise
from medtune.corpus.tokens import Borders
from medtune.corpus.units import MIB, Unit, plan_units, write_plan
from medtune.digests import remove_folder, sha256_value, write_json
from medtune.provenance import now
from medtune.recipe.corpus import CorpusRecipe
from medtune.records import Progress, Silent
from medtune.runs import FINISHED, begin, open_run

DEFAULT_PARENT = Path("corpora")


class Built(NamedTuple):
    """A finished corpus."""

    path: Path
    summary: Summary


def build_corpus(
    recipe: CorpusRecipe,
    *,
    out: Path | None = None,
    resume: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> Built:
    """Build a corpus in ``out/NAME``, or go on with one that was stopped.

    Args:
        recipe: What to build.
        out: Folder of the corpus' folder; by default ``corpora``.
        resume: Whether to go on with what is there.
        offline: Whether no other machine may be asked.
        progress: Told of stages and rates.

    Raises:
        RunExistsError: The folder is there already, or there is nothing to go on with.
        DriftError: What is there was begun from other raw files or another recipe.
        DataError: A raw file cannot be read.
    """
    # It needs torch, which nothing else here does.
    from medtune.corpus.base_tokenizer import write_tokenizer

    progress = progress or Silent()
    units = plan_units(recipe)
    with open_run(recipe.name, out or DEFAULT_PARENT, resume=resume) as folder:
        layout = Layout(folder.resolve())
        borders = write_tokenizer(
            recipe.tokenizer, layout.tokenizer, offline=offline, progress=progress
        )
        begin(folder / CONDITIONS, _conditions(recipe, units, borders), resume=resume)
        layout.make_folders()
        write_plan(layout.work, units)
        for stage in _stages(layout, recipe, units):
            run_stage(stage, recipe.executor, layout.work, progress)
        summary = summarise(layout, recipe, units)
        write_results(layout, recipe, summary, borders)
        remove_folder(layout.work)
        write_json(folder / FINISHED, _provenance())
    return Built(folder, summary)


def _stages(layout: Layout, recipe: CorpusRecipe, units: tuple[Unit, ...]) -> Iterator[Stage]:
    mebibytes = [-(-unit.num_bytes // MIB) for unit in units]
    screens = [make_sample_filter]
    if recipe.licences is not None:
        screens.append(make_licence_filter)
    if recipe.decontamination is not None:
        screens.append(make_contamination_filter)
    reading = [
        ReadUnit(layout, recipe),
        *(Screen(layout, recipe, make) for make in screens),
        KeepUnit(layout, recipe),
    ]
    writing = [DropDuplicates(layout, recipe), WriteShards(layout, recipe)]
    yield Stage("read", reading, mebibytes, "MiB")
    yield Stage("identity", [FindSuperseded(layout, recipe)], [1], "task")
    yield Stage("candidates", [PairRows(layout, recipe)], [1] * len(KINDS), "tasks")
    yield Stage("shards", [LoadUnit(layout, recipe), *writing], mebibytes, "MiB")


def _conditions(recipe: CorpusRecipe, units: tuple[Unit, ...], borders: Borders) -> dict[str, Any]:
    """What may not change while a corpus is being built; no path of this machine."""
    files = {f"{unit.source}/{file.name}": file.num_bytes for unit in units for file in unit.files}
    return {
        **recipe_values(recipe),
        "raw_files": sha256_value(files),
        "tokenizer": borders.sha256,
        "medtune": version("medtune"),
    }


def _provenance() -> dict[str, Any]:
    names = ("medtune", "datatrove", "tokenizers", "lxml", "numpy")
    return {"finished": now(), "packages": {name: version(name) for name in names}}
