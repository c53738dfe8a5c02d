"""Filters of single documents: each gives the reason why a document goes, or none."""

from collections.abc import Iterable
from typing import NamedTuple

from medtune.corpus.document import Document
from medtune.corpus.drawing import draw
from medtune.overlap import NgramIndex
from medtune.recipe import Rows
from medtune.recipe.corpus import CorpusRecipe, Decontamination
from medtune.records import SPLITS
from medtune.tasks import read_task


class Fault(NamedTuple):
    """Why a document is not kept."""

    reason: str
    detail: str


class SampleFilter:
    """Takes a share of each source's documents."""

    def __init__(self, recipe: CorpusRecipe) -> None:
        self._shares = {source.name: source.sample for source in recipe.sources}
        self._seed = recipe.seed

    def __call__(self, document: Document) -> Fault | None:
        """Whether the draw leaves the document out."""
        share = self._shares[document.source]
        if share == 1 or draw(self._seed, "sample", document.id) < share:
            return None
        return Fault("not_sampled", f"sample: {share:g}")


class LicenceFilter:
    """Keeps documents whose licence the recipe allows."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(allowed)

    def __call__(self, document: Document) -> Fault | None:
        """Whether the licence is another one."""
        if document.licence in self._allowed:
            return None
        return Fault("licence", document.licence)


class ContaminationFilter:
    """Finds documents that hold items of evaluation sets.

    An item is hit as in ``data.decontaminate``: a share of its runs of words stands in the
    document, or a share of the document's in the item.
    """

    def __init__(self, section: Decontamination) -> None:
        self._share = section.share
        self._index = NgramIndex(section.ngram)
        for rows in (*(Rows(task=task) for task in section.against), *section.rows):
            self._add(rows)

    def _add(self, section: Rows) -> None:
        read = read_task(section, offline=True, needs_train=False)
        for split in SPLITS:
            for example in read.splits.get(split, ()):
                self._index.add(f"{section.task} {split} {example.id}", example.own_text)

    def __call__(self, document: Document) -> Fault | None:
        """Whether it holds an item."""
        hits = self._index.hits(document.text, self._share)
        if not hits:
            return None
        first = hits[0]
        share = max(first.share_of_item, first.share_of_text)
        return Fault("contaminated", f"{first.name} ({share:.0%} of its runs of words)")
