"""What becomes of prepared rows, as it follows from other rows: sides, leaks, mixture."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medtune.data.material import Material
from medtune.data.mixture import mix, shares
from medtune.data.split import Leak, Rows, find_leaks, side_of
from medtune.data.store import DROPPED, TRUNCATED, Store
from medtune.errors import DataError
from medtune.overlap import shingles
from medtune.recipe import Data
from medtune.records import SPLITS, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Rows of one split. All lists are ascending but ``used``."""

    read: Rows
    """All rows of the recipe's own task that fell on this side."""
    used: Rows
    """Those that are used, in their order, then those of sources, perhaps several times."""
    num_own: int
    """How many of ``used`` are the recipe's own."""
    dropped: Rows
    truncated: Rows
    leaks: tuple[Leak, ...]
    contaminated: Rows
    """Rows that hold evaluation items, whether or not they were left out."""
    left_out_as_leaks: Rows
    """Of sources too, as below."""
    left_out_as_contaminated: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every split's rows, and what the sources bring to a pass over the training rows."""

    sides: Mapping[Split, Side]
    held_out: tuple[Split, ...]
    sources: dict[str, dict[str, Any]]


def make_plan(store: Store, material: Material, data: Data, seed: int) -> Plan:
    """Decide about every row.

    Raises:
        DataError: Two rows have one id, or rows leak or are contaminated under ``error``.
    """
    _require_own_ids(store)
    sides, held_out = _sides(store, material, data)
    leaks = _leaks(store, sides, data)
    fits = store.numbers("fit")
    lengths = store.numbers("length")
    parts = store.numbers("part")
    is_source = np.array([part.is_source for part in material.parts])
    contaminated = _contaminated(store, sides["train"], data)
    found: dict[Split, Side] = {}
    for split in SPLITS:
        rows = sides[split]
        own = rows[~is_source[parts[rows]]]
        foreign = contaminated if split == "train" else _none()
        fitting = rows[fits[rows] != DROPPED]  # a row is left out for one reason, the first
        leaked = _none()
        if data.leaks == "drop":
            leaked = np.intersect1d([leak.row for leak in leaks[split]], fitting).astype(np.int64)
        drops = data.decontaminate is not None and data.decontaminate.action == "drop"
        held = np.setdiff1d(np.intersect1d(foreign, fitting), leaked) if drops else _none()
        used = np.setdiff1d(fitting, np.concatenate([leaked, held]))
        found[split] = Side(
            read=own,
            used=used,
            num_own=int((~is_source[parts[used]]).sum()),
            dropped=rows[fits[rows] == DROPPED],
            truncated=used[fits[used] == TRUNCATED],
            leaks=leaks[split],
            contaminated=foreign,
            left_out_as_leaks=leaked,
            left_out_as_contaminated=held,
        )
    train, sources = _mixed(found["train"], parts, lengths, material, data, seed)
    return Plan(sides=found | {"train": train}, held_out=held_out, sources=sources)


def _none() -> Rows:
    return np.empty(0, dtype=np.int64)


def _require_own_ids(store: Store) -> None:
    keys, counts = np.unique(store.numbers("id_key"), return_counts=True)
    if (counts == 1).all():
        return
    twice = np.isin(store.numbers("id_key"), keys[counts > 1]).nonzero()[0]
    seen: dict[str, int] = {}
    for row in map(int, twice):
        identifier = str(store.text(row, "id"))
        if identifier in seen:
            raise DataError(
                f"{store.text(row, 'where')}: the id of this row is also that of "
                f"{store.text(seen[identifier], 'where')}; give each row its own id"
            )
        seen[identifier] = row


def _sides(
    store: Store, material: Material, data: Data
) -> tuple[dict[Split, Rows], tuple[Split, ...]]:
    """The rows of each split: those of its file, or those held out of the training file."""
    files = {part.split for part in material.parts if not part.is_source}
    fractions: dict[Split, float] = {
        "test": 0.0 if "test" in files else data.test_fraction,
        "validation": 0.0 if "validation" in files else data.validation_fraction,
    }
    parts, shares_of = store.numbers("part"), store.numbers("share")
    chosen = np.array([SPLITS.index(part.split) for part in material.parts])[parts]
    own_train = [n for n, p in enumerate(material.parts) if p.split == "train" and not p.is_source]
    for row in np.isin(parts, own_train).nonzero()[0]:
        side = side_of(float(shares_of[row]), fractions["test"], fractions["validation"])
        chosen[row] = SPLITS.index(side)
    sides = {split: (chosen == number).nonzero()[0] for number, split in enumerate(SPLITS)}
    held: list[Split] = ["validation", "test"]
    return sides, tuple(split for split in held if fractions[split])


def _leaks(store: Store, sides: Mapping[Split, Rows], data: Data) -> dict[Split, tuple[Leak, ...]]:
    found = find_leaks(
        sides,
        store.numbers("group_key"),
        store.bands(),
        lambda row: shingles(store.example(row).own_text),
        data.near_duplicate,
    )
    first = next((leak for split in SPLITS for leak in found[split]), None)
    if first is not None and data.leaks == "error":
        count = sum(map(len, found.values()))
        raise DataError(
            f"{store.text(first.row, 'where')}: its {_tie(first)} stands on another side of the "
            f"split, in {store.text(first.of, 'where')}; {count} rows leak so. data.leaks: drop "
            "leaves them out"
        )
    return {split: tuple(leaks) for split, leaks in found.items()}


def _tie(leak: Leak) -> str:
    return "group" if leak.by == "group" else f"prompt, {leak.likeness:.0%} alike,"


def _contaminated(store: Store, rows: Rows, data: Data) -> Rows:
    if data.decontaminate is None:
        return _none()
    found = [int(row) for row in rows if store.text(int(row), "hits") is not None]
    if found and data.decontaminate.action == "error":
        raise DataError(
            f"{store.text(found[0], 'where')}: holds an evaluation item; {len(found)} training "
            "rows do. data.decontaminate.action: drop leaves them out, report names them"
        )
    return np.array(found, dtype=np.int64)


def _mixed(
    train: Side,
    parts: Rows,
    lengths: Rows,
    material: Material,
    data: Data,
    seed: int,
) -> tuple[Side, dict[str, dict[str, Any]]]:
    """The training rows of one pass, with an account of every source."""
    if not data.sources:
        return train, {}
    own = train.used[: train.num_own] if train.num_own else _none()
    names = {"own": own}
    for number, part in enumerate(material.parts):
        if part.is_source:
            names[part.name] = train.used[parts[train.used] == number]
    weights = {source.name: source.weight for source in data.sources}
    for name, rows in names.items():
        if weights.get(name) and not len(rows):
            raise DataError(f"data.sources: no row of {name} is left, and it has a weight")
    mixed = mix(names, lengths, weights, seed)
    account = {
        name: {
            "rows": len(names[name]),
            "rows_in_a_pass": len(mixed[name]),
            "tokens_in_a_pass": int(lengths[mixed[name]].sum()),
            "share_of_tokens": share,
            "weight": weights.get(name),
        }
        for name, share in zip(mixed, shares(list(mixed.values()), lengths), strict=True)
    }
    used = np.concatenate(list(mixed.values()))
    return replace(train, used=used, num_own=len(own)), account
