"""What is run together follows from the rows alone, and nothing is lost or run too late."""

import random

from hypothesis import given
from hypothesis import strategies as st

from medtune.scoring.sharing import MIN_HEADER_ROWS, Batch, Row, plan


def row(ids: tuple[int, ...], number: int, first: int | None = None) -> Row:
    """A row that predicts one token behind each of its last ones."""
    first = len(ids) - 1 if first is None else first
    return Row(ids, tuple((place, 7) for place in range(first, len(ids))), (number,))


beginnings = st.sampled_from([(), (1,) * 40, (1,) * 40 + (2,) * 40, (3,) * 60])
stems = st.sampled_from([(), (4,) * 30, (5,) * 17, (6,) * 3])
rows = st.lists(
    st.tuples(beginnings, stems, st.lists(st.integers(0, 3), min_size=1, max_size=9)), max_size=40
)


def made(drawn: list[tuple[tuple[int, ...], tuple[int, ...], list[int]]]) -> list[Row]:
    found = []
    for number, (beginning, stem, rest) in enumerate(drawn):
        ids = beginning + stem + tuple(rest)
        found.append(row(ids, number, max(0, len(ids) - 1 - number % 3)))
    return found


@given(rows, st.integers(1, 9))
def test_every_row_is_in_one_batch_and_is_its_header_its_stem_and_its_rest(drawn, batch_size):
    wanted = made(drawn)
    batches = list(plan(wanted, batch_size))
    found = [member for batch in batches for _, member in batch.rows]
    assert sorted(member.owner for member in found) == [(n,) for n in range(len(wanted))]
    for batch in batches:
        for stem, member in batch.rows:
            before = batch.header + (batch.stems[stem] if batch.stems else ())
            assert before + batch.rest(stem, member) == member.ids
            assert batch.start(stem) <= member.first, "a place that predicts is run with its row"
            assert batch.rest(stem, member)


@given(rows, st.integers(1, 9), st.randoms())
def test_the_plan_does_not_depend_on_the_order_of_the_rows(drawn, batch_size, generator):
    wanted = made(drawn)
    shuffled = wanted[:]
    generator.shuffle(shuffled)
    assert list(plan(shuffled, batch_size)) == list(plan(wanted, batch_size))


@given(rows, st.integers(1, 9))
def test_no_batch_has_more_stems_or_rows_without_one_than_asked_for(drawn, batch_size):
    for batch in plan(made(drawn), batch_size):
        assert len(batch.stems or batch.rows) <= batch_size
        assert len(batch.rows) <= batch_size * max(1, len(batch.stems))


@given(rows, st.integers(1, 9))
def test_nothing_is_shared_where_that_is_not_allowed(drawn, batch_size):
    for batch in plan(made(drawn), batch_size, headers=False, stems=False):
        assert batch.header == ()
        assert batch.stems == ()


def headers(rows: list[Row]) -> list[tuple[int, ...]]:
    return [batch.header for batch in plan(rows, 100)]


def test_what_all_rows_begin_with_is_their_header():
    header = tuple(range(50))
    assert headers([row((*header, 60 + n, 5), n) for n in range(MIN_HEADER_ROWS)]) == [header]


def test_few_rows_and_short_beginnings_have_no_header():
    few = [row((*range(50), 60 + n, 5), n) for n in range(MIN_HEADER_ROWS - 1)]
    short = [row((*range(12), 60 + n, 5), n) for n in range(30)]
    assert set(headers(few)) == set(headers(short)) == {()}


def test_each_subject_with_examples_of_its_own_has_its_header():
    subjects = [(9,) * 10 + (subject,) * 60 for subject in range(4)]
    made_rows = [
        row((*subject, 60 + n, 5), 10 * number + n)
        for number, subject in enumerate(subjects)
        for n in range(10)
    ]
    random.Random(1).shuffle(made_rows)
    assert headers(made_rows) == subjects


def test_continuations_of_a_prompt_share_it_but_for_its_last_token():
    prompt = tuple(range(20))
    batches = list(plan([row((*prompt, 50 + n, 5), n, first=19) for n in range(3)], 8))
    [batch] = batches
    assert batch.stems == (prompt[:19],)
    assert [batch.rest(stem, member) for stem, member in batch.rows] == [
        (19, 50, 5), (19, 51, 5), (19, 52, 5)
    ]  # fmt: skip


def test_a_batch_as_a_value_tells_all_that_is_run():
    one = Batch(header=(1,), stems=((2,),), rows=((0, row((1, 2, 3), 0)),))
    for other in (
        Batch(header=(1, 2), stems=(), rows=((0, row((1, 2, 3), 0)),)),
        Batch(header=(1,), stems=((2,),), rows=((0, row((1, 2, 4), 0)),)),
        Batch(header=(1,), stems=((2,),), rows=((0, row((1, 2, 3), 0, first=1)),)),
    ):
        assert other.value() != one.value()
