"""What every engine answers: the likelihood of given texts, and texts of its own.

An engine is one model under one set of conditions, such as an adapter on its base, or the same base
with the adapter switched off. Who asks knows nothing of batches, devices or servers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from medtune.records import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt and the continuations to weigh, as token ids; neither is empty."""

    prompt: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Weight:
    """How likely a continuation is."""

    log_likelihood: float
    """Natural logarithm, summed over its tokens."""
    is_greedy: bool
    """Whether each of its tokens is the likeliest of the whole vocabulary at its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How texts are written. Nothing else is applied: no penalty, no top-k, no top-p."""

    max_new_tokens: int
    """Longest text, stop token included."""
    stop_ids: frozenset[int]
    """Tokens that end a text; at least one."""
    temperature: float = 0.0
    """0: greedy, the likeliest token each time."""
    samples: int = 1
    """Texts behind each prompt; more than one only at a temperature."""
    seed: int = 0
    """Of what is drawn at a temperature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One text behind one prompt."""

    text: str
    """Without the stop token, and without control tokens; may be empty."""
    num_tokens: int
    """Without the stop token."""
    is_complete: bool
    """False where it was cut because it had not ended by then."""


class Engine(Protocol):
    """One model, asked."""

    @property
    def conditions(self) -> Mapping[str, Any]:
        """Under which it answers, digests before all; part of the key of every kept answer."""

    def weigh(
        self, questions: Sequence[Question], *, step: str, progress: Progress
    ) -> list[list[Weight]]:
        """Each continuation of each question, in their order; progress is told as ``step``."""

    def write(
        self,
        prompts: Sequence[tuple[int, ...]],
        decoding: Decoding,
        *,
        step: str,
        progress: Progress,
    ) -> list[list[Written]]:
        """``decoding.samples`` texts behind each prompt, in their order."""
