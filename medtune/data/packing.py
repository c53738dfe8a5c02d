"""Best-fit packing: which documents share a row of bounded length."""

from bisect import bisect_left, insort
from collections.abc import Sequence


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put documents into packs of at most ``capacity`` tokens, few of them.

    Longest first, each into the fullest pack that still has room for it (best-fit decreasing:
    never more than 11/9 of the optimum and one, Johnson 1973). Equal lengths keep their order, so
    the result is a function of its arguments. Memory is that of the lengths given: a caller packs
    the documents of one step, never a whole corpus.

    Returns:
        The numbers of the documents of each pack.

    Raises:
        ValueError: A document is longer than a pack.
    """
    packs: list[list[int]] = []
    room: list[tuple[int, int]] = []
    """(tokens left, number of the pack), sorted."""
    for document in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        length = lengths[document]
        if length > capacity:
            raise ValueError(f"document {document} has {length} tokens, a pack {capacity}")
        place = bisect_left(room, (length, -1))
        if place == len(room):
            left, pack = capacity, len(packs)
            packs.append([])
        else:
            left, pack = room.pop(place)
        packs[pack].append(document)
        insort(room, (left - length, pack))
    return packs
