"""How a model is asked: log-likelihoods of given texts, and texts of its own."""

from medtune.scoring.cache import Forgotten, Kept, ResponseCache
from medtune.scoring.engine import Decoding, Engine, Question, Weight, Written
from medtune.scoring.generation import Generated, generate
from medtune.scoring.likelihood import num_rows, weigh
from medtune.scoring.local import LocalEngine, local_conditions

__all__ = [
    "Decoding",
    "Engine",
    "Forgotten",
    "Generated",
    "Kept",
    "LocalEngine",
    "Question",
    "ResponseCache",
    "Weight",
    "Written",
    "generate",
    "local_conditions",
    "num_rows",
    "weigh",
]
