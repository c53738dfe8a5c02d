"""Where the tasks of a stage run: processes of this machine, or jobs of a Slurm cluster.

Both are datatrove's executors: a task that ended is marked in the stage's folder and is not run
again. Which of them runs changes no byte of the corpus.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor, SlurmPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import logger

from medtune.errors import MedtuneError
from medtune.recipe.corpus import Executor
from medtune.records import Progress

POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Tasks that can run at the same time, and need all those of the stage before."""

    name: str
    pipeline: Sequence[PipelineStep]
    sizes: Sequence[int]
    """Of each task, in ``unit``, for telling how much is done."""
    unit: str


def run_stage(stage: Stage, executor: Executor, work: Path, progress: Progress) -> None:
    """Run the tasks of a stage that have not ended yet.

    Args:
        stage: What to run.
        executor: Where.
        work: Folder of the corpus' intermediate files; logs lie below it.
        progress: Told of the tasks that end, with the rate.

    Raises:
        MedtuneError: A task failed.
    """
    logger.remove()  # datatrove's own messages are in the logs of the tasks
    logs = work / "logs" / stage.name
    run = _run_on_slurm if executor.kind == "slurm" else _run_here
    progress.start(stage.name, sum(stage.sizes), stage.unit)
    done = _completed(logs)
    progress.advance(sum(stage.sizes[rank] for rank in done))
    started, since = time.monotonic(), 0
    try:
        for rank in run(stage, executor, logs, done, progress):
            since += stage.sizes[rank]
            rate = since / max(time.monotonic() - started, 1e-9)
            progress.advance(stage.sizes[rank], per_second=round(rate, 2))
    finally:
        progress.finish()


def _completed(logs: Path) -> set[int]:
    folder = logs / "completions"
    return {int(path.name) for path in folder.iterdir()} if folder.is_dir() else set()


class _HereExecutor(LocalPipelineExecutor):  # type: ignore[misc]
    """Runs one task in this process, and tells nobody but the log.

    datatrove's own ``run`` starts a process that manages the others; killed from outside, it would
    leave that one behind, with the corpus still locked.
    """

    def run_task(self, rank: int) -> int:
        """Run a task; its rank comes back so that ends can be counted."""
        with redirect_stderr(StringIO()):
            self._run_for_rank(rank, local_rank=1)
        return rank


def _run_here(
    stage: Stage, executor: Executor, logs: Path, done: set[int], progress: Progress
) -> Iterator[int]:
    del progress  # what there is to tell are the ranks
    tasks = _HereExecutor(
        list(stage.pipeline), tasks=len(stage.sizes), workers=executor.workers,
        logging_dir=str(logs),
    )  # fmt: skip
    ranks = [rank for rank in range(len(stage.sizes)) if rank not in done]
    workers = min(executor.workers, len(ranks))
    if workers <= 1:
        yield from map(tasks.run_task, ranks)
        return
    # Started afresh and not forked: a fork would hold the lock of the corpus.
    context = multiprocessing.get_context("forkserver")
    with context.Pool(workers, _start_worker, (workers,)) as pool:
        yield from pool.imap_unordered(tasks.run_task, ranks)


def _start_worker(workers: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    cores = len(os.sched_getaffinity(0))
    os.environ["RAYON_NUM_THREADS"] = str(max(1, cores // workers))


class _ClusterExecutor(SlurmPipelineExecutor):  # type: ignore[misc]
    """datatrove's, without the job that adds up its statistics: a corpus has its own."""

    def launch_merge_stats(self) -> None:
        """Submit nothing."""


def _run_on_slurm(
    stage: Stage, executor: Executor, logs: Path, done: set[int], progress: Progress
) -> Iterator[int]:
    if len(done) == len(stage.sizes):
        return
    job = _submit(stage, executor, logs)
    progress.say(f"stage {stage.name}: Slurm job {job}")
    seen = set(done)
    is_queued = True
    try:
        while is_queued:
            # Asked first: what ends between the two questions is then still seen.
            is_queued = _is_queued(job)
            fresh = _completed(logs) - seen
            yield from sorted(fresh)
            seen |= fresh
            if is_queued:
                time.sleep(POLL_SECONDS)
    finally:
        if is_queued:
            subprocess.run(["scancel", job], check=False)
    if missing := sorted(set(range(len(stage.sizes))) - seen):
        raise MedtuneError(
            f"{len(missing)} of {len(stage.sizes)} tasks of stage {stage.name} ended without "
            f"result, the first is {missing[0]}: see {logs / 'slurm_logs'}; then --resume"
        )


def _submit(stage: Stage, executor: Executor, logs: Path) -> str:
    """Submit a stage's tasks that have not ended; the id of the last job comes back."""
    assert executor.slurm is not None
    slurm = executor.slurm
    activate = Path(sys.prefix) / "bin" / "activate"
    options: dict[str, Any] = {"venv_path": str(activate)} if activate.is_file() else {}
    tasks = _ClusterExecutor(
        list(stage.pipeline), tasks=len(stage.sizes), time=slurm.time, partition=slurm.partition,
        cpus_per_task=slurm.cpus_per_task, mem_per_cpu_gb=slurm.mem_per_cpu_gb,
        workers=executor.workers, job_name=f"medtune-{stage.name}", qos="",
        tasks_per_job=slurm.tasks_per_job, sbatch_args=dict(slurm.options),
        logging_dir=str(logs.resolve()), **options,
    )  # fmt: skip
    try:
        tasks.run()
    except FileNotFoundError as error:
        raise MedtuneError("executor.kind: slurm needs sbatch, which is not there") from error
    except subprocess.CalledProcessError as error:
        raise MedtuneError(f"sbatch refused the jobs of stage {stage.name}: {error}") from error
    return str(tasks.job_id)


def _is_queued(job: str) -> bool:
    """Whether Slurm still has the job, waiting or running."""
    asked = subprocess.run(
        ["squeue", "--noheader", "--jobs", job], capture_output=True, text=True, check=False
    )
    return bool(asked.stdout.strip())
