"""Names of drugs in a plain text: known ones, and words that are drugs' by their look."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from medtune.guard.findings import Span
from medtune.guard.phrases import compiled
from medtune.guard.vocabulary import LOOKALIKES, ORDINARY, ORDINARY_ENDINGS, STEMS

_LOOKS_LIKE_ONE = re.compile(
    rf"(?<![\w-])(?:[a-z]{{3,}}(?:{'|'.join(STEMS)})|cef[a-z]{{4,}}|sulfa[a-z]{{4,}})(?![\w])",
    re.IGNORECASE,
)
_WORD_BEFORE = re.compile(
    r"(?P<word>[A-Za-z][A-Za-z-]{3,})(?P<between>,?[ ]\(?|:[ ]?|[ ]+(?:IV|PO|IM|SC|SQ|SL|PR|oral|"
    r"inj|tablets?|capsules?|at|dose|dosed[ ]at)[ ])\Z"
)

_NEAR = 60
MentionKind = Literal["known", "unknown", "no_drug"]


class Mention(NamedTuple):
    """A drug that a text names, or something else that amounts are given of."""

    span: Span
    kind: MentionKind
    ingredient: str
    """Of a known drug; empty else."""


class DrugNames:
    """The names of a table's drugs.

    Args:
        names: Each ingredient with its other names.
        no_drugs: Patterns of what amounts are given of that is no drug, such as water.
    """

    def __init__(self, names: Mapping[str, Iterable[str]], no_drugs: Iterable[str] = ()) -> None:
        self._ingredients = {
            _key(name): ingredient
            for ingredient, others in names.items()
            for name in (ingredient, *others)
        }
        self._known = compiled(self._ingredients)
        self._no_drugs = compiled(no_drugs, max_gap_words=0)

    def mentions(self, plain: str, within: Span) -> list[Mention]:
        """All mentions in a stretch of text, in its order; they do not overlap."""
        found = [
            Mention(Span(*hit.span()), "known", self._ingredients[_key(hit[0])])
            for hit in self._known.finditer(plain, *within)
        ]
        taken = [mention.span for mention in found]
        others: tuple[tuple[re.Pattern[str], MentionKind], ...] = (
            (_LOOKS_LIKE_ONE, "unknown"),
            (self._no_drugs, "no_drug"),
        )
        for pattern, kind in others:
            for hit in pattern.finditer(plain, *within):
                span = Span(*hit.span())
                if hit[0].casefold() not in LOOKALIKES and not _overlaps(span, taken):
                    taken.append(span)
                    found.append(Mention(span, kind, ""))
        return sorted(found)

    def unknown_before(self, plain: str, within: Span, place: int) -> Mention | None:
        """A word right before an amount that is no ordinary one, and so may be a drug's name."""
        found = _WORD_BEFORE.search(plain, max(within.start, place - _NEAR), place)
        if not found:
            return None
        word = found["word"].casefold()
        if word in ORDINARY or word.endswith(ORDINARY_ENDINGS) or self._known.fullmatch(word):
            return None
        return Mention(Span(*found.span("word")), "unknown", "")


def _key(name: str) -> str:
    """Hyphens, slashes and spaces are the same in names, as they are in patterns."""
    return " ".join(re.split(r"[\s/-]+", name.casefold()))


def _overlaps(span: Span, others: Iterable[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)
