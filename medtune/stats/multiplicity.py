"""Several tests at once."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values, in the order given: at most alpha where Holm's procedure rejects at alpha.

    Holm (1979, Scandinavian Journal of Statistics 6:65-70). The chance of any false rejection is
    at most alpha, however the tests depend on each other.

    Raises:
        ValueError: A p-value does not lie in [0, 1].
    """
    wrong = [p for p in p_values if not 0 <= p <= 1]
    if wrong:
        raise ValueError(f"{wrong[0]} is not a p-value")
    order = sorted(range(len(p_values)), key=lambda number: p_values[number])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, number in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[number]))
        adjusted[number] = largest
    return tuple(adjusted)
