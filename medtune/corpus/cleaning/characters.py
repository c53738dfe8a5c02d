"""Characters of running text: bullets, spaces and control characters, and no letter touched."""

import re
import unicodedata

# Marks of this package are control characters, so no text may bring its own.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff\ufffd\xad]")
_SPACES = re.compile("[\xa0\u2000-\u200a\u202f\u3000\t]")
_BULLET = re.compile("^[ \t]*(?:[◆◇•▪■□●○◦‣∙·\uf0b7\uf0a7\uf0d8][ \t]*)+", re.MULTILINE)
_LINE_ENDS = re.compile("\r\n?|\u2028|\u2029|\x85")
_RULE = re.compile(r"^[ \t]*(?:[=_*~#◆•-][ \t]*){3,}$", re.MULTILINE)
_RUN_OF_SPACES = re.compile(r"(?<=\S)[ ]{2,}")
_BLANK_LINES = re.compile(r"\n{3,}")


def tidy(text: str) -> str:
    """Normalise line ends, spaces and composed letters; drop what cannot be read."""
    text = unicodedata.normalize("NFC", _LINE_ENDS.sub("\n", text))
    return squeeze(_SPACES.sub(" ", _CONTROL.sub("", text)))


def listed(text: str) -> str:
    """Write bullets as Markdown's, at the beginnings of lines; rules of mere signs go."""
    return _RULE.sub("", _BULLET.sub("- ", text))


def squeeze(text: str) -> str:
    """One space between words, no trailing ones, one blank line between paragraphs."""
    # Not by a pattern: `[ ]+$` takes the square of the length of a run of spaces.
    text = "\n".join(map(str.rstrip, _RUN_OF_SPACES.sub(" ", text).split("\n")))
    return _BLANK_LINES.sub("\n\n", text).strip()
