"""Scores without the items whose text stands in what an adapter was trained on."""

from collections.abc import Sequence

from medtune.data.contamination import NGRAM, SHARE
from medtune.evaluation.summaries import measure
from medtune.records import ArmScore, Contamination


def without_hits(
    arms: Sequence[ArmScore], hits: frozenset[str], training_rows: int
) -> Contamination:
    """Each arm's score on the items that no training row holds."""
    clean = [[item for item in arm.items if item.id not in hits] for arm in arms]
    return Contamination(
        training_rows=training_rows,
        ngram=NGRAM,
        share=SHARE,
        hits=tuple(sorted(hits)),
        without=tuple(
            measure(arm.label, arm.metric, items)
            for arm, items in zip(arms, clean, strict=True)
            if items
        ),
    )
