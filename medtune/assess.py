"""Who answers, and all that is asked: base and adapter on every set of items.

Used by a run for its own test rows and suites, and by ``medtune eval``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel

from medtune.data import Encoder
from medtune.data.contamination import contaminated
from medtune.digests import remove_folder
from medtune.evaluation.contamination import without_hits
from medtune.evaluation.items import ItemSet
from medtune.evaluation.scores import Arm, Examiner
from medtune.models import FrozenBase
from medtune.models.cache import cache_folder
from medtune.records import Example, Progress, ScoreReport
from medtune.scoring import Engine, LocalEngine, ResponseCache, local_conditions

RESPONSES = "responses"
"""Folder of kept answers in medtune's cache."""
PRIVATE_RESPONSES = ".responses"
"""The same in a run, of answers that no other run may take: of rows of patients, of servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The arms of one model in memory: the adapter and the base below it, or a base alone."""

    model: PreTrainedModel | PeftModel
    base: FrozenBase
    adapter_digest: str | None
    """None: there is no adapter, and one arm."""
    encoder: Encoder
    pad_id: int
    batch_size: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arms."""
        return ("base",) if self.adapter_digest is None else ("base", "adapter")

    def conditions(self, name: str | None = None) -> dict[str, Any]:
        """Under which an arm answers; by default the one that is asked about."""
        is_base = (name or self.names[-1]) == "base"
        return local_conditions(
            self.base,
            adapter=None if is_base else self.adapter_digest,
            template=self.encoder.template.digest,
        )

    def engines(self, folder: Path) -> dict[str, Engine]:
        """Each arm, with its answers kept in a folder."""
        return {
            name: LocalEngine(
                self.model,
                self.conditions(name),
                is_adapter_on=name == "adapter",
                decode=self.encoder.decode,
                batch_size=self.batch_size,
                pad_id=self.pad_id,
                kept=ResponseCache(folder, self.conditions(name)),
            )
            for name in self.names
        }


@contextmanager
def answering(panel: Panel, private: Path) -> Iterator[Callable[[bool], Mapping[str, Engine]]]:
    """Who answers, in private or not. What is private is kept in a folder that goes with the block.

    An exception, such as that of a stopped process, leaves them for the next try.
    """
    shared: dict[bool, dict[str, Engine]] = {}

    def engines(is_private: bool) -> Mapping[str, Engine]:
        if is_private not in shared:
            folder = private if is_private else cache_folder() / RESPONSES
            shared[is_private] = panel.engines(folder)
        return shared[is_private]

    yield engines
    if private.exists():
        remove_folder(private)


def score_sets(
    examiner: Examiner,
    item_sets: Sequence[ItemSet],
    arms: Callable[[ItemSet], Sequence[Arm]],
    engines: Callable[[bool], Mapping[str, Engine]],
    training: Sequence[Example] | None,
    progress: Progress,
) -> tuple[ScoreReport, ...]:
    """Score every set, and look which items the training rows hold.

    Args:
        examiner: How they are scored.
        item_sets: What is asked.
        arms: Of each set.
        engines: Who answers, in private or not, by the name of the arm.
        training: What the adapter was trained on; None: not known, or there is no adapter.
        progress: Where to report.
    """
    reports = [examiner.report(items, arms(items), engines(items.is_private), progress)
               for items in item_sets]  # fmt: skip
    if training is None:
        return tuple(reports)
    texts = {items.name: {e.id: e.own_text for e in items.examples} for items in item_sets}
    hits, num_rows = contaminated(texts, training)
    return tuple(
        replace(report, contamination=without_hits(report.arms, hits[report.name], num_rows))
        for report in reports
    )
