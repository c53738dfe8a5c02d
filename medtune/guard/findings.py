"""What a check is told about a patient, and what it finds in a text."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Verdict = Literal["ok", "flag", "violation"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""From harmless to harmful."""
Population = Literal["neonate", "child", "adult"]

ADULT_AGE_YEARS = 18
_NEONATE_AGE_YEARS = 28 / 365


class Span(NamedTuple):
    """Characters ``start`` to ``end`` of the checked text; end is not included."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule says of one place."""

    rule: str
    """Its id; ``text`` for what the engine finds before any rule."""
    verdict: Verdict
    span: Span
    message: str
    """Never quotes the text: names of the tables and numbers of doses alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found in one text, in the order of its places."""

    verdict: Verdict
    """The worst of all findings; ok where there is none."""
    findings: tuple[Finding, ...]
    rules_digest: str
    """sha256 of the rules and their tables."""
    notices: tuple[str, ...]
    """What the tables say of themselves, such as that they are not for clinical use."""

    def of(self, rule: str) -> Verdict:
        """The worst that one rule found."""
        return worst(found.verdict for found in self.findings if found.rule == rule)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most harmful of some verdicts; ok where there are none."""
    return max(verdicts, key=VERDICTS.index, default="ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of the patient and of the question. Nothing in it is required.

    Raises:
        ValueError: A weight, surface or age that nobody has.
    """

    weight_kg: float | None = None
    surface_m2: float | None = None
    """Body surface, for doses in mg/m2."""
    age_years: float | None = None
    population: Population | None = None
    """None: by the age; without one by the question; else an adult."""
    allergies: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    """Diagnoses, pregnancy included."""
    question: str = ""
    """What was asked; allergies and conditions are looked for in it too."""
    snippets: tuple[str, ...] | None = None
    """Texts that quotes have to come from. None: no quotes are asked for; empty: there is nothing
    to quote, so that no claim can be supported."""

    def __post_init__(self) -> None:
        for name, high in (("weight_kg", 700.0), ("surface_m2", 5.0), ("age_years", 130.0)):
            value = getattr(self, name)
            lowest = 0.0 if name == "age_years" else math.ulp(0.0)
            if value is not None and not lowest <= value <= high:
                raise ValueError(f"{name} is {value}; expected a number up to {high:g}")

    @property
    def stated_population(self) -> Population | None:
        """The population as given, or by the age."""
        if self.population or self.age_years is None:
            return self.population
        return population_of_age(self.age_years)


def population_of_age(age_years: float) -> Population:
    """Neonates are younger than 28 days, adults 18 years or older."""
    if age_years < _NEONATE_AGE_YEARS:
        return "neonate"
    return "child" if age_years < ADULT_AGE_YEARS else "adult"
