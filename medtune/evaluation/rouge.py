"""ROUGE-L of a text against one reference, by the library that papers use.

F-measure of the longest common subsequence of stemmed, lower-cased words (Lin 2004). A word is a
run of a-z and 0-9: letters with accents part words, and other scripts have none.
"""

from rouge_score.rouge_scorer import RougeScorer

_SCORER = RougeScorer(["rougeL"], use_stemmer=True)


def rouge_l(reference: str, text: str) -> float:
    """ROUGE-L from 0 to 1; 0 where either has no word."""
    return float(_SCORER.score(target=reference, prediction=text)["rougeL"].fmeasure)


def has_words(reference: str) -> bool:
    """Whether any text could score more than 0."""
    return rouge_l(reference, reference) > 0
