r"""The option that a written answer commits to, by fixed rules; None where it commits to none.

Markdown, LaTeX and invisible characters are removed first. Of a text with ``</think>`` only what
follows it is read; a text that puts a further question to itself is read up to there.

1.  Statements, in the order of the text. The last one decides, so that a revised answer counts as
    revised: "answer is B", "Answer: B", ``\boxed{B}``, "the best option is B", "I choose B", "B is
    the correct answer", and a last line, or a last sentence behind a word such as *therefore*,
    that is nothing but an option.
2.  Without any: an option that opens the text ("B. vitamin C. Scurvy is ...", "Yes, because ...").

An option is its letter, its letter with its text, its text alone, or the word that it is. A
statement leaves the answer open where it names two options, none, all, one that does not exist, or
a letter with another option's text, or takes back the one stated before ("not B"). Hedges (*may
be*), conditions (*if the answer is*) and questions state nothing. A letter counts only where it
cannot be a word or a part of a name: not the article a, the pronoun I, *E. coli*, *B cells* or
*vitamin D*. A listing of the options is no answer. What no rule reads is None: nothing is guessed
by frequency, or by the last letter seen.

Rules read English; of French, Spanish, German and Chinese only "the answer is".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from unicodedata import normalize

_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_LATEX_TEXT = re.compile(r"\\(?:text|math|operator)[a-z]*\s*\{([^{}]*)\}")
_LATEX_SIGNS = re.compile(r"\\[()\[\],;! ]|\\quad|\$+")
_MARKDOWN = re.compile(r"^[ \t#>*`]+|[*`]+|(?<!\w)_+|_+(?!\w)", re.MULTILINE)
_NEXT_QUESTION = re.compile(
    r"\n\s*(?:next\s+|new\s+)?(?:question|q|user|human|instruction|input)\s*\d*\s*:"
    r"|<\|(?:im_start|im_end|eot_id|end_of_text|endoftext|user|system)\|?>|</s>|###",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^[ \t]*(?:(?:the|my|final|correct)\s+)*answer(?=[ \t]*$)", re.I | re.M)
_GOOD = r"(?:correct|right|best|final|appropriate|likely|suitable|accurate|chosen|only|my)"
_NOUN = re.compile(
    rf"(?:(?<!/)\b(?:{_GOOD}\s+(?:answer\s+)?(?:option|choice)|answer|conclusion|verdict|decision|"
    r"correction|r[ée]ponse|respuesta|antwort)|答案)(?!\s+(?:choices|options)\b)",
    re.IGNORECASE,
)
_OTHERS_ANSWER = re.compile(
    r"\b(?:wrong|incorrect|other|another|possible|alternative|alternate|tempting|common|bad|poor|"
    r"previous|initial|first|worst|your)\s+$",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"(?:\b(?:if|whether|unless|suppose|supposing|assuming|why|until)|(?:\bnot|n't|\bnever)\s+"
    r"(?:the\s+case|think|believe|say|mean|agree|true|clear|sure|certain|convinced|obvious|imply|"
    r"suggest)|\b(?:might|may|could)\s+(?:say|think|argue|believe|guess|assume)|\btempt\w*\s+to\s+"
    rf"\w+)(?:\s+that)?(?:\s+(?:the|my|its))?(?:\s+most)?(?:\s+{_GOOD})?\s*$",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"""["'\s]*(?:[,(]?\s*(?:to|for|of|here|choice|option|letter|among|in|that|which|therefore|"""
    r"""thus|then|given|based|as)\b[^.;!\n]*|\([^()\n]*\)\s*)?""",
    re.IGNORECASE,
)
_WINDOW = re.compile(r"""[.;!\n]|\?(?!["'\u201d\u00bb)])""")
_LINK = re.compile(
    r"""\s*(?:[:=>\u2192]|-+>?|\u2013|\u2014)|\s+(?:is|was|must\s+be|should(?:\s+\w+)?\s+be"""
    r"""|would(?:\s+\w+)?\s+be|will\s+be|has\s+to\s+be|remains|becomes|est|es|ist)\b"""
    r"""(?P<not>\s+not\b|n't\b)?\s*:?"""
    r"""|\s+(?P<cannot>isn't|wasn't|cannot\s+be|can't\s+be"""
    r"""|(?:must|should|would)\s+not\s+be|n'est\s+pas)\b|\s*[是为為]\s*:?""",
    re.IGNORECASE,
)
_CHOOSE = re.compile(
    r"\b(?:I|we)(?:\s+(?:would|will|shall|must|therefore|thus)|'(?:d|ll))*\s+"
    r"(?:choose|chose|select|pick|go\s+with|opt\s+for|settle\s+on|answer|vote\s+for|say)\s*:?"
    r"|\b(?:this|that|it)\s+must\s+(?:therefore\s+)?be\b|\bactually,?\s+it(?:\s+is|'s)\b"
    r"|\b(?:this|that|which|it)\s+(?:best\s+)?(?:is|corresponds\s+to|matches|points\s+to|means)\s+"
    r"(?=\(?(?:option|choice|answer)\s)",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\f?boxe?d?\s*\{")
_VERDICT = re.compile(
    r"\s+(?:is|are|was|would\s+be|must\s+be|should\s+be|seems|appears)(?P<not>\s+not\b|n't)?"
    r"(?:\s+(?:therefore|thus|clearly|indeed|definitely|the|a|an|most|likely|probably|hence|also))*"
    r"\s+(?:(?:correct|right|best|likely|appropriate|suitable|accurate|only|final)\s+)*"
    r"(?:(?P<bad>incorrect|wrong|false|excluded|ruled\s+out)\b|(?:(?:answer|option|choice)\b"
    r"|(?:correct|right|best)\b(?=\s*(?:[.,;!)]|$|(?:because|since|as|one|and|but|while)\b))))",
    re.IGNORECASE | re.MULTILINE,
)
_CLAUSE = re.compile(r"[;!?\n]|[.,:](?=\s)|\b(?:because|while|whereas|but|so|hence|that)\b", re.I)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_THEREFORE = re.compile(
    r"^\W*(?:so|thus|therefore|hence|accordingly|consequently|overall|finally|in\s+(?:conclusion|"
    r"summary|short)|to\s+conclude|by\s+(?:elimination|exclusion))\b[\s,:]*(?:then\b[\s,:]*)?",
    re.IGNORECASE,
)
_MARKED = re.compile(r"\W*\b([A-Z])\s*[.):]\s")
_DISMISSED = re.compile(
    r"^\W*(?:(?:this|that|it|which)\s+)?(?:(?:option|choice|answer)\s+)?(?:(?:is|was|would\s+be|"
    r"cannot|can|does|do)\s*)?(?:not\b|n't|incorrect|wrong|false|unlikely|excluded)",
    re.IGNORECASE,
)

_OUTSIDE = ""
"""Named instead of an option: a letter that no option has, none or all of the options."""

_SIGNS = re.compile(r"""[\s"'\u201c\u2018\u00ab(\[{<:+\u2022-]*""")
_LEAD = re.compile(
    _SIGNS.pattern
    + r"""(?:(?:the|most|likely|probably|clearly|definitely|certainly|indeed|simply|"""
    r"""therefore|thus|that|only|either|both|letter|option|choice|answer|best|correct|right|"""
    r"""I\s+(?:think|believe)|an?\s+(?:clear|definite|resounding|qualified))\b[\s:"'(\[]*)*""",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?:not|neither|never|pas)\b\s*", re.IGNORECASE)
_NO_OPTION = re.compile(r"(?:none|nothing)\b|all\s+(?:of\s+)?(?:the|these|them|above)\b", re.I)
_LETTER = re.compile(r"([A-Za-z])(?![0-9A-Za-z\u00c0-\u024f_]|['-]\w|\.\.)")
_CLOSERS = re.compile(r"""^\s*[)\]}>"'\u201d\u00bb]+""")
_DELIMITER = re.compile(r"^\s*(?:[.):,=]|-+|\u2013|\u2014|\()?\s*")
_GOES_ON = re.compile(
    r"(?:because|since|as|due|given|based|which|and|or|but|not|rather|instead|for|from|in|with|"
    r"according|per|by|on|so|although|though|while|where|when|et|ou|car|here|overall)\b"
    # Han, emoji and other signs, but no letters with accents and no units.
    r"|[^\x00-\x7f\u00b0\u00b5\u00ba\u00c0-\u024f]",
    re.IGNORECASE,
)
_JOIN = re.compile(
    r"""^[\s)\]"']*(?:(?:,\s*)?\b(?:and/or|and|or|et|ou)\b|[,/&+\u3001和或])\s*""", re.IGNORECASE
)
_BUT = re.compile(r"[\s)\],;]*\b(?:but(?:\s+rather|\s+instead)?|it\s+is|it's)\s+", re.IGNORECASE)
_DENY = re.compile(
    r"^[\s)\],;]*(?:(?:and|but)\s+)?(?:not|rather\s+than|instead\s+of|over)\s+", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one statement says."""

    named: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    rest: str = ""
    """What follows what was read."""
    is_spelt_out: bool = False
    """Whether the text of the first option stands behind its letter."""

    @property
    def option(self) -> str | None:
        """The one existing option that is named."""
        return next(iter(self.named)) or None if len(self.named) == 1 else None


class _Read(NamedTuple):
    """One option at the head of a text."""

    option: str
    rest: str
    is_spelt_out: bool = False


class _Options:
    """Reads the options of one item at the head of a text."""

    def __init__(self, options: Sequence[str], choices: Sequence[str]) -> None:
        self.options = tuple(options)
        self._has_letters = all(len(option) == 1 for option in options)
        texts = choices if choices else [] if self._has_letters else options
        assert len(texts) in (0, len(options)), "a text for each option"
        # A text that is itself a letter ("A. B12, B. C") can only be read as a letter.
        spelt = [(o, t) for o, t in zip(options, texts, strict=False) if len(t.strip(" .")) > 1]
        self._texts = [(option, _pattern(text)) for option, text in spelt]

    def after(self, option: str) -> str | None:
        """The option that a listing has behind this one."""
        place = self.options.index(option) + 1
        return self.options[place] if place < len(self.options) else None

    def claim(self, text: str, *, is_denied: bool = False, is_whole: bool = False) -> _Claim | None:
        """What the head of a text names, joined options included; None where that is no option.

        Args:
            text: Begins behind the words that make it a statement.
            is_denied: Those words said "is not".
            is_whole: Nothing may follow but punctuation.
        """
        first = self._read(text)
        behind = text[_end(_LEAD, text) :]
        if first is None and (first := self._behind(_NOT, behind)):
            is_denied = True
        if first is None:
            is_none = _NO_OPTION.match(behind) and not is_denied and not is_whole
            return _Claim(named=frozenset({_OUTSIDE})) if is_none else None
        named, denied, rest = {first.option}, set[str](), first.rest
        while more := self._behind(_JOIN, rest):
            named.add(more.option)
            rest = more.rest
        if is_denied:
            named, denied = denied, named
            if more := self._behind(_BUT, rest):
                named, rest = {more.option}, more.rest
        elif more := self._behind(_DENY, rest):
            denied, rest = {more.option}, more.rest
        rest = rest[_end(_CLOSERS, rest) :]
        if rest.lstrip().startswith("?") or (is_whole and rest.strip(" \t\n.,;:!\"'")):
            return None
        return _Claim(frozenset(named), frozenset(denied), rest, first.is_spelt_out)

    def _behind(self, joint: re.Pattern[str], text: str) -> _Read | None:
        """The option behind a word such as *or*, where the text begins with one."""
        found = joint.match(text)
        return self._read(text[found.end() :]) if found else None

    def _read(self, text: str) -> _Read | None:
        """The option at the head of a text, by its text before its letter."""
        start = _end(_LEAD, text)
        for bare in (text[_end(_SIGNS, text) :], text[start:]):
            stated = [(len(found[0]), o) for o, p in self._texts if (found := p.match(bare))]
            length = max(stated, default=(0, ""))[0]
            same = [option for size, option in stated if size == length]
            if stated and _may_end(bare[length:]):
                option = same[0] if len(same) == 1 else _OUTSIDE
                return _Read(option, bare[length:], not self._has_letters)
        letter = _LETTER.match(text, start) if self._has_letters else None
        is_marked = text[:start].rstrip().endswith(("(", "["))
        return self._letter(letter[1], text[start + 1 :], is_marked) if letter else None

    def _letter(self, letter: str, rest: str, is_marked: bool) -> _Read | None:
        """The option of a letter; ``is_marked``: behind a bracket."""
        option = letter.upper() if letter.upper() in self.options else _OUTSIDE
        behind = rest[_end(_CLOSERS, rest) :]
        is_closed = behind != rest
        if spelt := self._spelt_out(option, behind):
            return spelt
        if not (is_closed or _may_end(behind)):
            return None
        # A small letter is too like an article, unless the statement ends with it.
        is_plain = letter.isupper() or is_marked or is_closed
        if not is_plain and not re.match(r"\s*([.,;:!?]|$)", behind):
            return None
        if behind.startswith(".") and not is_closed:
            # "E. coli", and other abbreviations: a small letter goes on where a sentence would not.
            following = behind[1:].lstrip(" \t")
            if following[:1].islower() and not _GOES_ON.match(following):
                return None
        return _Read(option, behind)

    def _spelt_out(self, option: str, behind: str) -> _Read | None:
        """A letter with its own text behind it; _OUTSIDE where the text is all another option's."""
        start = _end(_DELIMITER, behind)
        for other, pattern in sorted(self._texts, key=lambda pair: pair[0] != option):
            if not start or not (found := pattern.match(behind, start)):
                continue
            rest = behind[found.end() :]
            if other == option and _may_end(rest):
                return _Read(option, rest[_end(_CLOSERS, rest) :], is_spelt_out=True)
            if other != option and re.match(r"\s*[.)]*\s*(\n|$)", rest):
                return _Read(_OUTSIDE, rest)
        return None


def _end(pattern: re.Pattern[str], text: str) -> int:
    """Where a pattern at the head of a text ends; 0 where it is not there."""
    found = pattern.match(text)
    return found.end() if found else 0


def _pattern(text: str) -> re.Pattern[str]:
    """Matches a text in any case and spacing, with or without an article."""
    words = re.sub(r"^(?:an?|the)\s+(?=\S)", "", text.strip().rstrip("."), flags=re.IGNORECASE)
    spelt = r"\s+".join(re.escape(word) for word in words.split())
    # Not "maybe not".
    return re.compile(rf"(?:(?:an?|the)\s+)?{spelt}(?!\w|\s+not\b)", re.IGNORECASE)


def _may_end(rest: str) -> bool:
    """Whether an option may end here: not within a word, a number or a name."""
    if re.match(r"[.,]\d|-\w|\.\.", rest):
        return False
    if re.match(r"""\s*$|\s*\n|[.,;:!?)\]}/&<]|["'\u201d\u00bb](?!\w)|\s+[-(\[]""", rest):
        return True
    return bool(_GOES_ON.match(rest.lstrip()))


def extract(text: str, options: Sequence[str], choices: Sequence[str] = ()) -> str | None:
    """The option that the text commits to; None where it does to none (unparsed).

    Args:
        text: What the model wrote, without the prompt.
        options: Letters from A on, or words such as yes, no and maybe.
        choices: Texts of the options, where these are letters; without them letters alone count.
    """
    readable = _clean(text)
    known = _Options(options, [_clean(choice) for choice in choices])
    current: str | None = None
    is_settled = False
    for claim in _statements(readable, known):
        if claim.named:
            current, is_settled = claim.option, True
        elif current in claim.denied:
            current = None
    return current if is_settled else _opening(readable, known)


def _clean(text: str) -> str:
    text = _UNSEEN.sub("", normalize("NFKC", text)).replace("\r\n", "\n").replace("\r", "\n")
    text = text.rpartition("</think>")[2].replace("\u3002", ". ").replace("\u2019", "'")
    text = _LATEX_TEXT.sub(r"\1", _LATEX_TEXT.sub(r"\1", text))
    text = _HEADING.sub(r"\g<0>:", _MARKDOWN.sub("", _LATEX_SIGNS.sub(" ", text)).strip())
    found = _NEXT_QUESTION.search(text, 1)
    return text[: found.start()].rstrip() if found else text


def _statements(text: str, known: _Options) -> list[_Claim]:
    """All statements in the order of the text, the last line behind them."""
    found = [*_answers(text, known), *_choosings(text, known), *_judgements(text, known)]
    last = _last_line(text, known)
    return [claim for _, claim in sorted(found, key=lambda pair: pair[0])] + (
        [last] if last else []
    )


def _answers(text: str, known: _Options) -> Iterator[tuple[int, _Claim]]:
    """Of the kind "the answer is B"."""
    for noun in _NOUN.finditer(text):
        before = text[max(0, noun.start() - 80) : noun.start()]
        if _OTHERS_ANSWER.search(before) or _DOUBT.search(before):
            continue
        window = _WINDOW.split(text[noun.end() : noun.end() + 200], maxsplit=1)[0]
        for link in _LINK.finditer(window):
            if not _FILLER.fullmatch(window[: link.start()]):
                continue
            at = noun.end() + link.end()
            claim = known.claim(text[at:], is_denied=bool(link["not"] or link["cannot"]))
            if claim:
                yield at, claim
                break


def _choosings(text: str, known: _Options) -> Iterator[tuple[int, _Claim]]:
    r"""Of the kinds "I choose B", "this is option B" and ``\boxed{B}``."""
    for pattern in (_CHOOSE, _BOX):
        for cue in pattern.finditer(text):
            if claim := known.claim(text[cue.end() :]):
                yield cue.end(), claim


def _judgements(text: str, known: _Options) -> Iterator[tuple[int, _Claim]]:
    """Of the kinds "B is the correct answer" and "A is wrong"."""
    for verdict in _VERDICT.finditer(text):
        # Several clause starts are tried, the nearest first: options have commas and stops as well.
        head = text[: verdict.start()].rpartition("\n")[2]
        starts = [0, *(mark.end() for mark in _CLAUSE.finditer(head))]
        for start in reversed(starts[-6:]):
            claim = known.claim(_THEREFORE.sub("", head[start:]), is_whole=True)
            if claim and claim.named:
                if verdict["not"] or verdict["bad"]:
                    claim = _Claim(denied=claim.named)
                yield verdict.end(), claim
                break


def _last_line(text: str, known: _Options) -> _Claim | None:
    """The claim of a last line that is only an option, unless it ends a listing of them."""
    *lines, last = [line for line in text.split("\n") if line.strip()] or [""]
    claim = _whole(last, known)
    if claim is None:
        sentence = _SENTENCE.split(last.strip())[-1]
        connective = _THEREFORE.match(sentence)
        return known.claim(sentence[connective.end() :], is_whole=True) if connective else None
    listed = [place for line in lines if (place := _marked(line, known)) is not None]
    is_listing = bool(listed) and claim.option == known.after(listed[-1])
    return None if is_listing else claim


def _opening(text: str, known: _Options) -> str | None:
    """An option at the head of the text, where no other is marked at the head of a line."""
    first, *others = [line for line in text.split("\n") if line.strip()] or [""]
    claim = _whole(first, known) or known.claim(first)
    if claim is None or claim.option is None:
        return None
    marked = {mark[1] for mark in _MARKED.finditer(claim.rest)} & {*known.options}
    marked |= {option for line in others if (option := _marked(line, known))}
    if marked - {claim.option}:
        return None
    is_open = claim.rest.startswith((",", ";", "!")) or not claim.rest.strip(" .)")
    is_open |= claim.is_spelt_out and claim.rest.lstrip()[:1] in (".", ":", "-", "(")
    is_open |= bool(re.match(r"\)?\s+(?:because|since|as|due)\b", claim.rest))
    return claim.option if is_open and not _DISMISSED.match(claim.rest) else None


def _whole(line: str, known: _Options) -> _Claim | None:
    return known.claim(_THEREFORE.sub("", line), is_whole=True)


def _marked(line: str, known: _Options) -> str | None:
    """The option that a line starts with, as in a listing of the options."""
    claim = _whole(line, known)
    if claim and claim.option:
        return claim.option
    mark = _MARKED.match(line)
    return mark[1] if mark and mark[1] in known.options else None
