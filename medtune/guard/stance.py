"""Whether a text advises something, warns of it, tells that it happened, or asks about it.

Cues are looked for in the sentence, before and behind the place in question, as NegEx does
(Chapman et al. 2001): a cue reaches to the end of its clause. There is no grammar in it: a double
negation that is not among the exceptions is read as one.
"""

from typing import Literal

from medtune.guard import cues
from medtune.guard.findings import Span

Stance = Literal["advised", "mentioned", "open", "reported", "asked", "against"]
"""against: the text says not to. open: it leaves the decision to others, or tells what goes before.
mentioned: none of the others."""


def stance(plain: str, sentence: Span, place: Span, *, is_maximum: bool = False) -> Stance:
    """What a sentence says of one of its places, such as the name of a drug.

    A cue inside the place itself does not count: an action may be to stop.

    Args:
        plain: The whole text.
        sentence: The sentence that the place stands in.
        place: A name, an action or a dose.
        is_maximum: Whether it is a highest dose, before which "do not take more than" stands.
    """
    written_before, written_behind = _clause_around(plain, sentence, place)
    before, behind = _without_lookalikes(written_before), _without_lookalikes(written_behind)
    if cues.AGAINST_BEHIND.search(behind) or cues.AGAINST_RIGHT_BEHIND.match(behind):
        return "against"
    if not is_maximum and (cues.AGAINST_BEFORE.search(before) or cues.AGAINST_NEAR.search(before)):
        return "against"
    if plain[sentence.start : sentence.end].rstrip("\"')").endswith("?"):
        return "asked"
    if cues.REPORTED_BEFORE.search(before):
        return "reported"
    # Such a clause ends with a comma: before starting, check; if you feel worse, stop.
    if cues.OPEN_BEFORE.search(before.rpartition(",")[2]):
        return "open"
    if cues.ADVISED_BEFORE.search(written_before) or cues.ADVISED_BEHIND.search(written_behind):
        return "advised"
    return "mentioned"


def _clause_around(plain: str, sentence: Span, place: Span) -> tuple[str, str]:
    """The clause before a place, and behind it."""
    text = plain[sentence.start : sentence.end]
    start, end = place.start - sentence.start, place.end - sentence.start
    ends = [found.end() for found in cues.CLAUSE_END.finditer(text, 0, start)]
    first = cues.CLAUSE_END.search(text, end)
    return text[max(ends, default=0) : start], text[end : first.start() if first else len(text)]


def _without_lookalikes(text: str) -> str:
    return cues.NOT_A_CUE.sub(lambda found: "_" * len(found[0]), text)
