"""What a unit's documents are compared by: keys and sketches, in arrays on disk.

All comparisons read these files and none of the texts. A document has a row; a paper has a second
one for its abstract alone, so that the abstract as PubMed has it is found. Rows are numbered over
the whole corpus: the unit's number, then the row's place in the unit (``number`` below).
"""

import json
import re
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtune.corpus.document import Deletion, Document, Drop
from medtune.digests import partial_folder, sha256_text
from medtune.overlap import NUM_BANDS, Shingles, bands, jaccard, shingles, words

SKETCH = 512
"""Shingles of a row that are kept, the lowest by hash: all of a text of up to about 512 words; of
a longer one a sample from which the similarity is told with a standard error of at most 0.022."""
UNIT_SHIFT = np.uint64(32)
IDENTIFIERS = ("pmid", "pmcid", "doi", "corpusid")
"""Names by which two documents are one; a page's address may hold several documents."""
MIN_TITLE_WORDS = 5
"""Shorter titles (Editorial, In reply) name no paper."""

_ABSTRACT = re.compile(r"^(#+)\s*abstract\s*$", re.IGNORECASE | re.MULTILINE)
_NUMBERS = NDArray[np.uint64]


class Signatures:
    """The files of one unit, mapped into memory as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def array(self, name: str) -> NDArray[Any]:
        """One of ARRAYS."""
        return _mapped(self._folder / f"{name}.npy")

    def names(self) -> list[str]:
        """Ids of the documents."""
        names: list[str] = json.loads((self._folder / "names.json").read_text(encoding="utf-8"))
        return names

    def sketch(self, row: int) -> Shingles:
        """The lowest shingles of a row, read from the disk."""
        begin, end = (int(place) for place in self.array("sketch_starts")[row : row + 2])
        return np.array(self.array("sketches")[begin:end], dtype=np.uint64)


ARRAYS = {
    "row_documents": "document of each row, in the unit",
    "row_is_abstract": "whether a row is a paper's abstract",
    "bands": "MinHash bands of each row, of shape (NUM_BANDS, rows)",
    "sketches": "lowest shingles of all rows, one after another",
    "sketch_starts": "where those of each row begin, and the last ones end",
    "words": "128-bit hash of all words of each document, of shape (documents, 2)",
    "ids": "hash of each document's id",
    "revisions": "revision of each document",
    "identifiers": "hash of an identifier and the row of its document, of shape (n, 2)",
    "titles": "hash of a title and the row of its document, of shape (n, 2)",
    "retractions": "hashes of identifiers of retracted papers, wherever these are",
    "deletions": "hash of an id that the source withdrew and up to which revision, of shape (n, 2)",
}
"""Array on disk -> what it holds."""


@lru_cache(maxsize=512)
def _mapped(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    if array.nbytes < 1 << 16:
        return array
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def key(text: str) -> int:
    """64-bit hash of a text."""
    return int(sha256_text(text)[:16], 16)


def estimated_jaccard(left: Shingles, right: Shingles) -> float:
    """Jaccard similarity of two rows, told from their sketches.

    Exact where both have all their shingles; else over the lowest SKETCH shingles of the union,
    which are a sample of it (bottom-k sketches; Broder 1997).
    """
    if len(left) < SKETCH and len(right) < SKETCH:
        return jaccard(left, right)
    both = np.union1d(left, right)[:SKETCH]
    if not len(both):
        return 0.0
    shared = np.isin(both, left, assume_unique=True) & np.isin(both, right, assume_unique=True)
    return float(shared.mean())


def abstract_of(text: str) -> str:
    """A paper's abstract with the title before it, as Markdown; empty where it has none."""
    found = _ABSTRACT.search(text)
    if found is None:
        return ""
    level = len(found[1])
    after = re.search(rf"^#{{1,{level}}}\s", text[found.end() :], re.MULTILINE)
    end = found.end() + after.start() if after else len(text)
    title = re.match(r"#+\s+.*", text)
    return f"{title[0] if title else ''}\n{text[found.end() : end]}"


