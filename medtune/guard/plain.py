"""Text as the rules read it, character for character as long as it was; and what they cannot read.

Offsets into the plain text are offsets into the text, so nothing is ever added or taken away.
"""

import re

from medtune.guard.findings import Span

_SAME = {
    " ": "\t\u00a0\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))),
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
    "'": "\u2018\u2019\u02bc\u00b4`",
    "\u00b5": "\u03bc",  # the Greek letter and the micro sign look the same
    "/": "\u2044\u2215",
    "x": "\u00d7",
    ".": "\u2024",
    "*": "\u2022\u25cf\u25aa\u2023",
    # Patterns for either case find these as i, k and s; casefold does not turn all of them into it.
    "i": "\u0130\u0131",
    "k": "\u212a",
    "s": "\u017f",
}
_PLAIN = str.maketrans({odd: plain for plain, odds in _SAME.items() for odd in odds})

# Not shown, and they split words and numbers for a program but not for a reader.
_HIDDEN = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_LONG_NUMBER = re.compile(r"[0-9.,]{26,}")
_LETTER = re.compile(r"[^\W\d_]")
_LATIN = re.compile("[A-Za-z\u00aa-\u024f\u1e00-\u1eff\u00b5]")
_MAX_OTHER_LETTERS = 0.2


def plain(text: str) -> str:
    """The text with one kind of space, hyphen, apostrophe and micro sign; of the same length.

    Letters that a pattern takes for others are those.
    """
    return text.translate(_PLAIN)


def unreadable(text: str) -> tuple[Span, str] | None:
    """Why the rules cannot read a text, and where; None where they can.

    They know English. A text in another script, with digits of another script or with hidden
    characters would pass them unread.
    """
    if not text.strip():
        return Span(0, len(text)), "there is no text to check"
    for pattern, told in (
        (_HIDDEN, "hidden characters: what is read is not what is shown"),
        (_OTHER_DIGIT, "digits of another script cannot be read"),
        (_LONG_NUMBER, "a number that is too long to be one"),
    ):
        if found := pattern.search(text):
            return Span(*found.span()), told
    letters = _LETTER.findall(text)
    others = sum(not _LATIN.match(letter) for letter in letters)
    if others > _MAX_OTHER_LETTERS * len(letters):
        return Span(0, len(text)), "another script than the Latin one cannot be read"
    return None
