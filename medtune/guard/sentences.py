"""Where sentences of a plain text begin and end."""

import re
from collections.abc import Iterator

from medtune.guard.findings import Span

# A full stop behind one of these ends no sentence by itself.
_SHORT_TEXT = """
    dr mr mrs ms prof st vs e.g i.e eg ie etc approx ca al fig no nos p.o i.v i.m s.c s.l b.i.d
    t.i.d q.i.d q.d q.o.d q.h.s p.r.n a.c p.c o.d u.s jr sr dept tab tabs cap caps subcut pt inc
    engl med ann intern clin crit int eur am coll cardiol respir n sept jan feb aug oct nov dec
"""
_SHORT = frozenset(_SHORT_TEXT.split())
_END = re.compile(
    r"""# A stop in front of a beginning;
        (?P<stop>(?<![.!?])[.!?]{1,8}["')\]\u201d]*)(?=\s+["'(\[\u201c]?[A-Z0-9*-])
        # or a line, as in lists and tables.
      | (?P<line>(?<!\s)\s*\n)(?=\s*(?:\n|[-*|\#>]|\d+[.)]\s|[A-Z]))
    """,
    re.VERBOSE,
)
_CUTS = (re.compile(r"[\n;]"), re.compile(r",(?=\s)"), re.compile(r"(?<!\d)\s"))
_WORD_BEFORE = re.compile(r"[A-Za-z.]+\Z")


MAX_LENGTH = 800
"""Longer sentences are cut: rules look around in a sentence for every place in it, so that a text
without a stop would take the square of its length."""


def sentences(plain: str) -> list[Span]:
    """Sentences and list items, without the white space around them; they do not overlap.

    None has more than ``MAX_LENGTH`` characters.
    """
    return [
        piece for span in _cut(plain) for piece in _pieces(plain, span) if piece.end > piece.start
    ]


def _pieces(plain: str, span: Span) -> Iterator[Span]:
    """A sentence in pieces that are short enough; no number is cut from its unit."""
    start, end = span
    while end - start > MAX_LENGTH:
        latest = start + MAX_LENGTH
        half = latest - MAX_LENGTH // 2
        places = [[found.end() for found in cut.finditer(plain, half, latest)] for cut in _CUTS]
        cut = next((found[-1] for found in places if found), latest)
        yield _trimmed(plain, start, cut)
        start = cut
    yield _trimmed(plain, start, end)


def _cut(plain: str) -> Iterator[Span]:
    start = 0
    for found in _END.finditer(plain):
        if found["stop"] and _is_short(plain, found.start()):
            continue
        yield _trimmed(plain, start, found.end("stop") if found["stop"] else found.start())
        start = found.end()
    yield _trimmed(plain, start, len(plain))


def _is_short(plain: str, stop: int) -> bool:
    if plain[stop] != ".":
        return False
    before = _WORD_BEFORE.search(plain, max(0, stop - 12), stop)
    word = before[0].casefold().strip(".") if before else ""
    # An initial, as in J. Smith; but a sentence may end with a unit: 5 g.
    return word in _SHORT or (len(word) == 1 and before is not None and before[0].isupper())


def _trimmed(plain: str, start: int, end: int) -> Span:
    inside = plain[start:end]
    return Span(start + len(inside) - len(inside.lstrip()), start + len(inside.rstrip()))
