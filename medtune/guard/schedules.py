"""How often a dose is given: what stands right behind its unit, and what is said around it."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from medtune.guard.amounts import NUMBER, value_of
from medtune.guard.units import MINUTES_A_DAY, Per


class Tail(NamedTuple):
    """What stands behind a unit: mg/kg/day, units per hour, mg/dL."""

    end: int
    per: Per | None
    minutes: int | None
    """Of a rate: 1 or 60."""
    days: int | None
    """Of a total: per day 1, per week 7."""
    is_concentration: bool
    """An amount in a volume or mass of something else, which is no dose."""


_TAIL = re.compile(
    r"""[ ]?(?:/|(?P<per>per|an?|each)[ ])[ ]?(?:
      (?P<kg>kg|kilograms?|kilos?)
    | (?P<m2>m2|m\^2|m\u00b2|square[ ]met(?:er|re)s?|sqm)
    | (?P<minute>min|minutes?|mins?)
    | (?P<hour>h|hr|hrs|hours?)
    | (?P<day>d|days?|24[ ]?-?h(?:ours?|rs?)?)
    | (?P<week>wk|weeks?)
    | (?P<dose>dose)
    | (?P<other>dl|l|ml|ul|\u00b5l|mcl|cm3|cc|(?:deci|milli|micro)?lit(?:er|re)s?|g|gram|mmol|mol|mg
        |\d[\d.]*[ ]?(?:ml|l|g|m2|mg)|1\.73[ ]?m\S*|high[ ]power[ ]field|hpf|serving
        |actuation|puff|spray)
    )(?![a-z0-9\u00b2])
    (?:[ ]\(?(?:of[ ])?(?:(?:ideal|actual|lean|total|adjusted)[ ])?body[ -]?weight\b\)?)?""",
    re.IGNORECASE | re.VERBOSE,
)


# 5 mg kg-1 h-1.
_INVERSE = re.compile(
    r"""[ .\u00b7]?(?P<per>)(?:
      (?:(?P<kg>kg)|(?P<minute>min)|(?P<hour>hr?)|(?P<day>d|day)|(?P<week>wk|week)
        |(?P<other>m?l|dl|g))(?:\^?-1|\u207b\u00b9)
    | (?P<m2>m)(?:\^?-2|\u207b\u00b2)
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)


def tail(plain: str, start: int, end: int) -> Tail:
    """Read what stands right behind a unit that ends at ``start``."""
    per: Per | None = None
    minutes = days = None
    is_concentration = False
    while found := _TAIL.match(plain, start, end) or _INVERSE.match(plain, start, end):
        is_article = (found["per"] or "").casefold() in ("a", "an", "each")
        if is_article and not (found["day"] or found["week"] or found["hour"] or found["minute"]):
            break
        if found["kg"]:
            per = "kg"
        elif found["m2"]:
            per = "m2"
        elif found["minute"] or found["hour"]:
            minutes = 1 if found["minute"] else 60
        elif found["day"] or found["week"]:
            days = 1 if found["day"] else 7
        elif found["other"]:
            is_concentration = True
        start = found.end()
    return Tail(start, per, minutes, days, is_concentration)


class Schedule(NamedTuple):
    """How often an amount is given."""

    low: Fraction | None
    """Times a day, at least; None where it is a single dose or cannot be told."""
    high: Fraction | None
    days: int | None = None
    """Where the amount is a total, of how many days."""
    num_doses: int | None = None
    """How many times in all."""
    is_qd: bool = False
    """Written as Q.D., which is read as four times a day."""
    is_vague: bool = False
    """How often is said without a number: every few hours."""


ONCE = Schedule(None, None, num_doses=1)

