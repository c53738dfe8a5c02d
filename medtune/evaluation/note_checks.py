"""Two checks of a written clinical note that need no model: its headings and its numbers.

``section_f1`` compares headings with those of a reference. It does not show what stands below
them, nor their order, and *HPI* is not *History of present illness* to it.

``number_support`` looks for the note's numbers in the conversation. It does not show that a number
stands with the right drug, unit or side, that a pair such as 120/80 is in the right order, that
nothing was left out, or that a number which was worked out (an age, a date, a sum) is wrong. Small
numbers are nearly always supported by chance. Numbers that the note writes as words, numbers within
names (B12, L4, COVID-19) and those that number a list are not looked at.

The references of the first test sets of MTS-Dialog and ACI-Bench score 0.90 and 0.86 on average
against their own conversations, and 0.05 and 0.38 against the next row's: clinicians know ages and
dates from elsewhere.
"""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

_MAX_HEADING_WORDS = 6
_MARKUP = re.compile(r"^\s*#+\s*|\*\*|__")
_BULLET = re.compile(r"^\s*(?:[-*+\u2022]|\d+[.)])\s")

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_MIXED = re.compile(r"(\d+)[ -](\d)/(\d)")
_NUMBER = re.compile(
    rf"(?<![\w.])(?<![a-z]-)(?:{_MIXED.pattern}(?!\d)|(?:{_DIGITS})(?:[/:](?:{_DIGITS}))*)",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"(?:^|(?<=[.:;])\s)\s*#?\d{1,2}[.)](?=\s+[A-Z])", re.MULTILINE)
_SPOKEN = re.compile(rf"{_DIGITS}|[a-z]+")

_UNITS = {
    word: value
    for names in (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen",
        "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth",
    )
    for value, word in enumerate(names.split())
}
_UNITS |= {"oh": 0, "o": 0, "once": 1, "twice": 2, "couple": 2, "dozen": 12}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
}
_TENS |= {word[:-1] + ending: value for word, value in _TENS.items() for ending in ("ieth", "ies")}
_HUNDRED = ("hundred", "hundreds", "hundredth")
_SCALES = {"thousand": 1000, "thousands": 1000, "million": 10**6, "millions": 10**6}
_MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_PARTS = {"half": Fraction(1, 2), "quarter": Fraction(1, 4)}


def section_f1(reference: str, text: str) -> float | None:
    """F1 of the text's headings against the reference's, 0 to 1; None where that has none.

    A heading is a line of at most six words in capitals, or ending with a colon; letter case,
    markdown and punctuation do not count, nor does how often a heading stands there.
    """
    wanted, found = headings(reference), headings(text)
    if not wanted:
        return None
    return 2 * len(wanted & found) / (len(wanted) + len(found))


def headings(text: str) -> frozenset[str]:
    """The headings of a note, in small letters without punctuation."""
    found = set()
    for line in text.splitlines():
        bare = _MARKUP.sub("", line).strip()
        is_heading = bare.endswith(":") or (bare.isupper() and bare[-1] not in ".;,?!")
        if is_heading and not _BULLET.match(line) and not re.search(r"\d", bare):
            words = re.findall(r"[^\W_]+", bare.casefold().replace("&", " and "))
            if 0 < len(words) <= _MAX_HEADING_WORDS:
                found.add(" ".join(words))
    return frozenset(found)


def number_support(conversation: str, text: str) -> float | None:
    """Share of the text's numbers that stand in the conversation; None where it has no number.

    A pair, a date or a time (120/80, 3/12/2008, 10:30) is one number, and all of it must be there.
    In the conversation numbers are read from digits and from English words, in all the ways that a
    run of such words can be read: "one twenty" is 1, 20 and 120.
    """
    written = [found[0] for found in _NUMBER.finditer(_LIST_NUMBER.sub("", text))]
    if not written:
        return None
    spoken = spoken_numbers(conversation)
    return sum(_is_supported(number, spoken) for number in written) / len(written)


