"""What the front of a JATS article says of it: names, licence, kind, retraction."""

import re
from typing import Any

from medtune.corpus.licences import normalise

Element = Any  # lxml has no types
_XLINK = "{http://www.w3.org/1999/xlink}href"
_LINKS = ("ext-link", "uri", "{http://www.niso.org/schemas/ali/1.0/}license_ref")
_IDS = {"pmid": "pmid", "pmc": "pmcid", "pmcid": "pmcid", "doi": "doi"}
_CODE = re.compile(r"(?:cc[ -]?)(?:by|0|zero).*", re.IGNORECASE)
_RETRACTED_TITLE = re.compile(r"\W*retracted(?: article)?\s*[:\])—-]", re.IGNORECASE)
NOTICES = {"retraction", "correction", "expression-of-concern", "addendum", "corrected-article"}
"""Article types whose text is about another article."""


def identifiers(article: Element) -> dict[str, str]:
    """Names of the article elsewhere; a PMC id begins with PMC."""
    found = {}
    for element in article.iterfind("front/article-meta/article-id"):
        name = _IDS.get(element.get("pub-id-type", ""))
        value = (element.text or "").strip()
        if name and value:
            found[name] = f"PMC{value.removeprefix('PMC')}" if name == "pmcid" else value
    return found


def licence(article: Element) -> str:
    """The licence in ``<permissions>``; of several the narrowest words count."""
    permissions = article.find("front/article-meta/permissions")
    if permissions is None:
        return normalise(_text(article.find("front/article-meta/copyright-statement")))
    words: list[str] = []
    links: list[str] = []
    for element in permissions.iter("license"):
        kind = element.get("license-type", "")
        words += [kind] if _CODE.fullmatch(kind) else []
        words.append(_text(element))
        links.append(element.get(_XLINK, ""))
        for link in element.iter(*_LINKS):
            links += [link.get(_XLINK, ""), link.text or ""]
    said = normalise(" ".join(words), *filter(None, links))
    return said if said != "none" else normalise(_text(permissions.find("copyright-statement")))


def publication_types(article: Element) -> tuple[str, ...]:
    """The article's type and its headings in the journal, each once."""
    headings = article.iterfind("front/article-meta/article-categories/subj-group")
    subjects = [
        _text(group.find("subject"))
        for group in headings
        if group.get("subj-group-type") in (None, "heading")
    ]
    return tuple(dict.fromkeys(filter(None, [article.get("article-type", ""), *subjects])))


def is_retracted(article: Element, title: str) -> bool:
    """Whether PMC or the publisher marks the article itself as retracted."""
    kinds = {
        element.get("related-article-type")
        for element in article.iterfind("front/article-meta/related-article")
    }
    return (
        article.get("article-type") == "retracted-article"
        or bool(kinds & {"retraction-forward", "retraction-in"})
        or _RETRACTED_TITLE.match(title) is not None
    )


def retracts(article: Element) -> list[dict[str, str]]:
    """Names of the articles that a notice of retraction is about."""
    if article.get("article-type") != "retraction":
        return []
    names = []
    for element in article.iterfind("front/article-meta/related-article"):
        if element.get("related-article-type") in ("retracted-article", "retraction-of"):
            kind = _IDS.get(element.get("ext-link-type", ""))
            if kind and element.get(_XLINK):
                names.append({kind: element.get(_XLINK).strip()})
    return names


def _text(element: Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())
