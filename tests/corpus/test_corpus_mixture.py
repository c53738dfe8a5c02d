"""The order in which training reads a corpus: shares by tokens, and reading on at any token."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from medtune.corpus.mixture import Reading, Stream
from medtune.corpus.reading import Corpus
from medtune.errors import DataError
from medtune.recipe.corpus import Mixture, PartWeights, Phase

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=25)


def streams_of(lengths, seed=3):
    return {
        part: Stream(part, np.array(found, dtype=np.int64), seed) for part, found in lengths.items()
    }


def flat(reading, streams, token=0):
    """Each token of the mixture from one on, as part, pass, document and place in it."""
    found = []
    for place, skipped in reading.places(token):
        length = int(streams[place.part]._lengths[place.document])
        found += [(*place, at) for at in range(skipped, length)]
    return found


CORPORA = st.fixed_dictionaries(
    {"guidelines": LENGTHS, "papers": LENGTHS, "abstracts": LENGTHS, "replay": LENGTHS}
)
PHASES = st.sampled_from(
    [
        [Phase(name="main", replay=0.05)],
        [Phase(name="main", replay=0.3, tokens=300)],
        [
            Phase(name="main", replay=0.1),
            Phase(
                name="annealing",
                tokens=200,
                weights=PartWeights(guidelines=0.6, papers=0.3, replay=0.1),
            ),
        ],
    ]
)


@given(lengths=CORPORA, phases=PHASES, data=st.data())
def test_reading_on_at_any_token_gives_what_reading_from_the_start_gives(lengths, phases, data):
    streams = streams_of(lengths)
    reading = Reading(streams, Mixture(phases=phases))
    everything = flat(reading, streams)
    assert len(everything) == reading.num_tokens
    token = data.draw(st.integers(0, reading.num_tokens))
    assert flat(reading, streams, token) == everything[token:]


@given(lengths=CORPORA, phases=PHASES)
def test_at_any_moment_each_part_has_given_its_share_to_within_a_document(lengths, phases):
    streams = streams_of(lengths)
    reading = Reading(streams, Mixture(phases=phases))
    longest = max(max(found) for found in lengths.values())
    begin = 0
    everything = flat(reading, streams)
    for stretch in reading.stretches:
        given_so_far = dict.fromkeys(streams, 0)
        for number, (part, *_) in enumerate(everything[begin : begin + stretch.tokens], 1):
            given_so_far[part] += 1
            for other, weight in stretch.weights.items():
                assert abs(given_so_far[other] - weight * number) <= len(streams) * longest
        begin += stretch.tokens


@given(lengths=CORPORA)
def test_a_phase_without_length_reads_every_medical_document_about_once(lengths):
    streams = streams_of(lengths)
    (stretch,) = Reading(streams, Mixture(phases=[Phase(name="main", replay=0.2)])).stretches
    for part in ("guidelines", "papers", "abstracts"):
        assert stretch.last[part] <= 2 * len(lengths[part])
        tokens = streams[part].start(stretch.last[part])
        assert tokens >= streams[part].tokens - 3 * 40


@given(lengths=CORPORA)
def test_a_later_phase_goes_on_where_the_earlier_one_stopped(lengths):
    streams = streams_of(lengths)
    phases = [Phase(name=name, tokens=100, replay=0.1) for name in ("first", "second")]
    reading = Reading(streams, Mixture(phases=phases))
    places = [place for place, _ in reading.places()]
    assert len(set(places)) == len(places)


def test_each_pass_has_every_document_once_and_an_order_of_its_own():
    stream = Stream("papers", np.ones(50, dtype=np.int64), 0)
    first = [stream.place(number).document for number in range(50)]
    second = [stream.place(number).document for number in range(50, 100)]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    other = Stream("papers", np.ones(50, dtype=np.int64), 1)
    assert [other.place(number).document for number in range(50)] != first


@given(first=st.integers(0, 6000), count=st.integers(0, 3000))
def test_tokens_of_a_built_corpus_are_the_same_from_wherever_they_are_read(
    small_corpus, first, count
):
    corpus = Corpus(small_corpus.path)
    everything = corpus.tokens(0, corpus.reading.num_tokens)
    assert len(everything) == corpus.reading.num_tokens
    assert (corpus.tokens(first, count) == everything[first : first + count]).all()


def test_the_shares_that_are_told_are_those_that_are_read(small_corpus):
    reading = Corpus(small_corpus.path).reading
    shares = reading.shares(reading.stretches[0])
    assert shares["replay"]["share"] == pytest.approx(0.2, abs=0.03)
    counted = {}
    for place, _ in reading.places():
        counted[place.part] = counted.get(place.part, 0) + 1
    told = [reading.shares(stretch) for stretch in reading.stretches]
    for part, number in counted.items():
        assert sum(phase[part]["documents"] for phase in told) == number


def test_a_share_of_a_part_that_has_no_documents_is_refused():
    with pytest.raises(DataError, match=r"0\.05 is to come from replay"):
        Reading(streams_of({"papers": [3]}), Mixture(phases=[Phase(name="main", replay=0.05)]))


def test_weights_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ValidationError, match=r"sum to 0\.9"):
        PartWeights(papers=0.9)
