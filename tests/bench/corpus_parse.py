"""How fast JATS is parsed and cleaned on one core, beside bare lxml text in the same run.

    MEDTUNE_DATA=... python tests/bench/corpus_parse.py [--rounds 5]

Bare means: lxml parses the article and its texts are joined. Ours means: what a corpus is built
from, a record with names, licence and Markdown, its language told. Rounds alternate, the best of
each counts, files are in memory.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from medtune.corpus.cleaning.sifting import sift
from medtune.corpus.document import Document
from medtune.corpus.sources.jats import articles
from medtune.recipe.corpus import Cleaning, Source

MEGABYTE = 1e6


def main() -> None:
    """Print rates in MB of XML a second and core."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    folder = Path(os.environ["MEDTUNE_DATA"]) / "gap/papers_jats"
    papers = {path.name: path.read_bytes() for path in sorted(folder.glob("*.nxml"))}
    size = sum(map(len, papers.values())) / MEGABYTE
    source = Source(name="papers", part="papers", format="jats", path=str(folder))

    def bare() -> int:
        return sum(len("".join(etree.fromstring(paper).itertext())) for paper in papers.values())

    def ours(cleaning: Cleaning) -> int:
        return sum(
            len(kept.text)
            for name, paper in papers.items()
            for record in articles(paper, name, source, cleaning)
            if isinstance(kept := sift(record, cleaning), Document)
        )

    ways: dict[str, Callable[[], int]] = {
        "bare lxml text": bare,
        "parse and clean": lambda: ours(Cleaning(languages=[])),
        "parse, clean, tell the language": lambda: ours(Cleaning()),
        "all, with quality and PII": lambda: ours(Cleaning(quality=True, pii={})),
    }
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    print(f"{len(papers)} papers, {size:.1f} MB, best of {rounds} rounds")
    for name, spent in seconds.items():
        print(f"{name:34} {size / spent:6.1f} MB/s")


if __name__ == "__main__":
    main()
