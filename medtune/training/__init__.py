"""The training step and everything around it that a run needs to be repeatable."""

from medtune.training.engine import (
    Engine,
    SingleProcess,
    is_distributed,
    open_engine,
    process_rank,
    require_equal,
)
from medtune.training.log import read_log
from medtune.training.loop import Trained, fit, mean_loss, num_steps, passes_of
from medtune.training.memory import (
    Memory,
    is_out_of_memory,
    predict,
    resident_bytes,
    too_much,
)
from medtune.training.plan import Plan, least_seconds, passes_of_step, plan
from medtune.training.selftest import pass_attention, require_faithful

__all__ = [
    "Engine",
    "Memory",
    "Plan",
    "SingleProcess",
    "Trained",
    "fit",
    "is_distributed",
    "is_out_of_memory",
    "least_seconds",
    "mean_loss",
    "num_steps",
    "open_engine",
    "pass_attention",
    "passes_of",
    "passes_of_step",
    "plan",
    "predict",
    "process_rank",
    "read_log",
    "require_equal",
    "require_faithful",
    "resident_bytes",
    "too_much",
]
