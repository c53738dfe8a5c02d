"""Items whose text stands in rows that an adapter was trained on."""

from collections.abc import Iterable, Mapping

from medtune.overlap import NgramIndex
from medtune.records import Example

NGRAM = 8
SHARE = 0.4
"""As in ``data.decontaminate``, where it was tried on a real case (tests/bench/RESULTS.md)."""


def contaminated(
    sets: Mapping[str, Mapping[str, str]], training: Iterable[Example]
) -> tuple[dict[str, frozenset[str]], int]:
    """For each set the ids of items of which training rows hold text; and the number of rows.

    An item is hit when SHARE of its runs of NGRAM words stand in one row (what is asked there and
    what is answered), or SHARE of a row's runs in the item. Text in other words is not found. The
    training rows are gone through once.

    Args:
        sets: Name of a set -> id of an item -> its text.
        training: What the adapter was trained on.
    """
    index = NgramIndex(NGRAM)
    owners: dict[str, tuple[str, str]] = {}
    for name, items in sets.items():
        for item_id, text in items.items():
            key = str(len(owners))
            owners[key] = (name, item_id)
            index.add(key, text)
    found: dict[str, set[str]] = {name: set() for name in sets}
    num_rows = 0
    for row in training:
        num_rows += 1
        text = "\n".join((row.own_text, *(m.content for m in row.messages if m.supervised)))
        for hit in index.hits(text, SHARE):
            name, item_id = owners[hit.name]
            found[name].add(item_id)
    return {name: frozenset(hits) for name, hits in found.items()}, num_rows