_NUMBER = rf"(?:{NUMBER})"
_A_DAY = (
    r"(?:[ ]?(?:a|per|/|each|every|in[ ](?:a|one)|in)[ ]?(?:day|24[ ]?h(?:ours|rs)?)|[ ]?daily|/d)"
)
# Not "for a week", which tells how long.
_A = r"(?<!for[ ])(?<!in[ ])(?<!after[ ])(?<!within[ ])(?<!over[ ])a"
_ABOUT = r"(?:~[ ]?|(?:about|approximately|around|roughly)[ ])?"
_HOURS = r"(?P<unit>minutes?|mins?|hours?|hrs?|hr|h|days?|d|weeks?|wks?|months?)"

Reader = Callable[[re.Match[str]], Schedule]


_SPANS = {"h": Fraction(1, 24), "w": Fraction(7), "f": Fraction(14), "m": Fraction(30)}
"""Days of a span of time, by its first letter."""


def _times(found: re.Match[str]) -> Schedule:
    per_days = _SPANS.get((found["span"] or "d")[0].casefold(), Fraction(1))
    low, high = _range(found)
    return Schedule(low / per_days, high / per_days)


def _interval(found: re.Match[str]) -> Schedule:
    unit = found["unit"].casefold()
    minutes = next(
        length
        for start, length in (
            ("mo", 30 * MINUTES_A_DAY),
            ("m", 1),
            ("h", 60),
            ("d", MINUTES_A_DAY),
            ("w", 7 * MINUTES_A_DAY),
        )
        if unit.startswith(start)
    )
    shortest, longest = _range(found)
    if not shortest:
        return Schedule(None, None)
    times = Fraction(MINUTES_A_DAY, minutes)
    return Schedule(times / longest, times / shortest)


_NAMED_TIMES = {
    "once": "1", "twice": "2", "thrice": "3", "second": "2", "third": "3", "fourth": "4",
    "sixth": "6", "eighth": "8", "twelfth": "12",
}  # fmt: skip


def _range(found: re.Match[str]) -> tuple[Fraction, Fraction]:
    named = {key: value for key, value in found.groupdict().items() if value}
    if "n" not in named:
        return Fraction(1), Fraction(1)
    numbers = [value_of(_NAMED_TIMES.get(text.casefold(), text)) for text in (
        named["n"], named.get("m", named["n"])
    )]  # fmt: skip
    return min(numbers), max(numbers)


def _fixed(times: int | str, *, days: int | None = None, is_qd: bool = False) -> Reader:
    value = Fraction(times)
    return lambda found: Schedule(value, value, days=days, is_qd=is_qd)


_WEEKDAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_WEEKDAY = r"(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:days?)?(?![a-z])"


def _weekdays(found: re.Match[str]) -> Schedule:
    """Monday, Wednesday and Friday; Monday to Friday."""
    names = re.findall(_WEEKDAY, found[0], re.IGNORECASE)
    days = [_WEEKDAYS.index(name[:2].casefold()) for name in names]
    num_days = (days[-1] - days[0]) % 7 + 1 if found["through"] else len(set(days))
    return Schedule(Fraction(num_days, 7), Fraction(num_days, 7))


def _days_a_week(found: re.Match[str]) -> Schedule:
    low, high = _range(found)
    return Schedule(low / 7, high / 7)


def _vague(found: re.Match[str]) -> Schedule:
    return Schedule(None, None, is_vague=True)


def _total(found: re.Match[str]) -> Schedule:
    return Schedule(None, None, days=1)


