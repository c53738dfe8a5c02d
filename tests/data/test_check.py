"""What is said about rows is what a plain count finds, and every stated limit is kept."""

import statistics
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import material
from tiny_models import make_example, make_tokenizer

from medtune.data import Encoder, Prepared, draw_canaries, make_template, prepare
from medtune.data.check import Examination, examine
from medtune.data.limits import require_limits
from medtune.errors import DataError
from medtune.languages import UNCLEAR, tell_language
from medtune.overlap import jaccard, shingles
from medtune.recipe import Canaries, Data, Limits
from medtune.records import Example

TEMPLATE = make_template("tokenizer", make_tokenizer())
ENCODER = Encoder(TEMPLATE)
TEXT = "the patient has a high fever and asks which drug would be best to take today"
WORDS = TEXT.split(" ")


def prepared_rows(data: Data, **splits: list[Example]) -> Prepared:
    return prepare(material(**splits), data, TEMPLATE, seed=17)


def check(
    train: list[Example], *, limits: dict[str, Any] | None = None, **settings: object
) -> Examination:
    others = {name: settings.pop(name) for name in ("validation", "test") if name in settings}
    section = {"task": "chat", "validation_fraction": 0.0, "leaks": "keep", **settings}
    data = Data(**section, limits=Limits(**limits) if limits else None)  # type: ignore[arg-type]
    return examine(prepared_rows(data, train=train, **others), data, seed=17)  # type: ignore[arg-type]


def row(number: int, prompt: str, answer: str = "yes", **fields: Any) -> Example:
    return make_example(prompt, answer, id=f"row-{number}", **fields)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["yes", "no", " Yes"])),
        min_size=1,
        max_size=12,
    )
)
def test_counts_are_those_of_a_plain_count(pairs: list[tuple[str, str]]) -> None:
    rows = [row(n, f"{prompt}?", answer) for n, (prompt, answer) in enumerate(pairs)]
    found = check(rows)
    seen: set[tuple[str, str]] = set()
    repeated = []
    for number, pair in enumerate(pairs):
        repeated += [f"row-{number}"] if pair in seen else []
        seen.add(pair)
    answers: dict[str, set[str]] = {prompt: set() for prompt, _ in pairs}
    for prompt, answer in pairs:
        answers[prompt].add(answer.strip().casefold())
    torn = [f"row-{n}" for n, (prompt, _) in enumerate(pairs) if len(answers[prompt]) > 1]
    spaced = [f"row-{n}" for n, (_, answer) in enumerate(pairs) if answer != answer.strip()]
    for name, ids in (
        ("duplicates", repeated), ("contradictions", torn), ("spaced_answers", spaced)
    ):  # fmt: skip
        assert (found.findings[name].rows, found.findings[name].first) == (len(ids), tuple(ids[:5]))
    encoded = [ENCODER.example(example) for example in rows]
    lengths = sorted(map(len, encoded))
    figures = found.splits["train"]
    assert found.rows == figures.rows == figures.groups == len(rows)
    assert figures.tokens == sum(lengths)
    assert figures.supervised == sum(sum(e.supervised) for e in encoded)
    assert figures.lengths["min"] == lengths[0]
    assert figures.lengths["max"] == lengths[-1]
    assert figures.lengths["median"] == statistics.median_low(lengths)
    assert figures.lengths["p95"] == lengths[int(np.ceil(0.95 * len(lengths))) - 1]
    assert sum(count for _, count in figures.histogram) == len(rows)
    below = 0
    for longest, count in figures.histogram:
        assert count == sum(below < length <= longest for length in lengths)
        below = longest


@given(st.lists(st.permutations(WORDS).map(lambda words: words[:6]), min_size=2, max_size=8))
def test_near_duplicates_are_those_of_comparing_all_pairs(texts: list[list[str]]) -> None:
    # Six words have two runs of five: two texts share all runs, one of three, or none.
    rows = [row(n, " ".join(words)) for n, words in enumerate(texts)]
    half = len(rows) // 2
    found = check(rows[:half], validation=rows[half:], near_duplicate=1.0)
    runs = [shingles(" ".join(words)) for words in texts]
    within = {n for n in range(half) if any(jaccard(runs[n], runs[m]) == 1 for m in range(n))}
    across = {
        n
        for n in range(half, len(rows))
        if any(jaccard(runs[n], runs[m]) == 1 for m in range(half))
    }
    assert found.findings["near_duplicates"].rows == len(within)
    assert found.findings["near_across"].rows == len(across)


