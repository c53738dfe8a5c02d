"""Raw files of a small corpus, generated: papers as JATS, abstracts, pages, general text."""

import json
import random
from pathlib import Path

from medtune.recipe.corpus import CorpusRecipe, load_corpus

SYLLABLES = [
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "ri",
    "so",
    "tu",
    "va",
    "we",
    "xi",
    "yo",
    "za",
]


def prose(seed: object, count: int) -> str:
    """So many made-up words, in sentences; different seeds share no run of three words."""
    chance = random.Random(f"prose {seed}")
    words = ["".join(chance.choices(SYLLABLES, k=3)) for _ in range(count)]
    sentences = [" ".join(words[i : i + 12]) for i in range(0, count, 12)]
    return ". ".join(sentence.capitalize() for sentence in sentences) + "."


def title(seed: object) -> str:
    return " ".join(prose(f"title {seed}", 8).replace(".", "").split())


def write_paper(
    folder: Path,
    number: int,
    *,
    abstract: str | None = None,
    licence: str = "https://creativecommons.org/licenses/by/4.0/",
    body: str | None = None,
) -> Path:
    """A JATS article with the ids PMC<number>, <number> and 10.1/<number>."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"PMC{number}.nxml"
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article"><front>
<article-meta><article-id pub-id-type="pmc">{number}</article-id>
<article-id pub-id-type="pmid">{number}</article-id>
<article-id pub-id-type="doi">10.1/{number}</article-id>
<title-group><article-title>{title(number)}</article-title></title-group>
<permissions><license xlink:href="{licence}"><license-p>Open.</license-p></license></permissions>
<abstract><p>{abstract or prose(f"abstract {number}", 120)}</p></abstract></article-meta></front>
<body><sec><title>Methods</title><p>{body or prose(f"body {number}", 500)}</p></sec>
<sec><title>Results</title><p>{prose(f"results {number}", 300)}</p></sec></body></article>
""",
        encoding="utf-8",
    )
    return path


def abstract_row(number: int, **fields: str) -> dict[str, str]:
    row = {
        "pmid": str(number),
        "title": title(number),
        "abstract": prose(f"abstract {number}", 120),
        "licence": "cc-by-4.0",
    }
    return row | fields


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_corpus(
    folder: Path, *, papers: int = 6, abstracts: int = 40, pages: int = 10, texts: int = 6
) -> Path:
    """Raw files of all four parts and the recipe for them."""
    for number in range(papers):
        write_paper(folder / "papers", 100 + number)
    write_rows(
        folder / "abstracts" / "a.jsonl", [abstract_row(1000 + n) for n in range(abstracts // 2)]
    )
    write_rows(
        folder / "abstracts" / "b.jsonl",
        [abstract_row(1000 + n) for n in range(abstracts // 2, abstracts)],
    )
    rows = [
        {"id": f"g{n}", "url": f"http://a/{n}", "focus": title(f"page {n}"),
         "qa": [{"question": f"What is {n}?", "answer": prose(f"page {n}", 90)}]}
        for n in range(pages)
    ]  # fmt: skip
    write_rows(folder / "pages.jsonl", rows)
    (folder / "texts").mkdir(parents=True, exist_ok=True)
    for n in range(texts):
        (folder / "texts" / f"{n}.txt").write_text(prose(f"text {n}", 200), encoding="utf-8")
    recipe = folder / "corpus.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return recipe


RECIPE = """name: small
seed: 7
tokenizer: ./tokenizer
cleaning: {languages: []}
sources:
  - {name: pages, part: guidelines, format: medquad_jsonl, path: pages.jsonl, licence: cc-by}
  - {name: pmc, part: papers, format: jats, path: papers}
  - {name: pubmed, part: abstracts, format: abstracts_jsonl, path: abstracts}
  - {name: general, part: replay, format: text, path: texts, licence: cc-by-sa}
licences: {allow: [cc-by, cc-by-sa, cc0, public-domain]}
splits: {guidelines: 0.3, abstracts: 0.1, papers: 0.2, replay: 0}
mixture: {phases: [{name: main, replay: 0.2}, {name: annealing, tokens: 3000,
  weights: {guidelines: 0.5, abstracts: 0.2, papers: 0.2, replay: 0.1}}]}
"""


def recipe_of(path: Path, *overrides: str) -> CorpusRecipe:
    return load_corpus(path, overrides)
