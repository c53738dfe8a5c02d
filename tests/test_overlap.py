"""Runs of words against sets of tuples, MinHash against its formula, pairs against brute force."""

import csv
import json
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune import overlap
from medtune.errors import DataError
from medtune.overlap import (
    NUM_BANDS,
    NgramIndex,
    bands,
    hashing,
    jaccard,
    near_earlier,
    near_pairs,
    shared_text,
    shingles,
    words,
)

# Few words, so that runs of them meet.
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "é", "fever", "the", "of"]), max_size=30)
TEXTS = WORDS.map(" ".join)
GOLDEN_SHINGLES = [
    6229289337453634744,
    8912721120076669893,
    9823882243800892114,
    18143016600633090173,
]
GOLDEN_BANDS = [2958587054, 304436402, 720055844, 4004929321]
SEPARATORS = st.sampled_from([" ", "  ", "\n", ", ", ". ", " - ", "\t(", ") "])


def runs(text: str, size: int) -> set[tuple[str, ...]]:
    found = words(text)
    size = min(size, len(found)) or 1
    return {tuple(found[i : i + size]) for i in range(len(found) - size + 1)}


def signatures(texts: list[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    sets = [shingles(text) for text in texts]
    return np.stack([bands(each) for each in sets]), sets


@st.composite
def families(draw) -> list[str]:
    """A few texts with copies of them in which words were replaced, and some without words."""
    random = draw(st.randoms(use_true_random=False))
    texts = [
        [f"w{random.randrange(400)}" for _ in range(random.choice([3, 5, 20, 60]))]
        for _ in range(random.randrange(1, 6))
    ]
    for _ in range(random.randrange(0, 15)):
        copy = list(random.choice(texts))
        for _ in range(random.randrange(0, 4)):
            copy[random.randrange(len(copy))] = f"x{random.randrange(3)}"
        texts.append(copy)
    texts += [[]] * random.randrange(0, 3)
    random.shuffle(texts)
    return [" ".join(text) for text in texts]


def test_words_are_compared_without_case_punctuation_and_compatibility_forms():
    assert words("The ﬁrst: FEVER,\n38.5 °C (\uff2212)—Straße") == [
        "the", "first", "fever", "38", "5", "c", "b12", "strasse"
    ]  # fmt: skip


@given(WORDS, st.data())
def test_case_punctuation_and_white_space_leave_the_shingles_as_they_are(found, data):
    plain = shingles(" ".join(found))
    written = "".join(
        data.draw(SEPARATORS) + (word.upper() if data.draw(st.booleans()) else word)
        for word in found
    )
    assert np.array_equal(shingles(written + "!"), plain)


@given(st.text(), st.integers(1, 9))
def test_shingles_are_the_set_of_runs_of_words_of_any_text(text, size):
    hashes = shingles(text, size)
    assert hashes.dtype == np.uint64
    assert len(hashes) == (len(runs(text, size)) if words(text) else 0)
    assert (hashes[1:] > hashes[:-1]).all()


@given(TEXTS, TEXTS, st.integers(1, 6))
def test_jaccard_is_that_of_the_sets_of_runs(left, right, size):
    a, b = (runs(text, size) if words(text) else set() for text in (left, right))
    expected = len(a & b) / len(a | b) if a | b else 0
    assert jaccard(shingles(left, size), shingles(right, size)) == pytest.approx(expected)


def test_a_short_text_is_one_run_of_all_its_words():
    assert len(shingles("no fever today", 5)) == 1
    assert np.array_equal(shingles("No fever today."), shingles("no fever today"))
    assert not np.array_equal(shingles("no fever today"), shingles("no fever"))
    assert len(shingles("...", 5)) == 0
    assert jaccard(shingles(""), shingles("")) == 0


def test_hashes_are_the_same_on_every_machine_and_in_every_process():
    # Worked out once, with integers of unlimited size; a change would make kept caches wrong.
    assert shingles("The patient has a fever of unknown origin").tolist() == GOLDEN_SHINGLES
    assert bands(shingles("The patient has a fever of unknown origin"))[:4].tolist() == GOLDEN_BANDS
    code = (
        "from medtune.overlap import *; s = shingles('The patient has a fever of unknown origin');"
        "print([s.tolist(), bands(s)[:4].tolist()])"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(overlap.__file__).parents[2])},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout) == [GOLDEN_SHINGLES, GOLDEN_BANDS]


