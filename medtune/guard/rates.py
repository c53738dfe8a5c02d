"""Rates beside doses: how fast a dose is given, or another one that runs on behind it."""

import re
from collections.abc import Iterator, Sequence

from medtune.guard.dose import Dose
from medtune.guard.tables import DoseTable

_AT = re.compile(
    r"""(?:\b(?:at|rate|speed|pace)[ ](?:(?:an?|the|rate|speed|pace|of|is|about|around|up|to|most
      |max|maximum|maximal|initial|no|not|more|faster|quicker|less|than|exceed(?:ing)?)[ ])*
      |\b(?:rate|speed)[ ]?[:=][ ]?|\b(?:faster|quicker)[ ]than[ ]|\()\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_ANOTHER = re.compile(
    r"""\b(?:then|followed[ ]by|thereafter|afterwards?|plus
      |(?:an?|the|by|continuous)[ ](?:\w+[ ])?(?:infusion|drip)
      |maintained|and[ ](?:start|begin|run|infuse|continue|maintain))\b""",
    re.IGNORECASE | re.VERBOSE,
)


def is_speed(plain: str, dose: Dose, doses: Sequence[Dose], table: DoseTable) -> bool:
    """Whether a rate is how fast another dose is given, of a drug without limits for rates.

    1000 mg at 50 mg per minute; but not: 5 mg, then 50 mg per hour.
    """
    others = list(_others(dose, doses))
    if not dose.measure.minutes or not others or dose.mention is None:
        return False
    rows = table.by_ingredient.get(dose.mention.ingredient, ())
    if not rows or any(row.measure.minutes for row in rows):
        return False
    start = dose.span.start
    is_told = dose.is_maximum or _AT.search(plain[dose.sentence.start : start]) is not None
    since = max((other.span.end for other in others if other.span.end <= start), default=start)
    return is_told and not _ANOTHER.search(plain, since, start)


def as_rate(dose: Dose, table: DoseTable) -> Iterator[Dose]:
    """The rate of a dose that is never given at once, where it can be told."""
    if _needs_rate(dose, table) and (rate := dose.as_rate):
        yield rate


def lacks_rate(dose: Dose, doses: Sequence[Dose], table: DoseTable) -> bool:
    """Whether it is not said how fast a dose is given that is never given at once."""
    is_told = dose.within_minutes or any(one.measure.minutes for one in _others(dose, doses))
    return _needs_rate(dose, table) and not is_told


def _needs_rate(dose: Dose, table: DoseTable) -> bool:
    if dose.mention is None or dose.mention.kind != "known":
        return False
    rows = table.by_ingredient[dose.mention.ingredient]
    return any(row.needs_rate and row.route == dose.route for row in rows)


def _others(dose: Dose, doses: Sequence[Dose]) -> Iterator[Dose]:
    """Other doses of the same drug in the same sentence."""
    for other in doses:
        if other.sentence == dose.sentence and other.mention == dose.mention and other is not dose:
            yield other
