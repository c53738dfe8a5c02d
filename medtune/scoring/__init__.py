"""One engine for log-likelihoods, used by evaluation and, later, by probes."""

from medtune.scoring.likelihood import Question, log_likelihoods, num_rows

__all__ = ["Question", "log_likelihoods", "num_rows"]
