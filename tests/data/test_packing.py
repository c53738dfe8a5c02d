"""Packs hold every document once, never too much, and are few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.data import best_fit

LENGTHS = st.lists(st.integers(1, 50), max_size=40)


@given(LENGTHS, st.integers(50, 120))
def test_every_document_is_in_one_pack_and_no_pack_is_too_long(
    lengths: list[int], capacity: int
) -> None:
    packs = best_fit(lengths, capacity)
    assert sorted(document for pack in packs for document in pack) == list(range(len(lengths)))
    assert all(0 < sum(lengths[document] for document in pack) <= capacity for pack in packs)
    assert best_fit(lengths, capacity) == packs


@given(LENGTHS, st.integers(50, 120))
def test_no_two_packs_could_be_one(lengths: list[int], capacity: int) -> None:
    loads = sorted(sum(lengths[d] for d in pack) for pack in best_fit(lengths, capacity))
    assert len(loads) < 2 or loads[0] + loads[1] > capacity


@given(st.lists(st.integers(1, 12), min_size=1, max_size=7), st.integers(12, 20))
def test_the_number_of_packs_is_within_the_proven_bound(lengths: list[int], capacity: int) -> None:
    # Best-fit decreasing: 11/9 of the optimum and less than one more (Johnson 1973).
    assert len(best_fit(lengths, capacity)) <= 11 / 9 * optimum(lengths, capacity) + 1


def optimum(lengths: list[int], capacity: int) -> int:
    """The fewest packs, by trying everything."""
    fewest = len(lengths)

    def place(rest: list[int], loads: list[int]) -> None:
        nonlocal fewest
        if len(loads) >= fewest:
            return
        if not rest:
            fewest = len(loads)
            return
        for number, load in enumerate(loads):
            if load + rest[0] <= capacity:
                place(rest[1:], [*loads[:number], load + rest[0], *loads[number + 1 :]])
        place(rest[1:], [*loads, rest[0]])

    place(lengths, [])
    return fewest


def test_a_document_goes_where_it_leaves_least_room() -> None:
    # 6 and 7 open packs of 10; 3 fits both and goes to the 7; 4 then fits the 6 alone.
    assert best_fit([6, 7, 3, 4], 10) == [[1, 2], [0, 3]]


def test_the_longest_document_of_a_pack_comes_first() -> None:
    lengths = [5, 40, 17, 30, 8, 8]
    for pack in best_fit(lengths, 60):
        found = [lengths[document] for document in pack]
        assert found == sorted(found, reverse=True)


def test_a_document_longer_than_a_pack_is_refused_and_never_cut() -> None:
    with pytest.raises(ValueError, match="document 1 has 11 tokens, a pack 10"):
        best_fit([3, 11], 10)
