"""All that a run starts from: the base found, the rows read and encoded, the lock written down.

Nothing here loads a weight, so that what a recipe gets wrong is said at once.
"""

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from medtune import models, provenance, training
from medtune.data import (
    ChatTemplate,
    Encoded,
    Material,
    Planted,
    Prepared,
    Workshop,
    choose_pad_id,
    draw_canaries,
    limits,
    make_key,
    make_template,
    prepare,
    read_material,
    scratch_folder,
    take_canaries,
)
from medtune.data.canaries import FILE_NAME as CANARIES
from medtune.data.check import examine
from medtune.errors import RecipeError
from medtune.evaluation.items import ItemSet, own_items, suite_items
from medtune.evaluation.prompt_file import load_prompts
from medtune.evaluation.scores import Examiner, training_arms
from medtune.evaluation.sets import read_set
from medtune.evaluation.suites import load_suite
from medtune.models import FrozenBase, LocatedBase
from medtune.models.cache import cache_folder
from medtune.models.loading import Tokenizer, own_device
from medtune.recipe import Base, Lock, Recipe, Resolved
from medtune.records import Progress, Silent
from medtune.runs import PRIVATE_ROWS, open_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that a run starts from, resolved and checked, before any weight is loaded."""

    recipe: Recipe
    located: LocatedBase
    tokenizer: Tokenizer
    template: ChatTemplate
    pad_id: int
    prepared: Prepared
    examiner: Examiner
    item_sets: tuple[ItemSet, ...]
    """What base and adapter are scored on: the recipe's own test rows, if there are any, then the
    sets of its suites."""
    lock: Lock

    @property
    def num_steps(self) -> int:
        """Optimiser steps that the run will take."""
        rows = len(self.prepared.splits["train"].encoded)
        return training.num_steps(self.recipe.train, rows)

    @property
    def training_seed(self) -> int:
        """Seeds the adapter's start, dropout and the order of the rows."""
        chosen = self.recipe.train.seeds
        return chosen[0] if chosen else self.recipe.seed


def gather(
    recipe: Recipe,
    *,
    run: Path | None = None,
    offline: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
) -> Inputs:
    """Find the base, read and encode all rows; no weight is loaded.

    Args:
        recipe: What is wanted.
        run: The run's folder, where private rows and secrets are kept; None: nowhere.
        offline: Reach for no network.
        workers: Processes that encode rows beside this one.
        progress: Where to report.

    Raises:
        MedtuneError: The base or a row is not usable.
    """
    progress = progress or Silent()
    found = _rows(recipe, run, offline=offline, workers=workers, progress=progress)
    located, tokenizer = found.located, found.tokenizer
    template, prepared = found.template, found.prepared
    _require_context(prepared, located)
    if recipe.train.patience and not prepared.splits["validation"].encoded:
        raise RecipeError(
            "train.patience stops by the validation loss, and there are no validation rows; set "
            "data.validation_fraction, or remove train.patience"
        )
    examiner = Examiner(
        encoder=prepared.encoder,
        prompts=load_prompts(recipe.evaluate.prompt),
        section=recipe.evaluate,
        seed=recipe.seed,
        dtype=recipe.base.dtype,
    )
    item_sets, suite_digests = _item_sets(recipe, prepared, examiner, offline=offline)
    for items in item_sets:
        for arm in training_arms(items, recipe.evaluate, recipe.seed):
            examiner.require_fit(items, arm, located.context_tokens)
    stops = frozenset({template.stop_token_id, tokenizer.eos_token_id})
    lock = Lock(
        recipe=recipe,
        resolved=Resolved(
            base={
                "reference": located.reference,
                "revision": located.revision,
                "digest": located.digest,
            },
            data=found.digests | suite_digests,
            template=template.digest,
            tokenizer=located.tokenizer_digest,
            packages=provenance.packages(),
        ),
    )
    for line in prepared.warnings():
        progress.say(line)
    return Inputs(
        recipe=recipe,
        located=located,
        tokenizer=tokenizer,
        template=template,
        pad_id=choose_pad_id(tokenizer, stops),
        prepared=prepared,
        examiner=examiner,
        item_sets=item_sets,
        lock=lock,
    )


def _item_sets(
    recipe: Recipe, prepared: Prepared, examiner: Examiner, *, offline: bool
) -> tuple[tuple[ItemSet, ...], dict[str, dict[str, str]]]:
    """What is scored, and digests of what is not among the recipe's rows."""
    own = own_items(prepared, recipe.evaluate, is_private=recipe.data.private)
    found = [own] if own.examples else []
    digests = {}
    if recipe.evaluate.prompt is not None:
        prompts = examiner.prompts
        digests["evaluate.prompt"] = {"file": prompts.name, "sha256": prompts.digest}
    for name in recipe.evaluate.suites:
        suite = load_suite(name)
        digests[f"suite {suite.name}"] = {"file": suite.name, "sha256": suite.digest}
        for section in suite.sets:
            rows = read_set(section, offline=offline)
            digests[f"suite {suite.name}: {section.name}"] = {
                "file": rows.file, "sha256": rows.sha256
            }  # fmt: skip
            found.append(suite_items(rows, recipe.evaluate, is_private=recipe.data.private))
    if repeated := [n for n, c in Counter(items.name for items in found).items() if c > 1]:
        raise RecipeError(
            f"evaluate.suites: two sets are called {repeated[0]}; the recipe's own test rows are "
            "called by their task; leave one out, or copy the suite and rename its set"
        )
    return tuple(found), digests