# In the order in which they are tried at one place; the first place in the text wins.
_PATTERNS: list[tuple[str, Reader]] = [
    # Three times a day; 3x/day; twice weekly; 2-3 times per week; eight doses a day; 8/day.
    (
        rf"(?P<n>once|twice|thrice|{_NUMBER}(?=[ ]?-?[ ]?(?:x|times?|doses?|to|or|-"
        r"|(?:a|per)[ ]day|/[ ]?d(?:ay)?(?![a-z]))))"
        rf"(?:[ ]?(?:-|to|or)[ ]?(?P<m>twice|{_NUMBER}))?[ ]?-?(?:x|times?|doses?)?"
        r"(?:[ ](?:a|per|each|every|in[ ]a|in)[ ]|[ ]?/[ ]?|[ ]|-)"
        r"(?P<span>day|daily|d|week|weekly|wk|month|monthly|fortnight|24[ ]?h(?:ours|rs)?)",
        _times,
    ),
    # X 6 daily; x8/day.
    (r"x[ ]?(?P<n>\d{1,2})[ ]?(?:daily|/[ ]?d(?:ay)?|(?:a|per)[ ]day)(?P<span>)", _times),
    (
        rf"(?P<n>once|twice|thrice|{_NUMBER}(?=[ ]?(?:x|times)))[ ]?(?:x|times)?"
        r"[ ](?:an|per|each|every)[ ](?P<span>hour|hr)",
        _times,
    ),
    # Monday, Wednesday and Friday; Mon-Fri; three days a week; 5 days out of 7.
    (
        rf"(?:(?:every|each|on)[ ])?{_WEEKDAY}(?:(?P<through>[ ]?-[ ]?|[ ](?:to|thru|through)[ ])"
        rf"{_WEEKDAY}|(?:(?:[ ]?/[ ]?|,[ ]|,?[ ](?:and|&)[ ])(?:on[ ])?{_WEEKDAY})+)",
        _weekdays,
    ),
    (
        rf"(?P<n>{_NUMBER})(?:[ ]?(?:-|to|or)[ ]?(?P<m>{_NUMBER}))?[ ]days?[ ](?:"
        r"(?:a|per|each|every|in[ ]a|of[ ]the|of[ ]each|out[ ]of[ ]the)[ ]week"
        r"|(?:out[ ])?of[ ](?:7|seven))",
        _days_a_week,
    ),
    # Every 4 to 6 hours; q6h; q.6.h.; 8-hourly; every third hour; 6 hours apart; every other day.
    (r"(?:every[ ]other|alternate|every[ ]second)[ ](?:day|night|morning|evening)s?|qod|q\.o\.d\.?",
     _fixed("1/2")),
    (r"(?:every[ ]other|every[ ]second|alternate)[ ]weeks?", _fixed("1/14")),
    (r"(?:every|each)[ ]other[ ](?:hour|hr)", _fixed(12)),
    (
        r"(?:every|each)[ ](?:a[ ])?(?:few|couple(?:[ ]of)?|several|some)[ ]"
        r"(?:minutes|hours|hrs|days)|every[ ]so[ ]often"
        r"|as[ ]often[ ]as[ ](?:(?:you|he|she|they)[ ])?(?:likes?|wants?|wish(?:es)?|need)",
        _vague,
    ),
    (
        rf"(?:every|each|q\.?|@|intervals?[ ]of|(?:(?<=[a-z])|(?<=[a-z][ ]))/)[ ]?{_ABOUT}"
        rf"\(?(?P<n>{_NUMBER})\)?(?:[ ]\(\w+\)|[ ]an?(?=[ ]))?"
        rf"(?:[ ]?(?:-|to|or)[ ]?(?P<m>{_NUMBER})(?:[ ]\(\w+\))?)?[ .]?-?(?:waking[ ])?{_HOURS}",
        _interval,
    ),
    (
        rf"(?P<n>{_NUMBER})(?:[ ]?(?:-|to|or)[ ]?(?P<m>{_NUMBER}))?[ ]?-?{_HOURS}"
        r"[ -](?:intervals?|apart)",
        _interval,
    ),
    (rf"(?:every|each)[ ](?P<n>second|third|fourth|sixth|eighth|twelfth)[ ]{_HOURS}", _interval),
    (rf"(?P<n>{_NUMBER})(?:[ ]?(?:-|to)[ ]?(?P<m>{_NUMBER}))?[ -]?(?P<unit>h)ourly", _interval),
    (r"(?:every[ ]|each[ ]|q\.?)(?:single[ ])?(?:hour|hr|h)|hourly", _fixed(24)),
    (r"every[ ](?:minute|min)", _fixed(MINUTES_A_DAY)),
    (
        r"(?:every|each)[ ](?:morning|am)[ ]and[ ](?:every[ ])?(?:evening|night|bedtime|pm)"
        r"|(?:in[ ]the[ ])?morning[ ]and[ ](?:at[ ]|in[ ]the[ ])?(?:evening|night|bedtime)",
        _fixed(2),
    ),
    (rf"(?:once[ ])?(?:weekly|(?:every|each|per|{_A})[ ]week(?![ ]?days)|/week|/wk|q[ ]?week|qwk)"
     r"|(?:every|each|on)[ ](?:mon|tues|wednes|thurs|fri|satur|sun)days?", _fixed("1/7")),
    (rf"(?:once[ ])?monthly|(?:every|each|{_A}|per)[ ]month", _fixed("1/30")),
    (r"b\.?i\.?d\.?|b\.?d\.?", _fixed(2)),
    (r"t\.?i\.?d\.?|t\.?d\.?s\.?", _fixed(3)),
    (r"q\.?i\.?d\.?|q\.?d\.?s\.?", _fixed(4)),
    (r"q\.?d\.?|o\.d\.", _fixed(1, is_qd=True)),
    (r"(?:before|with|after|at)[ ](?:each[ ]|every[ ]|all[ ])?meals?(?:times?)?", _fixed(3)),
    # 3 g daily, all at once; 3 g daily at bedtime.
    (
        rf"(?:daily|(?:every|each|per|{_A})[ ]day),?[ ]"
        r"(?:all[ ]|(?:to[ ]be[ ])?(?:taken|given)[ ])?"
        r"(?:at[ ]once|together|(?:as|in)[ ](?:a|one)[ ](?:single[ ])?(?:dose|go|time)"
        r"|(?:at|before)[ ](?:bed[ ]?time|bed|night)|in[ ]the[ ](?:morning|evening))"
        r"(?!,?[ ](?:and|or)[ ])",
        _fixed(1),
    ),
    # 3 g daily is as often a total as a single dose; once daily is a single dose.
    (rf"(?:daily|(?:every|each|q)[ ]?day|per[ ]day|{_A}[ ]day|/[ ]?d(?:ay)?"
     r"|(?:in|over|per|within)[ ](?:any[ ]|a[ ])?24[ ]?-?h(?:ours?|rs?)?(?:[ ]period)?)", _total),
    (r"once(?:[ ]|-)daily|od|nightly|q\.?[ ]?h\.?s\.?|qpm|qam|nocte|mane"
     r"|(?:at|before|every|each)[ ](?:bed[ ]?time|night|bed)"
     r"|(?:every|each|in[ ]the|this)[ ](?:morning|evening|night|afternoon)|with[ ](?:the[ ])?"
     r"(?:evening[ ]meal|breakfast|lunch|dinner|supper)"
     r"|(?:before|after|at)[ ](?:breakfast|lunch|dinner|supper)", _fixed(1)),
    (r"once|stat|one[ -]time|(?:as[ ]a[ ])?single[ ](?:\w+[ ])?dose|loading(?:[ ]dose)?|bolus|load"
     r"|push|at[ ]once|one[ ]dose|right[ ]now|now|on[ ]day[ ](?:1|one)", lambda found: ONCE),
]  # fmt: skip
_COMPILED = [
    (
        # A slash stands right behind a word: 1 g/4 h.
        re.compile(
            rf"(?:(?<![a-z0-9.])|(?=/))(?:{pattern})(?![a-z0-9])", re.IGNORECASE | re.VERBOSE
        ),
        reader,
    )
    for pattern, reader in _PATTERNS
]
_GOES_ON = re.compile(
    rf"""(?:[ ,(]|(?:and|then|thereafter|afterwards?|followed[ ]by|given|repeat(?:ed)?|again|it|dose
      |may|can|be|slow(?:ly)?|rapid(?:ly)?|push|bolus|i\.?v|i\.?m|p\.?o|as[ ]needed|prn|if[ ]needed
      |up[ ]to|over[ ]{_NUMBER}[ ](?:to[ ]{_NUMBER}[ ])?(?:min(?:ute)?|sec(?:ond)?)s?
      )(?![a-z]))*""",
    re.IGNORECASE | re.VERBOSE,
)
_DIVIDED = re.compile(
    r"(?:in(?:to)?[ ](?:(?P<n>\w+)[ ])?(?:equally[ ])?divided[ ]doses|divided[ ]into[ ](?P<m>\w+)"
    r"|divided|split)",
    re.IGNORECASE | re.VERBOSE,
)
_COUNT = re.compile(
    rf"(?:up[ ]to|max(?:imum)?(?:[ ]of)?|for|x|no[ ]more[ ]than|total[ ]of)[ ]?(?P<n>{_NUMBER})"
    r"[ ](?:total[ ])?(?:doses|times|tablets)(?![ ]?(?:a|per|daily|in))",
    re.IGNORECASE | re.VERBOSE,
)
_TIMES = re.compile(
    r"(?<!\w)x[ ]?(?P<n>\d{1,2})(?![\w.]|[ ]?(?:d|h|w|m|tab|cap|per|a[ ]|/))", re.IGNORECASE
)
_REPEAT_ONCE = re.compile(r"repeat(?:ed)?(?:[ ]\w+)?[ ]once|once[ ]repeated", re.IGNORECASE)


