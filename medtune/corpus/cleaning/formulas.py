"""Formulas as a line of text: MathML in LaTeX's notation, and TeX without its preamble."""

import re
from collections.abc import Callable
from typing import Any

_PREAMBLE = re.compile(r".*?\\begin\{document\}|\\end\{document\}.*", re.DOTALL)
_PLAIN_TOKENS = {"mi", "mn", "mo", "mtext", "ms"}
_LETTERS_AND_DIGITS = re.compile(r"[\w.]*")


def tex(source: str) -> str:
    """The formula of a ``tex-math`` element, which publishers wrap into a whole document."""
    formula = " ".join(_PREAMBLE.sub("", source).split())
    return re.sub(r"^\$+\s*|\s*\$+$", "", formula)


def mathml(element: Any) -> str:  # noqa: ANN401 - lxml has no types
    """A MathML element in one line: fractions, roots, sub- and superscripts; the rest as it is."""
    tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    if tag in _PLAIN_TOKENS:
        return " ".join("".join(element.itertext()).split())
    if tag == "annotation" or not tag:
        return ""
    parts = [written for child in element if (written := mathml(child))]
    fixed = _FIXED.get(tag)
    if fixed and len(parts) == fixed[0]:
        return fixed[1](*map(_grouped, parts))
    if tag == "mfenced":
        inside = (element.get("separators") or ",")[:1].join(parts)
        return f"{element.get('open', '(')}{inside}{element.get('close', ')')}"
    if tag in ("mtr", "mlabeledtr"):
        return " & ".join(parts) + " \\\\ "
    return "".join(parts)


_FIXED: dict[str, tuple[int, Callable[..., str]]] = {
    "mfrac": (2, lambda above, below: f"{above}/{below}"),
    "msub": (2, lambda base, low: f"{base}_{low}"),
    "msup": (2, lambda base, high: f"{base}^{high}"),
    "msubsup": (3, lambda base, low, high: f"{base}_{low}^{high}"),
    "munderover": (3, lambda base, low, high: f"{base}_{low}^{high}"),
    "munder": (2, lambda base, low: f"{base}_{low}"),
    "mover": (2, lambda base, high: f"{base}^{high}"),
    "msqrt": (1, lambda inside: f"√{inside}"),
    "mroot": (2, lambda inside, degree: f"{inside}^(1/{degree})"),
}


def _grouped(part: str) -> str:
    return part if _LETTERS_AND_DIGITS.fullmatch(part) or len(part) == 1 else f"({part})"
