"""Which drug an amount is a dose of: the nearest name in its sentence, before it or behind."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from medtune.guard.findings import Span
from medtune.guard.names import DrugNames, Mention

NEAR = 160
"""Characters around an amount in which its name and what is said of it are looked for first."""

# A comma or a word between separates an amount from a name more than a space does; and in a list
# an amount stands behind its name more often than before it.
_SEPARATORS = re.compile(r"[,;:]|\b(?:and|or|then|plus|with|to|instead|over)\b", re.IGNORECASE)
_SEPARATION_BEFORE = 12
_SEPARATION_BEHIND = 40
_ADJACENT = re.compile(r"(?:[ ](?:of|in|tablets?|capsules?|iv|po|im|oral))*[ ]?", re.IGNORECASE)

# An amount of what is no drug: 250 mL of cold water; sodium to 2 g. Not: 5 mg in water.
_AMOUNT_OF = re.compile(
    r"[ ](?:bolus[ ])?(?:of[ ])?(?:(?!(?:with|in|into|for|and|or|to|on|by)[ ])[\w-]+[ ])?",
    re.IGNORECASE,
)
_COMES_TO = re.compile(
    r"(?:(?:[,:]|[ ]\()(?=[ ]?(?:about|around|at[ ]least|less[ ]than|no[ ]more[ ]than)\b))?"
    r"(?:(?:[ ]|(?<=\())(?:output|loss|intake|level|volume|goal|stay|of|is|was|were|has|been|be"
    r"|should|must|may|can|to|at|about|around|only|below|above|under|over|than|less|more|least|most"
    r"|up|by|from|fell|rose|remains?|restricted|limited|kept))*[ ]?[:=<>]?[ ]?",
    re.IGNORECASE,
)
# Take it for weight loss 5 mg; but not: aim for a urine output of 0.5 mL/kg/hour.
_BESIDE_A_DRUG = re.compile(
    r"\b(?:in|into|with|for(?![ ]an?[ ]))[ ](?:(?!\w+ing\b)\w+[ ])?\Z", re.IGNORECASE
)
_DESCRIBES = re.compile(r"-[a-z]|[ ]free\b", re.IGNORECASE)  # sugar-free


class Owner(NamedTuple):
    """What an amount is of."""

    mention: Mention | None
    """None where its sentence names nothing."""
    is_doubtful: bool = False
    """Something that is no drug is named nearer than the drug, and the amount may be of that; or
    nothing else is named, and the amount may be of a drug that an earlier sentence names."""


def drug_of(
    plain: str, sentence: Span, amount: Span, mentions: Sequence[Mention], names: DrugNames
) -> Owner:
    """The mention that an amount belongs to.

    A word right before the amount that may be an unknown drug's name wins over a known drug further
    away: of two drugs the wrong one must not lend its limits. What is no drug takes an amount from
    a drug of the sentence only where it is plainly an amount of that.

    Args:
        plain: The whole text.
        sentence: The sentence of the amount.
        amount: The amount with its unit and what belongs to that, as in 5 mg/kg.
        mentions: All mentions in the sentence.
        names: By which words are told from drugs.
    """
    # The weight in mg/kg body weight is a part of the amount.
    mentions = [mention for mention in mentions if not _holds(amount, mention.span)]
    nearest = _nearest(plain, amount, mentions)
    drugs = [mention for mention in mentions if mention.kind != "no_drug"]
    is_plain = nearest is not None and _is_plainly_of(plain, amount, nearest, drugs)
    unknown = names.unknown_before(plain, sentence, amount.start)
    if unknown and not any(_holds(mention.span, unknown.span) for mention in mentions):
        is_behind = nearest is not None and is_plain and nearest.span.start >= amount.end
        if nearest and is_behind and _ADJACENT.fullmatch(plain, amount.end, nearest.span.start):
            return Owner(nearest)  # suggest 5 mg of warfarin
        return Owner(unknown)
    if drugs and not is_plain:
        return Owner(_nearest(plain, amount, drugs), is_doubtful=True)
    return Owner(nearest, is_doubtful=not is_plain and nearest is not None)


def _nearest(plain: str, amount: Span, mentions: Sequence[Mention]) -> Mention | None:
    near = [mention for mention in mentions if _is_near(mention.span, amount)] or mentions
    return min(near, key=lambda mention: _distance(plain, mention, amount), default=None)


def _is_plainly_of(plain: str, amount: Span, named: Mention, drugs: Sequence[Mention]) -> bool:
    """Whether an amount is of what is named, whatever drugs its sentence has."""
    if named.kind != "no_drug":
        return True
    start, end = named.span
    if end <= amount.start:
        is_beside = _BESIDE_A_DRUG.search(plain, max(0, start - NEAR), start) is not None
        return not is_beside and _COMES_TO.fullmatch(plain, end, amount.start) is not None
    is_describing = _DESCRIBES.match(plain, end) or any(d.span.start == end + 1 for d in drugs)
    return not is_describing and _AMOUNT_OF.fullmatch(plain, amount.end, start) is not None


def _holds(outer: Span, inner: Span) -> bool:
    return outer.start <= inner.start < outer.end


def _is_near(span: Span, amount: Span) -> bool:
    return amount.start - NEAR < span.end and span.start < amount.end + NEAR


def _distance(plain: str, mention: Mention, amount: Span) -> int:
    if mention.span.end <= amount.start:
        between, separation = plain[mention.span.end : amount.start], _SEPARATION_BEFORE
    elif mention.span.start >= amount.end:
        between, separation = plain[amount.end : mention.span.start], _SEPARATION_BEHIND
    else:
        return 0
    return len(between) + separation * len(_SEPARATORS.findall(between))
