"""All that a run starts from: the base found, the rows read and encoded, the lock written down.

Nothing here loads a weight or writes a file, so that what a recipe gets wrong is said at once.
"""

from dataclasses import dataclass

from medtune import models, provenance, training
from medtune.data import ChatTemplate, Encoded, Prepared, choose_pad_id, make_template, prepare
from medtune.errors import RecipeError
from medtune.evaluation import require_prompts_fit
from medtune.models import FrozenBase, LocatedBase
from medtune.models.loading import Tokenizer, own_device
from medtune.recipe import Base, Lock, Recipe, Resolved
from medtune.records import Progress, Silent
from medtune.tasks import read_task


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that a run starts from, resolved and checked, before any weight is loaded."""

    recipe: Recipe
    located: LocatedBase
    tokenizer: Tokenizer
    template: ChatTemplate
    pad_id: int
    prepared: Prepared
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


def gather(recipe: Recipe, *, offline: bool = False, progress: Progress | None = None) -> Inputs:
    """Find the base, read and encode all rows; nothing is written and no weight is loaded.

    Raises:
        MedtuneError: The base or a row is not usable.
    """
    progress = progress or Silent()
    rows = read_task(recipe.data, offline=offline)
    located = models.locate_base(recipe.base, offline=offline, progress=progress)
    tokenizer = models.load_tokenizer(located)
    template = make_template(recipe.data.template, tokenizer)
    prepared = prepare(rows, recipe.data, template, seed=recipe.seed, progress=progress)
    _require_context(prepared, located)
    if recipe.train.patience and not prepared.splits["validation"].encoded:
        raise RecipeError(
            "train.patience stops by the validation loss, and there are no validation rows; set "
            "data.validation_fraction, or remove train.patience"
        )
    require_prompts_fit(
        prepared, recipe.evaluate, seed=recipe.seed, context_tokens=located.context_tokens
    )
    stops = frozenset({template.stop_token_id, tokenizer.eos_token_id})
    lock = Lock(
        recipe=recipe,
        resolved=Resolved(
            base={
                "reference": located.reference,
                "revision": located.revision,
                "digest": located.digest,
            },
            data={
                split: {"file": file.file, "sha256": file.sha256}
                for split, file in rows.files.items()
            },
            template=template.digest,
            tokenizer=located.tokenizer_digest,
            packages=provenance.packages(),
        ),
    )
    for split, ids in prepared.prompts_also_in_train().items():
        if ids:
            progress.say(
                f"{len(ids)} {split} rows have a prompt that is also in training (data.json "
                "names them): scores on them show memory"
            )
    return Inputs(
        recipe=recipe,
        located=located,
        tokenizer=tokenizer,
        template=template,
        pad_id=choose_pad_id(tokenizer, stops),
        prepared=prepared,
        lock=lock,
    )


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
    longest = max(len(e) for part in prepared.splits.values() for e in part.encoded)
    if located.context_tokens is not None and longest > located.context_tokens:
        raise RecipeError(
            f"the longest row has {longest} tokens and {located.reference} reads "
            f"{located.context_tokens}; set data.max_tokens to that and data.on_overlength"
        )
