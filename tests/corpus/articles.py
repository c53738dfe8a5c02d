"""Raw files in the published schemas, written by us."""

import gzip
import io
import json
import tarfile
from pathlib import Path

from medtune.corpus.document import Record
from medtune.corpus.sources import READERS
from medtune.recipe.corpus import Cleaning, Source

CC_BY = '<license xlink:href="http://creativecommons.org/licenses/by/4.0/"><p>CC BY</p></license>'
PROSE = (
    "The patients were treated with amoxicillin for ten days and followed until they had recovered "
    "from the infection, which took about two weeks in most of them."
)


def article(
    body: str = f"<p>{PROSE}</p>",
    *,
    kind: str = "research-article",
    pmcid: str = "1",
    title: str = "A trial of amoxicillin",
    licence: str = CC_BY,
    meta: str = "",
    back: str = "",
    doctype: str = "",
) -> str:
    """A JATS article."""
    return f"""{doctype}<article article-type="{kind}" xmlns:xlink="http://www.w3.org/1999/xlink"
    xmlns:mml="http://www.w3.org/1998/Math/MathML"><front><article-meta>
    <article-id pub-id-type="pmid">{pmcid}00</article-id>
    <article-id pub-id-type="pmc">{pmcid}</article-id>
    <article-id pub-id-type="doi">10.1/{pmcid}</article-id>
    <title-group><article-title>{title}</article-title></title-group>{meta}
    <permissions>{licence}</permissions>
    </article-meta></front><body>{body}</body><back>{back}</back></article>"""


def citation(pmid: int, abstract: str = PROSE, *, version: int = 1, more: str = "") -> str:
    """A citation as PubMed's files hold it."""
    return f"""<PubmedArticle><MedlineCitation>
    <PMID Version="{version}">{pmid}</PMID>
    <Article><ArticleTitle>[Title of {pmid}].</ArticleTitle>
    <Abstract><AbstractText Label="METHODS">{abstract}</AbstractText></Abstract>
    <PublicationTypeList><PublicationType UI="D016428">Journal Article</PublicationType>{more}
    </PublicationTypeList></Article></MedlineCitation><PubmedData><ArticleIdList>
    <ArticleId IdType="pubmed">{pmid}</ArticleId><ArticleId IdType="doi">10.2/{pmid}</ArticleId>
    </ArticleIdList><ReferenceList><Reference><ArticleIdList>
    <ArticleId IdType="doi">10.9/other</ArticleId></ArticleIdList></Reference></ReferenceList>
    </PubmedData></PubmedArticle>"""


def pubmed(path: Path, *citations: str, deleted: tuple[int, ...] = ()) -> Path:
    """A file of PubMed, packed as it is published."""
    gone = "".join(f'<PMID Version="1">{pmid}</PMID>' for pmid in deleted)
    gone = f"<DeleteCitation>{gone}</DeleteCitation>" if deleted else ""
    text = f"<?xml version='1.0'?><PubmedArticleSet>{''.join(citations)}{gone}</PubmedArticleSet>"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def archive(path: Path, members: dict[str, str]) -> Path:
    """A package of articles as PMC publishes them."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            content = text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def json_lines(path: Path, *rows: object) -> Path:
    """Rows as JSON lines; strings are written as they are."""
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def read(
    path: Path,
    kind: str,
    *,
    licence: str | None = None,
    begins: str | None = None,
    **cleaning: object,
) -> list[Record]:
    """All records of a source."""
    part = "papers" if kind in ("jats", "s2orc") else "abstracts"
    source = Source(
        name="src", part=part, format=kind, path=str(path), licence=licence, begins=begins
    )
    options = Cleaning(**{"min_words": 0, **cleaning})
    reader = READERS[kind]
    return [record for file in reader.files(path) for record in reader.read(file, source, options)]
