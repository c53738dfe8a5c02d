"""How a stage tells what it is doing."""

from typing import Protocol


class Progress(Protocol):
    """How a stage tells what it is doing; the command line draws it, a test may record it."""

    def say(self, message: str) -> None:
        """Announce something that the user should know."""

    def start(self, step: str, total: int, unit: str) -> None:
        """Begin a long step of ``total`` units; 0: nobody knows how many."""

    def advance(self, units: int, **figures: float) -> None:
        """Report that units are done, with the figures of the moment."""

    def finish(self) -> None:
        """End the long step, whether or not all units were done."""


class Silent:
    """A progress that says nothing."""

    def say(self, message: str) -> None:
        """Ignore."""

    def start(self, step: str, total: int, unit: str) -> None:
        """Ignore."""

    def advance(self, units: int, **figures: float) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""
