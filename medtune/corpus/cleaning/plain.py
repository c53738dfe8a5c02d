"""Running text that was scraped from pages: left-over tags, addresses and citations go.

The original took everything between ``<`` and ``>`` and between ``[`` and ``]``, and with it
"(p<0.001) in patients with BMI >30" and "[Na+]". Here a tag has to be one of HTML, and a citation a
number that is none of the text's own.
"""

import html
import re

from medtune.corpus.cleaning import marks
from medtune.corpus.cleaning.characters import listed, squeeze, tidy
from medtune.corpus.cleaning.scripts import lowered, raised

_NAMES = (
    "a|abbr|article|b|big|blockquote|body|br|center|cite|code|dd|div|dl|dt|em|font|footer|h[1-6]"
    "|header|hr|i|img|label|li|nav|ol|p|pre|q|s|script|section|small|span|strike|strong|style|sub"
    "|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul"
)
_ATTRIBUTE = r"\s+[\w:-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>]+))"
_TAG = re.compile(rf"</?(?:{_NAMES})(?:{_ATTRIBUTE})*\s*/?>", re.IGNORECASE)
_SCRIPT = re.compile(r"<(su[bp])>([^<>]{1,40})</\1>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\s*/?>", re.IGNORECASE)
_LINK = re.compile(
    r"(?<!!)\[([^\[\]]+)\]\((?:https?://|www\.|mailto:|/|#)[^()\s]*(?:\([^()]*\))?\)"
)
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>\"\[\]]*[^\s<>\"\[\]().,;:]")
_NUMBERS = re.compile(
    r"(?<=[\w.,;)%\"\u2019\u201d])[ ]?\[(\d{1,3}(?:\s*[,;\u2013-]\s*\d{1,3})*)\](?![\w(])"
)
# "95% CI [1, 2]", "range [18-65]", "score [0, 10]": numbers of the text and no references.
_STATISTIC = re.compile(
    r"\b(?:CI|CrI|IQR|intervals?|ranges?|ranged|from|between|median|mean|aged?|scores?|scale|sd"
    r"|set|value|n|quartiles?|limits?|percentiles?)\b[^.\[\]]{0,15}$|[=%≈<>±]\s*[\d.]*$",
    re.IGNORECASE,
)


def clean(text: str, *, drop_citations: bool) -> str:
    """Clean the text of a page.

    Args:
        text: As it was scraped.
        drop_citations: Take out ``[12]`` and ``[3, 5-7]`` where they can only be citations. False
            for abstracts, which have none: there a bracketed number is a result.

    Returns:
        Markdown with ``- `` for bullets; headings, tables and formulas as they were.
    """
    text = untagged(tidy(text))
    text = _LINK.sub(r"\1", text)
    text = listed(marked_addresses(text))
    if drop_citations:
        text = _NUMBERS.sub(_citation, text)
    return squeeze("\n".join(map(_resolved, text.split("\n"))))


def untagged(text: str) -> str:
    """A text without HTML's tags and entities; sub- and superscripts keep their meaning."""
    if "<" in text:
        text = _SCRIPT.sub(_scripted, text)
        text = _TAG.sub("", _BREAK.sub("\n", text))
    return html.unescape(text) if "&" in text else text


def marked_addresses(text: str) -> str:
    """Mark addresses of the web, so that those in brackets go."""
    return _ADDRESS.sub(lambda found: marks.reference(found[0]), text) if "." in text else text


def _resolved(line: str) -> str:
    if not marks.MARKS.search(line):
        return line  # its indentation may mean something
    indentation = line[: len(line) - len(line.lstrip())]
    return indentation + marks.resolve(line)


def _scripted(found: re.Match[str]) -> str:
    return raised(found[2]) if found[1].lower() == "sup" else lowered(found[2])


def _citation(found: re.Match[str]) -> str:
    before = found.string[max(found.start() - 40, 0) : found.start() + 1]
    numbers = [int(number) for number in re.findall(r"\d+", found[1])]
    rises = numbers == sorted(set(numbers)) and numbers[0] > 0
    return found[0] if _STATISTIC.search(before) or not rises else ""
