"""The order in which training reads a corpus: parts in shares by tokens, phase after phase.

Each part is an endless stream of its documents, in an order drawn anew for each pass. A document of
part p that ends at token c of its stream has the time c / weight(p); a phase reads documents by
time, so that at any moment the parts have given tokens in the ratio of their weights, to within a
document each. The state at any token is therefore found by searching sorted arrays: reading can go
on at any token, without going through what was read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medtune.corpus.units import ORDER
from medtune.errors import DataError
from medtune.recipe.corpus import Mixture, Part, Phase

PARTS: tuple[Part, ...] = ORDER
"""Of documents with one time the one of the earlier part is read first."""


class Place(NamedTuple):
    """A document of a corpus, and how often its part was gone through before."""

    part: Part
    epoch: int
    document: int
    """Number of the sequence in its part."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a phase reads: from one state of the streams to another."""

    name: str
    weights: Mapping[Part, float]
    first: Mapping[Part, int]
    """Documents of each stream that earlier phases read."""
    last: Mapping[Part, int]
    """Documents of each stream that are read when the phase ends."""
    tokens: int
    """It ends with a document: at its length in the recipe, or up to a document later."""


class Stream:
    """One part's documents, pass after pass, in orders drawn from a seed.

    Args:
        part: Which part; its orders differ from those of the others.
        lengths: Tokens of each document.
        seed: Of the recipe.
    """

    def __init__(self, part: Part, lengths: NDArray[np.int64], seed: int) -> None:
        self.part = part
        self.size = len(lengths)
        self.tokens = int(lengths.sum())
        self._lengths = lengths
        self._seed = seed
        self._pass = lru_cache(maxsize=2)(self._drawn)

    def _drawn(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Order of one pass, and where its documents end in the pass."""
        message = f"{self._seed}\n{self.part}\n{epoch}".encode()
        seed = int.from_bytes(blake2b(message, digest_size=8).digest(), "big")
        order = np.random.Generator(np.random.PCG64(seed)).permutation(self.size)
        return order, np.cumsum(self._lengths[order])

    def place(self, number: int) -> Place:
        """The document that is read as the ``number``-th."""
        epoch, at = divmod(number, self.size)
        return Place(self.part, epoch, int(self._pass(epoch)[0][at]))

    def end(self, number: int) -> int:
        """Tokens of the stream up to and with the ``number``-th document."""
        epoch, at = divmod(number, self.size)
        return epoch * self.tokens + int(self._pass(epoch)[1][at])

    def start(self, number: int) -> int:
        """Tokens of the stream before the ``number``-th document."""
        return self.end(number - 1) if number else 0

    def ended_by(self, tokens: float) -> int:
        """Documents that have ended when ``tokens`` tokens of the stream are read."""
        epoch = max(int(tokens // self.tokens), 0)
        rest = tokens - epoch * self.tokens
        return epoch * self.size + int(np.searchsorted(self._pass(epoch)[1], rest, side="right"))


class Reading:
    """The tokens of a corpus in the order of its mixture.

    Args:
        streams: Part -> its documents.
        mixture: The recipe's.

    Raises:
        DataError: A phase wants tokens of a part that has none.
    """

    def __init__(self, streams: Mapping[Part, Stream], mixture: Mixture) -> None:
        self._streams = streams
        self.stretches: tuple[Stretch, ...] = tuple(self._plan(mixture))

    @property
    def num_tokens(self) -> int:
        """Of all phases."""
        return sum(stretch.tokens for stretch in self.stretches)

    def places(self, token: int = 0) -> Iterator[tuple[Place, int]]:
        """Documents from a token on, and how many tokens of the first one are behind already.

        Args:
            token: Of all phases, counted from 0.
        """
        for stretch in self.stretches:
            if token >= stretch.tokens:
                token -= stretch.tokens
                continue
            read, skipped = self._state(stretch, token)
            for part in self._merged(stretch, read):
                yield self._streams[part].place(read[part]), skipped
                read[part] += 1
                skipped = 0
            token = 0

    def shares(self, stretch: Stretch) -> dict[str, dict[str, float]]:
        """Of each part that a phase reads: documents, tokens, share, and passes over the part."""
        found: dict[str, dict[str, float]] = {}
        for part in self._parts(stretch):
            stream = self._streams[part]
            first, last = stretch.first[part], stretch.last[part]
            tokens = stream.start(last) - stream.start(first)
            found[part] = {
                "documents": last - first,
                "tokens": tokens,
                "share": tokens / stretch.tokens,
                "passes": tokens / stream.tokens,
            }
        return found

    def _merged(self, stretch: Stretch, read: Mapping[Part, int]) -> Iterator[Part]:
        """Parts in the order in which their documents are read, until the phase ends."""
        at = dict(read)
        times = {part: self._time(stretch, part, at[part]) for part in self._parts(stretch)}
        while waiting := [part for part in times if at[part] < stretch.last[part]]:
            part = min(waiting, key=lambda one: (times[one], PARTS.index(one)))
            yield part
            at[part] += 1
            times[part] = self._time(stretch, part, at[part])

    def _plan(self, mixture: Mixture) -> Iterator[Stretch]:
        read: dict[Part, int] = dict.fromkeys(PARTS, 0)
        for phase in mixture.phases:
            weights = self._weights(phase)
            open_end = Stretch(phase.name, weights, dict(read), dict(read), 0)
            tokens = phase.tokens or self._left(weights, read)
            last = self._counts_at(open_end, self._time_of(open_end, tokens))
            # Up to the document in which the phase's last token lies.
            while self._tokens_of(open_end, last) < tokens:
                last[self._next(open_end, last)] += 1
            total = self._tokens_of(open_end, last)
            yield Stretch(phase.name, weights, dict(read), dict(last), total)
            read = last

    def _weights(self, phase: Phase) -> dict[Part, float]:
        if phase.weights is not None:
            weights: dict[Part, float] = {p: getattr(phase.weights, p) for p in PARTS}
        else:
            replay = phase.replay or 0.0
            medical = {part: self._size(part) for part in PARTS if part != "replay"}
            total = sum(medical.values()) or 1
            weights = {part: (1 - replay) * size / total for part, size in medical.items()}
            weights["replay"] = replay
        for part, weight in weights.items():
            if weight and not self._size(part):
                raise DataError(
                    f"mixture, phase {phase.name}: a share of {weight:g} is to come from {part}, "
                    "of which the corpus has no training documents"
                )
        if not any(weights.values()):
            raise DataError(f"mixture, phase {phase.name}: the corpus has no training documents")
        return weights

    def _size(self, part: Part) -> int:
        return self._streams[part].tokens if part in self._streams else 0

    def _left(self, weights: Mapping[Part, float], read: Mapping[Part, int]) -> int:
        """Length of a phase that reads each medical document once that was not read yet."""
        medical = [part for part in PARTS if part != "replay" and self._size(part)]
        left = sum(max(0, self._size(p) - self._streams[p].start(read[p])) for p in medical)
        return int(left / (1 - weights["replay"]))

    def _parts(self, stretch: Stretch) -> list[Part]:
        return [part for part in PARTS if stretch.weights.get(part)]

    def _time(self, stretch: Stretch, part: Part, number: int) -> float:
        stream = self._streams[part]
        behind = stream.start(stretch.first[part])
        return (stream.end(number) - behind) / stretch.weights[part]

    def _counts_at(self, stretch: Stretch, time: float) -> dict[Part, int]:
        """Documents of each stream that have ended at a time of the phase."""
        counts: dict[Part, int] = dict(stretch.first)
        for part in self._parts(stretch):
            stream, first = self._streams[part], stretch.first[part]
            count = max(stream.ended_by(stream.start(first) + time * stretch.weights[part]), first)
            # The search rounds otherwise than the times by which documents are read.
            while count > first and self._time(stretch, part, count - 1) > time:
                count -= 1
            while self._time(stretch, part, count) <= time:
                count += 1
            counts[part] = count
        return counts

    def _tokens_of(self, stretch: Stretch, counts: Mapping[Part, int]) -> int:
        """Tokens of the phase when so many documents of each stream are read."""
        return sum(
            self._streams[part].start(counts[part]) - self._streams[part].start(stretch.first[part])
            for part in self._parts(stretch)
        )

    def _time_of(self, stretch: Stretch, token: int) -> float:
        """A time shortly before which the documents that ended held at most ``token`` tokens."""
        low, high = 0.0, 2.0 * token + 1.0
        while high - low > 1e-6 * max(high, 1.0):
            middle = (low + high) / 2
            if self._tokens_of(stretch, self._counts_at(stretch, middle)) <= token:
                low = middle
            else:
                high = middle
        return low

    def _next(self, stretch: Stretch, counts: Mapping[Part, int]) -> Part:
        return min(
            self._parts(stretch),
            key=lambda part: (self._time(stretch, part, counts[part]), PARTS.index(part)),
        )

    def _state(self, stretch: Stretch, token: int) -> tuple[dict[Part, int], int]:
        """Documents of each stream behind a token of a phase, and tokens of the next one."""
        counts = self._counts_at(stretch, self._time_of(stretch, token))
        behind = self._tokens_of(stretch, counts)
        while True:
            part = self._next(stretch, counts)
            length = self._streams[part].end(counts[part]) - self._streams[part].start(counts[part])
            if behind + length > token:
                return counts, token - behind
            counts[part] += 1
            behind += length
