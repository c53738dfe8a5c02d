"""Which rows one pass over the data sees, when sources are weighted by tokens."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

MIXTURE_STREAM = 2
"""Keeps these draws apart from others with the recipe's seed."""


def mix(
    rows: Mapping[str, NDArray[np.int64]],
    lengths: NDArray[np.int64],
    weights: Mapping[str, float | None],
    seed: int,
) -> dict[str, NDArray[np.int64]]:
    """Rows of each source for one pass.

    Of sources without a weight all rows, of the others as many as bring their share of the tokens.
    A weighted source gives its rows in a seeded order, each once before any comes again; the last
    one taken is that which brings the tokens closest to the share.

    Args:
        rows: Source -> its row numbers.
        lengths: Tokens of every row, by row number.
        weights: Source -> share of the tokens, or None.
        seed: The recipe's.
    """
    whole = {name: found for name, found in rows.items() if weights.get(name) is None}
    tokens = sum(int(lengths[found].sum()) for found in whole.values())
    rest = 1 - sum(weight or 0 for weight in weights.values())
    drawn = dict(whole)
    for place, name in enumerate(rows):
        weight = weights.get(name)
        if weight is not None:
            generator = np.random.default_rng([seed, MIXTURE_STREAM, place])
            drawn[name] = _draw(rows[name], lengths, weight * tokens / rest, generator)
    return {name: drawn[name] for name in rows}


def _draw(
    rows: NDArray[np.int64],
    lengths: NDArray[np.int64],
    wanted: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    total = int(lengths[rows].sum())
    rounds, missing = divmod(wanted, total) if total else (0, 0)
    taken = [rows] * int(rounds)
    order = generator.permutation(rows)
    reached = np.concatenate([[0], np.cumsum(lengths[order])])
    taken.append(order[: int(np.argmin(np.abs(reached - missing)))])
    return np.concatenate(taken).astype(np.int64)


def shares(rows: Sequence[NDArray[np.int64]], lengths: NDArray[np.int64]) -> list[float]:
    """Share of the tokens that each of several lists of rows brings."""
    tokens = [int(lengths[found].sum()) for found in rows]
    return [count / max(1, sum(tokens)) for count in tokens]
