"""A stored example is the example: every field of it."""

import dataclasses
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from medtune.data.encoding import Tokens
from medtune.data.store import KEPT, Store, StoredRow, shard_path, write_shard
from medtune.overlap import NUM_BANDS
from medtune.records import Example, Message

# Any character but halves of one, which no file can hold.
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(("system", "user", "assistant")),
    content=TEXT,
    supervised=st.booleans(),
)


def strategy_of(field: dataclasses.Field) -> st.SearchStrategy:
    """Values of a field by its type, so that a field that is new is tried as well."""
    if field.name == "messages":
        return st.lists(MESSAGES, min_size=1, max_size=3).map(tuple)
    return {str: TEXT, bool: st.booleans(), tuple[str, ...]: TEXTS}[field.type]


EXAMPLES = st.builds(
    Example, **{field.name: strategy_of(field) for field in dataclasses.fields(Example)}
)


def stored(example: Example) -> StoredRow:
    return StoredRow(
        part=0,
        example=example,
        tokens=Tokens([1, 2, 3], [(1, 3)]),
        fit=KEPT,
        id_key=1,
        group_key=2,
        share=0.5,
        bands=bytes(4 * NUM_BANDS),
        hits=None,
    )


@given(st.lists(EXAMPLES, min_size=1, max_size=3))
def test_every_field_of_an_example_comes_back_from_the_disk(examples):
    with tempfile.TemporaryDirectory() as folder:
        write_shard(shard_path(Path(folder), 0), [stored(example) for example in examples])
        store = Store(Path(folder))
        assert [store.example(row) for row in range(len(store))] == examples
