"""How fast and in how much memory a corpus is built.

    python tests/bench/corpus.py tokens       documents to shards, beside raw `tokenizers`
    python tests/bench/corpus.py shards       our writer beside megatron-core's builder; its reader
    python tests/bench/corpus.py scale        1x, 4x and 16x of a generated corpus: time and memory

``MEDTUNE_DATA`` names the real data; ``scale`` generates its own. Everything that is compared is
measured in one process, turn by turn; print is the result.
"""

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from medtune.corpus.blocks import LoadUnit
from medtune.corpus.counts import UnitCounts, write_counts
from medtune.corpus.document import Document
from medtune.corpus.layout import Layout
from medtune.corpus.megatron import Shard, write_shard
from medtune.corpus.shards import WriteShards
from medtune.corpus.sources import READERS
from medtune.corpus.store import document_row, write_lines
from medtune.corpus.units import RawFile, Unit, write_plan
from medtune.recipe.bundled import bundled_recipe
from medtune.recipe.corpus import CorpusRecipe, load_corpus
from medtune.records import Silent

ROUNDS = 5


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def real_documents(recipe: CorpusRecipe) -> list[Document]:
    """All documents of the mini corpus that its readers keep."""
    return [
        record
        for source in recipe.sources
        for file in READERS[source.format].files(Path(source.path))
        for record in READERS[source.format].read(file, source, recipe.cleaning)
        if isinstance(record, Document)
    ]


def prepared(folder: Path, recipe: CorpusRecipe, documents: list[Document]) -> Layout:
    """A corpus whose one unit is read, and whose shards are not written yet."""
    from medtune.corpus.base_tokenizer import write_tokenizer

    layout = Layout(folder)
    layout.make_folders()
    write_tokenizer(recipe.tokenizer, layout.tokenizer, offline=False, progress=Silent())
    unit = Unit(0, "pmc", "papers", (RawFile("raw", "raw", 0),))
    write_plan(layout.work, (unit,))
    with write_lines(layout.documents_of(unit)) as file:
        for document in documents:
            file.add(document_row(document))
    with write_lines(layout.drops_of(unit)):
        pass
    write_counts(layout.read_counts_of(unit), UnitCounts(0, "papers", "pmc"))
    return layout


def tokens() -> None:
    """Documents on disk to shards on disk, beside `tokenizers` on the texts in memory."""
    from tokenizers import Tokenizer

    recipe = load_corpus(bundled_recipe("gap_replay_mini"))
    documents = real_documents(recipe)
    texts = [document.text for document in documents]
    with tempfile.TemporaryDirectory() as folder:
        layout = prepared(Path(folder), recipe, documents)
        raw = Tokenizer.from_file(str(layout.tokenizer / "tokenizer.json"))

        def ours() -> None:
            block = WriteShards(layout, recipe)
            list(block.run(LoadUnit(layout, recipe).run(None)))

        def theirs() -> None:
            raw.encode_batch_fast(texts, add_special_tokens=False)

        theirs()
        ours()
        shards = [Shard(path.with_suffix("")) for path in layout.shards.glob("*.idx")]
        count = sum(shard.num_tokens for shard in shards)
        pairs = [(timed(theirs), timed(ours)) for _ in range(ROUNDS)]
    raw_rate, our_rate = (count / statistics.median(column) for column in zip(*pairs, strict=True))
    share = statistics.median(a / b for a, b in pairs)
    print(f"{len(texts):,} documents, {count:,} tokens, {os.cpu_count()} cores, {ROUNDS} rounds")
    print(f"raw tokenizers {raw_rate:,.0f} tokens/s, texts in memory to lists of ids")
    print(f"medtune        {our_rate:,.0f} tokens/s, documents on disk to shards: {share:.0%}")


def shards() -> None:
    """Our writer beside megatron-core's; each of its documents read back by its reader."""
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDataset, IndexedDatasetBuilder

    chance = np.random.default_rng(0)
    lengths = chance.integers(50, 2000, 20_000)
    documents = [chance.integers(0, 49152, n).astype(np.uint16) for n in lengths]
    as_torch = [torch.from_numpy(document.astype(np.int64)) for document in documents]
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "ours"

        def ours() -> None:
            with write_shard(prefix, np.dtype("<u2")) as writer:
                for document in documents:
                    writer.add(document)

        def theirs() -> None:
            builder = IndexedDatasetBuilder(f"{folder}/theirs.bin", dtype=np.uint16)
            for document in as_torch:
                builder.add_document(document, [len(document)])
            builder.finalize(f"{folder}/theirs.idx")

        pairs = [(timed(theirs), timed(ours)) for _ in range(ROUNDS)]
        for ending in ("bin", "idx"):
            same = [(Path(folder) / f"{name}.{ending}").read_bytes() for name in ("ours", "theirs")]
            print(f".{ending} is {'the same to the byte' if same[0] == same[1] else 'DIFFERENT'}")
        read = IndexedDataset(str(prefix))
        equal = all((read[n] == documents[n]).all() for n in range(len(documents)))
        print(f"megatron-core reads {len(read):,} of our documents, equal: {equal}")
    their_rate, our_rate = (
        int(lengths.sum()) / statistics.median(column) for column in zip(*pairs, strict=True)
    )
    print(f"megatron-core {their_rate:,.0f} tokens/s, medtune {our_rate:,.0f} tokens/s (synced)")


