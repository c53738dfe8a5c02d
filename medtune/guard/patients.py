"""What a text or a context says of the patient: child or adult, allergies, conditions."""

import re
from collections.abc import Callable

from medtune.guard.findings import Context, Population, population_of_age
from medtune.guard.phrases import compiled
from medtune.guard.plain import plain
from medtune.guard.sections import When
from medtune.guard.sentences import sentences

_AGE = re.compile(
    r"(?<![\d.])(\d{1,3})[ -]?(?:-?(year|yr|month|week|day)s?[ -]old\b|(yo|y/o)\b)", re.IGNORECASE
)
_YEARS = {"year": 1.0, "yr": 1.0, "month": 1 / 12, "week": 7 / 365, "day": 1 / 365}
_WORDS: tuple[tuple[Population, str], ...] = (
    ("neonate", r"neonat\w+|newborns?|preterm"),
    ("child", r"child(?:ren)?(?!-| ?bearing)|pa?ediatrics?|infants?|toddlers?|bab(?:y|ies)|kids?"
              r"|school-?age\w*|adolescents?|teenagers?"),
    ("adult", r"adults?|elderly|older (?:man|woman|people|patients?)"),
)  # fmt: skip
_NAMED = [(who, re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.I)) for who, words in _WORDS]
_NOT = re.compile(
    r"\b(?:no|not|denies|denied|without|negative for|isn't|never|ruled out|nor|unlikely)\b"
    r"[^.;,]*\Z",
    re.IGNORECASE,
)
_NO_ALLERGIES = re.compile(r"\b(?:no|nil|without)\b[^.;]{0,30}\ballerg", re.IGNORECASE)
_ALLERGY = re.compile(
    r"allerg\w*|anaphyla\w*|hives|hypersensitiv\w*|intoleran\w*|reaction to|rash", re.IGNORECASE
)


def population_in(text: str) -> Population | None:
    """The population that a text speaks of, by an age or a word; None where it says neither.

    Where it speaks of several, the youngest counts.
    """
    found: list[Population] = [
        population_of_age(int(age[1]) * _YEARS.get((age[2] or "year").casefold(), 1.0))
        for age in _AGE.finditer(text)
    ]
    found += [who for who, pattern in _NAMED if pattern.search(text)]
    for who in ("neonate", "child", "adult"):
        if who in found:
            return who
    return None


def population_of(context: Context, sentence: str = "") -> Population:
    """Whom a sentence is about: as it says, as the context says, as the question says; an adult."""
    return (
        population_in(sentence)
        or context.stated_population
        or population_in(context.question)
        or "adult"
    )


def condition(when: When | None) -> Callable[[Context], bool]:
    """A test whether a context meets a condition; None is met by every one."""
    if when is None:
        return lambda context: True
    allergies, conditions = compiled(when.allergies), compiled(when.conditions)
    populations = frozenset(when.populations)

    def is_met(context: Context) -> bool:
        question = plain(context.question)
        return (
            any(allergies.search(plain(text)) for text in context.allergies)
            or any(conditions.search(plain(text)) for text in context.conditions)
            or population_of(context) in populations
            or _is_said(question, conditions)
            or _is_said(question, allergies, beside=_ALLERGY)
        )

    return is_met


def _is_said(
    question: str, pattern: re.Pattern[str], *, beside: re.Pattern[str] | None = None
) -> bool:
    """Whether a question says it, and does not deny it; beside another word in the sentence."""
    for sentence in sentences(question):
        text = question[sentence.start : sentence.end]
        if beside and (not beside.search(text) or _NO_ALLERGIES.search(text)):
            continue
        for found in pattern.finditer(text):
            if not _NOT.search(text, 0, found.start()):
                return True
    return False
