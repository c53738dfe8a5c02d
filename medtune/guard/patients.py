"""What a text or a context says of the patient: child or adult, allergies, conditions."""

import re
from collections.abc import Callable
from functools import lru_cache

from medtune.guard.amounts import NUMBER, value_of
from medtune.guard.findings import Context, Population, population_of_age
from medtune.guard.phrases import compiled
from medtune.guard.plain import plain
from medtune.guard.sections import When
from medtune.guard.sentences import sentences

_UNIT = r"(?P<{}>years?|yrs?|y|months?|mos?|m|weeks?|wks?|days?)"
# Aged 12 and over is a limit and nobody's age; at age 4 he had his appendix out.
_NO_LIMIT = r"(?![ ]?\+)(?![ ](?:and|or)[ ](?:over|older|above|more|up))"
_EARLIER = "".join(
    rf"(?<!\b{word}[ ])"
    for word in ("at", "since", "from", "by", "until", "till", "under", "over", "below", "above",
                 "than", "before", "after", "to", "for", "in", "least", "gestational")
)  # fmt: skip
_AGE = re.compile(
    rf"""(?<![\w.])(?P<number>{NUMBER})[ -]?
        (?:-?{_UNIT.format("old")}[ -]old\b|(?:yo|y/o)\b|y\.o\.?)
      | (?<![\w.]){_EARLIER}(?P<of>{NUMBER})[ ]{_UNIT.format("ofunit")}[ ]of[ ]age\b{_NO_LIMIT}
      | (?:\baged[ ]|\b{_EARLIER}age(?:[ ]in[ ]years)?[ ]?[:=]?[ ]?)(?P<aged>{NUMBER})(?![\d-])
        (?:[ ]{_UNIT.format("unit")}\b)?{_NO_LIMIT}
      | \b(?:who|he|she|son|daughter|boy|girl|child|patient)
        (?:[ ]is|'s|[ ](?:has[ ])?(?:just[ ])?turned)[ ](?P<is>{NUMBER})
        (?=[ ]?(?:[.,;!?)]|\Z)|[ ](?:and|has|had|who)\b)(?![.,]\d)
      | (?<!['\w])(?<!\d[ ])(?:boy|girl|child|son|daughter|(?:fe)?male|m|f|born),?[ ]
        \(?(?P<being>{NUMBER})[ ]?
        {_UNIT.format("beingunit")}(?:\)|[.,;]|\Z|[ ]ago\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_AND_YOUNGER = re.compile(r"[ ](?:and|or)[ ](?:under|younger|below|less)\b", re.IGNORECASE)
_NOT_GIVEN = re.compile(r"(?:\b(?:not|never|avoid\w*)|n't)\b[^.;]*\Z", re.IGNORECASE)
_YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / 365, "d": 1 / 365}
"""Of a unit of age, by its first letter."""
_WORDS: tuple[tuple[Population, str], ...] = (
    ("neonate", r"neonat\w+|newborns?|preterm"),
    ("child", r"child(?:ren)?(?!-| ?bearing)|pa?ediatrics?|infants?|toddlers?|bab(?:y|ies)|kids?"
              r"|school-?age\w*|adolescents?|teenagers?"),
    ("adult", r"adults?|elderly|older (?:man|woman|people|patients?)"),
)  # fmt: skip
_NAMED = [(who, re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.I)) for who, words in _WORDS]
_EXCEPT = r"\b(?:except|other than|apart from|aside from|besides)\b"
_TURN = rf"\b(?:but|however|although|though|yet)\b|{_EXCEPT}"
_DENIED = (
    r"\b(?:no|not(?! (?:sure|certain))|denies|denied|without|negative for|isn't|never"
    r"|ruled out|nor|unlikely)\b"
)
# How far a negation reaches: no fever but pregnant; no fever and pregnant.
_NOT = re.compile(rf"{_DENIED}(?:(?!{_TURN}|\band\b)[^.;,])*\Z", re.IGNORECASE)
_AND_STATE = r"\band (?:\w+ )?(?:is|was|has|she|he|allerg(?:y|ic))\b"
# In a list of allergies it reaches on: denies allergies to sulfa and penicillin.
_NOT_ALLERGIC = re.compile(
    rf"{_DENIED}(?:(?!{_TURN}|{_AND_STATE})[^.;,])*\Z",
    re.IGNORECASE,
)
_NO_ALLERGIES = re.compile(
    rf"\b(?:no|nil|without)\b(?:(?:(?!{_TURN})[^.;,]){{0,30}}\ballergies"
    rf"|(?:(?!{_TURN}|\band\b)[^.;,]){{0,30}}\ballergy)\b(?![^.;]{{0,20}}{_EXCEPT})",
    re.IGNORECASE,
)
_OWN_ALLERGY = re.compile(r"[ -]allergy\b", re.IGNORECASE)
_ALLERGY = re.compile(
    r"allerg\w*|anaphyla\w*|hives|hypersensitiv\w*|intoleran\w*|reaction to|rash", re.IGNORECASE
)


@lru_cache(maxsize=64)  # each dose asks for its sentence, the question and the rules' conditions
def population_in(text: str) -> Population | None:
    """The population that a text speaks of, by an age or a word; None where it says neither.

    Where it speaks of several, the youngest counts.
    """
    text = plain(text)
    ages = [found for found in _AGE.finditer(text) if not _is_left_out(text, found)]
    found: list[Population] = [population_of_age(_years(age)) for age in ages]
    found += [who for who, pattern in _NAMED if pattern.search(text)]
    for who in ("neonate", "child", "adult"):
        if who in found:
            return who
    return None


def _is_left_out(text: str, age: re.Match[str]) -> bool:
    """Whether the text is not about those of an age: not for anyone 16 years of age or younger."""
    if not _AND_YOUNGER.match(text, age.end()):
        return False
    return _NOT_GIVEN.search(text, 0, age.start()) is not None


def _years(found: re.Match[str]) -> float:
    units = (found[name] for name in ("old", "ofunit", "unit", "beingunit"))
    unit = next(filter(None, units), "years")[0].casefold()
    number = next(filter(None, (found[name] for name in ("number", "of", "aged", "is", "being"))))
    return float(value_of(number)) * _YEARS[unit]


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
            is_listed = beside and not _OWN_ALLERGY.match(text, found.end())
            denied = _NOT_ALLERGIC if is_listed else _NOT
            if not denied.search(text, 0, found.start()):
                return True
    return False
