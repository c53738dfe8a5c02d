"""Which families a run of probes asks, and how many items of each.

quick   some items of each family that has a quick part: minutes on two CPU cores
full    all items of all families, and the published sets below the data folder
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from medtune.errors import RecipeError
from medtune.probes.confirming import LEDGER
from medtune.probes.family import (
    Family,
    choose,
    find_families,
    load_family,
    load_plan,
    sealed_family,
    taken,
)
from medtune.probes.published import PUBLISHED, describe, find_published, read_published
from medtune.recipe.document import DATA_VARIABLE

Suite = Literal["quick", "full"]


def read_families(
    suite: Suite,
    *,
    probes: Sequence[str] = (),
    folders: Sequence[Path] = (),
    data: Path | None = None,
    limit: int | None = None,
) -> list[Family]:
    """The families of a suite, with the items that it asks.

    Args:
        suite: Which.
        probes: Only these; none: those of the suite.
        folders: Further families, or folders of them.
        data: Where published sets lie; None: nowhere.
        limit: Items of each family.

    Raises:
        RecipeError: A probe is not known, no copy of a published set is there, or the data folder
            is none.
        DataError: Items cannot be read.
    """
    own, published = find_families(folders), published_sets(data)
    known = [*own, *(name for name in published if name not in own)]
    _require_copies([name for name in probes if name in PUBLISHED and name not in known], data)
    named = choose(probes, known) if probes else _of_suite(suite, own, known)
    families = []
    for name in named:
        family = load_family(own[name]) if name in own else read_published(name, published[name])
        quick = family.plan.quick if suite == "quick" else None
        families.append(taken(family, min(filter(None, (quick, limit)), default=None)))
    return families


def read_sealed(
    sealed: Path, *, probes: Sequence[str] = (), folders: Sequence[Path] = ()
) -> list[Family]:
    """The families that have a sealed file in a folder, with its items alone.

    Raises:
        RecipeError: There is none, or one of no known probe; or a probe seals nothing.
        DataError: A file is not the one that its plan seals.
    """
    own = find_families(folders)
    there = sorted(file.stem for file in sealed.glob("*.jsonl") if file.name != LEDGER)
    named = choose(probes, there) if probes else there
    if strange := [f"{name}.jsonl" for name in named if name not in own]:
        raise RecipeError(
            f"{sealed}: {', '.join(strange)}: there is no probe of that name; name the folder of "
            "its family with --probes"
        )
    if not named:
        raise RecipeError(f"{sealed}: there is no sealed file of a probe here, NAME.jsonl")
    return [sealed_family(own[name], sealed) for name in named]


def own_data() -> Path | None:
    """The folder that $MEDTUNE_DATA names; None where it is not set."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named else None


def published_sets(data: Path | None) -> dict[str, Path]:
    """Published sets that are there: name -> folder.

    Raises:
        RecipeError: The data folder is none.
    """
    if data is not None and not data.is_dir():
        raise RecipeError(f"{data}: there is no such folder of data (--data, or $MEDTUNE_DATA)")
    return find_published(data) if data else {}


def absent_sets(suite: str, probes: Sequence[str], data: Path | None) -> tuple[str, ...]:
    """Published sets that a whole full suite asks and of which there is no copy, in words."""
    if suite != "full" or probes:
        return ()
    absent = sorted(PUBLISHED.keys() - published_sets(data).keys())
    if not absent:
        return ()
    return (f"published sets without a copy (--data, $MEDTUNE_DATA): {', '.join(absent)}",)


def _require_copies(missing: Sequence[str], data: Path | None) -> None:
    if missing:
        where = f"below {data}" if data else "for no data folder is named"
        raise RecipeError(
            f"{missing[0]}: there is no copy, {where}; --data or $MEDTUNE_DATA names the folder. "
            f"{describe(missing[0])}"
        )


def _of_suite(suite: Suite, own: dict[str, Path], known: Sequence[str]) -> list[str]:
    if suite == "full":
        return list(known)
    return [name for name, folder in own.items() if load_plan(folder).quick is not None]
