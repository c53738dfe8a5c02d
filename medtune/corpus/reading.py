"""A finished corpus, read back: documents by number, and tokens in the order of the mixture."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medtune.corpus.drawing import Split
from medtune.corpus.layout import MANIFEST, Layout
from medtune.corpus.megatron import Shard, Tokens
from medtune.corpus.mixture import PARTS, Reading, Stream
from medtune.errors import DataError
from medtune.recipe.corpus import Mixture, Part


class Sequences:
    """The sequences of several shards, one after another."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = shards
        self._starts = np.cumsum([0, *map(len, shards)])
        self.lengths = np.concatenate(
            [np.empty(0, dtype=np.int64), *(shard.lengths for shard in shards)]
        )
        """Tokens of each sequence."""

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, number: int) -> Tokens:
        """Tokens of a sequence, borders included."""
        shard = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._shards[shard][number - int(self._starts[shard])]


class Corpus:
    """A corpus that :func:`medtune.corpus.building.build_corpus` built.

    Args:
        folder: Its folder.

    Raises:
        DataError: There is no finished corpus in the folder.
        VerificationError: A shard is not whole.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = Layout(folder)
        manifest = folder / MANIFEST
        if not manifest.is_file():
            raise DataError(f"{folder} is no finished corpus: it has no {MANIFEST}")
        written = json.loads(manifest.read_text(encoding="utf-8"))
        self._seed: int = written["recipe"]["seed"]
        self._mixture = Mixture.model_validate(written["recipe"]["mixture"])
        self._train = {part: self.sequences(part, "train") for part in PARTS}
        self.reading = self._reading()
        """The order in which training reads it."""

    def sequences(self, part: Part, split: Split) -> Sequences:
        """The documents of one part and side of the split, those of each shard in its order."""
        found = sorted(self._layout.shards.glob(f"{part}-*.{split}.idx"))
        return Sequences([Shard(path.with_suffix("")) for path in found])

    def _reading(self) -> Reading:
        streams = {
            part: Stream(part, sequences.lengths, self._seed)
            for part, sequences in self._train.items()
            if len(sequences)
        }
        return Reading(streams, self._mixture)

    def tokens(self, first: int, count: int) -> Tokens:
        """Tokens of the mixture from ``first`` on, all phases one after another.

        Reading can begin anywhere: the tokens are the same as if all before had been read.

        Returns:
            An array of shape (count,), shorter where the last phase ends before.
        """
        pieces: list[Tokens] = []
        missing = count
        for place, skipped in self.reading.places(first):
            piece = self._train[place.part][place.document][skipped : skipped + missing]
            pieces.append(piece)
            missing -= len(piece)
            if not missing:
                break
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.uint16)
