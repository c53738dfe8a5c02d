"""Rows in, a folder of prepared rows out: in parallel, resumable, in bounded memory.

The parent reads rows and deals them out in shards; a shard is encoded and written whole by one
worker. A shard that is there already, from a process that was killed, is kept: the folder's name is
the digest of everything that its rows depend on.
"""

import fcntl
import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from medtune.data.encoding import Encoder
from medtune.data.fit import fit
from medtune.data.store import SHARD_ROWS, StoredRow, shard_path, write_shard
from medtune.data.template import ChatTemplate
from medtune.digests import remove_folder, remove_partials
from medtune.errors import DataError, MedtuneError
from medtune.overlap import NgramIndex, bands, shingles
from medtune.recipe import Data
from medtune.records import Example, Progress, Silent

MAX_ROWS_BESIDE_OTHERS = 20_000
"""Rows that each of several processes may encode by itself before it trains."""
ENCODED_AT_ONCE = 256
LOCK = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that a worker needs to prepare rows; sent to each once."""

    template: ChatTemplate
    data: Data
    index: NgramIndex | None
    """Evaluation items, where training rows are compared with them."""
    compared: frozenset[int]
    """Parts that are: those with training rows."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row that was read and has its name, before it is encoded."""

    part: int
    """Place of its split or source among what is read."""
    share: float
    """Where its group stands between the sides, by the group's own name: see split.share_of."""
    example: Example


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep others out of a folder of prepared rows while it is built or looked at."""
    lock = None
    while lock is None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            lock = _locked(folder)
    with lock:
        yield


def _locked(folder: Path) -> TextIO | None:
    """The lock of a folder; None if the folder was let go while we waited."""
    lock = (folder / LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(lock.fileno()), (folder / LOCK).stat()):
            return lock
    lock.close()
    return None


def let_go(folder: Path) -> None:
    """Remove a folder of prepared rows, unless another process is at it or was faster."""
    with suppress(FileNotFoundError, BlockingIOError), (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_folder(folder)


def build(
    folder: Path,
    rows: Iterable[RawRow],
    job: Job,
    *,
    workers: int,
    max_rows: int | None,
    progress: Progress,
) -> None:
    """Prepare all rows that are not prepared yet.

    Args:
        folder: Where; the caller is alone in it.
        rows: Read once, in order.
        job: What is done with them.
        workers: Processes beside this one; 0: this one does it all.
        max_rows: More are refused; None: any number.
        progress: Told of every shard.

    Raises:
        MedtuneError: Of the first row that cannot be read or encoded.
    """
    remove_partials(folder)
    progress.start("encoding", 0, "rows")
    try:
        with _hands(job, workers) as hands:
            for number, shard in enumerate(_shards(rows, max_rows)):
                path = shard_path(folder, number)
                if path.exists():
                    progress.advance(len(shard))
                else:
                    hands.prepare(path, shard, progress)
            hands.finish(progress)
    finally:
        progress.finish()


def _shards(rows: Iterable[RawRow], max_rows: int | None) -> Iterator[list[RawRow]]:
    remaining = iter(rows)
    seen = 0
    while shard := list(islice(remaining, SHARD_ROWS)):
        seen += len(shard)
        if max_rows is not None and seen > max_rows:
            raise DataError(
                f"there are more than {max_rows} rows, and each of several processes would encode "
                "them all before the first step; run `medtune data preprocess` first"
            )
        yield shard


class _Here:
    """This process does the work."""

    def __init__(self, job: Job) -> None:
        self._worker = _Worker(job)

    def prepare(self, path: Path, shard: list[RawRow], progress: Progress) -> None:
        self._worker.prepare(path, shard)
        progress.advance(len(shard))

    def finish(self, progress: Progress) -> None:
        pass


class _Elsewhere:
    """Worker processes do it; few shards are on their way at any time."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self._pool, self._workers = pool, workers
        self._pending: deque[Future[int]] = deque()

    def prepare(self, path: Path, shard: list[RawRow], progress: Progress) -> None:
        try:
            self._pending.append(self._pool.submit(_prepare, path, shard))
        except BrokenProcessPool as error:
            raise self._broken() from error
        while len(self._pending) > 2 * self._workers:
            self._take_one(progress)

    def finish(self, progress: Progress) -> None:
        while self._pending:
            self._take_one(progress)

    def _take_one(self, progress: Progress) -> None:
        try:
            progress.advance(self._pending.popleft().result())
        except MedtuneError:
            self._pending.clear()  # what came behind the first bad row does not matter
            raise
        except BrokenProcessPool as error:
            raise self._broken() from error

    def _broken(self) -> MedtuneError:
        self._pending.clear()
        return MedtuneError(
            "a worker process was killed (out of memory?); what is prepared is kept: run the "
            "command again, with fewer --workers"
        )


@contextmanager
def _hands(job: Job, workers: int) -> Iterator[_Here | _Elsewhere]:
    if workers == 0:
        yield _Here(job)
        return
    # Not forked: the tokenizer's threads would not survive it.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(job,))
    hands = _Elsewhere(pool, workers)
    try:
        yield hands
    except MedtuneError:
        # A row could not be read; one before it that cannot be encoded is the first to be told.
        hands.finish(Silent())
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_worker: "_Worker | None" = None
"""Of a worker process."""


def _start(job: Job) -> None:
    global _worker
    # The processes are what runs in parallel.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends us
    _worker = _Worker(job)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _prepare(path: Path, shard: list[RawRow]) -> int:
    assert _worker is not None
    _worker.prepare(path, shard)
    return len(shard)


class _Worker:
    """Prepares shards, one after another."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._encoder = Encoder(job.template)

    def prepare(self, path: Path, shard: list[RawRow]) -> None:
        found: list[StoredRow] = []
        for first in range(0, len(shard), ENCODED_AT_ONCE):
            found += self._rows(shard[first : first + ENCODED_AT_ONCE])
        write_shard(path, found)

    def _rows(self, rows: list[RawRow]) -> Iterator[StoredRow]:
        all_tokens = self._encoder.tokens([row.example for row in rows])
        for row, tokens in zip(rows, all_tokens, strict=True):
            example = row.example
            fitted = fit(example, tokens, self._job.data, self._encoder)
            yield StoredRow(
                part=row.part,
                example=fitted.example,
                tokens=fitted.tokens,
                fit=fitted.outcome,
                id_key=key(example.id),
                group_key=key(example.group),
                share=row.share,
                bands=bands(shingles(example.own_text)).tobytes(),
                hits=self._hits(row.part, example),
            )

    def _hits(self, part: int, example: Example) -> str | None:
        job = self._job
        if job.index is None or job.data.decontaminate is None or part not in job.compared:
            return None
        hits = job.index.hits(compared_text(example), job.data.decontaminate.share)
        return json.dumps([hit._asdict() for hit in hits]) if hits else None


def compared_text(example: Example) -> str:
    """What of a training row must not be an evaluation item's: all of it, answers included."""
    answers = (message.content for message in example.messages if message.supervised)
    return "\n".join((example.own_text, *answers))


def key(name: str) -> int:
    """64 bits of the sha256 of a name: equal names have equal keys."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
