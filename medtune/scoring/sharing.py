"""Which sequences are run together, and which of their beginnings are computed once.

    header   what many rows begin with (instructions, examples in the prompt): once for all of them
    stem     what a few rows go on with (a case with its options, a case in several orders of its
             options, a prompt with its continuations): once for those few
    row      the rest, at whose positions tokens are predicted

The plan follows from the rows alone, so that a run that was stopped and one that was not put the
same rows into the same batches and find the same figures to the last bit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

MIN_HEADER_TOKENS = 16
"""Shorter headers are not worth a pass of their own."""
MIN_HEADER_ROWS = 8
"""Fewer rows would make small batches."""
MIN_STEM_TOKENS = 16
"""Shorter stems are not worth a pass of their own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence to run: where it predicts which tokens, and whose they are."""

    ids: tuple[int, ...]
    targets: tuple[tuple[int, int], ...]
    """(position, token that it predicts), by position; none for a prompt that is written on."""
    owner: tuple[int, ...]
    """Tells the row from all others; the last key of every order."""

    @property
    def first(self) -> int:
        """The position from which on the row has to be run by itself."""
        return self.targets[0][0] if self.targets else len(self.ids) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows that are run one after another with what they share."""

    header: tuple[int, ...]
    """Empty where nothing is shared with other batches."""
    stems: tuple[tuple[int, ...], ...]
    """Behind the header; none where each row is run whole."""
    rows: tuple[tuple[int, Row], ...]
    """The number of the row's stem (0 where there is none), and the row with all its ids."""

    def rest(self, stem: int, row: Row) -> tuple[int, ...]:
        """The ids of a row behind header and stem."""
        return row.ids[self.start(stem) :]

    def start(self, stem: int) -> int:
        """Tokens of header and stem."""
        return len(self.header) + (len(self.stems[stem]) if self.stems else 0)

    def value(self) -> list[object]:
        """The same as a JSON value, in which nothing that is run is left out."""
        return [self.header, self.stems, [[stem, row.ids, row.targets] for stem, row in self.rows]]


def plan(
    rows: Sequence[Row], batch_size: int, *, headers: bool = True, stems: bool = True
) -> Iterator[Batch]:
    """Every row in one batch, header by header, long ones first.

    Args:
        rows: What is to be run.
        batch_size: Stems, or rows without one, in a batch.
        headers: Whether headers may be shared.
        stems: Whether stems may be.
    """
    order = sorted(rows, key=lambda row: (row.ids, row.owner))
    shared = [_shared(a, b) for a, b in pairwise(order)]
    for depth, start, end in _groups(shared, 0, len(order)) if headers else ((0, 0, len(order)),):
        bundles = _bundles(order[start:end], shared[start : end - 1], depth, batch_size, stems)
        header = order[start].ids[:depth] if start < end else ()
        yield from _batches(bundles, header, batch_size)


def _shared(left: Row, right: Row) -> int:
    """Tokens that two rows begin with, before either is to predict anything."""
    most = min(left.first, right.first)
    for place, (a, b) in enumerate(zip(left.ids[:most], right.ids[:most], strict=True)):
        if a != b:
            return place
    return most


def _groups(shared: Sequence[int], start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(tokens of the header, first row, row behind the last) of rows in their order.

    Where rows fall apart into few groups that share much more than all of them do, as subjects
    with examples of their own, each group gets its header.
    """
    if end - start < MIN_HEADER_ROWS:
        yield 0, start, end
        return
    common = min(shared[start : end - 1])
    cuts = [p + 1 for p in range(start, end - 1) if shared[p] < common + MIN_HEADER_TOKENS]
    edges = [start, *cuts, end]
    # The rows alone, without a longer header, are the usual case: a cut behind each of them.
    if cuts and len(edges) - 1 <= (end - start) // MIN_HEADER_ROWS:
        for low, high in pairwise(edges):
            yield from _groups(shared, low, high)
    else:
        yield (common if common >= MIN_HEADER_TOKENS else 0), start, end


def _bundles(
    rows: Sequence[Row], shared: Sequence[int], depth: int, batch_size: int, stems: bool
) -> list[tuple[int, list[Row]]]:
    """(tokens of header and stem, rows) for each stem; rows of their own have only the header."""
    bundles: list[tuple[int, list[Row]]] = []
    for number, row in enumerate(rows):
        if stems and bundles and len(bundles[-1][1]) < batch_size:
            length, members = bundles[-1]
            common = shared[number - 1] if len(members) == 1 else min(length, shared[number - 1])
            needed = max(MIN_STEM_TOKENS, (len(row.ids) - depth) / 2)
            if common - depth >= needed:
                bundles[-1] = (common, [*members, row])
                continue
        bundles.append((depth, [row]))
    return bundles


def _batches(
    bundles: Sequence[tuple[int, list[Row]]], header: tuple[int, ...], batch_size: int
) -> Iterator[Batch]:
    alone = [rows[0] for _, rows in bundles if len(rows) == 1]
    alone.sort(key=lambda row: (-len(row.ids), row.owner))
    for start in range(0, len(alone), batch_size):
        members = tuple((0, row) for row in alone[start : start + batch_size])
        yield Batch(header=header, stems=(), rows=members)
    several = [(length, rows) for length, rows in bundles if len(rows) > 1]
    several.sort(key=lambda bundle: (-bundle[0], bundle[1][0].owner))
    for start in range(0, len(several), batch_size):
        taken = several[start : start + batch_size]
        numbered = [(stem, row) for stem, (_, rows) in enumerate(taken) for row in rows]
        numbered.sort(key=lambda pair: (taken[pair[0]][0] - len(pair[1].ids), pair[1].owner))
        yield Batch(
            header=header,
            stems=tuple(rows[0].ids[len(header) : length] for length, rows in taken),
            rows=tuple(numbered),
        )
