"""A text that is being checked, and what a check is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from medtune.guard.findings import Context, Finding, Span
from medtune.guard.plain import plain
from medtune.guard.sentences import sentences


@dataclass(frozen=True, slots=True)
class Text:
    """A text, read once for all rules."""

    written: str
    plain: str
    """The same, as the rules read it; offsets into one are offsets into the other."""
    sentences: tuple[Span, ...]

    @classmethod
    def of(cls, written: str) -> "Text":
        """Read a text."""
        read = plain(written)
        return cls(written, read, tuple(sentences(read)))

    def sentence_of(self, place: Span) -> Span:
        """The sentence that a place stands in."""
        for sentence in self.sentences:
            if sentence.start <= place.start < sentence.end:
                return sentence
        return place


Check = Callable[[Text, Context], Iterable[Finding]]
"""One rule, ready to be used."""
