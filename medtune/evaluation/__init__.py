"""Scores that say on which items, by which protocol and how surely."""

from medtune.evaluation.scores import compare, score, summarise

__all__ = ["compare", "score", "summarise"]
