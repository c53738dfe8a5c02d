"""Several runs that differ in their training seed alone, and what they have in common.

runs/<name>/recipe.lock.yaml    the recipe with all its seeds
            seed-<n>/           a whole run, with a lock of its own
            seeds.json          each figure of all runs, with mean and standard deviation

``seeds.json`` is written from what the runs left on disk, so that runs of an earlier session count.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medtune.digests import write_json
from medtune.recipe import Recipe
from medtune.records import ArmSpread, Spread
from medtune.runs import FINISHED_SEEDS


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRun:
    """One of the runs."""

    seed: int
    path: Path
    adapter_digest: str
    validation_loss: float | None
    """Of the exported step, in nats per supervised token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRuns:
    """The finished runs of several seeds."""

    path: Path
    runs: tuple[SeedRun, ...]
    arms: tuple[ArmSpread, ...]
    """Empty where the data has no test rows."""
    validation_loss: Spread | None
    """None where the data has no validation rows."""


def folder_name(seed: int) -> str:
    """Name of a seed's run and of its folder."""
    return f"seed-{seed}"


def for_seed(recipe: Recipe, seed: int) -> Recipe:
    """The recipe of one of its seeds' runs."""
    train = recipe.train.model_copy(update={"seeds": [seed]})
    return recipe.model_copy(update={"name": folder_name(seed), "train": train})


def collect(path: Path, seeds: Sequence[int]) -> SeedRuns:
    """Read the finished runs of all seeds and write ``seeds.json``."""
    runs = [_run(path / folder_name(seed), seed) for seed in seeds]
    losses = [run.validation_loss for run in runs if run.validation_loss is not None]
    found = SeedRuns(
        path=path,
        runs=tuple(runs),
        arms=_arms([run.path / "scores.json" for run in runs]),
        validation_loss=Spread.of(losses) if losses else None,
    )
    values = asdict(found)
    del values["path"]
    for run in values["runs"]:
        run["path"] = run["path"].name
    write_json(path / FINISHED_SEEDS, values)
    return found


def _run(path: Path, seed: int) -> SeedRun:
    record = _read(path / "train.json")
    return SeedRun(
        seed=seed,
        path=path,
        adapter_digest=record["adapter_digest"],
        validation_loss=record["validation_loss"],
    )


def _arms(files: Sequence[Path]) -> tuple[ArmSpread, ...]:
    if not all(file.is_file() for file in files):
        return ()
    # The arms follow from the recipe, so all runs have the same ones in one order.
    over_seeds = zip(*(_read(file)["reports"][0]["arms"] for file in files), strict=True)
    return tuple(
        ArmSpread(
            arm=arms[0]["arm"],
            few_shot=arms[0]["few_shot"],
            metric=arms[0]["metric"],
            score=Spread.of([arm["value"] for arm in arms]),
        )
        for arms in over_seeds
    )


def _read(file: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return values
