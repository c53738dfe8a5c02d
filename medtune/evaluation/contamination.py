"""Items whose text stands in what an adapter was trained on, and scores without them."""

from collections.abc import Iterable, Mapping, Sequence

from medtune.evaluation.summaries import measure
from medtune.overlap import NgramIndex
from medtune.records import ArmScore, Contamination, Example

NGRAM = 8
SHARE = 0.4
"""As in ``data.decontaminate``, where it was tried on a real case (tests/bench/RESULTS.md)."""


def contaminated_items(
    sets: Mapping[str, Sequence[Example]], training: Iterable[Example]
) -> tuple[dict[str, frozenset[str]], int]:
    """For each set the ids of items of which training rows hold text; and the number of rows.

    An item is hit when SHARE of its runs of NGRAM words stand in one row (what is asked there and
    what is answered), or SHARE of a row's runs in the item. Text in other words is not found. The
    training rows are gone through once.
    """
    index = NgramIndex(NGRAM)
    owners: dict[str, tuple[str, str]] = {}
    for name, items in sets.items():
        for item in items:
            key = str(len(owners))
            owners[key] = (name, item.id)
            index.add(key, item.own_text)
    found: dict[str, set[str]] = {name: set() for name in sets}
    num_rows = 0
    for row in training:
        num_rows += 1
        text = "\n".join((row.own_text, *(m.content for m in row.messages if m.supervised)))
        for hit in index.hits(text, SHARE):
            name, item_id = owners[hit.name]
            found[name].add(item_id)
    return {name: frozenset(hits) for name, hits in found.items()}, num_rows


def without_hits(
    arms: Sequence[ArmScore], hits: frozenset[str], training_rows: int
) -> Contamination:
    """Each arm's score on the items that no training row holds."""
    clean = [[item for item in arm.items if item.id not in hits] for arm in arms]
    return Contamination(
        training_rows=training_rows,
        ngram=NGRAM,
        share=SHARE,
        hits=tuple(sorted(hits)),
        without=tuple(
            measure(arm.label, arm.metric, items)
            for arm, items in zip(arms, clean, strict=True)
            if items
        ),
    )
