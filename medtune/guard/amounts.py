"""Numbers with a unit in a plain text: ranges, words, fractions, and the traps of writing them.

A trap is a way of writing that people misread, after the list of error-prone abbreviations of the
Institute for Safe Medication Practices (written down from memory). The number is read as it was
most likely meant; whether a trap is worth a flag is the rule's decision.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from math import gcd
from typing import Literal, NamedTuple, get_args

from medtune.guard.findings import Span
from medtune.guard.units import MASS_WORDS, UNITS, WORDS, Unit, unit_of

Trap = Literal[
    "naked_decimal", "trailing_zero", "thousands", "decimal_comma", "u", "micro", "cc", "qd",
    "combination",
]  # fmt: skip
TRAPS: tuple[Trap, ...] = get_args(Trap)
"""naked_decimal: .5; trailing_zero: 5.0; thousands: 1.000 or 2 500; decimal_comma: 1,5; u: U for
units, read as a zero; micro: a Greek letter read as m; cc: read as u; qd: read as qid;
combination: 5/325 mg, whose parts belong to two drugs."""


class Quantity(NamedTuple):
    """One number, or a range of numbers, with its unit."""

    span: Span
    low: Fraction
    high: Fraction
    """The same as ``low`` where there is no range."""
    unit: Unit
    traps: tuple[Trap, ...]
    form: Unit | None
    """Pieces that this is the strength of: a 500 mg *tablet*."""


_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORD_VALUES = {word: value for value, word in enumerate(_ONES)}
_WORD_VALUES |= {word: 10 * value for value, word in enumerate(_TENS, start=2)}
_FRACTIONS = {
    "\u00bd": "1/2", "\u00bc": "1/4", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3",
    "\u215b": "1/8", "\u215c": "3/8", "\u215d": "5/8", "\u215e": "7/8",
}  # fmt: skip
_FRACTION = f"[{''.join(_FRACTIONS)}]"

_WORD = "|".join([*_WORD_VALUES, "hundred", "thousand"])
_MORE_WORDS = rf"(?:[ ]|(?<=y)-|[ ]and[ ](?:an?[ ])?)(?:{_WORD}|half)(?![a-z])"
# Never a part of a longer number: twenty-one is no range from twenty to one.
_WORDS_NUMBER = (
    rf"(?:an?[ ])?(?:half|(?:{_WORD})(?![a-z])(?:{_MORE_WORDS}){{0,8}})(?![a-z])(?!{_MORE_WORDS})"
)
_PROPER = r"(?:1/[2348]|2/3|3/[48]|[57]/8)(?![\d/])"
_MIXED = rf"\d{{1,3}}[ ](?:and[ ])?{_PROPER}|\d{{1,3}}[ ]and[ ]a[ ]half(?![a-z])"
_DIGITS = (
    rf"{_MIXED}|"
    r"\d{1,3}(?:,\d{3}){1,6}(?:\.\d{1,9})?(?![\d,])"
    r"|\d{1,9},\d{1,2}(?!\d)"
    rf"|\d{{1,9}}[ ]?{_FRACTION}|{_FRACTION}"
    r"|\d{1,25}(?:\.\d{1,25})?(?!\d)|\.\d{1,25}(?!\d)"
)
NUMBER = rf"(?:{_DIGITS}|(?<![a-z]){_WORDS_NUMBER})"
"""A regular expression of a number in digits or words, for letters of either case."""

_UNIT = rf"(?:{WORDS})(?![a-z0-9])"
_QUANTITY = re.compile(
    rf"""(?<![\w.,/])(?<!\d[ ]-)(?<!\d-)
    (?:(?P<count>{NUMBER})[ ]?(?:x[ ]?|[ ])(?=[.]?\d)(?!{_PROPER}))?
    (?:(?P<low>{NUMBER})[ ]?-?(?P<lowunit>{_UNIT})?(?P<join>[ ]?-[ ]?|[ ]to[ ]|[ ]or[ ]|[ ]?/[ ]?))?
    (?P<high>{NUMBER})
    (?:[ ](?P<scale>million|thousand|hundred)(?![a-z]))?
    [ ]?-?[ ]?(?P<unit>{_UNIT})
    (?:[ ]?-?(?P<form>tablets?|tabs?|capsules?|caps?|pills?|caplets?)(?![a-z]))?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FORMS = r"(?:tablets?|tabs?|capsules?|pills?)"
