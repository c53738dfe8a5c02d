"""Abstracts of Semantic Scholar's datasets that PubMed or PubMed Central has.

Rows are those of ``abstracts`` joined with ``papers`` (title, externalids) by corpusid. The
original asked for a PMC id, and so lost every abstract that is in PubMed alone.
"""

from medtune.corpus.cleaning.plain import clean
from medtune.corpus.document import Document, Drop
from medtune.corpus.licences import normalise
from medtune.corpus.sources.lines import BadRow, Row, document, optional, text_of
from medtune.recipe.corpus import Cleaning, Source

_IDS = {"pubmed": "pmid", "pubmedcentral": "pmcid", "doi": "doi"}


def from_row(row: Row, place: str, source: Source, cleaning: Cleaning) -> Document | Drop:
    """One abstract; a drop where it is of no medical paper.

    Raises:
        BadRow: It has no corpusid or no abstract.
    """
    del place, cleaning
    key, names = identity(row)
    if not names.keys() & {"pmid", "pmcid"}:
        return Drop(key, source.name, "not_pubmed", "neither a PubMed nor a PMC id")
    text = clean(text_of(row, "abstract", "text"), drop_citations=False)
    title = " ".join(clean(optional(row, "title"), drop_citations=False).split())
    return document(source, key, title, text, licence(row, source), **names)


def identity(row: Row) -> tuple[str, dict[str, str]]:
    """Id and names of a paper.

    Raises:
        BadRow: It has no corpusid.
    """
    corpus_id = optional(row, "corpusid")
    if not corpus_id:
        raise BadRow("no corpusid")
    names = {"corpusid": corpus_id}
    for holder in (row, row.get("openaccessinfo")):
        external = holder.get("externalids") if isinstance(holder, dict) else None
        for field, value in (external or {}).items() if isinstance(external, dict) else ():
            name = _IDS.get(field.lower())
            if name and isinstance(value, str | int) and str(value).strip():
                names[name] = str(value).strip()
    if "pmcid" in names:
        names["pmcid"] = f"PMC{names['pmcid'].removeprefix('PMC')}"
    return f"s2:{corpus_id}", names


def licence(row: Row, source: Source) -> str:
    """What the row says of open access; the recipe's word where it says nothing."""
    for holder in (row.get("openaccessinfo"), _oa_info(row)):
        said = holder.get("license") if isinstance(holder, dict) else None
        if isinstance(said, str) and said.strip():
            return normalise(said)
    return normalise(source.licence or "")


def _oa_info(row: Row) -> object:
    content = row.get("content")
    origin = content.get("source") if isinstance(content, dict) else None
    return origin.get("oainfo") if isinstance(origin, dict) else None
