"""What happened at each step: ``log.jsonl`` and TensorBoard, the same figures in both."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from medtune.digests import write_text


class StepLog:
    """Appends one record a step to a run's log."""

    def __init__(self, run: Path, *, from_step: int) -> None:
        """Open the log; what was logged after ``from_step`` is dropped, as it is done again."""
        self._path = run / "log.jsonl"
        write_text(self._path, "".join(_lines_until(self._path, from_step)))
        self._file = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=from_step + 1)

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Log the figures of a step."""
        self._file.write(json.dumps({"step": step, **figures}) + "\n")
        self._file.flush()
        for name, value in figures.items():
            self._board.add_scalar(name, value, step)
        # Its thread may lag: what is in a checkpoint has to be on the board before.
        self._board.flush()

    def close(self) -> None:
        """Finish both logs."""
        self._file.close()
        self._board.close()


@contextmanager
def step_log(run: Path, *, from_step: int) -> Iterator[StepLog]:
    """A log that is closed whatever happens."""
    log = StepLog(run, from_step=from_step)
    try:
        yield log
    finally:
        log.close()


def read_log(path: Path) -> list[dict[str, float]]:
    """All records of a log; a last line that a crash cut short holds none."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _lines_until(path: Path, step: int) -> list[str]:
    return [json.dumps(record) + "\n" for record in read_log(path) if record["step"] <= step]
