"""Citations and references to figures inside a paragraph: dropped where the sentence allows it.

Renderers mark them with control characters, which no XML can hold and which text loses beforehand;
``resolve`` then sees the whole paragraph. What stands in brackets goes, with the brackets if they
held nothing else: "(P = 0.03; Fig. 1)" becomes "(P = 0.03)". Names that carry the sentence stay:
"Smith et al. (2005) found". A lone number of a bibliography always goes.
"""

import re

_LOOSE, _NUMBER, _TOKEN, _END = "\x01\x03\x04\x02"
MARKS = re.compile("[\x01-\x04]")

_SPAN = re.compile("[\x01\x03]([^\x02]*)\x02")
_ANY_SPAN = re.compile("[\x01\x03\x04][^\x02]*\x02")
_GROUP = re.compile("[\\[(]([^\\[\\]()]*[\x01\x03][^\\[\\]()]*)[\\])]")
_TOKEN_GROUP = re.compile(
    "[\\[(](?=(?:[\\s,;]|and|see)*\x04)((?:[\\s,;\u2013-]|and|see|\x04[^\x02]*\x02)+)[\\])]"
)
_BETWEEN_TOKENS = re.compile("\x02[\\s,;\u2013-]+(?=\x04)")
_GLUE_SIGNS = " ,;\u2013-"
_SEPARATOR = re.compile(r"\s*([;,])\s*")
_GLUE = re.compile(
    r"\b(?:see|also|and|or|in|a|the|e\.g|i\.e|cf|for|reviews?|reviewed|refs?|references?|examples?"
    r"|figs?|figures?|tables?|panels?|supplementary|supporting|additional|files?)\b",
    re.IGNORECASE,
)
_BARE_NUMBER = re.compile(r"[\W\d⁰¹²³⁴-⁹₀-₉]*(?:[a-z]\b)?\W*")
_NUMBERS = re.compile("\x03[^\x02]*\x02(?:[\\s,\u2013-]*\x03[^\x02]*\x02)*")
_SPACE_BEFORE = re.compile(r" ([.,;:)\]])(?=\s|$|[)\],;])")


def citation(text: str) -> str:
    """Mark a citation that is to be dropped."""
    kind = _NUMBER if _BARE_NUMBER.fullmatch(text) else _LOOSE
    return f"{kind}{text.strip('[]()') if kind == _NUMBER else text}{_END}"


def reference(text: str) -> str:
    """Mark what is dropped in brackets only: a figure's reference, an address of the web."""
    return f"{_LOOSE}{text}{_END}"


def token(name: str, text: str) -> str:
    """Write the original corpus' ``[bib_ref] ... [/bib_ref]``; brackets around it go."""
    return f"{_TOKEN}[{name}] {text} [/{name}]{_END}"


def only_marks(text: str) -> bool:
    """Whether nothing but marked text and punctuation is there, as in a raised "12,13"."""
    return MARKS.search(text) is not None and not any(map(str.isalnum, _ANY_SPAN.sub("", text)))


def resolve(paragraph: str) -> str:
    """Take out of a paragraph what is marked and can go, and the marks of the rest."""
    if not MARKS.search(paragraph):
        return paragraph
    if _TOKEN in paragraph:
        paragraph = _TOKEN_GROUP.sub(lambda group: f" {group[1].strip(_GLUE_SIGNS)} ", paragraph)
        paragraph = _BETWEEN_TOKENS.sub("\x02 ", paragraph)
    text = _GROUP.sub(_thinned, paragraph)
    if _NUMBER in text:
        text = _NUMBERS.sub("", text)
    return _SPACE_BEFORE.sub(r"\1", " ".join(MARKS.sub("", text).split()))


def _thinned(group: re.Match[str]) -> str:
    """A bracket without the pieces that are nothing but references."""
    spans = _SPAN.findall(group[1])
    pieces = _SEPARATOR.split(_SPAN.sub("\x01", group[1]))
    kept: list[str] = []
    dropped_before = False
    for index in range(0, len(pieces), 2):
        piece = pieces[index]
        marked = piece.count("\x01")
        rest = _GLUE.sub("", piece.replace("\x01", ""))
        is_panel = dropped_before and len(rest.strip()) <= 1  # the B of "Fig. 1A, B"
        is_empty = not any(map(str.isalnum, rest))
        of_piece, spans = spans[:marked], spans[marked:]
        dropped_before = is_empty or is_panel
        if dropped_before:
            continue
        if kept:
            kept.append(f"{pieces[index - 1]} ")
        for span in of_piece:
            piece = piece.replace("\x01", span, 1)
        kept.append(piece.strip())
    return f"{group[0][0]}{''.join(kept)}{group[0][-1]}" if kept else ""
