"""Amounts that are half read: insulin 10; warfarin 5 zl; digoxin 1e3 mg; a dozen milligrams."""

import re
from collections.abc import Collection, Iterator

from medtune.guard.amounts import masses_without_number
from medtune.guard.findings import Span
from medtune.guard.names import DrugNames
from medtune.guard.schedules import tail
from medtune.guard.sentences import sentences

_NUMBER = re.compile(r"[ ](?P<number>\d+(?:[.,]\d+)?)(?:[ -]?(?P<word>[A-Za-z]+))?(?![\w%/:])")
# What stands behind a number that is no dose: two weeks ago, 3 trials, the 2 groups.
_COUNTED = re.compile(
    r"(?:sec(?:ond)?|min(?:ute)?|h(?:ou)?r|day|night|week|wk|month|year|yr|time|dose|course|cycle|trial"
    r"|stud(?:y|ie)|patient|case|group|arm|of|to|and|or|people|subject|event|score|point|fold|x|mm|cm"
    r"|st|nd|rd|th|percent|step|stage|option|refill|more|other|different|dos)e?s?\Z",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)\d\d")


def unitless(plain: str, names: DrugNames, doses: Collection[Span]) -> Iterator[Span]:
    """Numbers behind a drug without a unit, but for those within doses that were read."""
    for sentence in sentences(plain):
        for mention in names.mentions(plain, sentence):
            found = _NUMBER.match(plain, mention.span.end, sentence.end)
            if mention.kind != "known" or not found or _YEAR.fullmatch(found["number"]):
                continue
            span = Span(*found.span("number"))
            is_counted = found["word"] is not None and _COUNTED.match(found["word"])
            if not is_counted and not any(d.start < span.end and span.start < d.end for d in doses):
                yield span


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