def _is_supported(number: str, spoken: frozenset[Fraction]) -> bool:
    if mixed := _MIXED.fullmatch(number):
        whole, above, below = map(int, mixed.groups())
        return below > 0 and whole + Fraction(above, below) in spoken
    *others, last = (_value(part) for part in re.split(r"[/:]", number))
    if any(part not in spoken for part in others):
        is_share = "/" in number and len(others) == 1 and 0 < others[0] < last <= 10
        return is_share and others[0] / last in spoken
    # Eight o'clock, and the century of a date, which are not said.
    is_unsaid = bool(others) and ":" in number and last == 0
    years = {1900 + last, 2000 + last} if len(others) == 2 and last < 100 else set()
    return is_unsaid or bool(spoken & (years | {last}))


def spoken_numbers(conversation: str) -> frozenset[Fraction]:
    """All numbers that a conversation can be heard to name."""
    words = _SPOKEN.findall(conversation.casefold())
    found = {Fraction(_MONTHS[word]) for word in words if word in _MONTHS}
    run: list[Fraction] = []
    place = 0
    while place < len(words):
        read = None if not run and words[place] in ("oh", "o") else _number(words, place)
        if read:
            value, place = read
            run.append(value)
        if not read or place == len(words):
            found.update(run, _strung(run))
            run = []
            place += not read
    return frozenset(found)


def _strung(run: Sequence[Fraction]) -> Iterator[Fraction]:
    """Numbers said in pieces: one twenty (120), one oh five, nineteen eighty five."""
    for start in range(len(run)):
        for end in range(start + 2, min(start + 4, len(run)) + 1):
            pieces = run[start:end]
            if all(piece.denominator == 1 and piece < 100 for piece in pieces):
                yield Fraction("".join(str(piece) for piece in pieces))


# Each of these reads from a place and returns the value with the place behind it.
_Reading = tuple[Fraction, int] | None


def _number(words: Sequence[str], place: int) -> _Reading:
    """Whole, with a decimal fraction, or with a half or a quarter."""
    whole = _whole(words, place)
    value, place = whole or (Fraction(0), place)
    if words[place : place + 1] == ["point"] and (digits := _digits(words, place + 1)):
        return value + Fraction(f"0.{digits[0]}"), digits[1]
    start = place
    if whole and words[place : place + 2] in (["and", "a"], ["and", "one"]):
        start = place + 2
    if words[start : start + 1] and words[start] in _PARTS and (start > place or not whole):
        return value + _PARTS[words[start]], start + 1
    return (value, place) if whole else None


def _whole(words: Sequence[str], place: int) -> _Reading:
    """Two thousand three hundred and five; digits as well, with a scale or without."""
    total, group = Fraction(0), _group(words, place)
    while group:
        value, place = group
        scale = _SCALES.get(words[place]) if place < len(words) else None
        if scale is None:
            return total + value, place
        total, place = total + value * scale, place + 1
        group = _group(words, place + (words[place : place + 1] == ["and"]))
    return (total, place) if total else None


def _group(words: Sequence[str], place: int) -> _Reading:
    """Below a thousand in words; digits of any size."""
    if place >= len(words):
        return None
    if words[place] == "a" and words[place + 1 : place + 2] in (["hundred"], ["thousand"]):
        read: _Reading = (Fraction(1), place + 1)
    elif words[place][0].isalpha():
        read = _below_hundred(words, place)
    else:
        read = _value(words[place]), place + 1
    if read and read[1] < len(words) and words[read[1]] in _HUNDRED:
        value, place = 100 * read[0], read[1] + 1
        more = _below_hundred(words, place + (words[place : place + 1] == ["and"]))
        return (value + more[0], more[1]) if more else (value, place)
    return read


def _below_hundred(words: Sequence[str], place: int) -> _Reading:
    if place >= len(words):
        return None
    if words[place] in _UNITS:
        return Fraction(_UNITS[words[place]]), place + 1
    if words[place] not in _TENS:
        return None
    value = _TENS[words[place]]
    unit = _UNITS.get(words[place + 1], 0) if place + 1 < len(words) else 0
    return (Fraction(value + unit), place + 2) if 0 < unit < 10 else (Fraction(value), place + 1)


def _digits(words: Sequence[str], place: int) -> tuple[str, int] | None:
    """What is said behind a point, as digits: two five, twenty five, 25."""
    digits = ""
    while place < len(words):
        read = _below_hundred(words, place)
        if read is None and words[place].isdigit() and not digits:
            return words[place], place + 1
        if read is None:
            break
        digits, place = digits + str(read[0]), read[1]
    return (digits, place) if digits else None


def _value(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))
