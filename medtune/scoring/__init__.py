"""How a model is asked: log-likelihoods of given texts, and texts of its own."""

from medtune.scoring.generation import Generated, generate
from medtune.scoring.likelihood import Question, log_likelihoods, num_rows

__all__ = ["Generated", "Question", "generate", "log_likelihoods", "num_rows"]