def require_limits(inputs: Inputs) -> None:
    """Refuse rows that do not keep to what the recipe states in ``data.limits``.

    Raises:
        DataError: They do not; the message lists every broken limit.
    """
    data = inputs.recipe.data
    if data.limits is not None:
        found = examine(inputs.prepared, data, seed=inputs.recipe.seed)
        limits.require_limits(found, data.limits)


def preprocess(
    recipe: Recipe,
    *,
    out: Path | None = None,
    offline: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
) -> Prepared:
    """Encode and check all rows ahead of training; no weight is loaded.

    Args:
        recipe: What is wanted.
        out: Folder of the run's folder, in which private rows are kept; ``runs`` by default.
        offline: Reach for no network.
        workers: Processes that encode rows beside this one.
        progress: Where to report.

    Raises:
        MedtuneError: The base or a row is not usable, or the rows are private and the run exists.
    """
    progress = progress or Silent()
    # Rows of patients lie inside the run: its folder is taken, and waits for the training.
    place = open_run(recipe.name, out, resume=False) if recipe.data.private else nullcontext(None)
    with place as run:
        found = _rows(recipe, run, offline=offline, workers=workers, progress=progress)
    for line in found.prepared.warnings():
        progress.say(line)
    return found.prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """All rows, and what they were encoded with."""

    located: LocatedBase
    tokenizer: Tokenizer
    template: ChatTemplate
    prepared: Prepared
    digests: dict[str, dict[str, str]]


def _rows(
    recipe: Recipe, run: Path | None, *, offline: bool, workers: int, progress: Progress
) -> _Rows:
    material = read_material(recipe.data, offline=offline)
    for note in material.notes:
        progress.say(note)
    located = models.locate_base(recipe.base, offline=offline, progress=progress)
    tokenizer = models.load_tokenizer(located)
    template = make_template(recipe.data.template, tokenizer)
    canaries = _canaries(recipe, run)
    key = make_key(
        recipe.name,
        material,
        recipe.data,
        template=template.digest,
        tokenizer=located.tokenizer_digest,
        seed=recipe.seed,
    )
    with _rows_folder(recipe, run) as parent:
        prepared = prepare(
            material,
            recipe.data,
            template,
            seed=recipe.seed,
            workshop=Workshop(
                key=key,
                parent=parent,
                workers=workers,
                is_one_of_several=training.is_distributed(),
            ),
            canaries=canaries,
            progress=progress,
        )
    return _Rows(
        located=located,
        tokenizer=tokenizer,
        template=template,
        prepared=prepared,
        digests=_data_digests(material, canaries),
    )


def _canaries(recipe: Recipe, run: Path | None) -> Planted | None:
    if recipe.data.canaries is None:
        return None
    if run is None:
        return draw_canaries(recipe.data.canaries)
    return take_canaries(recipe.data.canaries, run / CANARIES)


def _rows_folder(recipe: Recipe, run: Path | None) -> AbstractContextManager[Path]:
    """Where prepared rows are kept: in the cache, or, of patients, inside the run alone."""
    if not recipe.data.private:
        return nullcontext(cache_folder() / "prepared")
    return scratch_folder() if run is None else nullcontext(run / PRIVATE_ROWS)


def _data_digests(material: Material, canaries: Planted | None) -> dict[str, dict[str, str]]:
    secrets = {"canaries": {"file": CANARIES, "sha256": canaries.digest}} if canaries else {}
    return material.digests() | secrets


def load_base(
    section: Base, *, offline: bool = False, progress: Progress | None = None
) -> FrozenBase:
    """Find and load a base: a frozen transformers model and its tokenizer.

    Raises:
        BaseError: It cannot be found, fetched or loaded.
    """
    located = models.locate_base(section, offline=offline, progress=progress or Silent())
    return models.load_model(located, section, models.load_tokenizer(located))


def predict_memory(inputs: Inputs, *, runtime: int | None = None) -> training.Memory:
    """What the largest training step will need on this machine; nothing is loaded for it.

    ``runtime``: bytes that the process held before the base was loaded, where it is by now.
    """
    return training.predict(
        inputs.located,
        inputs.recipe,
        inputs.prepared.splits["train"].encoded,
        pad_id=inputs.pad_id,
        device=own_device(),
        seed=inputs.training_seed,
        num_steps=inputs.num_steps,
        runtime=runtime,
    )


def make_plan(inputs: Inputs) -> training.Plan:
    """How many steps and passes the run will take."""
    return training.plan(
        inputs.recipe.train,
        inputs.prepared.splits["train"].encoded,
        pad_id=inputs.pad_id,
        seed=inputs.training_seed,
    )


def least_seconds(inputs: Inputs, planned: training.Plan) -> float | None:
    """The least time that training can take on this machine; None where that is not known."""
    return training.least_seconds(inputs.located, inputs.recipe.base, planned, own_device())


def first_pass(inputs: Inputs) -> list[Encoded]:
    """The examples of the first forward pass of the first step."""
    section, rows = inputs.recipe.train, inputs.prepared.splits["train"].encoded
    passes = training.passes_of(section, inputs.pad_id)
    return training.passes_of_step(section, rows, passes, 1, inputs.training_seed)[0]


def _require_context(prepared: Prepared, located: LocatedBase) -> None:
    longest = max(max(part.lengths, default=0) for part in prepared.splits.values())
    if located.context_tokens is not None and longest > located.context_tokens:
        raise RecipeError(
            f"the longest row has {longest} tokens and {located.reference} reads "
            f"{located.context_tokens}; set data.max_tokens to that and data.on_overlength"
        )
