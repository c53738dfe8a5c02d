"""Draws that depend on a seed and a document's id alone.

A document is held out, sampled or repeated whichever machine reads it, in whatever order, and
whatever else the corpus holds.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Literal

from medtune.corpus.document import Document
from medtune.recipe.corpus import Splits

Split = Literal["train", "validation"]


def draw(seed: int, purpose: str, document_id: str) -> float:
    """A number in [0, 1), the same in every process.

    Draws of one document for different purposes do not depend on each other.
    """
    message = f"{seed}\n{purpose}\n{document_id}".encode()
    # 53 bits: as many as a float has.
    return (int.from_bytes(blake2b(message, digest_size=8).digest(), "big") >> 11) / (1 << 53)


def split_of(document: Document, splits: Splits, seed: int) -> Split:
    """On which side of the split a document stands."""
    share: float = getattr(splits, document.part)
    return "validation" if draw(seed, "split", document.id) < share else "train"


def copies_of(
    document_id: str, types: Iterable[str], upsampling: Mapping[str, float], seed: int
) -> int:
    """How often a training document stands in the corpus: once and the extra copies.

    Args:
        document_id: The document's id.
        types: Its publication types, in any case.
        upsampling: Type -> extra copies; of 0.5 every second document gets one. The highest counts.
        seed: The recipe's.
    """
    weights = {name.casefold(): weight for name, weight in upsampling.items()}
    extra = max((weights.get(name.casefold(), 0.0) for name in types), default=0.0)
    whole = int(extra)
    return 1 + whole + (draw(seed, "copies", document_id) < extra - whole)
