"""Recipe in, run directory out: the whole run on one screen.

    load recipe -> find base -> read and encode rows -> lock -> train -> export -> reload -> score
    -> probe

Everything that is measured is measured on the exported adapter, read back from disk and put on its
base; the base itself is that same model with the adapter disabled.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from peft import PeftModel

from medtune import models, provenance, seeds, training
from medtune.assess import PRIVATE_RESPONSES, Panel, answering, score_sets
from medtune.card import write_card
from medtune.data import Prepared, token_ids
from medtune.data.canaries import FILE_NAME as CANARIES
from medtune.digests import write_json
from medtune.errors import BaseError, DriftError, RecipeError, TrainingError
from medtune.evaluation.scores import training_arms
from medtune.evidence.probes import log_outcomes, write_probes
from medtune.evidence.scores import write_evaluation
from medtune.inputs import Inputs, gather, predict_memory, require_limits
from medtune.models import FrozenBase
from medtune.models.adapter import SCHEMA_VERSION
from medtune.models.inits import TAKES_FROM_BASE
from medtune.pairing import (
    REPEAT,
    answering_pairs,
    own_batch_size,
    probe_report,
    require_askable,
)
from medtune.probes.family import Family
from medtune.probes.suites import absent_sets, own_data, read_families
from medtune.recipe import Lock, Overrides, Probe, Recipe
from medtune.recipe import load as load_recipe
from medtune.recipe import lock as locks
from medtune.records import AdapterManifest, Evaluation, ProbeReport, Progress, ScoreReport, Silent
from medtune.report import write_report
from medtune.runs import FINISHED, is_finished, open_run, run_folder
from medtune.seeds import SeedRuns
from medtune.training import Trained
from medtune.training_rows import training_rows_of

NUM_CANARIES = 8
"""Prompts that the exported adapter must answer otherwise than its base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    path: Path
    recipe: Recipe
    adapter_digest: str
    trained: Trained
    effect: float | None = None
    """Largest divergence from the base on the canary prompts, in nats. Of processes that trained
    together only the first measures: None in the others."""
    evaluation: Evaluation | None = None
    """Of the recipe's own test rows and of its suites; None where there is neither, and in
    processes other than the first."""
    probes: ProbeReport | None = None
    """None: the recipe asks for none."""

    @property
    def adapter(self) -> Path:
        """The adapter's folder, in PEFT's format."""
        return self.path / "adapter"

    @property
    def scores(self) -> ScoreReport | None:
        """Of the first set: the recipe's own test rows, where its data has some."""
        return self.evaluation.reports[0] if self.evaluation else None


def train(
    recipe: Path | str | Recipe,
    overrides: Overrides = (),
    *,
    out: Path | str | None = None,
    resume: bool = False,
    offline: bool = False,
    allow_drift: bool = False,
    progress: Progress | None = None,
) -> Run | SeedRuns:
    """Train, export and score the adapter that a recipe describes.

    Args:
        recipe: A recipe file, the lock of an earlier run, or a recipe loaded before.
        overrides: ``{"train.max_steps": 40}`` or ``["train.max_steps=40"]``; only with a file.
        out: Folder in which the run's folder is made; ``runs`` in the working folder by default.
        resume: Continue an unfinished run from its last checkpoint.
        offline: Reach for no network.
        allow_drift: Go on although recipe, data, base or packages differ from what was recorded.
        progress: Where to report; nowhere by default.

    Returns:
        The run; of a recipe with several ``train.seeds``, all their runs with mean and standard
        deviation. Where such runs were stopped, ``resume`` keeps the finished ones.

    Raises:
        MedtuneError: See ``medtune.errors`` for which, and their exit codes.
    """
    recorded = None
    if isinstance(recipe, Recipe):
        if overrides:
            raise RecipeError("give overrides to load_recipe: this recipe is loaded already")
    else:
        recorded = locks.read(Path(recipe))
        recipe = load_recipe(recipe, overrides)
    progress = (progress if training.process_rank() == 0 else None) or Silent()
    with _take(recipe.name, Path(out) if out else None, resume=resume) as run:
        inputs = gather(recipe, run=run, offline=offline, progress=progress)
        require_limits(inputs)
        if resume and (run / locks.FILE_NAME).is_file():
            recorded = locks.read(run / locks.FILE_NAME)
        if recorded and not allow_drift:
            refuse_drift(recorded, inputs.lock)
        if recipe.train.seeds and len(recipe.train.seeds) > 1:
            return _train_seeds(inputs, recipe.train.seeds, run, progress)
        return _train_one(inputs, run, resumed=resume, progress=progress)