_FORM_BEFORE = re.compile(
    # 4 of the 500 mg tablets.
    rf"({NUMBER})[ ](?:{_FORMS}[ ](?:of[ ])?\(?"
    rf"|(?:{_FORMS}[ ])?of[ ](?:the|your|his|her|my|our|these|those)[ ])\Z",
    re.IGNORECASE,
)
_MASS = re.compile(
    # Gram-positive is no amount.
    rf"(?<![\w/])(?<!/[ ])(?<!per[ ])(?:{MASS_WORDS})(?!\w|[ -](?:positiv|negativ|stain|variabl))",
    re.IGNORECASE,
)
_GIVE = re.compile(
    r"\b(?:give|take|inject|administer|infuse|swallow|push|bolus|use)[ ]\Z", re.IGNORECASE
)
_DOSES = re.compile(r"[ ](?:\w+[ ])?doses\b", re.IGNORECASE)
_PRODUCT = re.compile(
    r"[ ](?:oral[ ])?(?:suspension|solution|syrup|elixir|liquid|concentrat|strength|vial|amp)",
    re.IGNORECASE,
)
_VOLUME_GIVEN = re.compile(
    rf"[^.\n]{{0,80}}?(?:\b(?:give|take|dose(?:[ ](?:of|is))?|administer|use)[ ]|[,:(][ ]?)"
    rf"(?:{NUMBER})[ ]?mL\b(?![ ](?:of[ ])?(?:\w+[ ])?(?:saline|water|flush|dextrose))",
    re.IGNORECASE,
)
"""Behind a strength, how much of the liquid is given: use 160 mg/5 mL and give 2.5 mL."""
_ENDS_NUMBER = re.compile(r"""[\d\u00b2\u00b3\u00b9\u2070-\u2089\u2150-\u215f*_"')\]>][ ]?\Z""")
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6}
_MAX_PIECES = 30


def quantities(plain: str, within: Span) -> Iterator[Quantity]:
    """Quantities of a stretch of a plain text, in its order.

    Whether an amount is a dose is not decided here: a laboratory value has a unit too.
    """
    for found in _QUANTITY.finditer(plain, within.start, within.end):
        unit = unit_of(found["unit"])
        if unit is None or _is_other(found, unit):
            continue
        yield from _quantities(plain, found, unit)


def is_given(plain: str, start: int, end: int) -> bool:
    """Whether an amount in a volume is what is given, and not how strong a solution is.

    Push 40 mEq/20 mL; but not: give the 160 mg/5 mL suspension; give 160 mg/5 mL, 2.5 mL daily.
    """
    is_told = _GIVE.search(plain, max(0, start - 20), start)
    is_strength = _PRODUCT.match(plain, end) or _VOLUME_GIVEN.match(plain, end)
    return is_told is not None and is_strength is None


def masses_without_number(plain: str, within: Span) -> Iterator[Span]:
    """Units of mass beside which no number could be read: 1e3 mg; a dozen milligrams.

    A unit that another one is given per, as in mg/g, is none.
    """
    units = list(_MASS.finditer(plain, *within))
    read = [Span(*found.span()) for found in _QUANTITY.finditer(plain, *within)] if units else []
    for found in units:
        span = Span(*found.span())
        # A single g is one behind a digit or a mark, as in *5* g, and not in e.g.
        is_letter = len(found[0]) == 1 and not _ENDS_NUMBER.search(plain, within.start, span.start)
        if not is_letter and not any(one.start <= span.start < one.end for one in read):
            yield span


def _is_other(found: re.Match[str], unit: Unit) -> bool:
    """Single letters but g are units only right behind digits: 'a l', 'half a u' are none."""
    is_letter = found["unit"].casefold() in ("g", "l", "u")
    is_cut = re.match(r"[.-][A-Za-z]", found.string[found.end("unit") :]) is not None
    is_number = found["high"][-1].isnumeric() or found["unit"].casefold() == "g"
    return is_letter and (is_cut or not is_number)


