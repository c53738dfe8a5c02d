"""How the command line shows what a stage is doing: bars on a terminal, JSON lines elsewhere.

Both go to stderr, so that stdout holds the result alone.
"""

import json
import sys
import time
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

SHOWN = {
    "loss": "loss {:.3f}",
    "validation_loss": "val {:.3f}",
    "tokens_per_second": "{:.0f} tok/s",
    "per_second": "{:.1f}/s",
    "memory_gib": "{:.1f} GiB",
}
"""Figures that a bar has room for, and how they are written."""


class TerminalProgress:
    """One bar for each long step, with rate, memory and time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._last: dict[str, float] = {}

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        self._console.print(message, markup=False)

    def start(self, step: str, total: int, unit: str) -> None:
        """Draw a bar."""
        self._last = {}
        self._bar = Progress(
            # Fits 80 columns with all figures; a wider bar would squeeze the counts first.
            TextColumn("{task.description}"),
            BarColumn(bar_width=8),
            MofNCompleteColumn(),
            TextColumn(f"{unit} {{task.fields[figures]}}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self._console,
        )
        self._bar.add_task(step, total=total or None, figures="")
        self._bar.start()

    def advance(self, units: int, **figures: float) -> None:
        """Move the bar; figures stay until they are given anew."""
        if self._bar is None:
            return
        self._last |= figures
        shown = [
            text.format(self._last[name]) for name, text in SHOWN.items() if name in self._last
        ]
        self._bar.update(self._bar.task_ids[0], advance=units, figures=" ".join(shown))

    def finish(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class JsonProgress:
    """One JSON object a line: announcements, beginnings and ends, and each training step."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._step, self._unit, self._total, self._done = "", "", 0, 0
        self._started = 0.0

    def say(self, message: str) -> None:
        """Write an announcement."""
        self._write({"event": "note", "message": message})

    def start(self, step: str, total: int, unit: str) -> None:
        """Write the beginning of a step."""
        self._step, self._unit, self._total, self._done = step, unit, total, 0
        self._started = time.monotonic()
        self._write({"event": "start", "step": step, "total": total, "unit": unit})

    def advance(self, units: int, **figures: float) -> None:
        """Write the figures, where there are any."""
        self._done += units
        if not figures:
            return
        seconds = time.monotonic() - self._started
        record = {"event": "progress", "step": self._step, "done": self._done, "total": self._total}
        if self._total:
            eta = seconds / max(self._done, 1) * (self._total - self._done)
            record["eta_seconds"] = round(eta, 1)
        self._write({**record, **figures})

    def finish(self) -> None:
        """Write the end of a step."""
        seconds = round(time.monotonic() - self._started, 2)
        self._write({"event": "end", "step": self._step, "done": self._done, "seconds": seconds})

    def _write(self, record: dict[str, object]) -> None:
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()


def make_progress() -> TerminalProgress | JsonProgress:
    """Bars where stderr is a terminal, JSON lines elsewhere."""
    return TerminalProgress() if sys.stderr.isatty() else JsonProgress()
