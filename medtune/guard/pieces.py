"""How many pieces of a strength are taken, where no unit stands behind the number.

acetaminophen 500 mg: take 4 every 4 hours; 5 mg tablets, 10 at a time
"""

import re
from fractions import Fraction
from typing import NamedTuple

from medtune.guard.amounts import NUMBER, value_of


class Pieces(NamedTuple):
    """How many pieces are taken at once; of a range, the least and the most."""

    low: Fraction
    high: Fraction


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


def pieces_behind(plain: str, start: int, end: int) -> Pieces | None:
    """How many pieces are taken of a strength that ends at ``start``."""
    found = _BEHIND.search(plain, start, end) or _BEHIND_ALONE.match(plain, start, end)
    return _read(found)


def _read(found: re.Match[str] | None) -> Pieces | None:
    if not found:
        return None
    numbers = [value_of(found["n"]), value_of(found["m"] or found["n"])]
    return Pieces(min(numbers), max(numbers)) if min(numbers) else None
