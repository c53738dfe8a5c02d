"""Amounts that are half read: insulin 10; 10 grains of aspirin; digoxin 1e3 mg; a dozen mg."""

import re
from collections.abc import Collection, Iterator

from medtune.guard.amounts import NUMBER, masses_without_number
from medtune.guard.findings import Span
from medtune.guard.names import DrugNames, Mention
from medtune.guard.schedules import tail
from medtune.guard.sentences import sentences
from medtune.guard.units import unit_of

_NEAR = 60

_BEHIND = re.compile(
    r"(?:(?P<plain>[ ]?[:=][ ]?|[ ])|(?P<mark>[ ]?\([ ]?)|,?[ ](?:(?:is|was|at|to|of)[ ])?)"
    r"(?P<number>\d+(?:[.,]\d+)?)(?:[ -]?(?P<word>[A-Za-z]+))?(?![\w%/:]|[ ]%)"
)
# Behind other words than the drug itself, only what says how often makes a number a dose.
_OFTEN = re.compile(
    r"[ ](?:once|twice|three[ ]times|daily|nightly|every|each|per[ ]day|a[ ]day|[btq]\.?i\.?d"
    r"|q\d+h|iv|po|by[ ]mouth|orally)\b",
    re.IGNORECASE,
)
_DOSE_OF = re.compile(r"\bdos(?:e|age)[ ]of[ ](?:the[ ])?\Z", re.IGNORECASE)
# 10 grains of; 50 of; take 20. Not: day 3 of.
_OF = re.compile(
    r"(?<!day[ ])(?<!week[ ])(?<!month[ ])(?<!year[ ])(?<!cycle[ ])(?<!course[ ])(?<![\w.,/-])"
    rf"(?P<number>{NUMBER}(?=[ ][a-z]+[ ]of)|\d+(?:[.,]\d+)?)"
    r"[ ](?:(?P<word>[a-z]+)[ ])?of[ ](?:the[ ])?\Z",
    re.IGNORECASE,
)
_NUMBER_BEFORE = re.compile(
    rf"(?P<verb>\b(?:give|take|swallow|administer|use|inject|took|taking)[ ])?(?<![\w.,/-])"
    rf"(?P<number>{NUMBER})[ ]\Z",
    re.IGNORECASE,
)
_NOT_TAKEN = re.compile(
    r"\b(?:dispense[ds]?|supply|quantity|contains?|refills?)[: ]*\Z", re.IGNORECASE
)
_PIECES = re.compile(r"[ ](?:tablets?|tabs?|pills?|capsules?|caps?|caplets?)\b", re.IGNORECASE)
_WORD_BEHIND = re.compile(r"[ -](?P<word>[A-Za-z]+)")
# What stands behind a number that is no dose: two weeks ago, 3 trials, the 2 groups.
_COUNTED = re.compile(
    r"(?:sec(?:ond)?|min(?:ute)?|h(?:ou)?r|day|night|week|wk|month|year|yr|time|dose|course|cycle|trial"
    r"|stud(?:y|ie)|patient|case|group|arm|of|to|and|or|people|subject|event|score|point|fold|x|mm|cm"
    r"|st|nd|rd|th|percent|step|stage|option|refill|more|other|different|dos|type|kind|sort|form|brand"
    r"|class|effect|user|third|quarter|injection|shot|review|report|am|pm)e?s?\Z",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)\d\d")


def unitless(plain: str, names: DrugNames, doses: Collection[Span]) -> Iterator[Span]:
    """Numbers beside a drug without a unit, but for those within doses that were read."""
    for sentence in sentences(plain):
        for mention in names.mentions(plain, sentence):
            if mention.kind != "known":
                continue
            for span in (_behind(plain, sentence, mention), _before(plain, sentence, mention)):
                if span and not any(d.start < span.end and span.start < d.end for d in doses):
                    yield span


def _behind(plain: str, sentence: Span, mention: Mention) -> Span | None:
    """Warfarin 50; warfarin: 50 zl; warfarin (50 zl); the dose of warfarin is 50."""
    found = _BEHIND.match(plain, mention.span.end, sentence.end)
    if not found or _is_count(found):
        return None
    is_dose = (
        found["plain"]
        or (found["mark"] and found["word"])
        or _OFTEN.match(plain, found.end("number"), sentence.end)
        or _DOSE_OF.search(plain, sentence.start, mention.span.start)
    )
    return Span(*found.span("number")) if is_dose else None


def _before(plain: str, sentence: Span, mention: Mention) -> Span | None:
    """10 grains of acetaminophen; 50 of morphine; take 20 Tylenol; fifty acetaminophen tablets."""
    start = max(sentence.start, mention.span.start - _NEAR)
    before = plain[start : mention.span.start]
    found = _OF.search(before)
    if found:
        is_dose = not found["word"] or not unit_of(found["word"])
    else:
        found = _NUMBER_BEFORE.search(before)
        is_dose = found is not None and _is_taken(found, plain[mention.span.end : sentence.end])
    if not found or not is_dose or _is_count(found):
        return None
    return Span(start + found.start("number"), start + found.end("number"))


def _is_taken(found: re.Match[str], behind: str) -> bool:
    """Whether a number right before a drug is how many are taken, and not of users or boxes."""
    if _NOT_TAKEN.search(found.string[: found.start()]):
        return False
    word = _WORD_BEHIND.match(behind)
    is_counted = word is not None and _COUNTED.match(word["word"]) is not None
    return _PIECES.match(behind) is not None or (found["verb"] is not None and not is_counted)


def _is_count(found: re.Match[str]) -> bool:
    """Whether a number is a year or counts what is no drug."""
    word = found.groupdict().get("word")
    return bool(_YEAR.fullmatch(found["number"]) or (word and _COUNTED.match(word)))


def numberless(plain: str, names: DrugNames) -> Iterator[Span]:
    """Units of mass without a number, in sentences that name a known drug.

    Units of how strong something is, as in ng/mL, are left out as those with a number are.
    """
    for sentence in sentences(plain):
        units = [
            unit
            for unit in masses_without_number(plain, sentence)
            if not tail(plain, unit.end, sentence.end).is_concentration
        ]
        if units and any(one.kind == "known" for one in names.mentions(plain, sentence)):
            yield from units
