"""Rows over ``data.max_tokens``: refused, left out, or their prompt cut; never an answer."""

from dataclasses import dataclass

from medtune.data.encoding import Encoder, Tokens, shorten_prompt
from medtune.data.store import DROPPED, KEPT, TRUNCATED
from medtune.errors import DataError
from medtune.recipe import Data
from medtune.records import Example


@dataclass(frozen=True, slots=True)
class Fitted:
    """A row as it is kept."""

    example: Example
    tokens: Tokens
    outcome: int
    """KEPT, TRUNCATED or DROPPED."""


def fit(example: Example, tokens: Tokens, data: Data, encoder: Encoder) -> Fitted:
    """The row, within the limit or marked as dropped.

    Raises:
        DataError: It is too long under ``on_overlength: error``, or even without its prompt.
    """
    if len(tokens.ids) <= data.max_tokens:
        return Fitted(example, tokens, KEPT)
    if data.on_overlength == "drop":
        return Fitted(example, tokens, DROPPED)
    if data.on_overlength == "truncate_prompt":
        return Fitted(*_truncate(example, data.max_tokens, encoder), TRUNCATED)
    raise DataError(
        f"{example.where}: {len(tokens.ids)} tokens, over data.max_tokens {data.max_tokens}; "
        "raise it, or set data.on_overlength to drop or truncate_prompt"
    )


def _truncate(example: Example, max_tokens: int, encoder: Encoder) -> tuple[Example, Tokens]:
    """Cut as few characters as bring the row under the limit; never one of an answer."""
    best: tuple[Example, Tokens] | None = None
    low, high = 1, max(len(m.content) for m in example.messages if m.role == "user")
    while low <= high:
        middle = (low + high) // 2
        shorter = shorten_prompt(example, middle)
        tokens = encoder.tokens([shorter])[0] if shorter else None
        if shorter is None:
            high = middle - 1
        elif tokens is not None and len(tokens.ids) <= max_tokens:
            best = (shorter, tokens)
            high = middle - 1
        else:
            low = middle + 1
    if best is None:
        raise DataError(
            f"{example.where}: does not fit data.max_tokens {max_tokens} even without its last "
            "user turn; an answer is never cut. Raise data.max_tokens or drop the row"
        )
    return best
