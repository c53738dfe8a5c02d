"""The blocks that datatrove runs: a task of a stage works on one unit, by its rank.

    read         ReadUnit, Screen ..., KeepUnit        raw files -> documents and signatures
    identity     FindSuperseded                        ids -> rows that are replaced or withdrawn
    candidates   PairRows                              signatures -> pairs that share a key
    shards       LoadUnit, DropDuplicates, WriteShards documents -> tokens (in ``shards``)

Records flow through the blocks of a task one by one. A block that does not keep a document hands on
a ``Drop`` in its place, and the last block counts it. What a task writes appears at once or not at
all, so a task that was killed is run again and gives the same bytes.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from datatrove.pipeline.base import PipelineStep

from medtune.corpus.candidates import KINDS, write_candidates
from medtune.corpus.clusters import write_stand_ins
from medtune.corpus.counts import EXAMPLE_CHARS, UnitCounts, write_counts
from medtune.corpus.document import Deletion, Document, Drop, Record
from medtune.corpus.filters import ContaminationFilter, Fault, LicenceFilter, SampleFilter
from medtune.corpus.layout import Layout
from medtune.corpus.signatures import SignatureWriter
from medtune.corpus.sources import READERS
from medtune.corpus.store import document_row, drop_row, read_documents, write_lines
from medtune.corpus.superseded import write_superseded
from medtune.corpus.units import Unit, read_plan
from medtune.corpus.verdicts import Judge
from medtune.digests import sha256_file
from medtune.recipe.corpus import CorpusRecipe, Decontamination

Records = Iterable[Record]
Screener = Callable[[Document], Fault | None]


class Block(PipelineStep):  # type: ignore[misc]
    """A step of a task; ``self._unit(rank)`` is what the task works on."""

    type = "medtune"

    def __init__(self, layout: Layout, recipe: CorpusRecipe) -> None:
        super().__init__()
        self._layout = layout
        self._recipe = recipe

    def _unit(self, rank: int) -> Unit:
        return read_plan(self._layout.work)[rank]


class ReadUnit(Block):
    """Reads the raw files of a unit."""

    name = "read"

    def run(self, data: object, rank: int = 0, world_size: int = 1) -> Iterator[Record]:
        """Yield what the source's reader makes of them."""
        unit = self._unit(rank)
        source = next(one for one in self._recipe.sources if one.name == unit.source)
        reader = READERS[source.format]
        for file in unit.files:
            yield from reader.read(Path(file.path), source, self._recipe.cleaning)


class Screen(Block):
    """Turns documents with a fault into drops."""

    name = "screen"

    def __init__(
        self, layout: Layout, recipe: CorpusRecipe, make: Callable[[CorpusRecipe], Screener]
    ) -> None:
        super().__init__(layout, recipe)
        # Made where it is used: an index of evaluation items is too large to be sent to each task.
        self._make = make

    def run(self, data: Records, rank: int = 0, world_size: int = 1) -> Iterator[Record]:
        """Yield documents without fault as they are."""
        screener = self._make(self._recipe)
        for record in data:
            fault = screener(record) if isinstance(record, Document) else None
            yield record if fault is None else _dropped(record, fault)


def _dropped(record: Record, fault: Fault) -> Drop:
    assert isinstance(record, Document)
    return Drop(
        record.id, record.source, fault.reason, fault.detail, record.text, revision=record.revision
    )


def make_sample_filter(recipe: CorpusRecipe) -> Screener:
    """The filter of ``sources.sample``."""
    return SampleFilter(recipe)


def make_licence_filter(recipe: CorpusRecipe) -> Screener:
    """The filter of ``licences``."""
    assert recipe.licences is not None
    return LicenceFilter(recipe.licences.allow)


def make_contamination_filter(recipe: CorpusRecipe) -> Screener:
    """The filter of ``decontamination``; made once in a process."""
    assert recipe.decontamination is not None
    return _contamination_filter(recipe.decontamination.model_dump_json())


@cache
def _contamination_filter(section: str) -> Screener:
    return ContaminationFilter(Decontamination.model_validate_json(section))


class KeepUnit(Block):
    """Writes a unit's documents, signatures and drops for the stages behind."""

    name = "keep"

    def run(self, data: Records, rank: int = 0, world_size: int = 1) -> Iterator[Record]:
        """Write everything; nothing is handed on."""
        unit, layout = self._unit(rank), self._layout
        counts = UnitCounts(unit.number, unit.part, unit.source, raw_bytes=unit.num_bytes)
        signatures = SignatureWriter()
        chars = None if self._recipe.keep_dropped else EXAMPLE_CHARS
        with (
            write_lines(layout.documents_of(unit)) as documents,
            write_lines(layout.drops_of(unit)) as drops,
        ):
            for record in data:
                if isinstance(record, Deletion):
                    counts.deletions += 1
                    signatures.delete(record)
                    continue
                counts.read += 1
                if isinstance(record, Drop):
                    counts.drop(record)
                    signatures.forget(record)
                    drops.add(drop_row(record, chars))
                else:
                    signatures.add(record)
                    documents.add(document_row(record))
        signatures.write(layout.signatures / f"{unit.number:05d}")
        counts.raw = {
            file.name: sha256_file(Path(file.path))
            for file in unit.files
            if Path(file.path).is_file()
        }
        write_counts(layout.read_counts_of(unit), counts)
        yield from ()


class FindSuperseded(Block):
    """Finds what later revisions and withdrawals make void."""

    name = "superseded"

    def run(self, data: object, rank: int = 0, world_size: int = 1) -> Iterator[Record]:
        """Write the rows; nothing is handed on."""
        units = read_plan(self._layout.work)
        write_superseded(self._layout.signatures, len(units), self._layout.superseded)
        yield from ()


class PairRows(Block):
    """Pairs rows that share one kind of key."""

    name = "pair"

    def run(self, data: object, rank: int = 0, world_size: int = 1) -> Iterator[Record]:
        """Write the pairs; nothing is handed on."""
        write_candidates(
            KINDS[rank],
            self._layout.signatures,
            len(read_plan(self._layout.work)),
            self._layout.superseded,
            self._layout.work / "candidates" / KINDS[rank],
        )
        yield from ()


class LoadUnit(Block):
    """Reads a unit's documents back."""

    name = "load"

    def run(self, data: object, rank: int = 0, world_size: int = 1) -> Iterator[Record]:
        """Yield them in their order."""
        return read_documents(self._layout.documents_of(self._unit(rank)))


class DropDuplicates(Block):
    """Turns documents that another one stands for into drops."""

    name = "duplicates"

    def run(self, data: Records, rank: int = 0, world_size: int = 1) -> Iterator[Record]:
        """Yield the others as they are."""
        units = read_plan(self._layout.work)
        judge = Judge(self._layout.work, units, self._recipe.deduplication)
        verdicts = judge.judge(rank)
        write_stand_ins(self._layout.stand_ins_of(units[rank]), rank, verdicts, judge)
        for number, record in enumerate(data):
            verdict = verdicts.get(number)
            if verdict is None:
                yield record
                continue
            keeper = judge.name_of(verdict.keeper)
            alike = f", similarity {verdict.similarity:.2f}" if verdict.similarity < 1 else ""
            yield _dropped(record, Fault(verdict.reason, f"{keeper}{alike}"))
