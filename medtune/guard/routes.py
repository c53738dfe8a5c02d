"""By which way a dose goes in."""

import re
from typing import Literal, get_args

Route = Literal[
    "oral", "iv", "infusion", "im", "sc", "sublingual", "rectal", "inhaled", "intranasal",
    "topical", "transdermal", "ophthalmic", "intrathecal", "buccal", "vaginal", "intraosseous",
]  # fmt: skip
ROUTES: tuple[Route, ...] = get_args(Route)
"""infusion: a rate, in an amount per minute or hour."""

_WORDS: dict[Route, str] = {
    "oral": r"p\.?o|by mouth|oral(?:ly)?|per os|swallow\w*|tablets?|tabs?|capsules?|caplets?|pills?"
    r"|chew\w*|syrup",
    "iv": r"i[./]?v|intravenous(?:ly)?|ivp|ivpb|push|bolus",
    "im": r"i[./]?m|intramuscular(?:ly)?|into the (?:lateral |outer |mid-outer )?(?:thigh|deltoid)",
    "sc": r"s\.?c|s\.?q|sub-?q|sub-?cut(?:aneous(?:ly)?)?|under the skin",
    "sublingual": r"s\.?l|sublingual(?:ly)?|under the tongue",
    "rectal": r"rectal(?:ly)?|per rectum|suppositor(?:y|ies)",
    "inhaled": r"inhal(?:ed|ation|ations|er)|nebuli[sz]\w*|nebs?|puffs?",
    "intranasal": r"intranasal(?:ly)?|nasal(?:ly)?|nostrils?",
    "topical": r"topical(?:ly)?|cream|ointment|gel|lotion|to the (?:affected area|skin)",
    "transdermal": r"transdermal(?:ly)?|patch(?:es)?",
    "ophthalmic": r"ophthalmic|eye drops|(?:in|into) (?:each|the|both) (?:\w+ )?eyes?",
    "intrathecal": r"intrathecal(?:ly)?|into the (?:spine|cerebrospinal fluid)|i\.?t",
    "buccal": r"buccal(?:ly)?",
    "vaginal": r"vaginal(?:ly)?",
    "intraosseous": r"intraosseous(?:ly)?",
}
# Small letters would find the pronoun: "give it".
_INTRATHECAL = re.compile(r"\b(?:IT|I\.T\.)(?![a-z])")
_COMPILED = [
    (route, re.compile(rf"(?<![\w-])(?:{words})(?!\w)", re.IGNORECASE))
    for route, words in _WORDS.items()
]


def routes(plain: str, start: int, end: int) -> list[Route]:
    """The routes that a stretch of text names, in its order, each once."""
    places: list[tuple[int, Route]] = []
    for route, pattern in _COMPILED:
        found = pattern.search(plain, start, end)
        if found and route == "intrathecal" and found[0].casefold() in ("it", "i.t"):
            found = _INTRATHECAL.search(plain, start, end)
        if found:
            places.append((found.start(), route))
    return [route for _, route in sorted(places)]
