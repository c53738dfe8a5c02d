"""Which documents of a unit go because another one stands for them.

A document goes where an earlier one is the same, is near it, or is the paper that it is the
abstract of. The earliest of a chain therefore always stays, and each unit can be judged alone.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medtune.corpus.candidates import BANDS, IDENTITY
from medtune.corpus.signatures import estimated_jaccard, place, signatures_of
from medtune.corpus.superseded import RETRACTED, Numbers, read_superseded
from medtune.corpus.units import Unit
from medtune.recipe.corpus import Deduplication


class Verdict(NamedTuple):
    """Why a document goes."""

    reason: str
    """``retracted``, ``superseded``, ``deleted``, ``same_words``, ``same_identifier``,
    ``near_duplicate`` or ``abstract_of_paper``."""
    keeper: int
    """Number of the row that stands for it."""
    similarity: float
    """Jaccard similarity of near-duplicates; 1 for the others."""


class Judge:
    """Compares the rows of one unit with those that share a key with them.

    Args:
        folder: Where signatures, candidates and superseded rows of the corpus lie.
        units: All units.
        section: What the recipe says about duplicates.
    """

    def __init__(self, folder: Path, units: tuple[Unit, ...], section: Deduplication) -> None:
        self._folder = folder
        self._parts = [unit.part for unit in units]
        self._section = section
        self._sketch = lru_cache(maxsize=4096)(self._read_sketch)
        self._names = lru_cache(maxsize=64)(self._read_names)

    def judge(self, unit: int) -> dict[int, Verdict]:
        """Document of the unit -> why it goes; those that stay are not in it."""
        found: dict[int, Verdict] = {}
        documents = signatures_of(self._signatures, unit).array("row_documents")
        for row, verdict in self._verdicts(unit):
            found.setdefault(int(documents[place(row)[1]]), verdict)
        return found

    def name_of(self, row: int) -> str:
        """Id of the document that a row is of."""
        return self._names(place(row)[0])[self._document(row)]

    def row_of(self, unit: int, document: int) -> int:
        """Number of the row of a document's text."""
        documents = signatures_of(self._signatures, unit).array("row_documents")
        return (unit << 32) + int(np.searchsorted(documents, document))

    def text_row(self, row: int) -> int:
        """The row of the text of the document that a row, perhaps of its abstract, is of."""
        return self.row_of(place(row)[0], self._document(row))

    def _document(self, row: int) -> int:
        unit, at = place(row)
        return int(signatures_of(self._signatures, unit).array("row_documents")[at])

    @property
    def _signatures(self) -> Path:
        return self._folder / "signatures"

    def _verdicts(self, unit: int) -> Iterator[tuple[int, Verdict]]:
        """Rows that go, in the order of the reasons: the first one counts."""
        gone = read_superseded(self._folder / "superseded.npy")
        begin, end = np.searchsorted(gone.losers, _range(unit))
        for row, keeper in zip(gone.losers[begin:end], gone.keepers[begin:end], strict=True):
            if keeper == RETRACTED:
                yield int(row), Verdict("retracted", int(row), 1.0)
            else:
                reason = "deleted" if row == keeper else "superseded"
                yield int(row), Verdict(reason, int(keeper), 1.0)
        yield from self._same(unit)
        if self._section.near is not None:
            yield from self._near(unit, self._section.near)

    def _same(self, unit: int) -> Iterator[tuple[int, Verdict]]:
        for kind in IDENTITY:
            for row, earlier in self._pairs(unit, (kind,)):
                if reason := self._reason(kind, row, earlier):
                    yield row, Verdict(reason, earlier, 1.0)

    def _reason(self, kind: str, row: int, earlier: int) -> str | None:
        is_abstract = self._part(row) == "abstracts" and self._part(earlier) == "papers"
        if kind == "words":
            is_same = self._section.exact and self._words(row) == self._words(earlier)
            return "same_words" if is_same else None
        if not self._section.identifiers:
            return None
        if is_abstract:
            return "abstract_of_paper"
        return "same_identifier" if kind == "identifiers" else None

    def _near(self, unit: int, threshold: float) -> Iterator[tuple[int, Verdict]]:
        for row, earlier in self._pairs(unit, BANDS):
            if self._is_abstract(row) or not self._may_compare(row, earlier):
                continue
            similarity = estimated_jaccard(self._sketch(row), self._sketch(earlier))
            if similarity >= threshold:
                reason = "abstract_of_paper" if self._is_abstract(earlier) else "near_duplicate"
                yield row, Verdict(reason, earlier, round(similarity, 4))

    def _may_compare(self, row: int, earlier: int) -> bool:
        """A paper's abstract stands for abstracts alone, where the recipe has it so."""
        if not self._is_abstract(earlier):
            return True
        return self._section.identifiers and self._part(row) == "abstracts"

    def _pairs(self, unit: int, kinds: tuple[str, ...]) -> Iterator[tuple[int, int]]:
        """Rows of the unit and earlier rows, each pair once, sorted."""
        found: list[Numbers] = []
        for kind in kinds:
            for file in sorted((self._folder / "candidates" / kind).glob("*.npy")):
                pairs = np.load(file, mmap_mode="r", allow_pickle=False)
                begin, end = np.searchsorted(pairs[:, 0], _range(unit))
                found.append(np.array(pairs[begin:end]))
        if found:
            yield from np.unique(np.concatenate(found), axis=0).tolist()

    def _part(self, row: int) -> str:
        return self._parts[place(row)[0]]

    def _is_abstract(self, row: int) -> bool:
        unit, at = place(row)
        return bool(signatures_of(self._signatures, unit).array("row_is_abstract")[at])

    def _words(self, row: int) -> tuple[int, int]:
        words = signatures_of(self._signatures, place(row)[0]).array("words")
        first, second = words[self._document(row)]
        return int(first), int(second)

    def _read_sketch(self, row: int) -> Numbers:
        unit, at = place(row)
        return signatures_of(self._signatures, unit).sketch(at)

    def _read_names(self, unit: int) -> list[str]:
        return signatures_of(self._signatures, unit).names()


def _range(unit: int) -> Numbers:
    """Numbers of the first row of a unit and of the next one."""
    return np.array([unit << 32, (unit + 1) << 32], dtype=np.uint64)
