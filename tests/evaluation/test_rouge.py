"""ROUGE-L by hand: the longest common subsequence of words, and its F-measure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.evaluation.rouge import has_words, rouge_l


@pytest.mark.parametrize(
    ("reference", "text", "common", "reference_words", "text_words"),
    [
        # Stems are compared, and the order of words counts.
        ("the patient coughed", "the patients cough", 3, 3, 3),
        ("the patient coughed", "cough the patient", 2, 3, 3),
        ("a b c d e f", "f a x b y c", 3, 6, 6),
        ("fever and cough", "cough", 1, 3, 1),
        ("cough", "fever and cough for three days", 1, 1, 6),
        ("Fever, cough.", "FEVER\n\ncough!", 2, 2, 2),
        ("b12 deficiency", "B-12 deficiency", 1, 2, 3),
        ("no known allergies", "denies smoking", 0, 3, 2),
        ("no known allergies", "", 0, 3, 0),
        ("no known allergies", " \n", 0, 3, 0),
        ("no known allergies", "...", 0, 3, 0),
    ],
)
def test_the_f_measure_is_that_of_the_longest_common_subsequence(
    reference: str, text: str, common: int, reference_words: int, text_words: int
) -> None:
    # 2PR / (P + R) with P = common / text_words and R = common / reference_words.
    expected = 2 * common / (reference_words + text_words)
    assert rouge_l(reference, text) == pytest.approx(expected, abs=1e-12)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "x1"]), max_size=9)


def longest_common(a: list[str], b: list[str]) -> int:
    if not a or not b:
        return 0
    if a[-1] == b[-1]:
        return 1 + longest_common(a[:-1], b[:-1])
    return max(longest_common(a[:-1], b), longest_common(a, b[:-1]))


@given(WORDS, WORDS)
def test_any_two_texts_score_as_the_definition_says_and_the_same_turned_around(
    a: list[str], b: list[str]
) -> None:
    found = rouge_l(" ".join(a), " ".join(b))
    assert found == pytest.approx(2 * longest_common(a, b) / max(1, len(a) + len(b)))
    assert found == pytest.approx(rouge_l(" ".join(b), " ".join(a)))


def test_words_of_other_scripts_are_not_seen_and_that_can_be_told() -> None:
    assert has_words("no fever")
    assert has_words("Ø 5")
    for reference in ("", "-", "熱はない", "нет"):
        assert not has_words(reference)
        assert rouge_l(reference, reference) == 0