class _Found(NamedTuple):
    start: int
    end: int
    schedule: Schedule


def schedule(plain: str, start: int, end: int) -> tuple[Schedule, int] | None:
    """The first thing that a stretch of text says of how often, and where it ends.

    A push, or once, stands aside for an interval that goes on with it: a push every hour.
    """
    first = _first(plain, start, end)
    found = first
    while found and found.schedule is ONCE:
        later = _first(plain, found.end, end)
        goes_on = later and _GOES_ON.fullmatch(plain, found.end, later.start)
        found = later if goes_on else None
    # What is said of a day alone may be of an amount that follows: once, then daily 75 mg.
    best = found if found and found.schedule.high is not None else first
    return (best.schedule, best.end) if best else None


def schedule_start(plain: str, start: int, end: int) -> int | None:
    """Where the first thing begins that a stretch of text says of how often; None: nothing."""
    found = _first(plain, start, end)
    return found.start if found else None


def _first(plain: str, start: int, end: int) -> _Found | None:
    best: _Found | None = None
    for pattern, reader in _COMPILED:
        found = pattern.search(plain, start, end)
        if found and (best is None or found.start() < best.start):
            best = _Found(found.start(), found.end(), reader(found))
    return best


def division(plain: str, start: int, end: int) -> int | None:
    """Into how many doses a daily amount is divided: in three divided doses; None: not said."""
    found = _DIVIDED.search(plain, start, end)
    if not found:
        return None
    word = (found["n"] or found["m"] or "").casefold()
    try:
        return int(value_of(word)) if word else None
    except (KeyError, ValueError):  # "into several doses"
        return None


def is_divided(plain: str, start: int, end: int) -> bool:
    """Whether a stretch says that the amount before it is divided."""
    return _DIVIDED.search(plain, start, end) is not None


def num_doses(plain: str, start: int, end: int) -> int | None:
    """How many doses in all a stretch of text allows; None where it says nothing of it."""
    if _REPEAT_ONCE.search(plain, start, end):
        return 2
    found = _COUNT.search(plain, start, end) or _TIMES.search(plain, start, end)
    return int(value_of(found["n"])) or None if found else None
