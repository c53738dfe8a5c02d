"""Prepared rows on disk: Arrow files of bounded size, written whole or not at all, memory-mapped.

    <folder>/rows-000000.arrow ...  SHARD_ROWS rows each, in the order in which they were read
    <folder>/manifest.json          written last: the folder is complete

The files are Arrow streams as ``datasets`` writes them: ``datasets.Dataset.from_file`` opens one.
A row is stored with all that was found out about it alone; what follows from other rows (its side
of the split, leaks, duplicates) is worked out anew from a few numbers per row when it is needed.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medtune.data.encoding import Encoded, Tokens
from medtune.digests import atomic_writer
from medtune.overlap import NUM_BANDS
from medtune.records import Example, Message

SHARD_ROWS = 4096
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("where", pa.string()),
        ("group", pa.string()),
        ("part", pa.int16()),  # place in the list of what was read: a split, a source
        ("example", pa.string()),  # the rest of the example, as JSON
        ("input_ids", pa.list_(pa.int32())),
        ("answers", pa.list_(pa.int32())),  # first position and the one behind, in turn
        ("fit", pa.int8()),  # KEPT, TRUNCATED or DROPPED for its length
        ("length", pa.int32()),  # tokens, after a cut
        ("supervised", pa.int32()),  # tokens of them that the loss is taken on
        ("id_key", pa.uint64()),
        ("group_key", pa.uint64()),
        ("share", pa.float64()),  # where the group stands between the sides
        ("bands", pa.binary(4 * NUM_BANDS)),  # MinHash of the prompt
        ("hits", pa.string()),  # evaluation items that share text, as JSON; null: none
    ]
)
KEPT, TRUNCATED, DROPPED = 0, 1, 2
_TEXTS = ("options", "choices", "true_texts", "false_texts")
"""Fields of an example that are tuples of texts."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """One row, as a worker hands it to the store."""

    part: int
    example: Example
    tokens: Tokens
    fit: int
    id_key: int
    group_key: int
    share: float
    bands: bytes
    hits: str | None


def write_shard(path: Path, rows: Sequence[StoredRow]) -> None:
    """Write rows to a file that appears when it is whole."""
    columns = {
        "id": [row.example.id for row in rows],
        "where": [row.example.where for row in rows],
        "group": [row.example.group for row in rows],
        "part": [row.part for row in rows],
        "example": [_example_json(row.example) for row in rows],
        "input_ids": [row.tokens.ids for row in rows],
        "answers": [[place for answer in row.tokens.answers for place in answer] for row in rows],
        "fit": [row.fit for row in rows],
        "length": [len(row.tokens.ids) for row in rows],
        "supervised": [sum(end - start for start, end in row.tokens.answers) for row in rows],
        "id_key": np.array([row.id_key for row in rows], dtype=np.uint64),
        "group_key": np.array([row.group_key for row in rows], dtype=np.uint64),
        "share": [row.share for row in rows],
        "bands": [row.bands for row in rows],
        "hits": [row.hits for row in rows],
    }
    batch = pa.record_batch(columns, schema=SCHEMA)
    with atomic_writer(path) as file, pa.ipc.new_stream(file, SCHEMA) as writer:
        writer.write_batch(batch)


def shard_path(folder: Path, number: int) -> Path:
    """Where the rows of one shard lie."""
    return folder / f"rows-{number:06d}.arrow"


class Store:
    """All rows of a folder, read from the disk as they are needed."""

    def __init__(self, folder: Path) -> None:
        # Memory-mapped: a row takes memory only while it is looked at.
        self._shards = [
            pa.ipc.open_stream(pa.memory_map(str(path))).read_next_batch()
            for path in sorted(folder.glob("rows-*.arrow"))
        ]

    def __len__(self) -> int:
        return sum(shard.num_rows for shard in self._shards)

    def numbers(self, name: str) -> NDArray[Any]:
        """A column of numbers, in memory."""
        parts = [shard.column(name).to_numpy(zero_copy_only=False) for shard in self._shards]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def bands(self) -> NDArray[np.uint32]:
        """MinHash bands of all rows, (rows, NUM_BANDS), in memory."""
        parts = [shard.column("bands").to_pylist() for shard in self._shards]
        joined = b"".join(value for part in parts for value in part)
        return np.frombuffer(joined, dtype=np.uint32).reshape(len(self), NUM_BANDS)

    def example(self, row: int) -> Example:
        """One row's example."""
        shard, place = self._place(row)
        identifier, where, group = (
            shard.column(name)[place].as_py() for name in ("id", "where", "group")
        )
        values = json.loads(shard.column("example")[place].as_py())
        values |= {name: tuple(values[name]) for name in _TEXTS}
        return Example(
            id=identifier,
            where=where,
            group=group,
            messages=tuple(
                Message(role=role, content=content, supervised=supervised)
                for role, content, supervised in values.pop("messages")
            ),
            **values,
        )

    def encoded(self, row: int) -> Encoded:
        """One row as the model sees it."""
        shard, place = self._place(row)
        ids = shard.column("input_ids")[place].values.to_pylist()
        flat = shard.column("answers")[place].values.to_pylist()
        answers = list(zip(flat[::2], flat[1::2], strict=True))
        return Tokens(ids, answers).encoded(shard.column("id")[place].as_py())

    def text(self, row: int, name: str) -> str | None:
        """One cell of a column of texts."""
        shard, place = self._place(row)
        value: str | None = shard.column(name)[place].as_py()
        return value

    def _place(self, row: int) -> tuple[pa.RecordBatch, int]:
        # All shards but the last have the same number of rows.
        number, place = divmod(row, SHARD_ROWS)
        return self._shards[number], place


class Joined(Sequence[T], Generic[T]):
    """Two sequences, one behind the other."""

    def __init__(self, first: Sequence[T], then: Sequence[T]) -> None:
        self._first, self._then = first, then

    def __len__(self) -> int:
        return len(self._first) + len(self._then)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            numbers = range(len(self))[place]
            if numbers.step != 1:
                return [self[number] for number in numbers]
            start, stop = (max(0, end - len(self._first)) for end in (numbers.start, numbers.stop))
            return Joined(self._first[numbers.start : numbers.stop], self._then[start:stop])
        place = range(len(self))[place]
        if place < len(self._first):
            return self._first[place]
        return self._then[place - len(self._first)]


class Stored(Sequence[T], Generic[T]):
    """Some rows of a store as a sequence: each is read when it is asked for."""

    def __init__(self, read: Callable[[int], T], rows: NDArray[np.int64]) -> None:
        self._read = read
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> "Stored[T]": ...
    def __getitem__(self, place: int | slice) -> "T | Stored[T]":
        if isinstance(place, slice):
            return Stored(self._read, self._rows[place])
        return self._read(int(self._rows[place]))


def token_ids(encoded: Sequence[Encoded]) -> Sequence[Sequence[int]]:
    """The token ids of examples, each read when it is asked for."""
    return Stored(lambda place: encoded[place].input_ids, np.arange(len(encoded)))


def _example_json(example: Example) -> str:
    values = {
        "messages": [[m.role, m.content, m.supervised] for m in example.messages],
        **{name: getattr(example, name) for name in _TEXTS},
        "answer": example.answer,
        "text": example.text,
        "question": example.question,
        "subject": example.subject,
        "source": example.source,
        "licence": example.licence,
        "is_grouped": example.is_grouped,
    }
    return json.dumps(values, ensure_ascii=False)
