"""Tables that rules go by: limits of doses, and authorities that a text may cite.

    name: mine
    notice: "signed by our pharmacy, 2026-11-02"
    rows:
      - {ingredient: warfarin, synonyms: [Coumadin], route: oral, population: adult, unit: mg,
         usual: true, min_single: 0.5, max_single: 15, max_daily: 15, source: ..., reviewer: ...}

A table that contradicts itself is refused: a rule that goes by it could say anything.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from medtune.errors import RecipeError
from medtune.guard.findings import Population
from medtune.guard.names import DrugNames
from medtune.guard.reading import read
from medtune.guard.routes import Route
from medtune.guard.units import Measure, measure_of
from medtune.recipe.document import Document
from medtune.recipe.loader import check
from medtune.recipe.section import Positive, Section

Limit = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, pattern=r"\S")]
UNVERIFIED = "unverified"
NO_REVIEWER = "none"

_ORDERED = (
    ("min_single", "max_single"),
    ("min_single", "max_daily"),
    ("min_daily", "max_daily"),
    ("max_single", "max_daily"),
    ("max_single", "max_weekly"),
    ("max_daily", "max_weekly"),
    ("min_single_per_kg", "max_single_per_kg"),
    ("max_single_per_kg", "max_daily_per_kg"),
)
"""Pairs of limits of which the first cannot be above the second."""
_HIGHEST = ("max_single", "max_daily", "max_weekly", "max_single_per_kg", "max_daily_per_kg")


class DoseRow(Section):
    """Limits of one ingredient, by one route, in one population. All limits are in ``unit``."""

    ingredient: Name
    synonyms: list[Name]
    """Other names, brands among them; of all rows of the ingredient together."""
    route: Route
    population: Population
    unit: str
    """mg, mcg, g, units, mmol, mEq, mL, % or another one; with /kg or /m2, and /minute or /hour for
    a rate (route: infusion)."""
    usual: bool = False
    """Whether this route is meant where a text names none."""
    needs_rate: bool = False
    """Whether it is never given at once, so that a text has to say how fast."""
    min_single: Limit | None = None
    min_daily: Limit | None = None
    max_single: Limit | None = None
    """0: never by this route. Of a rate: the highest one."""
    max_daily: Limit | None = None
    max_weekly: Limit | None = None
    """For drugs that are not given every day."""
    min_single_per_kg: Limit | None = None
    max_single_per_kg: Limit | None = None
    max_daily_per_kg: Limit | None = None
    """Limits per kg of body weight, beside those for anybody."""
    source: Name
    """Where the numbers come from; unverified: from nowhere that was opened."""
    reviewer: Name
    """Who signed for them; none: nobody."""

    @property
    def measure(self) -> Measure:
        """What its limits are given in."""
        return measure_of(self.unit)

    @property
    def names_per_kg(self) -> bool:
        """Whether it has limits per kg beside those for anybody."""
        return self.max_single_per_kg is not None or self.max_daily_per_kg is not None

    def limit(self, name: str) -> Fraction | None:
        """A limit, exactly as it is written; None where the row has none."""
        value = getattr(self, name)
        return None if value is None else Fraction(str(value))

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        measure = self.measure
        if all(getattr(self, name) is None for name in _HIGHEST):
            raise ValueError(f"a row needs a highest dose: one of {', '.join(_HIGHEST)}")
        for low, high in _ORDERED:
            least, most = self.limit(low), self.limit(high)
            if least is not None and most is not None and least > most:
                raise ValueError(f"{low} {least} is above {high} {most}: the limits contradict")
        if (self.names_per_kg or self.min_single_per_kg is not None) and measure.per:
            raise ValueError(f"limits per kg stand beside a unit without one; found {self.unit}")
        is_rate = measure.minutes is not None
        if is_rate and (self.max_daily is not None or self.names_per_kg):
            raise ValueError(f"{self.unit} is a rate: it has max_single alone")
        if is_rate and self.needs_rate:
            raise ValueError(f"{self.unit} is a rate: needs_rate is said of amounts")
        if is_rate != (self.route in ("infusion", "transdermal")):
            raise ValueError(
                f"route: {self.route} does not go with {self.unit}; a rate is given by infusion or "
                "transdermal"
            )
        return self


class DoseTable(Section):
    """Limits of many ingredients."""

    name: Name
    notice: Name
    """What it is good for; every report repeats it."""
    not_drugs: list[Name] = Field(default=[])
    """What amounts are given of that is no drug: water, blood, protein."""
    rows: Annotated[list[DoseRow], Field(min_length=1)]

    @cached_property
    def drugs(self) -> DrugNames:
        """All names of its ingredients."""
        names: dict[str, list[str]] = {}
        for row in self.rows:
            names.setdefault(row.ingredient, []).extend(row.synonyms)
        return DrugNames(names, self.not_drugs)

    @cached_property
    def by_ingredient(self) -> dict[str, tuple[DoseRow, ...]]:
        """The rows of each ingredient, in their order."""
        found: dict[str, tuple[DoseRow, ...]] = {}
        for row in self.rows:
            found[row.ingredient] = (*found.get(row.ingredient, ()), row)
        return found

    @property
    def standing(self) -> str:
        """Its notice, and how many of its rows nobody vouches for."""
        unverified = sum(row.source.strip().casefold() == UNVERIFIED for row in self.rows)
        unsigned = sum(row.reviewer == NO_REVIEWER for row in self.rows)
        return (
            f"limits of {self.name}: {self.notice}; of {len(self.rows)} rows {unverified} are "
            f"unverified and {unsigned} without a reviewer"
        )


class Body(Section):
    """An organisation whose guidelines may be cited."""

    name: Name
    names: list[Name] = Field(default=[])
    """Other spellings of the name."""
    short: list[Name]
    years: Annotated[list[Positive], Field(min_length=1)] | None = None
    """Years of its guidelines; null: any year up to this one."""
    annual_from: Positive | None = None
    """The first year of a guideline that comes out every year."""
    codes: list[Name] = Field(default=[])
    """Of guidelines, such as NG136; empty: it has none."""
    source: Name

    @model_validator(mode="after")
    def _years_are_said_once(self) -> Self:
        if self.years is not None and self.annual_from is not None:
            raise ValueError("years and annual_from contradict; keep one")
        return self


class Paper(Section):
    """A publication that may be cited."""

    title: Name
    author: Name
    """Last name of the first one."""
    year: Positive
    pmid: str | None = Field(default=None, pattern=r"^\d{1,8}$")
    doi: str | None = Field(default=None, pattern=r"^10\.\d{4,9}/\S+$")
    source: Name


class CitationList(Section):
    """Everything that a text may name as its authority."""

    name: Name
    notice: Name
    not_bodies: list[Name] = Field(default=[])
    """Capitals that are no organisation, such as COPD."""
    bodies: Annotated[list[Body], Field(min_length=1)]
    journals: list[Name] = Field(default=[])
    """By which papers are recognised."""
    papers: list[Paper] = Field(default=[])

    @property
    def standing(self) -> str:
        """What every report repeats of it."""
        return f"citations of {self.name}: {self.notice}"


def load_doses(path: Path) -> DoseTable:
    """Read and check a table of limits.

    Raises:
        RecipeError: It is none; the message lists every fault with file, line and column.
    """
    document = read(path)
    table = check(document, DoseTable, "table")
    if faults := [*_repeated(document, table), *_ambiguous(document, table)]:
        raise RecipeError("\n".join(faults))
    return table


def load_citations(path: Path) -> CitationList:
    """Read and check a list of authorities.

    Raises:
        RecipeError: It is none; the message lists every fault with file, line and column.
    """
    return check(read(path), CitationList, "list of citations")


def _repeated(document: Document, table: DoseTable) -> Iterator[str]:
    """Rows of one ingredient, route and population; usual routes that contradict."""
    seen: dict[tuple[str, ...], int] = {}
    for place, row in enumerate(table.rows):
        told = f"{_where(document, place)} {row.ingredient}"
        key = (row.ingredient.casefold(), row.route, row.population)
        if key in seen:
            first = document.origin(("rows", seen[key])).text
            yield f"{told}: {row.route}, {row.population} has a row already, {first}"
        seen.setdefault(key, place)
        usual = ("usual", row.ingredient.casefold(), row.population)
        if row.usual and usual in seen:
            first = document.origin(("rows", seen[usual])).text
            yield f"{told}: a drug has one usual route; the other is {first}"
        if row.usual:
            seen.setdefault(usual, place)


def _ambiguous(document: Document, table: DoseTable) -> Iterator[str]:
    """Names that stand for two ingredients."""
    owners: dict[str, str] = {}
    for place, row in enumerate(table.rows):
        for name in (row.ingredient, *row.synonyms):
            owner = owners.setdefault(name.casefold(), row.ingredient)
            if owner != row.ingredient:
                yield (
                    f"{_where(document, place)} {row.ingredient}: {name} is a name of {owner} too"
                )


def _where(document: Document, place: int) -> str:
    return document.origin(("rows", place)).text