def _take(name: str, parent: Path | None, *, resume: bool) -> AbstractContextManager[Path]:
    """Take the run's folder; of processes that train together, the first does."""
    if training.process_rank() == 0:
        return open_run(name, parent, resume=resume)
    return nullcontext(run_folder(name, parent))


def _train_one(inputs: Inputs, run: Path, *, resumed: bool, progress: Progress) -> Run:
    started = provenance.now()
    recipe, is_first = inputs.recipe, training.process_rank() == 0
    # What cannot be asked is told before anything is trained.
    require_askable(_families(recipe.probe), inputs.prepared.encoder, inputs.located.context_tokens)
    held_before = training.resident_bytes()
    base = models.load_model(inputs.located, recipe.base, inputs.tokenizer)
    rows = inputs.prepared.splits["train"].encoded
    fresh = models.attach(
        base,
        recipe.adapter,
        seed=inputs.training_seed,
        rows=token_ids(rows),
    )
    passes = training.passes_of(recipe.train, inputs.pad_id)
    with training.pass_attention(fresh, passes):
        training.require_faithful(fresh, rows, passes)
    if is_first:
        # From here on the run has a name: all that the recipe could have got wrong is checked.
        inputs.lock.write(run)
        write_json(run / "data.json", inputs.prepared.account())
    with training.open_engine(base.device) as engine:
        training.require_equal(engine, "recipe, rows, base or package", inputs.lock.digest)
        trained = _train(inputs, fresh, run, progress, engine, held_before)
        digest = engine.from_first("adapter digest", lambda: _export(inputs, fresh, trained, run))
    result = Run(path=run, recipe=recipe, adapter_digest=digest, trained=trained)
    if is_first:
        num_weights = _num_weights(fresh)
        # What is measured is the file on its untouched base, not what is still in memory.
        if recipe.adapter.init in TAKES_FROM_BASE:
            # Both names go first, so that the changed base is not in memory beside the new one.
            del fresh, base
            base = models.load_model(inputs.located, recipe.base, inputs.tokenizer)
        else:
            fresh.unload()
        result = _measure(result, inputs, base, num_weights, progress)
        record = _provenance(result, inputs, started, resumed=resumed)
        write_report(run, record)
        write_json(run / FINISHED, record)
    return result


def _train_seeds(
    inputs: Inputs, chosen: Sequence[int], folder: Path, progress: Progress
) -> SeedRuns:
    """One whole run for each seed; those that are finished are kept."""
    if training.is_distributed():
        raise RecipeError(
            "train.seeds: several seeds are several runs; with several processes start one run for "
            "each (train.seeds=[1] name=...)"
        )
    inputs.lock.write(folder)
    try:
        for seed in chosen:
            path = folder / seeds.folder_name(seed)
            if is_finished(path):
                progress.say(f"seed {seed}: {path} is finished and kept")
                continue
            progress.say(f"seed {seed}: {path}")
            recipe, begun = seeds.for_seed(inputs.recipe, seed), path.exists()
            prepared = replace(
                inputs.prepared, text_files=tuple(f"../{f}" for f in inputs.prepared.text_files)
            )
            lock = replace(inputs.lock, recipe=recipe)
            one = replace(inputs, recipe=recipe, lock=lock, prepared=prepared)
            with open_run(recipe.name, folder, resume=begun) as run:
                _train_one(one, run, resumed=begun, progress=progress)
    finally:
        # As with a single run: one that failed before it wrote anything takes no name.
        if not any((folder / seeds.folder_name(seed)).exists() for seed in chosen):
            (folder / locks.FILE_NAME).unlink()
    return seeds.collect(folder, chosen)


