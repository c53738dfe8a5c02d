"""Claims and the quotes that support them.

A quote stands in quotation marks in the sentence of its claim, or in the sentence behind it. It
supports nothing unless it is part of a snippet, letter by letter; only white space does not count.
Neither of its ends may cut a word or a number: of 40 g it quotes no 4.
Whether what it says supports the claim is not looked at.
"""

import re
from collections.abc import Iterator, Sequence

from medtune.guard.amounts import quantities
from medtune.guard.findings import Context, Finding, Span
from medtune.guard.sections import Claim, MissingQuote
from medtune.guard.sentences import sentences
from medtune.guard.texts import Check, Text

_QUOTE = re.compile(
    r'"(?P<a>[^"\n]+)"|\u201c(?P<b>[^\u201c\u201d]+)\u201d|\u00ab(?P<c>[^\u00ab\u00bb]+)\u00bb'
    r"|\u201e(?P<d>[^\u201e\u201c\u201d]+)[\u201c\u201d]"
)
_NUMBER = re.compile(r"\d")
_WHOLE = re.compile(r"\w+(?:[-/']\w+|[.,]\d+)*")
"""A word or number that no quote may cut: non-pregnant; 1,000.5; mg/kg."""
_RECOMMENDATION = re.compile(
    r"\b(?:should|must|recommend\w*|advis(?:e|ed|able)|suggest(?:ed|s)?|indicated|contraindicated"
    r"|avoid|first-line|preferred|treatment of choice|(?:may|can) be (?:given|used))\b"
    r"|^(?:give|start|take|use|administer|prescribe|stop|increase|begin|add)\b",
    re.IGNORECASE,
)


def missing_quote(rule: MissingQuote) -> Check:
    """The check of one rule."""

    def check(text: Text, context: Context) -> Iterator[Finding]:
        if context.snippets is None:
            return
        snippets = [_one_space(snippet) for snippet in context.snippets]
        # Stops inside a quote end no sentence of the text.
        inside = [Span(*found.span()) for found in _QUOTE.finditer(text.written)]
        spans = sentences(_masked(text.plain, inside))
        for place, sentence in enumerate(spans):
            yield from _of_sentence(text, rule, snippets, spans[place:], sentence)

    return check


def _of_sentence(
    text: Text,
    rule: MissingQuote,
    snippets: Sequence[str],
    rest: Sequence[Span],
    sentence: Span,
) -> Iterator[Finding]:
    found = list(_quotes(text.written, sentence, rule.min_words))
    for span, quote in found:
        if not any(_is_part_of(quote, snippet) for snippet in snippets):
            yield Finding(
                rule=rule.id,
                verdict=rule.unfound,
                span=span,
                message="a quote that stands in no snippet",
            )
        else:
            yield Finding(rule=rule.id, verdict="ok", span=span, message="a quote of a snippet")
    if found or not _is_claim(text.plain, sentence, rule.needs):
        return
    following = rest[1] if len(rest) > 1 else None
    if following and _is_only_a_quote(text.written, following, rule.min_words):
        return
    yield Finding(
        rule=rule.id, verdict=rule.verdict, span=sentence, message="a claim without a quote"
    )


def _quotes(written: str, sentence: Span, min_words: int) -> Iterator[tuple[Span, str]]:
    for found in _QUOTE.finditer(written, *sentence):
        quote = _one_space(next(part for part in found.groups() if part))
        if len(quote.split()) >= min_words:
            yield Span(*found.span()), quote


def _is_part_of(quote: str, snippet: str) -> bool:
    """Whether a quote stands in a snippet, with whole words and numbers at its ends."""
    start = snippet.find(quote)
    if start < 0:
        return False
    inside = {
        place for word in _WHOLE.finditer(snippet) for place in range(word.start() + 1, word.end())
    }
    while start >= 0:
        if not inside & {start, start + len(quote)}:
            return True
        start = snippet.find(quote, start + 1)
    return False


def _is_only_a_quote(written: str, sentence: Span, min_words: int) -> bool:
    """Whether a sentence is a quote and nothing else, and so belongs to the one before."""
    text = written[sentence.start : sentence.end]
    bare = _QUOTE.sub("", text).strip(" .()[]")
    return not bare and any(_quotes(written, sentence, min_words))


def _is_claim(plain: str, sentence: Span, needs: Sequence[Claim]) -> bool:
    said = plain[sentence.start : sentence.end]
    if said.endswith("?") or said.endswith(":"):
        return False
    return (
        "sentence" in needs
        or ("number" in needs and _NUMBER.search(said) is not None)
        or ("dose" in needs and any(quantities(plain, sentence)))
        or ("recommendation" in needs and _RECOMMENDATION.search(said) is not None)
    )


def _masked(plain: str, spans: Sequence[Span]) -> str:
    """The text with stops and line breaks blanked inside spans; of the same length.

    A stop right before the closing mark stays: it may end the sentence of the text too.
    """
    masked = plain
    for start, end in spans:
        inside = re.sub(r"[.!?\n]", ",", plain[start : end - 2])
        masked = masked[:start] + inside + masked[start + len(inside) :]
    return masked


def _one_space(text: str) -> str:
    return " ".join(text.split())
