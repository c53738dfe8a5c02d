"""Rules and their tables from YAML files, checked whole before any text is.

name: mine
title: What our triage bot must not say
rules:
  - {id: doses, kind: dose_range, table: ./limits.yaml}
  - {id: identifiers, kind: phi}
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from medtune.digests import sha256_value
from medtune.errors import RecipeError
from medtune.guard.citations import unsupported_citation
from medtune.guard.dose_range import dose_range
from medtune.guard.forbidden_drug import forbidden_drug
from medtune.guard.identifiers import phi
from medtune.guard.quotes import missing_quote
from medtune.guard.reading import locate, read
from medtune.guard.recommendations import disallowed_recommendation
from medtune.guard.sections import (
    KINDS,
    AnyRule,
    DisallowedRecommendation,
    DoseRange,
    ForbiddenDrug,
    MissingQuote,
    Phi,
    UnsupportedCitation,
)
from medtune.guard.tables import CitationList, DoseTable, load_citations, load_doses
from medtune.guard.texts import Check
from medtune.recipe.document import Document, Origin
from medtune.recipe.loader import check
from medtune.recipe.section import Section

Table = DoseTable | CitationList


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that were read and checked, ready for any number of texts."""

    name: str
    title: str
    rules: tuple[AnyRule, ...]
    checks: tuple[Check, ...]
    """One of each rule."""
    digest: str
    """sha256 of all that the rules and their tables say."""
    notices: tuple[str, ...]
    """What the tables say of themselves."""


class _File(Section):
    """A file of rules, before its rules are looked at."""

    name: str = Field(min_length=1)
    title: str = Field(min_length=1)
    rules: Annotated[list[dict[str, Any]], Field(min_length=1)]


def load_rules(name_or_path: str | Path) -> Rules:
    """Read and check rules with the tables that they name.

    Args:
        name_or_path: ``demo_rules``, which comes with medtune; or a file: a text is one where it
            has a slash or ends in .yaml or .yml.

    Raises:
        RecipeError: There are none of that name, or they cannot be used; the message lists every
            fault with file, line and column.
    """
    written = str(name_or_path.absolute()) if isinstance(name_or_path, Path) else name_or_path
    path = locate(written, Path.cwd(), "rules")
    document = read(path)
    file = check(document, _File, "rules")
    rules = tuple(_rules(document, file))
    tables = [_table(document, place, rule, path.parent) for place, rule in enumerate(rules)]
    digest = sha256_value(
        {
            "rules": [
                rule.model_dump(mode="json", exclude={"table", "citations"}) for rule in rules
            ],
            "tables": [table and table.model_dump(mode="json") for table in tables],
        }
    )
    return Rules(
        name=file.name,
        title=file.title,
        rules=rules,
        checks=tuple(_ready(rule, table) for rule, table in zip(rules, tables, strict=True)),
        digest=digest,
        notices=tuple(dict.fromkeys(table.standing for table in tables if table)),
    )


def _rules(document: Document, file: _File) -> Iterator[AnyRule]:
    """Every rule as its kind says it.

    Raises:
        RecipeError: One of them is not; the message lists the faults of all.
    """
    faults: list[str] = []
    ids: dict[str, str] = {}
    found: list[AnyRule] = []
    for place, values in enumerate(file.rules):
        entry = _entry(document, place, values)
        where = entry.origins[()].text
        kind = KINDS.get(str(values.get("kind")))
        if kind is None:
            faults.append(
                f"{where} rules.{place}: a rule has kind: {', '.join(KINDS)}; found "
                f"{values.get('kind')!r}"
            )
            continue
        try:
            rule = check(entry, kind, "rules")
        except RecipeError as error:
            faults += str(error).splitlines()[1:]
            continue
        if rule.id in ids:
            faults.append(f"{where} id: the rule at {ids[rule.id]} is called {rule.id} already")
        ids.setdefault(rule.id, where)
        found.append(rule)
    if faults:
        count = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        raise RecipeError(f"{count} in the rules\n" + "\n".join(faults))
    return iter(found)


def _entry(document: Document, place: int, values: dict[str, Any]) -> Document:
    """One entry of the list of rules as a document of its own."""
    above = ("rules", str(place))
    origins: dict[tuple[str, ...], Origin] = {
        keys[2:]: origin for keys, origin in document.origins.items() if keys[:2] == above
    }
    return Document(dict(values), origins)


def _table(document: Document, place: int, rule: AnyRule, folder: Path) -> Table | None:
    """The table that a rule names; None where its kind has none."""
    if not isinstance(rule, DoseRange | UnsupportedCitation):
        return None
    key = "table" if isinstance(rule, DoseRange) else "citations"
    try:
        path = locate(getattr(rule, key), folder, "limits or citations")
    except RecipeError as error:
        where = document.origin(("rules", place, key)).text
        raise RecipeError(f"{where} {key}: {error}") from None
    return load_doses(path) if isinstance(rule, DoseRange) else load_citations(path)


def _ready(rule: AnyRule, table: Table | None) -> Check:
    match rule, table:
        case DoseRange(), DoseTable():
            return dose_range(rule, table)
        case UnsupportedCitation(), CitationList():
            return unsupported_citation(rule, table)
        case ForbiddenDrug(), _:
            return forbidden_drug(rule)
        case DisallowedRecommendation(), _:
            return disallowed_recommendation(rule)
        case Phi(), _:
            return phi(rule)
        case MissingQuote(), _:
            return missing_quote(rule)
        case _:
            raise AssertionError(f"{rule.kind} without its table")