def test_words_that_are_remembered_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("medtune.overlap.hashing._MAX_CACHED_WORDS", 50)
    text = " ".join(f"word{i}" for i in range(500)) + " " + "long" * 100
    expected = shingles(text)
    assert len(hashing._WORD_HASHES) <= 50
    assert np.array_equal(shingles(text), expected)


def with_jaccard(similarity: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of 100 hashes whose Jaccard similarity is nearly the given one."""
    shared = round(200 * similarity / (1 + similarity))
    hashes = rng.integers(0, 2**64, size=200 - shared, dtype=np.uint64)
    return np.sort(hashes[:100]), np.sort(hashes[100 - shared :])


@pytest.mark.parametrize("similarity", [0.2, 0.35, 0.5, 0.65, 0.8])
def test_texts_meet_in_a_band_as_often_as_the_formula_says(similarity):
    rng = np.random.default_rng(11)
    pairs = [with_jaccard(similarity, rng) for _ in range(600)]
    exact = jaccard(*pairs[0])
    assert exact == pytest.approx(similarity, abs=0.01)
    agree = np.array([bands(left) == bands(right) for left, right in pairs])
    # Four standard errors of a share among 600 pairs; bands of a pair are nearly independent.
    expected = 1 - (1 - exact**4) ** NUM_BANDS
    assert agree.any(axis=1).mean() == pytest.approx(expected, abs=4 * 0.5 / 600**0.5)
    assert agree.mean() == pytest.approx(exact**4, abs=0.02)


@pytest.mark.parametrize(("threshold", "similarity"), [(0.8, 0.8), (0.9, 0.9), (0.95, 0.96)])
def test_near_duplicates_at_the_threshold_are_found(threshold, similarity):
    rng = np.random.default_rng(5)
    sets = [each for _ in range(1500) for each in with_jaccard(similarity + 0.005, rng)]
    signed = np.stack([bands(each) for each in sets])
    numbers = np.arange(len(sets))
    alike = [jaccard(sets[i], sets[i + 1]) >= threshold for i in numbers[::2]]
    found = near_pairs(signed, numbers[::2], numbers[1::2], sets.__getitem__, threshold)
    assert sum(alike) > 1000
    assert len(found) >= sum(alike) * 0.998
    earlier = near_earlier(signed, numbers, sets.__getitem__, threshold)
    assert len(earlier) >= sum(alike) * 0.998


@given(families(), st.sampled_from([0.8, 0.9, 1.0]), st.randoms(use_true_random=False))
def test_near_pairs_are_those_of_comparing_all_with_all(texts, threshold, random):
    signed, sets = signatures(texts)
    numbers = list(range(len(texts)))
    random.shuffle(numbers)
    left, right = np.array(numbers[::2]), np.array(numbers[1::2], dtype=np.int64)
    expected = {}
    for i in left.tolist():
        near = [(-jaccard(sets[i], sets[j]), j) for j in right.tolist()]
        near = [each for each in near if -each[0] >= threshold]
        if near:
            expected[i] = (min(near)[1], -min(near)[0])
    assert near_pairs(signed, left, right, sets.__getitem__, threshold) == expected


@given(families(), st.sampled_from([0.8, 0.9, 1.0]), st.randoms(use_true_random=False))
def test_rows_with_an_earlier_near_duplicate_are_those_of_comparing_all(texts, threshold, random):
    signed, sets = signatures(texts)
    order = list(range(len(texts)))
    random.shuffle(order)
    found = near_earlier(signed, np.array(order), sets.__getitem__, threshold)
    assert set(found) == {
        row
        for place, row in enumerate(order)
        if any(jaccard(sets[row], sets[other]) >= threshold for other in order[:place])
    }
    for row, (other, similarity) in found.items():
        assert order.index(other) < order.index(row)
        assert jaccard(sets[row], sets[other]) == similarity >= threshold


def test_texts_without_words_are_no_near_duplicates():
    signed, sets = signatures(["", "...", "no fever"])
    for numbers in ([0, 1], [0, 1, 2]):
        rows = np.array(numbers)
        assert near_pairs(signed, rows, np.array([1]), sets.__getitem__, 0.1) == {}
        assert near_earlier(signed, rows, sets.__getitem__, 0.1) == {}


def test_the_threshold_itself_counts_and_the_lowest_of_equals_is_named():
    hashes = np.sort(np.random.default_rng(1).integers(0, 2**64, size=6, dtype=np.uint64))
    sets = [hashes[:5], hashes[[0, 1, 2, 3]], hashes[[0, 1, 2, 4]], hashes[:5]]
    signed = np.tile(bands(hashes), (4, 1)) + np.arange(4, dtype=np.uint32)[:, None]
    signed[:, 0] = 7  # all meet, whatever their other bands are
    rows = np.arange(4)
    found = near_pairs(signed, rows[:1], rows[[2, 1]], sets.__getitem__, 0.8)
    assert found == {0: (1, 0.8)}
    assert near_earlier(signed, rows[:2], sets.__getitem__, 0.8) == {1: (0, 0.8)}
    assert near_earlier(signed, rows[:2], sets.__getitem__, 0.81) == {}


def test_copies_are_told_apart_where_signatures_do_not_tell():
    # One shingle of thousands differs, which no band shows.
    rng = np.random.default_rng(0)
    first = np.sort(rng.integers(0, 2**64, size=20_000, dtype=np.uint64))
    sets = [first, first[:-1], first[:-1], first]
    signed = np.tile(bands(first), (4, 1))
    rows = np.arange(4)
    assert near_pairs(signed, rows[2:], rows[:2], sets.__getitem__, 1.0) == {
        2: (1, 1.0), 3: (0, 1.0)
    }  # fmt: skip
    assert near_earlier(signed, rows, sets.__getitem__, 1.0) == {2: (1, 1.0), 3: (0, 1.0)}
    close = near_earlier(signed, rows, sets.__getitem__, 0.9)
    assert close[1] == (0, pytest.approx(1 - 1 / 20_000))


def test_many_copies_of_a_text_are_no_work():
    signed, sets = signatures(["no fever no cough no pain today", "a text that differs from it"])
    numbers = np.arange(200_000)
    signed = signed[numbers % 2]
    found = near_pairs(
        signed, numbers[10:], numbers[:10], lambda row: sets[row % 2], 0.8
    )  # 4 billion pairs of rows, 2 of texts
    assert len(found) == 199_990
    assert found[11] == (1, 1.0)
    assert len(near_earlier(signed, numbers, lambda row: sets[row % 2], 0.8)) == 199_998


def test_rows_from_one_template_are_refused_before_they_are_compared(monkeypatch):
    monkeypatch.setattr("medtune.overlap.near.MAX_PAIRS", 1000)
    head = " ".join(f"h{i}" for i in range(100))
    signed, sets = signatures([f"{head} {i} {i * 7} {i * 31}" for i in range(80)])
    rows = np.arange(80)

    def never(row: int) -> np.ndarray:
        raise AssertionError("compared")

    with pytest.raises(DataError, match=r"templates.*a higher data\.near_duplicate \(1: only"):
        near_pairs(signed, rows[:40], rows[40:], never, 0.5)
    # As the message says: fewer pairs are candidates for a higher threshold.
    assert near_pairs(signed, rows[:40], rows[40:], sets.__getitem__, 1.0) == {}


@given(st.randoms(use_true_random=False), st.integers(4, 6), st.floats(0.05, 1))
def test_hits_are_those_of_sets_of_runs(random, size, share):
    # Two words alone, so that texts of all lengths share runs.
    text, *items = (
        " ".join(random.choices(["no", "fever"], k=random.randrange(35))) for _ in range(7)
    )
    index = NgramIndex(size)
    for number, item in enumerate(items):
        index.add(str(number), item)
    expected = {}
    own = runs(text, size) if len(words(text)) >= 4 else set()
    for number, item in enumerate(items):
        its = runs(item, size) if len(words(item)) >= 4 else set()
        both = len(own & its)
        if both and max(both / len(its), both / len(own)) >= share:
            expected[str(number)] = (both, both / len(its), both / len(own))
    for asked in (index, pickle.loads(pickle.dumps(index))):
        hits = asked.hits(text, share)
        assert {hit.name: tuple(hit[1:]) for hit in hits} == expected
        order = [(-max(hit.share_of_item, hit.share_of_text), int(hit.name)) for hit in hits]
        assert order == sorted(order)


def test_an_index_that_was_asked_takes_no_more_items():
    index = NgramIndex()
    assert index.hits("a text of more than a few words", 0.1) == []
    with pytest.raises(ValueError, match="no more items"):
        index.add("late", "text")


@given(TEXTS, TEXTS, st.integers(1, 4))
def test_the_shared_text_is_the_longest_common_run_of_words(left, right, size):
    common = {
        tuple(words(left)[i:j])
        for i in range(len(words(left)))
        for j in range(i + 1, len(words(left)) + 1)
        if tuple(words(left)[i:j]) in runs(right, j - i) and j - i <= len(words(right))
    }
    longest = max((len(run) for run in common), default=0)
    found = words(shared_text(left, right, size))
    if longest >= min(size, len(words(left)), len(words(right))):
        assert len(found) == longest
        assert not found or tuple(found) in common
    else:
        assert found == []


def test_the_shared_text_stands_as_it_was_written():
    text = "He said: The (quick) brown fox,\njumps over!"
    assert shared_text(text, "quick BROWN fox jumps", 3) == "(quick) brown fox,\njumps"
    assert shared_text("38.5 ℃ at noon", "fever of 38.5 °c at", 3) == "38.5 ℃ at"
    assert shared_text("", "quick", 3) == ""


def test_medec_notes_that_are_medqa_cases_are_found(medtune_data):
    # Which pairs are the same case was read by hand: see tests/bench/RESULTS.md.
    with (medtune_data / "safety/medec/MEDEC-MS-val.csv").open(encoding="utf-8") as file:
        notes = [row["Text"] for row in csv.DictReader(file)]
    counts = {}
    for size, share in [(8, 0.4), (8, 0.6), (8, 0.3), (13, 0.4), (13, 0.5)]:
        index = NgramIndex(size)
        for split in ("test_a", "train_from_official_dev", "dev"):
            with (medtune_data / f"qa/medqa/{split}.jsonl").open(encoding="utf-8") as file:
                for number, line in enumerate(file):
                    index.add(f"{split}:{number}", json.loads(line)["question"])
        names = [hit.name for note in notes for hit in index.hits(note, share)]
        pairs, items = (
            Counter(name.split(":")[0] for name in found) for found in (names, set(names))
        )
        counts[size, share] = [
            (pairs[split], items[split]) for split in ("test_a", "train_from_official_dev", "dev")
        ]
    same_case = [(34, 19), (34, 19), (12, 7)]
    assert counts == {
        (8, 0.4): same_case,
        (8, 0.6): same_case,
        (8, 0.3): [(35, 20), (34, 19), (12, 7)],
        (13, 0.4): same_case,
        (13, 0.5): [(34, 19), (32, 19), (12, 7)],
    }
