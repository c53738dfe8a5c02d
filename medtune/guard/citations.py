"""Authorities that a text names, against a list of those that exist.

What looks like a citation and is not in the list is found, whether it is invented or only missing
there; what a listed body really said is not looked at.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from medtune.guard import citation_patterns as patterns
from medtune.guard.findings import Context, Finding, Span
from medtune.guard.sections import CitationKind, UnsupportedCitation
from medtune.guard.tables import Body, CitationList
from medtune.guard.texts import Check, Text


class _Hit(NamedTuple):
    span: Span
    kind: CitationKind
    fault: str
    """Why it is not supported; empty where it is."""


def unsupported_citation(rule: UnsupportedCitation, listed: CitationList) -> Check:
    """The check of one rule with its list."""
    finder = _Finder(listed)
    wanted = frozenset(rule.of)

    def check(text: Text, context: Context) -> Iterator[Finding]:
        del context  # a citation is right or wrong for everybody
        seen: set[tuple[int, int]] = set()
        for hit in finder.hits(text):
            if hit.kind not in wanted or hit.span in seen:
                continue
            seen.add(hit.span)
            yield Finding(
                rule=rule.id,
                verdict=rule.verdict if hit.fault else "ok",
                span=hit.span,
                message=hit.fault or "a citation of the list",
            )

    return check


class _Finder:
    """Finds what looks like a citation and knows what is in the list."""

    def __init__(self, listed: CitationList) -> None:
        self._listed = listed
        self._by_short = {short: body for body in listed.bodies for short in body.short}
        self._no_bodies = frozenset(listed.not_bodies)
        names = [(name, body) for body in listed.bodies for name in (body.name, *body.names)]
        self._by_name = {_key(name): body for name, body in names}
        longest = sorted(self._by_name, key=len, reverse=True)
        self._names = _words([re.escape(name).replace(r"\ ", r"[\s-]+") for name in longest], re.I)
        shorts = sorted(self._by_short, key=len, reverse=True)
        self._shorts = _words([re.escape(short) for short in shorts])
        journals = sorted(listed.journals, key=len, reverse=True)
        named = "|".join(re.escape(journal) for journal in journals) or "(?!)"
        self._journals = re.compile(
            rf"(?<![\w-])(?:{named})(?![\w-])(?:[.,]?[ ](?:in[ ])?\(?{patterns.YEAR}|[ ]\(\d)"
            rf"|{patterns.YEAR}[ ](?:\w+[ ]){{0,3}}in[ ](?:the[ ]|The[ ])?(?:{named})(?![\w-])"
            rf"|\b[Pp]ublished[ ]in[ ](?:the[ ]|The[ ])?(?:{named})(?![\w-])"
        )
        self._codes = {code for body in listed.bodies for code in body.codes}

    def hits(self, text: Text) -> Iterator[_Hit]:
        """Everything in a text that looks like a citation."""
        finders: tuple[Callable[[str, Span], Iterator[_Hit]], ...] = (
            self._bodies,
            self._strangers,
            self._identifiers,
            self._papers,
        )
        for sentence in text.sentences:
            for finder in finders:
                yield from finder(text.plain, sentence)

    def _bodies(self, plain: str, sentence: Span) -> Iterator[_Hit]:
        """Listed organisations, and whether they have guidelines of the year."""
        for pattern, bodies in ((self._names, self._by_name), (self._shorts, self._by_short)):
            for found in pattern.finditer(plain, *sentence):
                key = found[0] if pattern is self._shorts else _key(found[0])
                span = Span(*found.span())
                fault = _fault_of_year(plain, sentence, span, bodies[key])
                yield _Hit(span, "guideline", fault)
        for found in patterns.GUIDELINE_CODE.finditer(plain, *sentence):
            is_known = found[0].replace(" ", "") in self._codes
            fault = "" if is_known else "the number of a guideline that is not in the list"
            yield _Hit(Span(*found.span()), "guideline", fault)

    def _strangers(self, plain: str, sentence: Span) -> Iterator[_Hit]:
        """Organisations and guidelines by their look, where they are not in the list."""
        listed = [
            Span(*found.span())
            for pattern in (self._names, self._shorts)
            for found in pattern.finditer(plain, *sentence)
        ]
        for pattern in (patterns.ACRONYM, patterns.ATTRIBUTED):
            for found in pattern.finditer(plain, *sentence):
                group = next(name for name, value in found.groupdict().items() if value)
                acronym, span = found[group], Span(*found.span(group))
                if acronym.split("-")[0] in self._no_bodies or _inside(span, listed):
                    continue
                yield _Hit(span, "guideline", "a guideline or body that is not in the list")
        for found in patterns.NAMED_CRITERIA.finditer(plain, *sentence):
            if not _inside(Span(*found.span()), listed):
                yield _Hit(Span(*found.span()), "guideline", "guidance that is not in the list")
        for found in patterns.ORGANISATION.finditer(plain, *sentence):
            span = Span(*found.span())
            if not _inside(span, listed) and _is_authority(plain, sentence, span):
                yield _Hit(span, "organisation", "an organisation that is not in the list")

    def _identifiers(self, plain: str, sentence: Span) -> Iterator[_Hit]:
        papers = self._listed.papers
        pmids = {paper.pmid for paper in papers}
        dois = {paper.doi.casefold() for paper in papers if paper.doi}
        for found in patterns.PMID.finditer(plain, *sentence):
            fault = "" if found["id"] in pmids else "a PMID that is not in the list"
            yield _Hit(Span(*found.span()), "pmid", fault)
        for found in patterns.DOI.finditer(plain, *sentence):
            is_known = found[0].casefold().rstrip(".,;") in dois
            yield _Hit(
                Span(*found.span()), "doi", "" if is_known else "a DOI that is not in the list"
            )
        for found in patterns.TRIAL.finditer(plain, *sentence):
            fault = "a trial's number, which is not in the list"
            yield _Hit(Span(*found.span()), "trial_registration", fault)

    def _papers(self, plain: str, sentence: Span) -> Iterator[_Hit]:
        known = {(paper.author.casefold(), paper.year) for paper in self._listed.papers}
        for found in patterns.AUTHORS.finditer(plain, *sentence):
            if found["first"] in patterns.NO_AUTHORS:
                continue
            year = patterns.YEAR_NEAR.search(plain, found.end(), sentence.end)
            is_known = year is not None and (found["first"].casefold(), int(year[0])) in known
            fault = "" if is_known else "authors whose paper is not in the list"
            yield _Hit(Span(*found.span()), "authors", fault)
        for found in self._journals.finditer(plain, *sentence):
            fault = "a paper by its journal, which is not in the list"
            yield _Hit(Span(*found.span()), "journal", fault)


def _fault_of_year(plain: str, sentence: Span, span: Span, body: Body) -> str:
    """Whether the year beside a body's name is one of its guidelines'."""
    around = plain[max(sentence.start, span.start - 12) : min(sentence.end, span.end + 40)]
    found = patterns.YEAR_NEAR.search(around)
    if not found:
        return ""
    year, this_year = int(found[0]), datetime.now(UTC).year
    if year > this_year:
        return "a guideline of a year to come"
    if body.years is not None and year not in body.years:
        return "a year of which the list has no guideline of this body"
    if body.annual_from is not None and year < body.annual_from:
        return "a year before this body's first guideline"
    return ""


def _is_authority(plain: str, sentence: Span, span: Span) -> bool:
    """Whether an organisation is named as one that says what to do."""
    return (
        patterns.AUTHORITY_BEFORE.search(plain, max(sentence.start, span.start - 60), span.start)
        is not None
        or patterns.AUTHORITY_BEHIND.match(plain, span.end, sentence.end) is not None
    )


def _words(choices: list[str], flags: int = 0) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(choices) or '(?!)'})(?![\w-])", flags)


def _key(name: str) -> str:
    return " ".join(re.split(r"[\s-]+", name.casefold()))


def _inside(span: Span, others: list[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)
