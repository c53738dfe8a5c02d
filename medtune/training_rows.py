"""The rows that an adapter was trained on, read again as its run's lock names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medtune.data.canaries import FILE_NAME as CANARIES
from medtune.data.canaries import Planted, take_canaries
from medtune.errors import MedtuneError
from medtune.inputs import Inputs, gather
from medtune.recipe import Evaluate, lock
from medtune.records import Example, Progress
from medtune.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """What a run's lock names, as it is today: the same files, to the byte."""

    train: Sequence[Example]
    """Those of sources and canaries among them, and rows that come more than once in a pass."""
    own: Sequence[Example]
    """Those of the recipe's own task, each once."""
    held_out: Sequence[Example]
    """Of the same task, and never trained on."""
    canaries: Planted | None
    """None: none were planted."""


def read_training_rows(
    subject: Subject, *, offline: bool, progress: Progress
) -> tuple[TrainingRows | None, tuple[str, ...]]:
    """What the adapter was trained on, as its run records it; or None, and why it is not known.

    A bare base has none, and nothing to be told.
    """
    if subject.adapter is None:
        return None, ()
    untested = "contamination was not tested: "
    if subject.run is None:
        return None, (f"{untested}the adapter does not lie in its run, whose lock names its rows",)
    recorded = lock.read(subject.run / lock.FILE_NAME)
    assert recorded is not None, "a run has a lock"
    recipe = recorded.recipe
    secrets = subject.run / CANARIES
    if recipe.data.canaries is not None and not secrets.is_file():
        # Reading on would draw new ones.
        return None, (f"{untested}{secrets} is gone, which holds the secrets that were planted",)
    try:
        # Suites of the run have nothing to do with its training rows.
        alone = recipe.model_copy(update={"evaluate": Evaluate()})
        rows = gather(alone, run=subject.run, offline=offline, progress=progress)
    except MedtuneError as error:
        return None, (f"{untested}the training rows cannot be read: {error}",)
    then, now = recorded.resolved.data, rows.lock.resolved.data
    changed = [name for name, file in now.items() if then.get(name) != file]
    if changed:
        return None, (f"{untested}the rows of {', '.join(changed)} are not those of the training",)
    return training_rows_of(rows, subject.run), ()


def training_rows_of(inputs: Inputs, run: Path) -> TrainingRows:
    """The rows of a run that is trained, or was, from these inputs."""
    splits, section = inputs.prepared.splits, inputs.recipe.data
    train = splits["train"]
    held_out = [e for name in ("validation", "test") if name in splits
                for e in splits[name].examples]  # fmt: skip
    return TrainingRows(
        train=train.examples,
        own=train.examples[: train.num_own],
        held_out=held_out,
        canaries=take_canaries(section.canaries, run / CANARIES) if section.canaries else None,
    )


def is_of_patients(subject: Subject) -> bool:
    """Whether the adapter's run says that its rows are of patients; False: no run says so."""
    if subject.adapter is None or subject.run is None:
        return False
    recorded = lock.read(subject.run / lock.FILE_NAME)
    assert recorded is not None, "a run has a lock"
    return recorded.recipe.data.private