def refuse_drift(recorded: Lock, now: Lock) -> None:
    """Refuse to mix results of two conditions.

    Raises:
        DriftError: Something that can change results differs; the message lists it.
    """
    differences = locks.drift(recorded, now)
    if differences:
        listed = "\n".join(f"  {line}" for line in differences)
        if recorded.resolved.data.get("canaries") != now.resolved.data.get("canaries"):
            listed += (
                f"\nNew secrets are drawn for every run: data.canaries.file={CANARIES} of the "
                "recorded run, with its folder before it, plants the same"
            )
        raise DriftError(
            f"the conditions differ from the recorded ones:\n{listed}\n"
            "Restore them, start a run under a new name, or accept it with --allow-drift"
        )


def _train(
    inputs: Inputs,
    model: PeftModel,
    run: Path,
    progress: Progress,
    engine: training.Engine,
    held_before: int,
) -> Trained:
    try:
        return training.fit(
            model,
            inputs.prepared,
            inputs.recipe.train,
            seed=inputs.training_seed,
            pad_id=inputs.pad_id,
            run=run,
            progress=progress,
            engine=engine,
        )
    except (RuntimeError, MemoryError) as error:
        if not training.is_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
    # Not in the block above: the failed step's tensors live as long as its error does.
    try:
        expected = predict_memory(inputs, runtime=held_before)
    except BaseError as error:
        raise TrainingError(f"memory was not enough: {reason} ({error})") from error
    raise TrainingError(training.too_much(expected, inputs.recipe, reason))


def _export(inputs: Inputs, model: PeftModel, trained: Trained, run: Path) -> str:
    """Write the adapter's folder; returns its digest."""
    manifest = AdapterManifest(
        schema_version=SCHEMA_VERSION,
        base=inputs.located.reference,
        base_revision=inputs.located.revision,
        base_digest=inputs.located.digest,
        template=inputs.template.name,
        template_digest=inputs.template.digest,
        tokenizer_digest=inputs.located.tokenizer_digest,
        stop_token=inputs.template.stop_token,
        stop_token_id=inputs.template.stop_token_id,
        pad_token_id=inputs.pad_id,
        quantization=inputs.recipe.base.quantization,
        step=trained.step,
        init=inputs.recipe.adapter.init,
    )
    folder = run / "adapter"
    return models.export(
        model, trained.state, manifest, inputs.tokenizer, inputs.template.source, folder
    )


def _measure(
    result: Run,
    inputs: Inputs,
    base: FrozenBase,
    num_weights: dict[str, int],
    progress: Progress,
) -> Run:
    """Reload the export, show that it does something, score it, and write all that is known."""
    model = models.load_adapter(base, result.adapter)
    if inputs.recipe.adapter.init in TAKES_FROM_BASE:
        result = replace(result, trained=_measured_again(result.trained, model, inputs))
    effect = models.require_effect(model, _canaries(inputs.prepared))
    panel = _panel(model, base, result.adapter_digest, inputs)
    evaluation = _score(panel, inputs, result.path, progress)
    probes = _probe(panel, inputs, result.path, progress)
    result = replace(result, effect=effect, evaluation=evaluation, probes=probes)
    write_card(
        result.adapter,
        recipe=inputs.recipe,
        manifest=models.read_manifest(result.adapter),
        digest=result.adapter_digest,
        data=inputs.prepared.account(),
        evaluation=evaluation,
    )
    write_json(result.path / "train.json", _train_record(result, num_weights))
    return result


def _num_weights(model: PeftModel) -> dict[str, int]:
    return {
        "trainable": sum(w.numel() for w in model.parameters() if w.requires_grad),
        "total": sum(w.numel() for w in model.parameters()),
    }