class SignatureWriter:
    """Gathers a unit's signatures and writes them at once."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows: list[tuple[int, bool]] = []
        self._bands: list[NDArray[np.uint32]] = []
        self._sketches: list[Shingles] = []
        self._words: list[tuple[int, int]] = []
        self._ids: list[int] = []
        self._revisions: list[int] = []
        self._identifiers: list[tuple[int, int]] = []
        self._titles: list[tuple[int, int]] = []
        self._deletions: list[tuple[int, int]] = []
        self._retractions: list[int] = []

    def add(self, document: Document) -> None:
        """Take the signature of a document."""
        number = len(self._names)
        row = self._add_row(number, document.text, is_abstract=False)
        digest = sha256_text("\n".join(words(document.text)))
        self._words.append((int(digest[:16], 16), int(digest[16:32], 16)))
        self._names.append(document.id)
        self._ids.append(key(document.id))
        self._revisions.append(document.revision)
        for kind in IDENTIFIERS:
            if value := document.identifiers.get(kind):
                self._identifiers.append((_identifier_key(kind, value), row))
        title = words(document.title)
        if document.part in ("papers", "abstracts") and len(title) >= MIN_TITLE_WORDS:
            self._titles.append((key(" ".join(title)), row))
        if document.part == "papers" and (abstract := abstract_of(document.text)):
            self._add_row(number, abstract, is_abstract=True)

    def _add_row(self, document: int, text: str, *, is_abstract: bool) -> int:
        found = shingles(text)
        self._bands.append(bands(found))
        self._sketches.append(found[:SKETCH].copy())  # a view would keep all of them alive
        self._rows.append((document, is_abstract))
        return len(self._rows) - 1

    def delete(self, deletion: Deletion) -> None:
        """Note that a source withdrew a document, or that a paper was retracted everywhere."""
        self._deletions.append((key(deletion.id), deletion.revision))
        if deletion.reason == "retracted":
            named = deletion.identifiers.items()
            self._retractions += [_identifier_key(kind, value) for kind, value in named]

    def forget(self, drop: Drop) -> None:
        """Note a document that is not kept: where it is a revision, the earlier ones go with it."""
        if drop.revision:
            self._deletions.append((key(drop.id), drop.revision))

    def write(self, folder: Path) -> None:
        """Write the files; the folder appears when all of them are whole."""
        lengths = [len(sketch) for sketch in self._sketches]
        arrays = {
            "row_documents": np.array([row[0] for row in self._rows], dtype=np.uint32),
            "row_is_abstract": np.array([row[1] for row in self._rows], dtype=np.bool_),
            "bands": np.array(self._bands, dtype=np.uint32).reshape(-1, NUM_BANDS).T.copy(),
            "sketches": np.concatenate([np.empty(0, dtype=np.uint64), *self._sketches]),
            "sketch_starts": np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))),
            "words": _pairs(self._words),
            "ids": np.array(self._ids, dtype=np.uint64),
            "revisions": np.array(self._revisions, dtype=np.int64),
            "identifiers": _pairs(self._identifiers),
            "titles": _pairs(self._titles),
            "retractions": np.array(self._retractions, dtype=np.uint64),
            "deletions": _pairs(self._deletions),
        }
        partial = partial_folder(folder)
        for name, array in arrays.items():
            np.save(partial / f"{name}.npy", array, allow_pickle=False)
        (partial / "names.json").write_text(json.dumps(self._names), encoding="utf-8")
        if folder.exists():  # a task that was killed before it was marked as done runs again
            shutil.rmtree(folder)
        partial.rename(folder)


def _identifier_key(kind: str, value: str) -> int:
    return key(f"{kind}:{value.casefold()}")


def _pairs(rows: list[tuple[int, int]]) -> _NUMBERS:
    return np.array(rows, dtype=np.uint64).reshape(-1, 2)


def numbers(unit: int, places: NDArray[Any]) -> _NUMBERS:
    """Numbers over the whole corpus of rows of a unit."""
    return (np.uint64(unit) << UNIT_SHIFT) | places.astype(np.uint64)


def place(number: int) -> tuple[int, int]:
    """Unit and row in it of a number over the whole corpus."""
    return number >> int(UNIT_SHIFT), number & ((1 << int(UNIT_SHIFT)) - 1)


def signatures_of(folder: Path, unit: int) -> Signatures:
    """The files of a unit, below the folder of all."""
    return Signatures(folder / f"{unit:05d}")
