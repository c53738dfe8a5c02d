"""PubMed Central's open-access papers: JATS files, and the tar archives that PMC packs them in."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medtune.corpus.document import Deletion, Document, Drop, Record, digest_id
from medtune.corpus.sources import jats_front
from medtune.corpus.sources.reader import place_of
from medtune.errors import DataError
from medtune.recipe.corpus import Cleaning, Source

SUFFIXES = (".nxml", ".xml", ".tar.gz", ".tgz", ".tar")


def parse(file: Path, source: Source, cleaning: Cleaning) -> Iterator[Record]:
    """Articles of one file or archive.

    Raises:
        DataError: An archive that is cut off or broken.
    """
    place = place_of(file, source)
    if file.name.lower().endswith((".nxml", ".xml")):
        yield from articles(file.read_bytes(), place, source, cleaning)
        return
    for name, content in _members(file):
        yield from articles(content, f"{place}/{name}", source, cleaning)


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an archive's articles, one at a time."""
    packed = archive.name.lower().endswith("gz")
    try:
        # Not tarfile's own gzip mode: it reads a stream that is cut off as if it had ended.
        with (
            gzip.open(archive) if packed else archive.open("rb") as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            for member in tar:
                if member.isfile() and member.name.lower().endswith((".nxml", ".xml")):
                    opened = tar.extractfile(member)
                    yield member.name, opened.read() if opened else b""
                tar.members = []  # type: ignore[attr-defined] # it keeps them all otherwise
            while stream.read(1 << 20):
                pass  # to the end, where gzip has its checksum
    except (EOFError, OSError, tarfile.TarError, zlib.error) as error:
        raise DataError(
            f"{archive}: the archive is cut off or broken ({error}); fetch it again"
        ) from None


def articles(content: bytes, place: str, source: Source, cleaning: Cleaning) -> Iterator[Record]:
    """The records of one XML file: an article, or a set of them as E-utilities send it."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        yield _malformed(place, source, f"{place}:{error.position[0]}: {error.msg}")
        return
    articles = [root] if root.tag == "article" else root.findall("article")
    if not articles:
        yield _malformed(place, source, f"{place}:1: <{root.tag}> where <article> belongs")
    for number, article in enumerate(articles, 1):
        yield from _records(article, f"{place}:{number}", source, cleaning)


def _malformed(place: str, source: Source, detail: str) -> Drop:
    return Drop(digest_id(source.name, place), source.name, "malformed", detail)


def _records(article: Any, place: str, source: Source, cleaning: Cleaning) -> Iterator[Record]:  # noqa: ANN401
    from medtune.corpus.sources.jats_text import JatsText

    names = jats_front.identifiers(article)
    key = _id(names, source, place)
    for retracted in jats_front.retracts(article):
        yield Deletion(_id(retracted, source, place), source.name, 0, "retracted", retracted)
    kind = article.get("article-type", "")
    text = JatsText(article, cleaning)
    title = text.line(article.find("front/article-meta/title-group/article-title"))
    if kind in jats_front.NOTICES:
        yield Drop(key, source.name, "notice", kind, title)
    elif jats_front.is_retracted(article, title):
        yield Drop(key, source.name, "retracted", title)
        yield Deletion(key, source.name, 0, "retracted", names)
    else:
        blocks = list(text.blocks())
        if not blocks:
            yield Drop(key, source.name, "no_text", f"{place}: neither abstract nor body", title)
            return
        yield Document(
            id=key,
            part=source.part,
            source=source.name,
            title=title,
            text="\n\n".join([f"# {title}", *blocks] if title else blocks),
            licence=_licence(article, source),
            identifiers=names,
            publication_types=jats_front.publication_types(article),
        )


def _id(names: dict[str, str], source: Source, place: str) -> str:
    for name, prefix in (("pmcid", "pmc"), ("pmid", "pmid"), ("doi", "doi")):
        if name in names:
            return f"{prefix}:{names[name]}"
    return digest_id(source.name, place)


def _licence(article: Any, source: Source) -> str:  # noqa: ANN401
    """What the article says; the recipe's word where it says nothing."""
    said = jats_front.licence(article)
    return source.licence if said == "none" and source.licence else said