def scale(factors: list[int]) -> None:
    """Whole builds of generated corpora, each in a process of its own."""
    for factor in factors:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "one", folder, str(factor)]
            subprocess.run(command, check=True)


def one(folder: Path, factor: int) -> None:
    """Generate, build, and tell time and peak memory of the largest worker."""
    # Not at the head: workers import this file, and need no torch.
    from medtune.corpus.base_tokenizer import write_tokenizer
    from medtune.corpus.building import build_corpus

    recipe = generated(folder, factor)
    size = sum(path.stat().st_size for path in (folder / "raw").rglob("*.jsonl"))
    write_tokenizer(recipe.tokenizer, folder / "warm", offline=False, progress=Silent())
    stages = Stages()
    with Watch() as watch:
        seconds = timed(lambda: build_corpus(recipe, out=folder / "out", progress=stages))
    documents = stages.documents(next((folder / "out").glob("*/stats.json")))
    print(
        f"{factor:>3}x: {size / 1e6:7.1f} MB, {documents:>7,} documents, {seconds:6.1f} s, "
        f"{size / 1e6 / seconds:5.2f} MB/s, largest worker {watch.largest / 2**20:,.0f} MiB; "
        + ", ".join(f"{name} {spent:.1f} s" for name, spent in stages.seconds.items()),
        flush=True,
    )


class Watch:
    """The largest resident memory of any process below this one, looked at ten times a second."""

    def __init__(self) -> None:
        self.largest = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ends.wait(0.1):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    self.largest = max(self.largest, process.memory_info().rss)


class Stages(Silent):
    """Keeps how long each stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._since = "", 0.0

    def start(self, step: str, total: int, unit: str) -> None:
        """Begin a stage."""
        self._name, self._since = step, time.perf_counter()

    def finish(self) -> None:
        """End it."""
        self.seconds[self._name] = time.perf_counter() - self._since

    @staticmethod
    def documents(statistics_file: Path) -> int:
        """Documents that were read."""
        parts = json.loads(statistics_file.read_text())["parts"].values()
        return sum(part["read"] for part in parts)


def generated(folder: Path, factor: int) -> CorpusRecipe:
    """A corpus of made-up abstracts, one in ten of which is nearly another one."""
    vocabulary = [f"{a}{b}" for a in "bcdfghjklmnp" for b in ("ane", "itis", "ol", "emia", "ure")]
    for number in range(8 * factor):
        chance = random.Random(number)
        path = folder / "raw" / f"{number:04d}.jsonl"
        path.parent.mkdir(exist_ok=True, parents=True)
        texts: list[list[str]] = []
        with path.open("w", encoding="utf-8") as file:
            for row in range(1000):
                words = [chance.choice(vocabulary) + chance.choice(vocabulary) for _ in range(200)]
                if row % 10 == 9:
                    words = [*texts[row - 5][:-2], *words[:2]]
                texts.append(words)
                told = {"pmid": str(number * 1000 + row + 1), "title": " ".join(words[:3]),
                        "abstract": " ".join(words), "licence": "cc0"}  # fmt: skip
                file.write(json.dumps(told) + "\n")
    recipe = folder / "generated.yaml"
    recipe.write_text(
        "name: generated\ntokenizer: smollm2-135m\ncleaning: {languages: []}\n"
        "sources: [{name: a, part: abstracts, format: abstracts_jsonl, path: raw}]\n"
        "mixture: {phases: [{name: main, replay: 0.0}]}\nshard_mb: 4\nexecutor: {workers: 2}\n"
    )
    return load_corpus(recipe)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["tokens", "shards", "scale", "one"])
    parser.add_argument("rest", nargs="*")
    asked = parser.parse_args()
    if asked.what == "one":
        one(Path(asked.rest[0]), int(asked.rest[1]))
    elif asked.what == "scale":
        scale([int(factor) for factor in asked.rest] or [1, 4, 16])
    else:
        {"tokens": tokens, "shards": shards}[asked.what]()


if __name__ == "__main__":
    main()
