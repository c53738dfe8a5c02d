"""Where everything lies in a corpus' folder."""

from pathlib import Path
from typing import NamedTuple

from medtune.corpus.units import Unit

MANIFEST = "manifest.json"
STATISTICS = "stats.json"
MIXTURE = "mixture.json"
PAGE = "corpus.html"
CONDITIONS = "conditions.json"


class Layout(NamedTuple):
    """Paths in a corpus' folder; ``work`` goes when the corpus is finished."""

    folder: Path

    @property
    def work(self) -> Path:
        """What stages hand on to each other, and their logs."""
        return self.folder / "work"

    @property
    def tokenizer(self) -> Path:
        """The base's tokenizer and borders."""
        return self.folder / "tokenizer"

    @property
    def shards(self) -> Path:
        """Tokens, and where each document is from."""
        return self.folder / "shards"

    @property
    def dropped(self) -> Path:
        """Documents that were not kept, where the recipe keeps them."""
        return self.folder / "dropped"

    @property
    def signatures(self) -> Path:
        """A folder for each unit."""
        return self.work / "signatures"

    @property
    def superseded(self) -> Path:
        """Rows that go because of their document's id."""
        return self.work / "superseded.npy"

    def documents_of(self, unit: Unit) -> Path:
        """Documents of a unit that passed all filters."""
        return self.work / "documents" / f"{unit.number:05d}.jsonl.gz"

    def drops_of(self, unit: Unit) -> Path:
        """What its first stage did not keep."""
        return self.work / "drops" / f"{unit.number:05d}.jsonl.gz"

    def later_drops_of(self, unit: Unit) -> Path:
        """What its last stage did not keep."""
        return self.work / "drops" / f"{unit.number:05d}.later.jsonl.gz"

    def read_counts_of(self, unit: Unit) -> Path:
        """What was counted when it was read."""
        return self.work / "drops" / f"{unit.number:05d}.json"

    def stand_ins_of(self, unit: Unit) -> Path:
        """Which of its documents another one stands for."""
        return self.work / "counts" / f"{unit.number:05d}.npy"

    def counts_of(self, unit: Unit) -> Path:
        """What was counted when its shards were written."""
        return self.work / "counts" / f"{unit.number:05d}.json"

    def dropped_of(self, unit: Unit) -> Path:
        """All that a unit did not keep, with its text."""
        return self.dropped / f"{unit.name}.jsonl.gz"

    def make_folders(self) -> None:
        """Make those that tasks write into."""
        inside = ("documents", "drops", "counts", "signatures", "candidates", "logs")
        for folder in (self.shards, *(self.work / name for name in inside)):
            folder.mkdir(parents=True, exist_ok=True)
