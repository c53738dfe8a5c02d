"""What readers of sources hand on: documents, what is not kept and why, and deletions.

Everything after a reader knows only these records. A reader makes their text and their names;
whether a document stays is decided later, by filters that each name their reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal


@dataclass(frozen=True, slots=True)
class Document:
    """One text of the corpus with where it comes from."""

    id: str
    """Stable over rebuilds: ``pmc:PMC123``, ``pmid:123``, ``ngc:10207``, or a digest."""
    part: str
    """``guidelines``, ``abstracts``, ``papers`` or ``replay``."""
    source: str
    """The name of the source in the recipe."""
    title: str
    text: str
    """Cleaned Markdown; the title is its heading."""
    licence: str
    """As :func:`medtune.corpus.licences.normalise` writes it; ``none`` where nothing is said."""
    identifiers: Mapping[str, str] = field(default_factory=dict)
    """Of ``pmid``, ``pmcid``, ``doi``, ``corpusid`` and ``url`` those that are known."""
    publication_types: tuple[str, ...] = ()
    revision: int = 0
    """Of documents with one id the highest revision stands."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A document that is not kept, with the reason."""

    id: str
    source: str
    reason: str
    """A short code: ``language``, ``too_short``, ``retracted``, ``malformed``, ``no_text`` ..."""
    detail: str
    """What was found; for a malformed document also where: file, and line or record."""
    text: str = ""
    revision: int = 0
    """It replaces documents of its id and a lower revision: a later, retracted version does."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a source says of documents that may have come before or elsewhere: they go."""

    id: str
    source: str
    revision: int
    """Documents of this id up to this revision go; a later one may bring it back."""
    reason: Literal["deleted", "retracted"] = "deleted"
    """A retracted paper goes from every source and in every revision."""
    identifiers: Mapping[str, str] = field(default_factory=dict)
    """Other names of a retracted paper: ``pmid``, ``pmcid``, ``doi``."""


Record = Document | Drop | Deletion
"""What a reader yields."""


def digest_id(source: str, place: str) -> str:
    """Id of a document whose source has none, from its place and never from its text.

    Args:
        source: Name of the source in the recipe.
        place: File, relative to the source's path, and record, as ``notes/a.jsonl:17``.

    Returns:
        64 hexadecimal digits; the same wherever the source lies.
    """
    return sha256(f"{source}\n{place}".encode()).hexdigest()
