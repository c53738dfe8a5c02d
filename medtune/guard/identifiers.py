"""What identifies a patient, by its pattern: HIPAA's kinds as far as they have one.

Names are found beside a title or a label alone, places by a street or a postal code. A text in
which nothing is found is not thereby free of identifiers. Messages name the kind, never the value.
"""

import re
from collections.abc import Iterator

from medtune.guard.findings import Context, Finding, Span
from medtune.guard.identifier_patterns import PATTERNS
from medtune.guard.sections import Identifier, Phi
from medtune.guard.texts import Check, Text

_TOLD: dict[Identifier, str] = {
    "name": "a person's name",
    "birth_date": "a date of birth",
    "date": "a date",
    "age": "an age of 90 or more",
    "ssn": "a social security number",
    "mrn": "a medical record number",
    "phone": "a telephone number",
    "fax": "a fax number",
    "email": "an e-mail address",
    "address": "a postal address",
    "zip": "a postal code",
    "account": "an account number",
    "health_plan": "a number of a health plan",
    "licence": "a licence or certificate number",
    "vehicle": "a vehicle's number",
    "device": "a device's number",
    "url": "a web address",
    "ip": "an IP address",
}
_COMPILED = [
    (kind, re.compile(pattern, re.IGNORECASE | re.VERBOSE)) for kind, pattern in PATTERNS.items()
]
# Numbers that everybody may call.
_PUBLIC_PHONE = re.compile(r"(?:1[ .-])?\(?8(?:00|33|44|55|66|77|88)\)?[ .-]?(?=\d{3}[ .-]?\d{4})")


def phi(rule: Phi) -> Check:
    """The check of one rule."""
    wanted = frozenset(rule.of)
    allowed = tuple(domain.casefold() for domain in rule.allow)

    def check(text: Text, context: Context) -> Iterator[Finding]:
        del context  # what identifies a patient does so whoever asks
        taken = bytearray(len(text.plain))
        for kind, pattern in _COMPILED:
            for found in pattern.finditer(text.plain):
                span = Span(*found.span())
                if any(taken[span.start : span.end]) or _is_harmless(kind, found, allowed):
                    continue
                # A date of birth is no other date as well, whichever of them is asked for.
                taken[span.start : span.end] = b"\1" * len(found[0])
                if kind in wanted:
                    yield Finding(
                        rule=rule.id, verdict=rule.verdict, span=span, message=_TOLD[kind]
                    )

    return check


def _is_harmless(kind: Identifier, found: re.Match[str], allowed: tuple[str, ...]) -> bool:
    """Whether it is a number or address of everybody's, or none at all."""
    if kind == "phone":
        return _PUBLIC_PHONE.match(found[0]) is not None
    if kind == "account":
        return found["card"] is not None and not _is_card_number(found["card"])
    if kind not in ("url", "email"):
        return False
    host = re.sub(r"^(?:https?://|www\.|[^@]*@)+", "", found[0].casefold()).split("/")[0]
    host = host.rstrip(".")
    return any(host == domain or host.endswith(f".{domain}") for domain in allowed)


def _is_card_number(number: str) -> bool:
    """The check digit of payment cards (Luhn 1960, ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(re.sub(r"[ -]", "", number))):
        doubled = int(digit) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