def test_near_duplicates_are_found_where_a_word_differs_and_named_by_the_later_row() -> None:
    long = " ".join(WORDS * 4)
    rows = [row(0, long), row(1, "Something else altogether is asked here"), row(2, long + " now")]
    found = check(rows, validation=[row(3, "So " + long)], test=[row(4, long + " please")])
    assert found.findings["near_duplicates"].first == ("row-2",)
    assert found.findings["near_across"].first == ("row-3", "row-4")


def test_rows_left_out_and_cut_are_counted_among_all_rows() -> None:
    rows = [row(n, "Fever?") for n in range(3)] + [row(3, "Notes. " * 40)]
    dropped = check(rows, max_tokens=64, on_overlength="drop")
    assert dropped.rows == 4
    assert dropped.share("dropped") == 0.25
    assert dropped.findings["dropped"].first == ("row-3",)
    cut = check(rows, max_tokens=64, on_overlength="truncate_prompt")
    assert cut.findings["truncated"].first == ("row-3",)
    assert cut.findings["dropped"].rows == 0


def test_what_templates_and_answers_have_about_them_is_pointed_out() -> None:
    rows = [
        row(0, "Fever?", system="Be brief."),
        row(1, "Fever?", "  "),
        row(2, "Fever?", "word " * 1200),
        make_example("a", "b", "c", "d", id="row-3"),
    ]
    found = check(rows, max_tokens=8000).findings
    assert found["blank_answers"].first == ("row-1",)
    assert found["spaced_answers"].first == ("row-2",)
    assert found["long_answers"].first == ("row-2",)
    assert found["several_turns"].first == ("row-3",)
    assert found["system"].first == ("row-0",)


def test_several_short_answers_are_not_one_long_one() -> None:
    turns = [text for n in range(4) for text in (f"q{n}", "word " * 120)]
    rows = [make_example(*turns)]
    assert sum(ENCODER.example(rows[0]).supervised) > 1000
    assert check(rows, max_tokens=8000).findings["long_answers"].rows == 0


def test_labels_are_counted_with_those_that_are_never_right() -> None:
    rows = [row(n, f"Question {n}?", answer, options=("A", "B", "C"))
            for n, answer in enumerate("AABA")]  # fmt: skip
    assert check(rows).labels == {"A": 3, "B": 1, "C": 0}
    texts = [row(n, f"Question {n}?", f"no {n}", options=(f"yes {n}", f"no {n}"))
             for n in range(20)]  # fmt: skip
    assert check(texts).labels == {}


def test_languages_are_told_from_prompts_and_short_ones_are_left() -> None:
    english = "The patient has had a fever for three days and cannot sleep at night."
    french = "Le patient a de la fièvre depuis trois jours et ne peut pas dormir la nuit."
    assert (tell_language(english), tell_language(french)) == ("en", "fr")
    assert tell_language("Fever?") is None
    assert tell_language("serum sodium potassium chloride creatinine 145 mmol/l glucose") == UNCLEAR
    rows = [row(0, english), row(1, french), row(2, "Fever?"), row(3, english)]
    found = check(rows, limits={"languages": ["en"]})
    assert Counter(found.languages) == {"en": 2, "fr": 1}
    assert found.other_languages.first == ("row-1",)


def test_private_rows_are_named_by_where_they_stand_and_never_by_id() -> None:
    rows = [row(0, "Fever?"), row(1, "Fever?"), row(2, "Notes. " * 40)]
    found = check(rows, private=True, max_tokens=64, on_overlength="drop")
    assert found.findings["duplicates"].first == ("train row 2",)
    assert found.findings["dropped"].first == ()
    assert "row-" not in repr(found)


