"""In which language a text is, told offline by py3langid's own small model."""

from functools import cache
from typing import Any

LETTERS = 40
"""Fewest letters of a text whose language is told."""
CONFIDENCE = 0.95
"""Below it a language is unclear: lists of laboratory values look like Latin at 0.947."""
READ = 4000
"""Characters that are looked at."""
UNCLEAR = "unclear"


def tell_language(text: str) -> str | None:
    """ISO 639-1 code, ``unclear``, or None where there is too little text to tell."""
    start = text[:READ]
    if sum(map(str.isalpha, start)) < LETTERS:
        return None
    language, confidence = _identifier().classify(start)
    return str(language) if confidence >= CONFIDENCE else UNCLEAR


@cache
def _identifier() -> Any:  # noqa: ANN401 - py3langid has no types
    # Not at the head: its model takes half a second, and few commands look at languages.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
