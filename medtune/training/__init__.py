"""The training step and everything around it that a run needs to be repeatable."""

from medtune.training.log import read_log
from medtune.training.loop import Trained, fit, mean_loss, num_steps

__all__ = ["Trained", "fit", "mean_loss", "num_steps", "read_log"]
