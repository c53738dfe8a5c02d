"""Rules as YAML says them: each kind is a section with its own keys."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from medtune.guard.amounts import TRAPS, Trap
from medtune.guard.findings import Population, Verdict
from medtune.guard.phrases import compiled
from medtune.recipe.section import Positive, Section

Bad = Literal["flag", "violation"]
Pattern = Annotated[str, Field(min_length=1, pattern=r"\S")]
"""Words, with * for any ending, a|b for a choice and ... for words between; see ``phrases``."""
Patterns = Annotated[list[Pattern], Field(min_length=1)]
Identifier = Literal[
    "name", "birth_date", "date", "age", "ssn", "mrn", "phone", "fax", "email", "address", "zip",
    "account", "health_plan", "licence", "vehicle", "device", "url", "ip",
]  # fmt: skip
"""Of HIPAA's eighteen kinds (45 CFR 164.514(b)(2)) those that have a pattern; fingerprints, photos
and other unique marks have none."""
CitationKind = Literal[
    "guideline", "organisation", "pmid", "doi", "journal", "authors", "trial_registration"
]
Claim = Literal["dose", "number", "recommendation", "sentence"]

ID = r"^[a-z0-9][a-z0-9-]*$"


class When(Section):
    """What has to be true of the patient; one of the patterns is enough."""

    allergies: list[Pattern] = Field(default=[])
    conditions: list[Pattern] = Field(default=[])
    populations: list[Population] = Field(default=[])

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.allergies or self.conditions or self.populations):
            raise ValueError("needs allergies, conditions or populations")
        for pattern in (*self.allergies, *self.conditions):
            compiled([pattern])
        return self


class Rule(Section):
    """What all rules share."""

    id: str = Field(pattern=ID)
    """Unique in its file; findings name it."""


class DoseRange(Rule):
    """Doses must be within the limits of a table."""

    kind: Literal["dose_range"]
    table: str = Field(min_length=1)
    """The name of one that comes with medtune, or ./file.yaml."""
    verdict: Bad = "violation"
    """Of a dose above a limit."""
    below: Bad = "flag"
    """Of a dose below one."""
    traps: list[Trap] = Field(default=list(TRAPS))
    """Ways of writing a dose that are worth a flag."""


class ForbiddenDrug(Rule):
    """Drugs that must not be advised, at all or to such a patient."""

    kind: Literal["forbidden_drug"]
    drugs: Annotated[dict[Pattern, list[Pattern]], Field(min_length=1)]
    """Each drug with its other names."""
    when: When | None = None
    """null: always."""
    verdict: Bad = "violation"
    """Of a drug that is advised."""
    mentioned: Verdict = "flag"
    """Of one that is named without being advised or advised against."""


class DisallowedRecommendation(Rule):
    """Things that must not be advised: actions on objects, or phrases."""

    kind: Literal["disallowed_recommendation"]
    actions: list[Pattern] = Field(default=[])
    """Verbs, in all their forms: start, come off."""
    objects: list[Pattern] = Field(default=[])
    phrases: list[Pattern] = Field(default=[])
    """Whole phrases, that may contain a negation of their own."""
    within_words: Positive = 8
    """Most words between an action and its object, and in the gaps of phrases."""
    when: When | None = None
    verdict: Bad = "violation"
    """Of what is advised."""
    mentioned: Verdict = "flag"
    """Of an action on an object that is described: chemotherapy is given in cycles."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if bool(self.actions) != bool(self.objects):
            raise ValueError("actions and objects go together")
        if not (self.actions or self.phrases):
            raise ValueError("needs actions with objects, or phrases")
        for pattern in (*self.actions, *self.objects, *self.phrases):
            compiled([pattern])
        return self


class UnsupportedCitation(Rule):
    """Authorities that a text names must be in a list."""

    kind: Literal["unsupported_citation"]
    citations: str = Field(min_length=1)
    """The name of a list that comes with medtune, or ./file.yaml."""
    of: Annotated[list[CitationKind], Field(min_length=1)] = Field(
        default=list(get_args(CitationKind))
    )
    verdict: Bad = "violation"


class Phi(Rule):
    """A text must not identify a patient."""

    kind: Literal["phi"]
    of: Annotated[list[Identifier], Field(min_length=1)] = Field(default=list(get_args(Identifier)))
    allow: list[Pattern] = Field(default=[])
    """Domains whose addresses are no identifiers: who.int."""
    verdict: Bad = "violation"


class MissingQuote(Rule):
    """Claims must carry a quote from the snippets. It asks nothing where there are none to take."""

    kind: Literal["missing_quote"]
    needs: Annotated[list[Claim], Field(min_length=1)]
    """Sentences that are claims: those with a dose, with a number of anything, with a
    recommendation, or every one."""
    min_words: Positive = 3
    """Words of a quote that can support anything."""
    verdict: Bad = "flag"
    """Of a claim without a quote."""
    unfound: Bad = "violation"
    """Of a quote that stands in no snippet."""


AnyRule = (
    DoseRange | ForbiddenDrug | DisallowedRecommendation | UnsupportedCitation | Phi | MissingQuote
)
KINDS: dict[str, type[AnyRule]] = {
    "dose_range": DoseRange,
    "forbidden_drug": ForbiddenDrug,
    "disallowed_recommendation": DisallowedRecommendation,
    "unsupported_citation": UnsupportedCitation,
    "phi": Phi,
    "missing_quote": MissingQuote,
}
