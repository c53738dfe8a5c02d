"""What the data must keep to, held against what was found in it."""

from collections.abc import Iterator

from medtune.data.check import Examination, Finding
from medtune.errors import DataError
from medtune.languages import LETTERS, UNCLEAR
from medtune.recipe import Limits


def require_limits(examination: Examination, limits: Limits) -> None:
    """Refuse data that does not keep to what was stated.

    Raises:
        DataError: A limit is broken; the message has all of them, with what was found.
    """
    broken = [
        f"  data.limits.{name}: found {found}, allowed {allowed}"
        for name, found, allowed in (
            *_too_many(examination, limits),
            *_too_little(examination, limits),
            *_languages(examination, limits),
        )
    ]
    if broken:
        count = f"{len(broken)} stated limit{'s are' if len(broken) > 1 else ' is'} broken"
        raise DataError("\n".join([f"the data does not keep to its limits: {count}", *broken]))


def _too_many(examination: Examination, limits: Limits) -> Iterator[tuple[str, str, str]]:
    for name, allowed, kinds in (
        ("max_dropped", limits.max_dropped, ("dropped", "leaked", "contaminated")),
        ("max_truncated", limits.max_truncated, ("truncated",)),
        ("max_duplicates", limits.max_duplicates, ("duplicates",)),
        ("max_near_duplicates", limits.max_near_duplicates, ("near_duplicates",)),
        ("max_contradictions", limits.max_contradictions, ("contradictions",)),
    ):
        found = [examination.findings[kind] for kind in kinds]
        rows = sum(finding.rows for finding in found)
        share = rows / examination.rows
        if allowed is not None and share > allowed:
            told = f"{share:.4g} ({rows} of {examination.rows} rows{_named(*found)})"
            yield name, told, f"at most {allowed:g}"


def _too_little(examination: Examination, limits: Limits) -> Iterator[tuple[str, str, str]]:
    train = examination.splits["train"]
    if limits.min_supervised is not None:
        share = train.supervised / train.tokens
        if share < limits.min_supervised:
            told = f"{share:.4g} ({train.supervised} of {train.tokens} training tokens)"
            yield "min_supervised", told, f"at least {limits.min_supervised:g}"
    if limits.min_label is not None:
        allowed = f"at least {limits.min_label:g}"
        if not examination.labels:
            yield "min_label", "no training rows with options that are labels", allowed
            return
        rows = sum(examination.labels.values())
        rarest = min(examination.labels.values())
        if rarest / rows < limits.min_label:
            yield "min_label", f"{rarest / rows:.4g} ({rarest} of {rows} rows)", allowed


def _languages(examination: Examination, limits: Limits) -> Iterator[tuple[str, str, str]]:
    if limits.languages is None:
        return
    allowed = ", ".join(limits.languages)
    other = examination.other_languages
    looked_at = sum(examination.languages.values())
    if looked_at == examination.languages.get(UNCLEAR, 0):
        # What could not be measured was not kept to.
        told = f"no row of {LETTERS} letters or more whose language is clear"
        yield "languages", told, allowed
    elif other.rows:
        yield "languages", f"others in {other.rows} of {looked_at} rows{_named(other)}", allowed


def _named(*findings: Finding) -> str:
    names = [name for finding in findings for name in finding.first]
    return f", first {', '.join(names)}" if names else ""
