"""What ``data.json`` says about where rows came from and what became of them."""

import json
from collections.abc import Iterable
from typing import Any

from medtune.data.build import compared_text
from medtune.data.material import Material
from medtune.data.plan import Plan
from medtune.data.store import Store
from medtune.data.template import ChatTemplate
from medtune.overlap import shared_text
from medtune.recipe import Data
from medtune.records import Example, Split


def record(
    store: Store, plan: Plan, material: Material, data: Data, template: ChatTemplate
) -> dict[str, Any]:
    """Everything but the counts of each split."""
    return {
        "task": material.task,
        "template": {
            "name": template.name,
            "sha256": template.digest,
            "stop_token": template.stop_token,
        },
        "notes": material.notes,
        "leaks": {
            "action": data.leaks,
            "near_duplicate": data.near_duplicate,
            **{split: _leaks(store, plan, split) for split in plan.sides if split != "test"},
        },
        "mixture": plan.sources,
        "contamination": _contamination(store, plan, material, data),
    }


def _leaks(store: Store, plan: Plan, split: Split) -> list[dict[str, Any]]:
    return [
        {
            "id": store.text(leak.row, "id"),
            "of": store.text(leak.of, "id"),
            "by": leak.by,
            "likeness": round(leak.likeness, 4),
        }
        for leak in plan.sides[split].leaks
    ]


def _contamination(
    store: Store, plan: Plan, material: Material, data: Data
) -> dict[str, Any] | None:
    """Training rows that hold evaluation items, with both texts; of private rows without."""
    section = data.decontaminate
    if section is None:
        return None
    hits = {
        int(row): json.loads(str(store.text(int(row), "hits")))
        for row in plan.sides["train"].contaminated
    }
    wanted = {hit["name"] for found in hits.values() for hit in found}
    items = dict(_items(material, wanted)) if not data.private else {}
    return {
        "against": {name: part.file.file for name, part in material.evaluation.items()},
        "ngram": section.ngram,
        "share": section.share,
        "action": section.action,
        "rows": [
            _row(store, row, found, items, section.ngram, with_texts=not data.private)
            for row, found in hits.items()
        ],
    }


def _items(material: Material, wanted: set[str]) -> Iterable[tuple[str, Example]]:
    for name, part in material.evaluation.items():
        for example in part:
            if (item := f"{name}: {example.id}") in wanted:
                yield item, example


def _row(
    store: Store,
    row: int,
    hits: list[dict[str, Any]],
    items: dict[str, Example],
    ngram: int,
    *,
    with_texts: bool,
) -> dict[str, Any]:
    found: dict[str, Any] = {"id": store.text(row, "id"), "items": hits}
    if with_texts:
        text = compared_text(store.example(row))
        found["text"] = text
        found["items"] = [
            hit
            | {
                "text": items[hit["name"]].own_text,
                "shared": shared_text(text, items[hit["name"]].own_text, ngram),
            }
            for hit in hits
        ]
    return found
