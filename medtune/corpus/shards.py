"""The last block: documents become tokens, in two shards of a unit, for training and validation."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import tee

from medtune.corpus.blocks import Block, Records
from medtune.corpus.counts import EXAMPLE_CHARS, UnitCounts, read_counts, write_counts
from medtune.corpus.document import Document, Drop, Record
from medtune.corpus.drawing import copies_of, split_of
from medtune.corpus.layout import Layout
from medtune.corpus.megatron import ShardWriter, Tokens, write_shard
from medtune.corpus.store import LinesWriter, drop_row, provenance_row, read_lines, write_lines
from medtune.corpus.tokens import Encoder
from medtune.corpus.units import Unit
from medtune.digests import sha256_file

BATCH_CHARS = 1 << 21
"""Characters that are tokenised at one time: enough for all cores, and little memory."""
BATCH_DOCUMENTS = 4096


class WriteShards(Block):
    """Tokenises what is kept and writes the shards, their provenance and what was counted."""

    name = "shards"

    def run(self, data: Records, rank: int = 0, world_size: int = 1) -> Iterator[Record]:
        """Write everything; nothing is handed on."""
        unit, layout = self._unit(rank), self._layout
        counts = read_counts(layout.read_counts_of(unit))
        encoder = Encoder(layout.tokenizer)
        with ExitStack() as stack:
            sides = _Sides(layout, unit, encoder, stack)
            drops = stack.enter_context(write_lines(layout.later_drops_of(unit)))
            kept = _kept(data, counts, drops, keep_text=self._recipe.keep_dropped)
            # A batch is used one step after its texts were taken.
            batches, taken = tee(_batches(kept))
            texts = ([document.text for document in batch] for batch in taken)
            for tokens, batch in zip(encoder.encode(texts), batches, strict=True):
                self._write(batch, tokens, sides, counts)
        if self._recipe.keep_dropped:
            self._keep_dropped(unit)
        counts.files = {
            path.name: sha256_file(path) for path in sorted(layout.shards.glob(f"{unit.name}.*"))
        }
        write_counts(layout.counts_of(unit), counts)
        yield from ()

    def _write(
        self, batch: list[Document], tokens: list[Tokens], sides: "_Sides", counts: UnitCounts
    ) -> None:
        recipe = self._recipe
        for document, ids in zip(batch, tokens, strict=True):
            split = split_of(document, recipe.splits, recipe.seed)
            copies = 1
            if split == "train" and recipe.upsampling:
                copies = copies_of(
                    document.id, document.publication_types, recipe.upsampling, recipe.seed
                )
            shard, provenance = sides.of(split)
            for _ in range(copies):
                shard.add(ids)
            provenance.add(provenance_row(document) | {"tokens": len(ids), "copies": copies})
            counts.keep(document, split, len(ids), copies)

    def _keep_dropped(self, unit: Unit) -> None:
        layout = self._layout
        layout.dropped.mkdir(exist_ok=True)
        with write_lines(layout.dropped_of(unit)) as kept:
            for file in (layout.drops_of(unit), layout.later_drops_of(unit)):
                for row in read_lines(file):
                    kept.add(row)


class _Sides:
    """Files of both sides of the split; a side without documents has none."""

    def __init__(self, layout: Layout, unit: Unit, encoder: Encoder, stack: ExitStack) -> None:
        self._prefix = layout.shards / unit.name
        self._dtype = encoder.dtype
        self._stack = stack
        self._open: dict[str, tuple[ShardWriter, LinesWriter]] = {}

    def of(self, split: str) -> tuple[ShardWriter, LinesWriter]:
        """Where tokens go, and where it is told which document they are of."""
        if split not in self._open:
            prefix = self._prefix.with_name(f"{self._prefix.name}.{split}")
            lines = write_lines(prefix.with_name(f"{prefix.name}.jsonl.gz"))
            self._open[split] = (
                self._stack.enter_context(write_shard(prefix, self._dtype)),
                self._stack.enter_context(lines),
            )
        return self._open[split]


def _kept(
    data: Records, counts: UnitCounts, drops: LinesWriter, *, keep_text: bool
) -> Iterator[Document]:
    chars = None if keep_text else EXAMPLE_CHARS
    for record in data:
        if isinstance(record, Drop):
            counts.drop(record)
            drops.add(drop_row(record, chars))
        elif isinstance(record, Document):
            yield record


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in lists of about BATCH_CHARS characters."""
    batch: list[Document] = []
    chars = 0
    for document in documents:
        batch.append(document)
        chars += len(document.text)
        if chars >= BATCH_CHARS or len(batch) == BATCH_DOCUMENTS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch
