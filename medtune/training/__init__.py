"""The training step and everything around it that a run needs to be repeatable."""

from medtune.training.engine import Engine, SingleProcess, open_engine, process_rank
from medtune.training.log import read_log
from medtune.training.loop import Trained, fit, mean_loss, num_steps

__all__ = [
    "Engine",
    "SingleProcess",
    "Trained",
    "fit",
    "mean_loss",
    "num_steps",
    "open_engine",
    "process_rank",
    "read_log",
]
