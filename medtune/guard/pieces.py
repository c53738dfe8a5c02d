"""How many pieces of a strength are taken, where no unit stands behind the number.

acetaminophen 500 mg: take 4 every 4 hours; 5 mg tablets, 10 at a time
"""

import re
from fractions import Fraction
from typing import NamedTuple

from medtune.guard.amounts import NUMBER, value_of
from medtune.guard.schedules import schedule

OF_PIECES = frozenset({"mass", "moles", "equivalents"})
"""Dimensions of the strengths of tablets. Units are those of insulin: take 20 units, then 6."""


class Pieces(NamedTuple):
    """How many pieces are taken at once; of a range, the least and the most."""

    low: Fraction
    high: Fraction
    is_doubtful: bool = False
    """The number may be an amount of the next step, whose unit is left out."""


_MAX_PLAIN = 30
_MAX_BEHIND_A_DOSE = 10
_MAX_HALVED = 3
"""More pieces than these are taken by nobody, and no halves beyond: then the number is likely an
amount."""
_RANGE = rf"(?P<n>{NUMBER})(?:[ ]?(?:-|to|or)[ ]?(?P<m>{NUMBER}))?"
_AT_ONCE = r"(?:at[ ](?:a|one|the[ ]same)[ ]time|at[ ]once|together)\b"
# Not: take 4 hours later; take 12 a day, which is how often one is taken.
_TAKE = (
    rf"(?:take|give|swallow|chew|use|have)[ ]{_RANGE}(?=[ ]?(?:[.,;)]|\Z)|[ ](?:{_AT_ONCE}|q\.?\d"
    r"|(?:every|each|at|once|twice|thrice|daily|nightly|by|now|in|as|with|before|after|for|when|if"
    r"|on|tonight|today|this|right|immediately|stat|until|more|then"
    rf"|po|orally|[btq]\.?i\.?d|{NUMBER}[ ]times)\b))"
)
_FIRST = re.compile(rf"[-*#>|\s]*(?:please[ ])?{_TAKE}", re.IGNORECASE)
_BEHIND = re.compile(
    rf"(?:[:;,(.-]|\band)[ ]*(?:(?:please|you[ ](?:can|may|should))[ ])?{_TAKE}", re.IGNORECASE
)
_BEHIND_ALONE = re.compile(
    rf"[ ]?[:;,(-][ ]*{_RANGE}[ ](?:{_AT_ONCE}|q\.?\d|(?:every|each|once|twice|nightly|at[ ]bedtime"
    r"|in[ ]the[ ](?:morning|evening)|[btq]\.?i\.?d)\b)",
    re.IGNORECASE,
)


def pieces_at(plain: str, start: int, end: int) -> Pieces | None:
    """How many pieces a sentence tells to take with its first words."""
    return _read(_FIRST.match(plain, start, end))


def pieces_behind(plain: str, start: int, end: int, *, is_dose: bool) -> Pieces | None:
    """How many pieces are taken of a strength that ends at ``start``.

    Args:
        plain: The whole text.
        start: Where the strength ends.
        end: How far to look.
        is_dose: Whether the strength is itself told to be taken: take 40 mg for 3 days, take 30.
    """
    found = _BEHIND.search(plain, start, end) or _BEHIND_ALONE.match(plain, start, end)
    pieces = _read(found)
    if not found or not pieces:
        return None
    is_dose = is_dose or schedule(plain, start, found.start()) is not None
    return behind_a_dose(pieces) if is_dose else pieces


def behind_a_dose(pieces: Pieces) -> Pieces | None:
    """Pieces as they are read behind a dose that is complete; None: likely the next step's amount.

    Warfarin 5 mg daily, take 7.5 on Sundays; but perhaps: 5 mg daily, take 10 every night.
    """
    count = pieces.high
    is_count = count <= _MAX_BEHIND_A_DOSE and (count.denominator == 1 or count <= _MAX_HALVED)
    return pieces._replace(is_doubtful=True) if is_count else None


def _read(found: re.Match[str] | None) -> Pieces | None:
    if not found:
        return None
    numbers = [value_of(found["n"]), value_of(found["m"] or found["n"])]
    low, high = min(numbers), max(numbers)
    return Pieces(low, high, is_doubtful=high > _MAX_PLAIN) if low else None