def _quantities(plain: str, found: re.Match[str], unit: Unit) -> Iterator[Quantity]:
    traps = [*_number_traps(found["high"]), *_unit_traps(found["unit"])]
    high = value_of(found["high"]) * _SCALES.get((found["scale"] or "").casefold(), 1)
    low, start = high, found.start("high")
    if found["low"]:
        other = unit_of(found["lowunit"]) if found["lowunit"] else unit
        traps += _number_traps(found["low"])
        first = value_of(found["low"])
        is_slash = "/" in found["join"]
        if is_slash and other and other.dimension != unit.dimension:
            # 160 mg/5 mL is how strong a solution is, unless it is given: push 40 mEq/20 mL.
            if found["lowunit"] and is_given(plain, found.start("low"), found.end()):
                span = Span(found.start("low"), found.end("lowunit"))
                yield Quantity(span, first, first, other, tuple(traps), None)
            return
        if other != unit and not is_slash:  # 500 mg to 1 g
            if other is not None:
                span = Span(found.start("low"), found.end("lowunit"))
                yield Quantity(span, first, first, other, tuple(traps), None)
        elif is_slash and _is_fraction(first, high, unit):
            low, high, start = first / high, first / high, found.start("low")  # 1/2 tablet
        elif is_slash:
            traps.append("combination")
            start = found.start("low")
            high = low = max(first, high)
        else:
            low, high, start = min(first, high), max(first, high), found.start("low")
    form = unit_of(found["form"]) if found["form"] else None
    count, start = _count(plain, found, form, start)
    if count is not None and _is_split_number(found):
        traps.append("thousands")
    times = count or Fraction(1)
    span = Span(start, found.end())
    form = None if count is not None else form
    yield Quantity(span, low * times, high * times, unit, tuple(dict.fromkeys(traps)), form)


def _is_fraction(first: Fraction, second: Fraction, unit: Unit) -> bool:
    """1/2 tablet or 1/8 mg, and not the two strengths of 5/325 mg or 4/8 mg."""
    if unit.dimension == "pieces":
        return 0 < first < second <= 10
    return second in (2, 3, 4, 8) and 0 < first < second and gcd(int(first), int(second)) == 1


def _count(
    plain: str, found: re.Match[str], form: Unit | None, start: int
) -> tuple[Fraction | None, int]:
    """How many pieces of the strength are taken at once, and where that is said to begin."""
    is_times = form or "x" in plain[found.end("count") : found.start("high")]
    if found["count"] and (is_times or _is_taken(plain, found)):
        count = value_of(found["count"])
        if 0 < count <= _MAX_PIECES:
            return count, found.start("count")
    before = _FORM_BEFORE.search(plain, max(0, found.start() - 40), found.start())
    if before and not found["low"]:
        return value_of(before[1]), before.start()
    return None, start


def _is_taken(plain: str, found: re.Match[str]) -> bool:
    """Take four 500 mg of it; but not: take four 500 mg doses, which are not taken at once."""
    is_told = _GIVE.search(plain, max(0, found.start() - 20), found.start("count"))
    return is_told is not None and not _DOSES.match(plain, found.end())


def _is_split_number(found: re.Match[str]) -> bool:
    """2 500 mg tablets: two of 500 mg, or 2500 mg."""
    count, number = found["count"], found["low"] or found["high"]
    return bool(count) and count.isdigit() and len(number) == 3 and "x" not in found[0]


def value_of(text: str) -> Fraction:
    """The value of a number as ``NUMBER`` finds it."""
    text = text.casefold().strip()
    if mixed := re.fullmatch(r"(\d+) (?:and )?(\d/\d|a half)", text):
        return Fraction(mixed[1]) + Fraction("1/2" if mixed[2] == "a half" else mixed[2])
    for sign, fraction in _FRACTIONS.items():
        if sign in text:
            whole = text.replace(sign, "").strip()
            return Fraction(whole or 0) + Fraction(fraction)
    if re.fullmatch(r"\d+,\d{1,2}", text):
        return Fraction(text.replace(",", "."))
    if text[0].isdigit() or text[0] == ".":
        return Fraction(text.replace(",", ""))
    return _words_value(text)


def _words_value(text: str) -> Fraction:
    """Two hundred and fifty; half; a thousand."""
    total, group = Fraction(0), Fraction(0)
    for word in re.split(r"[ -]+", text):
        if word == "half":
            group += Fraction(1, 2)
        elif word == "hundred":
            group = (group or Fraction(1)) * 100
        elif word == "thousand":
            total, group = total + (group or Fraction(1)) * 1000, Fraction(0)
        elif word not in ("a", "an", "and"):
            group += _WORD_VALUES[word]
    return total + group


def _number_traps(number: str) -> Iterator[Trap]:
    if number.startswith("."):
        yield "naked_decimal"
    elif re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", number):
        yield "thousands"
    elif re.search(r"\.\d*0\Z", number):
        yield "trailing_zero"
    elif re.fullmatch(r"\d+,\d{1,2}", number):
        yield "decimal_comma"


def _unit_traps(unit: str) -> Iterator[Trap]:
    small = unit.lower()  # casefold would turn the micro sign into a Greek letter
    if small == "u":
        yield "u"
    elif small.startswith(("\u00b5", "ug")):
        yield "micro"
    elif small == "cc":
        yield "cc"


TABLETS = frozenset({UNITS["tablets"], UNITS["capsules"]})
