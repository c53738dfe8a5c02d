"""What a whole corpus holds: the counts of all units put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medtune.corpus.clusters import find_clusters
from medtune.corpus.counts import EXAMPLES, SplitCounts, UnitCounts, add_up, read_counts
from medtune.corpus.layout import Layout
from medtune.corpus.units import Unit
from medtune.corpus.verdicts import Judge
from medtune.digests import sha256_named
from medtune.errors import DataError
from medtune.recipe.corpus import CorpusRecipe


@dataclass(slots=True)
class Group:
    """Counts of one part, or of one source."""

    read: int = 0
    raw_bytes: int = 0
    deletions: int = 0
    splits: dict[str, SplitCounts] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)

    def add(self, counts: UnitCounts) -> None:
        """Add a unit's."""
        self.read += counts.read
        self.raw_bytes += counts.raw_bytes
        self.deletions += counts.deletions
        add_up(self.dropped, counts.dropped)
        add_up(self.licences, counts.licences)
        for split, more in counts.splits.items():
            mine = self.splits.setdefault(split, SplitCounts())
            mine.documents += more.documents
            mine.sequences += more.sequences
            mine.tokens += more.tokens
            add_up(mine.lengths, more.lengths)


@dataclass(slots=True)
class Summary:
    """Counts of a whole corpus."""

    parts: dict[str, Group] = field(default_factory=dict)
    sources: dict[str, Group] = field(default_factory=dict)
    examples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """Reason -> the first few documents that went for it."""
    cluster_sizes: dict[str, int] = field(default_factory=dict)
    """Documents of a cluster of duplicates -> how many clusters have as many."""
    largest_clusters: dict[str, int] = field(default_factory=dict)
    """Document that stands for others -> documents of its cluster."""
    files: dict[str, str] = field(default_factory=dict)
    """Name of each shard's file -> sha256."""
    raw: dict[str, str] = field(default_factory=dict)
    """Source -> digest of its raw files' names and sha256."""

    def add(self, counts: UnitCounts) -> None:
        """Add a unit's."""
        self.parts.setdefault(counts.part, Group()).add(counts)
        self.sources.setdefault(counts.source, Group()).add(counts)
        for reason, examples in counts.examples.items():
            mine = self.examples.setdefault(reason, [])
            mine += examples[: EXAMPLES - len(mine)]


def summarise(layout: Layout, recipe: CorpusRecipe, units: Sequence[Unit]) -> Summary:
    """Put together what was counted of all units.

    Raises:
        DataError: Nothing is left to train on.
    """
    summary = Summary()
    raw: dict[str, dict[str, str]] = {}
    for unit in units:
        counts = read_counts(layout.counts_of(unit))
        summary.add(counts)
        summary.files |= counts.files
        raw.setdefault(unit.source, {}).update(counts.raw)
    summary.raw = {source: sha256_named(files) for source, files in sorted(raw.items())}
    judge = Judge(layout.work, tuple(units), recipe.deduplication)
    found = find_clusters((layout.stand_ins_of(unit) for unit in units), judge)
    summary.cluster_sizes, summary.largest_clusters = found.sizes, found.largest
    if not any("train" in group.splits for group in summary.parts.values()):
        dropped: dict[str, int] = {}
        for group in summary.parts.values():
            add_up(dropped, group.dropped)
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
        raise DataError(f"no document is left to train on; dropped: {told or 'none was read'}")
    return summary


def read_summary(row: Mapping[str, Any]) -> Summary:
    """A summary from the JSON that ``stats.json`` holds."""
    groups = {
        name: {one: _group(counts) for one, counts in row[name].items()}
        for name in ("parts", "sources")
    }
    return Summary(**{**row, **groups})


def _group(row: Mapping[str, Any]) -> Group:
    splits = {split: SplitCounts(**counts) for split, counts in row["splits"].items()}
    return Group(**{**row, "splits": splits})
