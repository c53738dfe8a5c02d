"""What is counted of a unit: what was read, what went and why, what is in its shards."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medtune.corpus.document import Document, Drop
from medtune.digests import write_json

EXAMPLES = 3
"""Of each reason, for people to look at."""
EXAMPLE_CHARS = 300


def add_up(counts: dict[str, int], more: Mapping[str, int]) -> None:
    """Add counts to counts by name."""
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count


@dataclass(slots=True)
class SplitCounts:
    """One side of the split."""

    documents: int = 0
    """Different ones."""
    sequences: int = 0
    """With the copies of upsampling."""
    tokens: int = 0
    """Of all sequences, borders included."""
    lengths: dict[str, int] = field(default_factory=dict)
    """Bits of a document's number of tokens -> documents: 9 stands for 256 to 511."""

    def add(self, tokens: int, copies: int) -> None:
        """Count one document."""
        self.documents += 1
        self.sequences += copies
        self.tokens += copies * tokens
        add_up(self.lengths, {str(tokens.bit_length()): 1})


@dataclass(slots=True)
class UnitCounts:
    """All that is counted of a unit."""

    unit: int
    part: str
    source: str
    raw: dict[str, str] = field(default_factory=dict)
    """Name of each raw file -> sha256."""
    raw_bytes: int = 0
    read: int = 0
    """Documents that the reader gave, kept or not."""
    deletions: int = 0
    licences: dict[str, int] = field(default_factory=dict)
    """Of documents that are kept."""
    dropped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """Reason -> the first few documents that went for it."""
    splits: dict[str, SplitCounts] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Name of each file in the corpus -> sha256."""

    def drop(self, drop: Drop) -> None:
        """Count a document that goes."""
        add_up(self.dropped, {drop.reason: 1})
        shown = self.examples.setdefault(drop.reason, [])
        if len(shown) < EXAMPLES:
            text = drop.text[:EXAMPLE_CHARS]
            shown.append({"id": drop.id, "detail": drop.detail, "text": text})

    def keep(self, document: Document, split: str, tokens: int, copies: int) -> None:
        """Count a document that is in a shard."""
        add_up(self.licences, {document.licence: 1})
        self.splits.setdefault(split, SplitCounts()).add(tokens, copies)


def write_counts(path: Path, counts: UnitCounts) -> None:
    """Write them."""
    write_json(path, asdict(counts))


def read_counts(path: Path) -> UnitCounts:
    """Read what :func:`write_counts` wrote."""
    row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    splits = {name: SplitCounts(**one) for name, one in row.pop("splits").items()}
    return UnitCounts(**row, splits=splits)
