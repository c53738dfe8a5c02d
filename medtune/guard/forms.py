"""What stands in a line or sentence of its own and belongs to a dose in another one.

Drug: ibuprofen
Dose: 400 mg
Frequency: every 6 hours
Route: oral
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from typing import NamedTuple

from medtune.guard.dose import Dose
from medtune.guard.findings import Span
from medtune.guard.pieces import OF_PIECES, Pieces, behind_a_dose, pieces_at
from medtune.guard.routes import Route, routes
from medtune.guard.schedules import Schedule, num_doses, schedule, schedule_start

_MARKS = r"[*_#>|\s-]{0,8}(?:\d{1,2}[.)][ ])?[*_\s]{0,8}"
_BEHIND_LABEL = r"[*_\s]*(?:[:=|?]|-[ ])"
_FREQUENCY = re.compile(
    rf"{_MARKS}(?:(?:dosing[ ]|dose[ ])?(?:frequency|freq|interval)|how[ ]often){_BEHIND_LABEL}",
    re.IGNORECASE,
)
_INSTRUCTIONS = re.compile(
    rf"{_MARKS}(?:(?:dosing[ ]|dose[ ])?schedule|timing|times?|sig|directions?|instructions?"
    rf"|administration){_BEHIND_LABEL}",
    re.IGNORECASE,
)
"""Labels of lines that may be about something else: Instructions: check your glucose daily."""
_LEADS_TO_SCHEDULE = re.compile(
    r"(?:[\s*_,(]|\b(?:please|to|be|taken?|give|given|used?|inject(?:ed)?|administer(?:ed)?|repeat"
    r"|appl(?:y|ied)|swallow(?:ed)?|chew(?:ed)?|whole|it|this|them|each|the|dose|one|two|\d{1,2}"
    r"|by|mouth|orally|po|p\.o\.?|iv|im|sc|sq|subcutaneously|intravenously|with|food|water|milk|on"
    r"|an|empty|stomach|up|as|needed|prn|about|at|most|no|more|than|for[ ]\w+)(?!\w))*",
    re.IGNORECASE,
)
_AT_MEALS = re.compile(r"(?:before|with|after|at)[ ]meals?\b", re.IGNORECASE)
"""How a dose is taken, rather than three times a day: take with meals to reduce nausea."""
_ROUTE = re.compile(rf"{_MARKS}route(?:[ ]of[ ]administration)?{_BEHIND_LABEL}", re.IGNORECASE)
_OFTEN = (
    r"(?:every|each|once|twice|thrice|daily|hourly|nightly|\w+[ ]times)\b|q\.?\d|[btq]\.?i\.?d\b"
)
_TAKE_IT = re.compile(
    rf"{_MARKS}(?:please[ ])?(?:(?:you|he|she|they|it|this|the[ ](?:dose|patient))[ ])?"
    r"(?:(?:can|may|should|must|will|is|to)[ ](?:be[ ])?)?"
    r"(?:take|taken|give|given|use|used|inject|injected|administer|administered|repeat|repeated"
    r"|do(?=[ ](?:it|this|that)\b))"
    r"(?:[ ](?:it|this|them|that|(?:this|the|each)[ ]dose))?"
    r"(?:[ ](?:again|up[ ]to|at[ ]most|as[ ]needed|orally|by[ ]mouth|iv|im|sc|for[ ]\w+"
    r"|with[ ](?:food|water|milk)))*"
    rf"[ ](?={_OFTEN}|(?:at|in[ ]the|with|before|after)\b)",
    re.IGNORECASE,
)
_OFTEN_ALONE = re.compile(rf"{_MARKS}(?={_OFTEN})", re.IGNORECASE)
_NOTHING_ELSE = re.compile(
    r"(?:[\s.,;()*_|-]|as[ ]needed|prn|if[ ]needed|for[ ]\w+[ ](?:days?|weeks?)|with[ ]food"
    r"|by[ ]mouth|orally)*",
    re.IGNORECASE,
)


class _Told(NamedTuple):
    """What a line without an amount says of a dose."""

    schedule: Schedule | None
    route: Route | None
    pieces: Pieces | None
    """How many pieces of the strength are taken."""
    is_labelled: bool
    """By a word such as frequency: then other lines may stand between it and the dose."""


class Read(NamedTuple):
    """One sentence."""

    sentence: Span
    doses: list[Dose]
    is_named: bool
    """Whether it names a drug."""


def with_lines(plain: str, read: Sequence[Read]) -> list[Dose]:
    """Doses with what lines of their own say of them, before or behind: Frequency: daily."""
    done: list[Dose] = []
    waiting: list[_Told] = []
    is_open = is_next = False
    for sentence, doses, is_named in read:
        told = None if doses or is_named else _told_alone(plain, sentence)
        if is_named:
            waiting, is_open = [], False
        if told and is_open and (told.is_labelled or is_next):
            done[-1] = _completed(done[-1], told)
        elif told and told.is_labelled:
            waiting.append(told)
        elif doses:
            done += [reduce(_completed, waiting, doses[0]), *doses[1:]]
            waiting, is_open = [], True
        is_next = bool(doses)
    return done


def _completed(dose: Dose, told: _Told) -> Dose:
    """A dose with what another line says of it, where its own sentence does not."""
    is_open = dose.times_high is None and not (dose.total_days or dose.num_doses)
    is_strength = dose.measure.unit.dimension in OF_PIECES and not dose.measure.per
    pieces = told.pieces if is_strength else None
    if pieces and not is_open:
        pieces = behind_a_dose(pieces)
    if pieces:
        low, high = dose.low * pieces.low, dose.high * pieces.high
        is_doubtful = dose.is_doubtful or pieces.is_doubtful
        dose = replace(dose, low=low, high=high, form=None, is_doubtful=is_doubtful)
    if told.schedule and is_open and not dose.measure.minutes:
        often = told.schedule
        dose = replace(dose, times_low=often.low, times_high=often.high, num_doses=often.num_doses)
    return replace(dose, route=dose.route or told.route)


def _told_alone(plain: str, sentence: Span) -> _Told | None:
    """What a sentence that names no drug and no amount says of a dose; None: nothing."""
    start, end = sentence
    if _ROUTE.match(plain, start, end):
        named = routes(plain, start, end)
        return _Told(None, named[0] if named else None, None, is_labelled=True)
    if label := _FREQUENCY.match(plain, start, end):
        return _labelled(plain, label.end(), end)
    if label := _INSTRUCTIONS.match(plain, start, end):
        begin = schedule_start(plain, label.end(), end)
        is_of_dose = begin is not None and _is_led_to(plain, label.end(), begin)
        return _labelled(plain, label.end(), end) if is_of_dose else None
    pieces = pieces_at(plain, start, end)
    found = schedule(plain, start, end)
    is_of_dose = found is not None and _is_of_dose(plain, sentence, found[1])
    if not pieces and not is_of_dose:
        return None
    often = _each_time(found[0]) if found else None
    if often and not often.num_doses:  # repeat every 5 minutes, up to 3 doses
        often = often._replace(num_doses=num_doses(plain, start, end))
    return _Told(often, None, pieces, is_labelled=False)


def _labelled(plain: str, start: int, end: int) -> _Told | None:
    """What stands behind a label that ends at ``start``."""
    found = schedule(plain, start, end)
    return _Told(_each_time(found[0]), None, None, is_labelled=True) if found else None


def _is_led_to(plain: str, start: int, begin: int) -> bool:
    """Whether nothing but the taking of a dose stands before a schedule, which is no mere meal."""
    is_dose = _LEADS_TO_SCHEDULE.fullmatch(plain, start, begin) is not None
    return is_dose and not _AT_MEALS.match(plain, begin)


def _each_time(found: Schedule) -> Schedule:
    """Daily, beside a dose in another line, is once a day, and does not make that a total."""
    once = Fraction(1)
    return found._replace(low=once, high=once, days=None) if found.days == 1 else found


def _is_of_dose(plain: str, sentence: Span, end: int) -> bool:
    """Whether a schedule up to ``end`` is one of the dose before: take it every 2 hours.

    Without a verb the sentence says nothing else; not: every 2 hours check the pulse. With one, the
    schedule begins right behind it; not: take it 2 hours apart from milk, and walk twice a day.
    """
    if told := _TAKE_IT.match(plain, *sentence):
        begin = told.end()
        is_next = schedule_start(plain, begin, sentence.end) == begin
        return is_next and not _AT_MEALS.match(plain, begin)
    is_alone = _NOTHING_ELSE.fullmatch(plain, end, sentence.end) is not None
    return is_alone and _OFTEN_ALONE.match(plain, *sentence) is not None
