"""Amounts that drugs share: warfarin and metoprolol 50 mg each; 5 mg and 50 mg respectively."""

import re
from collections.abc import Sequence

from medtune.guard.findings import Span
from medtune.guard.names import Mention

# Not: 50 mg each morning.
_EACH = re.compile(
    r"[ ](?:of[ ])?(?:each|apiece)(?=[ ]?(?:[.,;)]|\Z)|[ ](?:of|and|or|by|iv|po)\b)", re.IGNORECASE
)
_RESPECTIVELY = re.compile(r"\brespectively\b", re.IGNORECASE)


def is_shared(plain: str, sentence: Span, end: int, mentions: Sequence[Mention]) -> bool:
    """Whether an amount that ends at ``end`` is one of several drugs of its sentence at once."""
    drugs = {one.ingredient or plain[one.span.start : one.span.end] for one in mentions
             if one.kind != "no_drug"}  # fmt: skip
    is_said = _EACH.match(plain, end, sentence.end) or _RESPECTIVELY.search(plain, *sentence)
    return len(drugs) > 1 and is_said is not None
