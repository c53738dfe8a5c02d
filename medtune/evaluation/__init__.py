"""Scores that say on which items, by which protocol and how surely."""

from medtune.evaluation.scores import compare, require_prompts_fit, score, summarise

__all__ = ["compare", "require_prompts_fit", "score", "summarise"]
