"""Examples as if they had been read from files: what `prepare` takes."""

from collections.abc import Mapping, Sequence

from medtune.data import Material
from medtune.data.material import Part
from medtune.records import SPLITS, Example, Split, SplitFile, TaskRows


def material(
    task: str = "chat",
    evaluation: Sequence[Example] = (),
    official: Mapping[str, int | None] | None = None,
    **splits: Sequence[Example],
) -> Material:
    """What a recipe names: examples of the task's splits, of sources, of an evaluation set.

    ``official``: split -> rows of the published one.
    """
    parts = []
    for name, examples in splits.items():
        is_source = name not in SPLITS
        split: Split = "train" if is_source else name  # type: ignore[assignment]
        rows = _rows(task, split, examples, (official or {}).get(name))
        parts.append(Part(name=name, split=split, is_source=is_source, rows=rows))
    exams: dict[str, Part] = {}
    if evaluation:
        rows = _rows(task, "test", evaluation, None)
        exams["exam"] = Part(name="exam", split="test", is_source=False, rows=rows)
    return Material(task=task, parts=tuple(parts), evaluation=exams)


def _rows(task: str, split: Split, examples: Sequence[Example], official: int | None) -> TaskRows:
    file = SplitFile(file=f"{split}.jsonl", sha256="0" * 64, official_rows=official)
    return TaskRows(task=task, splits={split: examples}, files={split: file})
