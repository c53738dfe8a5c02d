"""PubMed's baseline and daily update files: abstracts, their revisions, deletions, retractions.

A file's number orders all that is said of one PMID (``pubmed26n1335.xml.gz``); the year comes first
because every baseline starts anew. Formats: dtd.nlm.nih.gov/ncbi/pubmed.
"""

import gzip
import html
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medtune.corpus.cleaning.characters import tidy
from medtune.corpus.cleaning.scripts import lowered, raised
from medtune.corpus.document import Deletion, Document, Drop, Record
from medtune.corpus.licences import normalise
from medtune.corpus.sources.reader import place_of
from medtune.errors import DataError
from medtune.recipe.corpus import Cleaning, Source

Element = Any  # lxml has no types
SUFFIXES = (".xml.gz", ".xml")
_FILE = re.compile(r"pubmed(\d\d)n(\d{4,})")
VERSIONS = 100
"""Room for versions of a citation below one file's number."""
_RETRACTED = "Retracted Publication"
_NOTICES = {
    "Retraction of Publication", "Retraction Notice", "Published Erratum", "Expression of Concern",
}  # fmt: skip
_IDS = {"doi": "doi", "pmc": "pmcid"}


def parse(file: Path, source: Source, cleaning: Cleaning) -> Iterator[Record]:
    """Citations of one file in its order, then its deletions.

    Raises:
        DataError: The file is cut off or is not XML.
    """
    del cleaning  # PubMed's abstracts have neither citations nor tables
    from lxml import etree

    base = _revision(file)
    try:
        with gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb") as stream:
            for _, element in etree.iterparse(
                stream, tag=("PubmedArticle", "DeleteCitation"), resolve_entities=False,
                no_network=True, remove_comments=True, remove_pis=True,
            ):  # fmt: skip
                if element.tag == "PubmedArticle":
                    where = f"{place_of(file, source)}:{element.sourceline}"
                    yield from _citation(element, base, where, source)
                else:
                    for pmid in element.iter("PMID"):
                        key = f"pmid:{_text(pmid)}"
                        yield Deletion(key, source.name, base + VERSIONS - 1)
                _forget(element)
    except etree.XMLSyntaxError as error:
        line = error.position[0]
        raise DataError(f"{file}:{line}: cut off, or no XML: {error.msg}; fetch it again") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{file}: it is cut off or broken ({error}); fetch it again") from None


def _revision(file: Path) -> int:
    """Number of a file among all, with room for versions; 0 for files that are not PubMed's."""
    found = _FILE.match(file.name)
    return (int(found[1]) * 100_000 + int(found[2])) * VERSIONS if found else 0


def _forget(element: Element) -> None:
    """Free what was read: lxml keeps every citation before this one otherwise."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _citation(article: Element, base: int, where: str, source: Source) -> Iterator[Record]:
    pmid = article.find("MedlineCitation/PMID")
    if pmid is None or not _text(pmid).isdecimal():
        yield Drop(where, source.name, "malformed", f"{where}: a citation without PMID")
        return
    key = f"pmid:{_text(pmid)}"
    version = pmid.get("Version", "1")
    revision = base + min(int(version) if version.isdecimal() else 1, VERSIONS - 1)
    names = _names(article, _text(pmid))
    types = tuple(_text(one) for one in article.iterfind(".//PublicationTypeList/PublicationType"))
    for retracted in _linked(article, "RetractionOf"):
        yield Deletion(f"pmid:{retracted}", source.name, revision, "retracted", {"pmid": retracted})
    title = _line(article.find("MedlineCitation/Article/ArticleTitle"))
    title = re.sub(r"^\[(.*)\](\.?)$", r"\1\2", title)  # PubMed's sign of a translated title
    notice = next((kind for kind in types if kind in _NOTICES), None)
    if notice:
        yield Drop(key, source.name, "notice", notice, title, revision)
    elif _RETRACTED in types or _linked(article, "RetractionIn", named=False):
        yield Drop(key, source.name, "retracted", title, revision=revision)
        yield Deletion(key, source.name, revision, "retracted", names)
    else:
        yield _abstract(article, key, title, names, types, revision, source)


def _abstract(
    article: Element, key: str, title: str, names: dict[str, str], types: tuple[str, ...],
    revision: int, source: Source,
) -> Document | Drop:  # fmt: skip
    abstract = article.find("MedlineCitation/Article/Abstract")
    blocks = [] if abstract is None else list(_sections(abstract))
    if not blocks:
        return Drop(key, source.name, "no_text", "no abstract", title, revision)
    rights = "" if abstract is None else _line(abstract.find("CopyrightInformation"))
    return Document(
        id=key,
        part=source.part,
        source=source.name,
        title=title,
        text="\n\n".join([f"# {title}", *blocks] if title else blocks),
        licence=normalise(rights or source.licence or ""),
        identifiers=names,
        publication_types=types,
        revision=revision,
    )


def _sections(abstract: Element) -> Iterator[str]:
    for section in abstract.iterfind("AbstractText"):
        text = _line(section)
        label = section.get("Label", "").strip()
        if text and label and label.upper() != "UNLABELLED":
            yield f"## {label.capitalize() if label.isupper() else label}"
        if text:
            yield text


def _names(article: Element, pmid: str) -> dict[str, str]:
    names = {"pmid": pmid}
    # Not ArticleId at any depth: every cited paper has a list of its own.
    for element in article.iterfind("PubmedData/ArticleIdList/ArticleId"):
        name, value = _IDS.get(element.get("IdType", "")), _text(element)
        if name and value:
            names[name] = value
    return names


def _linked(article: Element, kind: str, *, named: bool = True) -> list[str]:
    """PMIDs that a citation refers to as ``kind``; with ``named=False`` also empty ones."""
    links = article.iterfind("MedlineCitation/CommentsCorrectionsList/CommentsCorrections")
    found = [_text(link.find("PMID")) for link in links if link.get("RefType") == kind]
    return [pmid for pmid in found if pmid] if named else found


def _text(element: Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def _line(element: Element | None) -> str:
    return "" if element is None else " ".join(tidy(_inline(element)).split())


def _inline(element: Element) -> str:
    parts = [element.text or ""]
    for child in element:
        if child.tag == "sup":
            parts.append(raised(_inline(child)))
        elif child.tag == "sub":
            parts.append(lowered(_inline(child)))
        elif isinstance(child.tag, str):
            parts.append(_inline(child))
        else:
            parts.append(html.unescape(child.text or ""))
        parts.append(child.tail or "")
    return "".join(parts)