LONG = "Notes of the night. " * 20
ENGLISH = "The patient has had a fever for three days and cannot sleep."
TWICE = [row(0, ENGLISH), row(1, ENGLISH)]
LABELLED = [row(n, f"Question {n}?", a, options=("A", "B")) for n, a in enumerate("AAAB")]


@pytest.mark.parametrize(
    ("name", "broken", "kept", "rows", "settings", "told"),
    [
        ("max_dropped", 0.4, 0.5, [row(0, "a"), row(1, LONG)],
         {"max_tokens": 64, "on_overlength": "drop"}, r"0\.5 \(1 of 2 rows, first row-1\)"),
        ("max_truncated", 0.4, 0.5, [row(0, "a"), row(1, LONG)],
         {"max_tokens": 64, "on_overlength": "truncate_prompt"},
         r"0\.5 \(1 of 2 rows, first row-1\)"),
        ("max_duplicates", 0.4, 0.5, TWICE, {}, r"0\.5 \(1 of 2 rows, first row-1\)"),
        ("max_near_duplicates", 0.4, 0.5, TWICE, {}, r"0\.5 \(1 of 2 rows, first row-1\)"),
        ("max_contradictions", 0.9, 1.0, [row(0, "a"), row(1, "A ", "no")], {},
         r"1 \(2 of 2 rows, first row-0, row-1\)"),
        ("min_supervised", 0.9, 0.01, TWICE, {}, r"0\.\d+ \(\d+ of \d+ training tokens\)"),
        ("min_label", 0.3, 0.25, LABELLED, {}, r"0\.25 \(1 of 4 rows\)"),
        ("languages", ["fr"], ["en"], TWICE, {}, r"others in 2 of 2 rows, first row-0, row-1"),
    ],
)  # fmt: skip
def test_a_broken_limit_is_refused_with_what_was_found_and_a_kept_one_is_not(
    name: str, broken: Any, kept: Any, rows: list[Example], settings: dict[str, Any], told: str
) -> None:
    found = check(rows, limits={name: broken}, **settings)
    with pytest.raises(DataError, match=f"1 stated limit is broken\n  data.limits.{name}: found "
                       f"{told}, allowed"):  # fmt: skip
        require_limits(found, Limits(**{name: broken}))
    found = check(rows, limits={name: kept}, **settings)
    require_limits(found, Limits(**{name: kept}))


def test_every_limit_of_the_recipe_has_a_test_that_breaks_it() -> None:
    (mark,) = test_a_broken_limit_is_refused_with_what_was_found_and_a_kept_one_is_not.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == set(Limits.model_fields)


def test_all_broken_limits_are_told_at_once() -> None:
    limits = {"max_duplicates": 0.0, "max_near_duplicates": 0.0, "min_supervised": 0.99}
    found = check(TWICE, limits=limits)
    with pytest.raises(DataError) as caught:
        require_limits(found, Limits(**limits))
    assert str(caught.value).count("\n  data.limits.") == 3


@pytest.mark.parametrize("limits", [{"min_label": 0.1}, {"languages": ["en"]}])
def test_what_cannot_be_measured_does_not_keep_to_a_limit(limits: dict[str, Any]) -> None:
    found = check([row(0, "Fever?")], limits=limits)
    with pytest.raises(DataError, match="found no"):
        require_limits(found, Limits(**limits))


def test_canaries_and_rows_that_come_again_for_their_weight_are_no_duplicates():
    section = {"name": "more", "task": "chat", "weight": 0.8}
    data = Data(task="chat", validation_fraction=0.0, sources=[section])
    own = [make_example(f"What is sign {n}?", f"It is {n}.", id=f"row-{n}") for n in range(8)]
    more = [make_example(f"Who was king {n}?", f"The {n}.", id=f"king-{n}") for n in range(3)]
    planted = draw_canaries(Canaries(secrets=2, twins=2, repetitions=[4]))
    prepared = prepare(material(train=own, more=more), data, TEMPLATE, seed=17, canaries=planted)
    assert len(prepared.splits["train"].examples) > 8 + 3 + 8
    found = examine(prepared, data, seed=17)
    for name in ("duplicates", "near_duplicates", "contradictions"):
        assert found.findings[name].rows == 0, name
