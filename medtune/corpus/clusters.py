"""Clusters of duplicates: which document stands for how many others."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medtune.corpus.verdicts import Judge, Verdict
from medtune.digests import atomic_writer

LARGEST = 10
"""Clusters that are named."""


class Clusters(NamedTuple):
    """Documents that stand for others."""

    sizes: dict[str, int]
    """Documents of a cluster, the one that stays included -> how many clusters have as many."""
    largest: dict[str, int]
    """Id of the document that stays -> documents of its cluster, for the largest ones."""


def write_stand_ins(target: Path, unit: int, verdicts: Mapping[int, Verdict], judge: Judge) -> None:
    """Write which document of a unit goes and which one stands for it, as numbers of rows."""
    pairs = [
        (judge.row_of(unit, document), judge.text_row(verdict.keeper))
        for document, verdict in sorted(verdicts.items())
        if verdict.reason not in ("deleted", "retracted")
    ]
    with atomic_writer(target) as file:
        np.save(file, np.array(pairs, dtype=np.uint64).reshape(-1, 2), allow_pickle=False)


def find_clusters(files: Iterable[Path], judge: Judge) -> Clusters:
    """Follow each document that went to the one that stays, and count."""
    pairs = np.concatenate(
        [np.empty((0, 2), np.uint64), *(np.load(file, allow_pickle=False) for file in files)]
    )
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    losers, keepers = pairs[:, 0], pairs[:, 1].copy()
    while len(losers):
        # A keeper that went itself has a keeper; each round doubles how far is looked.
        places = np.minimum(np.searchsorted(losers, keepers), len(losers) - 1)
        went = losers[places] == keepers
        if not went.any():
            break
        keepers[went] = keepers[places[went]]
    stays, counts = np.unique(keepers, return_counts=True)
    sizes = Counter(int(count) + 1 for count in counts)
    order = np.argsort(-counts, kind="stable")[:LARGEST]
    return Clusters(
        {str(size): sizes[size] for size in sorted(sizes)},
        {judge.name_of(int(stays[at])): int(counts[at]) + 1 for at in order},
    )
