"""What a document's licence is called, out of the many ways to say it.

    normalise("", "http://creativecommons.org/licenses/by/2.0") == "cc-by"

Names are Creative Commons' without version and country (``cc-by-nc-nd``), ``cc0``,
``public-domain``, ``none`` where nothing is said, and ``unknown:<words>``. Where words and links
contradict each other the narrower licence counts: publishers link CC BY beneath the words of CC
BY-NC, and a filter has to obey both.
"""

import re

NONE = "none"
UNKNOWN_CHARS = 80
"""How much is kept of words that name no known licence."""

_BARE = re.compile(
    r"(?:cc[ -]?)?(by(?:[ -]?(?:nc|nd|sa))*|zero|0|mark)(?:[ -]\d[\w.]*)?", re.IGNORECASE
)
_ATTRIBUTION = re.compile(
    r"creativecommons\.org/licen[sc]es/(by[a-z-]*)"
    r"|\bcc[ -](by(?:[ -](?:nc|nd|sa)\b)*)"
    r"|creative\s+commons\W+(?:licen[sc]e\W+)?(attribution)",
    re.IGNORECASE,
)
_TERMS = (
    ("nc", re.compile(r"non-?\s?commercial|\bby(?:[ -]n[cd]|[ -]sa)*[ -]nc\b", re.IGNORECASE)),
    ("nd", re.compile(r"\bno-?\s?deriv|\bby(?:[ -]nc|[ -]sa)*[ -]nd\b", re.IGNORECASE)),
    ("sa", re.compile(r"share-?\s?alike|\bby(?:[ -]nc|[ -]nd)*[ -]sa\b", re.IGNORECASE)),
)
_ZERO = re.compile(r"creativecommons\.org/publicdomain/zero|\bcc[ -]?(?:0|zero)\b", re.IGNORECASE)
_PUBLIC_DOMAIN = re.compile(
    r"creativecommons\.org/publicdomain/mark"
    r"|(?<!not in the )public domain"
    r"|free of (?:all|any) copyright|no (?:known )?copyright restrictions|without copyright"
    r"|work of the (?:U\.?S\.?|United States) government",
    re.IGNORECASE,
)


def normalise(words: str, *links: str) -> str:
    """Name the licence that a document states.

    Args:
        words: What it says; a bare code such as ``CC BY-NC 4.0`` or ``zero-1.0`` will do.
        links: Addresses that it gives as its licence.

    Returns:
        The narrowest licence that words and links name; see the module.
    """
    words = " ".join(words.split())
    bare = _BARE.fullmatch(words)
    if bare:
        code = bare[1].lower()
        terms = re.findall("by|nc|nd|sa", code)
        words = {"zero": "cc0", "0": "cc0", "mark": "public domain"}.get(
            code, "-".join(["cc", *terms])
        )
    said = " ".join(filter(None, (words, *links)))
    if _ATTRIBUTION.search(said):
        terms = [term for term, pattern in _TERMS if pattern.search(said)]
        # A text that may not be changed cannot be shared alike when it is.
        return "-".join(["cc-by", *(t for t in terms if t != "sa" or "nd" not in terms)])
    # After attribution, for most articles add that their data are CC0.
    if _ZERO.search(said):
        return "cc0"
    if _PUBLIC_DOMAIN.search(said):
        return "public-domain"
    return f"unknown:{said[:UNKNOWN_CHARS]}" if said else NONE
