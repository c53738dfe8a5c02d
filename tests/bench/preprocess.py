"""Preparing rows: beside raw `tokenizers`, and a million rows in bounded memory.

    MEDTUNE_DATA=... python tests/bench/preprocess.py speed
    python tests/bench/preprocess.py memory [rows ...]

speed: MedQA's training rows, rendered by the template chatml for smollm2-135m, several times over.
Raw is `encode_batch` of the rendered conversations (with offsets, its default) and
`encode_batch_fast` (without), which both use all cores. Beside it, turn by turn: rendering,
tokenising, masking and proving in this process; and `medtune data preprocess`'s workers, which also
compare, cut and write, from the first shard they finish to the last.
memory: generated chat rows through the command line; the peak of the resident memory of all its
processes together, sampled ten times a second (pages that processes share count in each).
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 5
COPIES = 24
"""Of MedQA's 1,030 rows: 24,720."""


def speed() -> None:
    """Rows a second, in turns, and ratios to raw tokenizers."""
    from medtune.data import Encoder, make_template
    from medtune.models import load_tokenizer, locate_base
    from medtune.recipe import Base, Rows
    from medtune.records import Silent
    from medtune.tasks import read_task

    located = locate_base(Base(model="smollm2-135m"), offline=False, progress=Silent())
    template = make_template("chatml", load_tokenizer(located))
    encoder = Encoder(template)
    examples = list(read_task(Rows(task="medqa")).splits["train"])
    texts = [template.render(example.messages) for example in examples]
    raw = template.tokenizer.backend_tokenizer
    ways: dict[str, Callable[[], float]] = {
        "encode_batch": lambda: timed(lambda: raw.encode_batch(texts), len(texts)),
        "encode_batch_fast": lambda: timed(lambda: raw.encode_batch_fast(texts), len(texts)),
        "medtune, one process": lambda: timed(lambda: in_pieces(encoder, examples), len(texts)),
        "medtune, 2 workers": lambda: workers(template, examples),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            found[name].append(way())
    for name, values in found.items():
        ratios = [
            statistics.median(a / b for a, b in zip(values, found[other], strict=True))
            for other in ("encode_batch", "encode_batch_fast")
        ]
        print(f"{name:22} {statistics.median(values):8.0f} rows/s   "
              f"{ratios[0]:.2f} of encode_batch, {ratios[1]:.2f} of encode_batch_fast")  # fmt: skip


def timed(work: Callable[[], object], rows: int) -> float:
    """Rows a second, over as many repetitions as the workers have."""
    started = time.perf_counter()
    for _ in range(COPIES // 4):
        work()
    return rows * (COPIES // 4) / (time.perf_counter() - started)


def in_pieces(encoder: object, examples: list[object]) -> None:
    """As a worker does it."""
    for first in range(0, len(examples), 256):
        encoder.tokens(examples[first : first + 256])  # type: ignore[attr-defined]


def workers(template: object, examples: list[object]) -> float:
    """Rows a second of two workers, once they are at work."""
    from dataclasses import replace

    from medtune.data.build import Job, RawRow, build
    from medtune.recipe import Data
    from medtune.records import Silent

    class Clock(Silent):
        def __init__(self) -> None:
            self.at: list[tuple[float, int]] = []

        def advance(self, units: int, **figures: float) -> None:
            self.at.append((time.perf_counter(), units))

    rows = (
        RawRow(0, 0.5, replace(example, id=f"{example.id}-{copy}"))  # type: ignore
        for copy in range(COPIES)
        for example in examples
    )
    clock = Clock()
    data = Data(task="medqa")
    job = Job(template=template, data=data, index=None, compared=frozenset())  # type: ignore
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), rows, job, workers=2, max_rows=None, progress=clock)
    # The first two shards came while the processes were starting.
    done = sum(units for _, units in clock.at[2:])
    return done / (clock.at[-1][0] - clock.at[1][0])


def memory(counts: list[int]) -> None:
    """Peak memory and time of `medtune data preprocess`, by number of rows."""
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            size = write_rows(folder / "rows.jsonl", count)
            recipe = folder / "recipe.yaml"
            recipe.write_text(
                "name: many\nbase: {model: smollm2-135m}\n"
                "data: {task: chat, path: ./rows.jsonl, template: chatml, test_fraction: 0.01,\n"
                "       validation_fraction: 0.01}\n"
                "train: {learning_rate: 1e-4}\n"
            )
            cache = os.environ.get("MEDTUNE_CACHE") or Path.home() / ".cache" / "medtune"
            env = os.environ | {"MEDTUNE_CACHE": str(folder / "cache")}
            (folder / "cache").mkdir()
            for kept in Path(cache).iterdir():  # the base is not fetched again
                if kept.name != "prepared":
                    (folder / "cache" / kept.name).symlink_to(kept)
            started = time.perf_counter()
            command = [sys.executable, "-m", "medtune", "data", "preprocess", str(recipe)]
            with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as process:  # fmt: skip
                peak = sample(process)
            assert process.returncode == 0
            seconds = time.perf_counter() - started
            store = sum(f.stat().st_size for f in (folder / "cache" / "prepared").rglob("*.arrow"))
            print(f"{count:9} rows, {size / 2**20:.0f} MiB: {seconds:.0f} s, "
                  f"peak {peak / 2**30:.2f} GiB, {store / 2**20:.0f} MiB prepared")  # fmt: skip


def write_rows(file: Path, count: int) -> int:
    """Rows of 60 words and 12, from a vocabulary of 20,000; bytes written."""
    generator = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(generator.choices(letters, k=generator.randint(2, 9))) for _ in range(20_000)]
    with file.open("w") as out:
        for number in range(count):
            prompt, answer = (" ".join(generator.choices(words, k=k)) for k in (60, 12))
            turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
            out.write(json.dumps({"messages": turns, "group": f"patient-{number // 3}"}) + "\n")
    return file.stat().st_size


def sample(process: "subprocess.Popen[bytes]") -> int:
    """Largest sum of resident memory of a process and its children, in bytes."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(resident(pid) for pid in (process.pid, *children(process.pid))))
        time.sleep(0.1)
    return peak


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def resident(pid: int) -> int:
    """Resident bytes of a process; 0 once it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["speed"]:
        speed()
    elif sys.argv[1:2] == ["memory"]:
        memory([int(count) for count in sys.argv[2:]] or [100_000, 1_000_000])
    else:
        sys.exit(__doc__)
