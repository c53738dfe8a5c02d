"""Patterns that a rule may write: words, endings, choices and gaps. No regular expressions.

pregnan*            pregnant, pregnancy
chronic kidney      these words in a row; a hyphen or a slash counts as a space
call|phone          one of them
no need ... doctor  with up to a given number of words between them
"""

import re
from collections.abc import Iterable

_GAP = "..."
_BETWEEN = r"[\s/-]+"
_WORD = r"[^\s.;!?]+"

_VOWELS = "aeiou"
_IRREGULAR = {
    "begin": ("begin", "begins", "began", "begun", "beginning"),
    "give": ("give", "gives", "gave", "given", "giving"),
    "take": ("take", "takes", "took", "taken", "taking"),
    "hold": ("hold", "holds", "held", "holding"),
    "quit": ("quit", "quits", "quitting"),
    "leave": ("leave", "leaves", "left", "leaving"),
    "come": ("come", "comes", "came", "coming"),
    "get": ("get", "gets", "got", "getting"),
    "withdraw": ("withdraw", "withdraws", "withdrew", "withdrawn", "withdrawing"),
}


def compiled(patterns: Iterable[str], *, max_gap_words: int = 6) -> re.Pattern[str]:
    """One expression for all patterns, longest first, letter case aside.

    Raises:
        ValueError: A pattern is empty, or begins or ends with a gap.
    """
    ordered = sorted(patterns, key=len, reverse=True)
    choices = [_pattern(pattern, max_gap_words) for pattern in ordered]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(choices) or '(?!)'})(?!\w)", re.IGNORECASE)


def verb_forms(verb: str) -> tuple[str, ...]:
    """A verb with its endings: stop, stops, stopped, stopping. Of two words, the first bends."""
    first, space, rest = verb.partition(" ")
    return tuple(form + space + rest for form in _forms(first.casefold()))


def _forms(verb: str) -> tuple[str, ...]:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb.endswith("e"):
        return verb, verb + "s", verb + "d", verb[:-1] + "ing"
    if len(verb) > 2 and verb[-1] == "y" and verb[-2] not in _VOWELS:
        return verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"
    stem = verb
    is_short = sum(letter in _VOWELS for letter in verb) == 1
    if is_short and verb[-2] in _VOWELS and verb[-1] not in _VOWELS + "wxy":
        stem += verb[-1]  # stop, stopped
    ending = "es" if verb.endswith(("s", "x", "ch", "sh")) else "s"
    return verb, verb + ending, stem + "ed", stem + "ing"


def _pattern(pattern: str, max_gap_words: int) -> str:
    # A hyphen joins words in one text and not in the other; n't is a word of its own.
    words = re.sub(r"(?<=\w)[-/](?=\w)", " ", pattern).split()
    if not words or _GAP in (words[0], words[-1]):
        raise ValueError(f"expected words, perhaps with {_GAP} between them; found {pattern!r}")
    parts = [_word(words[0])]
    for word in words[1:]:
        is_gap = word == _GAP
        parts.append(
            rf"(?:{_BETWEEN}{_WORD}){{0,{max_gap_words}}}?" if is_gap else _BETWEEN + _word(word)
        )
    return "".join(parts)


def _word(word: str) -> str:
    choices = [re.escape(choice).replace(r"\*", r"\w*") for choice in word.split("|")]
    return f"(?:{'|'.join(choices)})"
