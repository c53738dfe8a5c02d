"""Units of doses, and measures such as mcg/kg/minute. Amounts are exact fractions.

Amounts of two dimensions are never compared, nor turned into each other: a unit of heparin has no
milligrams, and a millimole of an ion is a milliequivalent only where its charge is one.
"""

import re
from fractions import Fraction
from typing import Literal, NamedTuple

Dimension = Literal["mass", "units", "moles", "equivalents", "volume", "percent", "pieces"]
Per = Literal["kg", "m2"]

MINUTES_A_DAY = 1440


class Unit(NamedTuple):
    """A unit of an amount."""

    name: str
    """As messages and tables write it."""
    dimension: Dimension
    factor: Fraction
    """How many base units it is: mg, units, mmol, mEq, mL, percent or pieces."""


class Measure(NamedTuple):
    """What limits and doses are given in: a unit, per kg or m2 or neither, per time or not."""

    unit: Unit
    per: Per | None = None
    minutes: int | None = None
    """The time of a rate: 1 for per minute, 60 for per hour; None for an amount."""

    @property
    def name(self) -> str:
        """As a table writes it, such as ``mcg/kg/minute``."""
        time = {None: None, 1: "minute", 60: "hour"}[self.minutes]
        return "/".join(filter(None, (self.unit.name, self.per, time)))

    def base(self, amount: Fraction) -> Fraction:
        """An amount of this measure in base units (a minute, where it is a rate)."""
        return amount * self.unit.factor / (self.minutes or 1)

    def amount(self, base: Fraction) -> Fraction:
        """An amount of base units in this measure."""
        return base * (self.minutes or 1) / self.unit.factor


_SPELLED: dict[tuple[str, Dimension, str], str] = {
    ("kg", "mass", "1000000"): "",
    ("g", "mass", "1000"): r"g|gms?|grams?|grammes?",
    ("mg", "mass", "1"): r"mgs?|mgm|\u338e|milligrams?|milligrammes?|milli-grams?",
    ("mcg", "mass", "1/1000"): (
        r"mcgs?|\u338d|ugs?|\u00b5gs?|micrograms?|microgrammes?|micro-grams?"
    ),
    ("ng", "mass", "1/1000000"): r"ng|nanograms?|nanogrammes?",
    ("units", "units", "1"): r"units?|iu|i\.u\.|international\ units?|u",
    ("mmol", "moles", "1"): r"mmols?|millimoles?",
    ("mEq", "equivalents", "1"): r"meqs?|milliequivalents?",
    ("mL", "volume", "1"): r"mls?|cc|millilit(?:er|re)s?",
    ("L", "volume", "1000"): r"l|lit(?:er|re)s?",
    ("%", "percent", "1"): r"%|percent|per\ cent",
    ("drops", "pieces", "1"): r"drops?|gtts?",
    ("tablets", "pieces", "1"): r"tablets?|tabs?|pills?|caplets?",
    ("capsules", "pieces", "1"): r"capsules?|caps?",
    ("puffs", "pieces", "1"): r"puffs?|sprays?|inhalations?|actuations?",
    ("patches", "pieces", "1"): r"patch(?:es)?",
    ("pieces", "pieces", "1"): (
        r"ampoules?|ampules?|amps?|vials?|suppositor(?:y|ies)|lozenges?|sachets?|gumm(?:y|ies)"
        r"|teaspoons?|tsps?|tablespoons?|tbsps?|teaspoonfuls?|pens?|syringes?|shots?|scoops?"
    ),
}
UNITS: dict[str, Unit] = {
    name: Unit(name, dimension, Fraction(factor)) for name, dimension, factor in _SPELLED
}
"""Every unit by its name."""

WORDS = "|".join(spelled for spelled in _SPELLED.values() if spelled)
"""A regular expression, for letters of either case, of all ways to write a unit."""
MASS_WORDS = "|".join(spelled for key, spelled in _SPELLED.items() if key[1] == "mass" and spelled)
"""The same of units of mass."""
_READ = [(re.compile(spelled, re.IGNORECASE), key[0]) for key, spelled in _SPELLED.items()]


def unit_of(word: str) -> Unit | None:
    """The unit that a word of a text stands for; None where it is none.

    A capital G is the gauge of a needle; a unit in grams is written small.
    """
    if word == "G":
        return None
    for pattern, name in _READ:
        if pattern.pattern and pattern.fullmatch(word):
            return UNITS[name]
    return None


def measure_of(text: str) -> Measure:
    """The measure that a table writes: ``mg``, ``mg/m2``, ``mcg/kg/minute``, ``units/hour``.

    Raises:
        ValueError: It is no such measure; the message lists the parts.
    """
    name, *parts = text.split("/")
    per: Per | None = None
    minutes: int | None = None
    for part in parts:
        if part in ("kg", "m2") and per is None and minutes is None:
            per = "kg" if part == "kg" else "m2"
        elif part in ("minute", "hour") and minutes is None:
            minutes = 1 if part == "minute" else 60
        else:
            break
    else:
        if name in UNITS and name != "kg":
            return Measure(UNITS[name], per, minutes)
    units = ", ".join(sorted(UNITS.keys() - {"kg"}))
    raise ValueError(
        f"not a unit: {text!r}; write one of {units}, with /kg or /m2 and /minute or /hour behind "
        "it where it is so"
    )


def shown(amount: Fraction) -> str:
    """An amount in decimals, at most five significant ones where it has no end."""
    if amount.denominator == 1:
        return f"{amount.numerator:,}"
    text = f"{float(amount):.5g}"
    return text if "e" not in text else f"{float(amount):,.0f}"
