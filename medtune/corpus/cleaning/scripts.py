"""Sub- and superscripts in plain text: SaO₂, 10⁻³, kg/m², C_{max}.

Digits and signs have characters of their own; anything else is written as in LaTeX, which bases
have read. Plainly set, 10⁻³ would become 103.
"""

_RAISED = str.maketrans("0123456789+-\u2212\u2013=()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾")
_LOWERED = str.maketrans("0123456789+-\u2212\u2013=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₋₌₍₎")
_ORDINALS = {"st", "nd", "rd", "th"}


def raised(text: str) -> str:
    """A superscript."""
    return _scripted(text, _RAISED, "^")


def lowered(text: str) -> str:
    """A subscript."""
    return _scripted(text, _LOWERED, "_")


def _scripted(text: str, characters: dict[int, int], sign: str) -> str:
    inner = text.strip()
    if not any(map(str.isalnum, inner)) and not all(ord(c) in characters for c in inner):
        return text  # ®, °, *: they are raised by nature
    if inner in _ORDINALS:
        return text
    if all(ord(character) in characters for character in inner):
        written = inner.translate(characters)
    else:
        written = sign + (inner if len(inner) == 1 else f"{{{inner}}}")
    return text.replace(inner, written) if inner else text
