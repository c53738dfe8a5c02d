"""Sources by their share of the tokens of a pass."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medtune.data.mixture import mix, shares

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=40)


def numbered(*lists):
    """Row numbers of several sources and the lengths of all rows."""
    lengths = np.concatenate([np.array(one, dtype=np.int64) for one in lists])
    ends = np.cumsum([len(one) for one in lists])
    rows = [np.arange(end - len(one), end) for one, end in zip(lists, ends, strict=True)]
    return rows, lengths


@given(LENGTHS, LENGTHS, st.floats(0.01, 0.9), st.integers(0, 1000))
def test_a_weighted_source_brings_its_share_of_tokens_up_to_one_row(own, other, weight, seed):
    (first, second), lengths = numbered(own, other)
    mixed = mix({"own": first, "more": second}, lengths, {"more": weight}, seed)
    assert mixed["own"].tolist() == first.tolist()
    wanted = weight / (1 - weight) * sum(own)
    assert abs(lengths[mixed["more"]].sum() - wanted) <= max(other) / 2 + 1e-6


@given(LENGTHS, LENGTHS, st.floats(0.01, 0.9), st.integers(0, 1000))
def test_no_row_comes_twice_more_often_than_another(own, other, weight, seed):
    (first, second), lengths = numbered(own, other)
    drawn = mix({"own": first, "more": second}, lengths, {"more": weight}, seed)["more"]
    counts = [drawn.tolist().count(row) for row in second]
    assert max(counts) - min(counts) <= 1


def test_draws_follow_the_seed_and_sources_without_weight_are_whole():
    rows, lengths = numbered([10] * 30, [10] * 30, [10] * 30)
    names = dict(zip(("own", "a", "b"), rows, strict=True))
    mixed = mix(names, lengths, {"a": 0.2, "b": None}, 1)
    assert mixed["b"].tolist() == rows[2].tolist()
    assert len(mixed["a"]) == 15  # a fifth of 750 tokens
    again = mix(names, lengths, {"a": 0.2, "b": None}, 1)
    assert again["a"].tolist() == mixed["a"].tolist()
    assert mix(names, lengths, {"a": 0.2, "b": None}, 2)["a"].tolist() != mixed["a"].tolist()
    assert shares(list(mixed.values()), lengths) == [0.4, 0.2, 0.4]
