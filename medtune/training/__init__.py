"""The training step and everything around it that a run needs to be repeatable."""

from medtune.training.engine import (
    Engine,
    SingleProcess,
    is_distributed,
    open_engine,
    process_rank,
)
from medtune.training.log import read_log
from medtune.training.loop import Trained, fit, mean_loss, num_steps, passes_of
from medtune.training.selftest import pass_attention

__all__ = [
    "Engine",
    "SingleProcess",
    "Trained",
    "fit",
    "is_distributed",
    "mean_loss",
    "num_steps",
    "open_engine",
    "pass_attention",
    "passes_of",
    "process_rank",
    "read_log",
]
