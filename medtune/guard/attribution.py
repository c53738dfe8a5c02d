"""Which drug an amount is a dose of: the nearest name in its sentence, before it or behind."""

import re
from collections.abc import Sequence

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


def drug_of(
    plain: str, sentence: Span, amount: Span, mentions: Sequence[Mention], names: DrugNames
) -> Mention | None:
    """The mention that an amount belongs to; None where its sentence names nothing.

    A word right before the amount that may be an unknown drug's name wins over a known drug further
    away: of two drugs the wrong one must not lend its limits.

    Args:
        plain: The whole text.
        sentence: The sentence of the amount.
        amount: The amount with its unit and what belongs to that, as in 5 mg/kg.
        mentions: All mentions in the sentence.
        names: By which words are told from drugs.
    """
    near = [mention for mention in mentions if _is_near(mention.span, amount)] or mentions
    nearest = min(near, key=lambda mention: _distance(plain, mention, amount), default=None)
    unknown = names.unknown_before(plain, sentence, amount.start)
    if unknown is None or any(_holds(mention.span, unknown.span) for mention in mentions):
        return nearest
    is_behind = nearest is not None and nearest.span.start >= amount.end
    if nearest and is_behind and _ADJACENT.fullmatch(plain, amount.end, nearest.span.start):
        return nearest  # suggest 5 mg of warfarin
    return unknown


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