def _provenance(result: Run, inputs: Inputs, started: str, *, resumed: bool) -> dict[str, Any]:
    return {
        "started": started,
        "finished": provenance.now(),
        "resumed": resumed,
        "base_digest": inputs.located.digest,
        "adapter_digest": result.adapter_digest,
        "packages": provenance.packages(),
        "machine": provenance.machine(),
    }


def _measured_again(trained: Trained, model: PeftModel, inputs: Inputs) -> Trained:
    """The exported adapter's own validation loss: its base was not rounded as the trained one's."""
    validation = inputs.prepared.splits["validation"].encoded
    if not validation:
        return trained
    passes = training.passes_of(inputs.recipe.train, inputs.pad_id)
    with training.pass_attention(model, passes):
        loss = training.mean_loss(model, validation, passes, training.SingleProcess())
    return replace(trained, validation_loss=loss)


def _canaries(prepared: Prepared) -> Sequence[Sequence[int]]:
    examples = prepared.splits["train"].examples[:NUM_CANARIES]
    return [prepared.encoder.prompt(example.prompt) for example in examples]


def _panel(model: PeftModel, base: FrozenBase, digest: str, inputs: Inputs) -> Panel:
    return Panel(
        model=model,
        base=base,
        adapter_digest=digest,
        encoder=inputs.prepared.encoder,
        pad_id=inputs.pad_id,
        batch_size=inputs.recipe.evaluate.batch_size,
    )


def _score(panel: Panel, inputs: Inputs, run: Path, progress: Progress) -> Evaluation | None:
    """Score base and adapter and write ``scores.json`` and ``items.jsonl``."""
    if not inputs.item_sets:
        progress.say("the data has no test rows: nothing is scored (see data.test_fraction)")
        return None
    recipe = inputs.recipe
    with answering(panel, run / PRIVATE_RESPONSES) as engines:
        reports = score_sets(
            inputs.examiner,
            inputs.item_sets,
            lambda items: training_arms(items, recipe.evaluate, recipe.seed),
            engines,
            inputs.prepared.splits["train"].examples,
            progress,
        )
    evaluation = Evaluation(suite=recipe.name, conditions=panel.conditions(), reports=reports)
    write_evaluation(evaluation, run)
    return evaluation


def _families(section: Probe) -> list[Family]:
    if section.suite == "none":
        return []
    return read_families(
        section.suite, probes=section.probes, folders=[Path(f) for f in section.folders],
        data=own_data(), limit=section.limit,
    )  # fmt: skip


def _probe(panel: Panel, inputs: Inputs, run: Path, progress: Progress) -> ProbeReport | None:
    """Probe base and adapter and write ``probes.json`` and ``outcomes.jsonl``."""
    section = inputs.recipe.probe
    if section.suite == "none":
        return None
    families = _families(section)
    batch_size = section.batch_size or own_batch_size()
    settings = {
        "suite": section.suite,
        "batch_size": batch_size,
        "repeat": REPEAT[section.suite],
        "limit": section.limit,
    }
    panel = replace(panel, batch_size=batch_size)
    rows = training_rows_of(inputs, run)
    data = own_data()
    with answering_pairs(panel, run, is_private=inputs.recipe.data.private) as arms:
        report = probe_report(
            panel, families, rows, settings, arms, log=log_outcomes(run),
            absent=absent_sets(section.suite, section.probes, data), data=data, progress=progress,
        )  # fmt: skip
        write_probes(report, run)
    return report


def _train_record(result: Run, num_weights: dict[str, int]) -> dict[str, Any]:
    trained, position = result.trained, result.trained.position
    return {
        "adapter_digest": result.adapter_digest,
        "effect_nats": result.effect,
        "exported_step": trained.step,
        "last_step": position.step,
        "num_steps": trained.num_steps,
        "validation_loss": trained.validation_loss,
        "tokens": position.tokens,
        "supervised_tokens": position.supervised_tokens,
        "seconds": position.seconds,
        "tokens_per_second": position.tokens / position.seconds if position.seconds else None,
        "weights": num_weights,
    }
