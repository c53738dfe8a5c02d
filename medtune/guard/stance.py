"""Whether a text advises something, warns of it, tells that it happened, or asks about it.

Cues are looked for in the sentence, before and behind the place in question, as NegEx does
(Chapman et al. 2001): a cue reaches to the end of its clause. There is no grammar in it: a double
negation that is not among the exceptions is read as one.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from medtune.guard import cues
from medtune.guard.findings import Span

Stance = Literal["advised", "mentioned", "open", "reported", "asked", "against", "mixed"]
"""against: the text says not to. open: it leaves the decision to others, or tells what goes before.
mixed: it advises beside a negation, which is likely one of something else. mentioned: none of the
others."""


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
    negations = [] if is_maximum else list(_negations(before))
    upto = before + plain[place.start : place.end]
    others = [
        found
        for found in negations
        if _is_of_other(found, before, behind) or _stops_at_command(found, upto, behind)
    ]
    is_against = cues.AGAINST_BEHIND.search(behind) is not None
    is_urged = cues.URGED.search(upto) is not None
    if cues.AGAINST_RIGHT_BEHIND.match(behind) or len(others) < len(negations):
        return "against"
    if is_against and (negations or not is_urged):
        return "mixed" if cues.CONDITION_DENIES.search(behind) and not negations else "against"
    if plain[sentence.start : sentence.end].rstrip("\"')").endswith("?"):
        return "asked"
    if cues.REPORTED_BEFORE.search(_main_clause(before)):
        return "reported"
    if negations or is_against:
        return "mixed"
    # Such a clause ends with a comma: before starting, check; if you feel worse, stop.
    if cues.OPEN_BEFORE.search(before.rpartition(",")[2]):
        return "open"
    if cues.ADVISED_BEFORE.search(written_before) or cues.ADVISED_BEHIND.search(written_behind):
        return "advised"
    return "mentioned"


def _negations(before: str) -> Iterator[re.Match[str]]:
    yield from cues.AGAINST_BEFORE.finditer(before)
    if near := cues.AGAINST_NEAR.search(before):
        yield near


def _is_of_other(negation: re.Match[str], before: str, behind: str) -> bool:
    """Whether a negation before a place is likely none of it, as it advises the place itself.

    Switch from A to X; as she cannot take A, X 5 mg; A is not enough and X is recommended.
    """
    if cues.TAKES_THE_PLACE.match(before, negation.start()):
        return True
    rejected = cues.REJECTED_LIST.match(before, negation.start())
    is_listed = rejected is not None and cues.ENDS_IN_A_LIST.search(rejected["last"]) is not None
    if rejected and not is_listed and not cues.GOES_ON_AS_A_LIST.match(behind):
        return True
    main = cues.MAIN_CLAUSE.match(before)
    is_before_main = main is not None and negation.start() < main.start("comma")
    if is_before_main and not cues.GOES_ON_AS_A_LIST.match(behind):
        return True
    if cues.NONE_OF_THEM.match(before):
        return False
    goes_on = "," in before[negation.start() :] or " and " in before[negation.start() :]
    return goes_on and cues.IS_ADVISED.search(cues.REASON.split(behind)[0]) is not None


def _stops_at_command(negation: re.Match[str], upto: str, behind: str) -> bool:
    """Whether a command up to a place is likely none of what is denied: no fever, take X or call.

    Its clause goes on over the comma, as an "or" between commands may make them one list.
    """
    start = negation.start()
    if not cues.COMMAND_BEHIND_COMMA.search(upto, start):
        return False
    joined = cues.JOINED.match(behind)
    if joined and not joined["comma"] and cues.COMMAND_TO_DO.search(upto, start):
        return True
    denying = cues.DENIES_A_LIST.finditer(upto + behind)
    return not any(one.start() <= start < one.end() for one in denying)


def _main_clause(before: str) -> str:
    """What stands before a place without a clause before that: as she took A, X is started."""
    main = cues.MAIN_CLAUSE.match(before)
    return before[main.start("comma") :] if main else before


def _clause_around(plain: str, sentence: Span, place: Span) -> tuple[str, str]:
    """The clause before a place, and behind it."""
    text = plain[sentence.start : sentence.end]
    start, end = place.start - sentence.start, place.end - sentence.start
    # Whether a clause ends is told by the word behind it, which may belong to the place.
    begin = max((one.end for one in _clause_begins(text) if one.end <= start), default=0)
    stop = min((one.start for one in _clause_ends(text) if one.start >= end), default=len(text))
    condition = _condition(text, begin, Span(start, end))
    return text[begin:start], text[end : min(stop, condition.start() if condition else stop)]


@lru_cache(maxsize=16)  # a sentence has many places
def _clause_ends(text: str) -> tuple[Span, ...]:
    return tuple(Span(*found.span()) for found in cues.CLAUSE_END.finditer(text))


@lru_cache(maxsize=16)
def _clause_begins(text: str) -> tuple[Span, ...]:
    """Ends of clauses but those within what goes on behind: do not, under any circumstances, X."""
    return tuple(one for one in _clause_ends(text) if not cues.PARENTHESIS.search(text, 0, one.end))


def _condition(text: str, begin: int, place: Span) -> re.Match[str] | None:
    """A condition behind a place whose words say nothing of it: use X if Y is not tolerated.

    None where the verb of the place comes behind the condition: X while pregnant is unsafe.
    """
    found = cues.CONDITION.search(text, place.end)
    if not found or cues.URGED.search(text[begin : place.end]):
        return found
    before = text[begin : place.start]
    if cues.IS_SUBJECT.match(before):
        is_advised = cues.IS_ADVISED.match(text, place.end + 1) is not None
    else:
        between = cues.ADVISED_BEHIND.search(text, place.end, found.start())
        is_advised = between is not None or cues.ADVISED_BEFORE.search(before) is not None
    return found if is_advised else None


def _without_lookalikes(text: str) -> str:
    return cues.NOT_A_CUE.sub(lambda found: "_" * len(found[0]), text)
