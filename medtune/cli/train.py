"""``medtune train``."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from medtune.cli.arguments import OfflineOption, OverridesArgument, RecipeArgument
from medtune.cli.outcomes import FAULTS, make_console, print_probes
from medtune.cli.progress import make_progress
from medtune.cli.scores import print_reports
from medtune.cli.start import start
from medtune.errors import BaseError
from medtune.evidence.probes import PROBES, read_probes
from medtune.metrics import METRICS
from medtune.records import Spread
from medtune.seeds import SeedRuns

if TYPE_CHECKING:
    from medtune.inputs import Inputs
    from medtune.pipeline import Run


DRY_RUN = "Nothing was trained, and no run was begun: this was a dry run."


def train(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check base, rows and masks, say what would be done, stop."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an unfinished run from its last checkpoint.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run's folder.", show_default="runs")
    ] = None,
    offline: OfflineOption = False,
    allow_drift: Annotated[
        bool,
        typer.Option("--allow-drift", help="Resume or repeat although conditions have changed."),
    ] = False,
) -> None:
    """Train the adapter that a recipe describes, and score it against its base.

    The run's folder then holds the adapter in PEFT's format, scores item by item, and the lock
    that repeats it. Exit code 5: the recipe's probes were asked, and cannot be relied on.
    """
    checked = start(recipe, overrides, offline=offline)
    from medtune import inputs, pipeline

    progress = make_progress()
    if dry_run:
        found = inputs.gather(checked, offline=offline, progress=progress)
        _print_inputs(found)
        inputs.require_limits(found)
        try:
            told = f"memory of a training step\n{inputs.predict_memory(found).table()}"
        except BaseError as error:
            told = str(error)
        sys.stdout.write(f"{told}\n{DRY_RUN}\n")
        return
    run = pipeline.train(
        recipe,
        overrides or [],
        out=out,
        resume=resume,
        offline=offline,
        allow_drift=allow_drift,
        progress=progress,
    )
    if isinstance(run, SeedRuns):
        _print_seeds(run)
        reports = [read_probes(one.path) for one in run.runs if (one.path / PROBES).is_file()]
    elif run.effect is not None:  # of processes that train together, the first tells
        _print_run(run)
        reports = [run.probes] if run.probes else []
    else:
        return
    for report in reports:
        print_probes(make_console(), report)
    if any(report.integrity.faults for report in reports):
        raise typer.Exit(FAULTS)


def _print_inputs(inputs: "Inputs") -> None:
    prepared = inputs.prepared
    template = inputs.template
    lines = [
        f"recipe      {inputs.recipe.name}",
        f"base        {inputs.located.reference}, digest {inputs.located.digest}",
        f"template    {template.name}, answers end with {template.stop_token}",
    ]
    for split, part in prepared.splits.items():
        tokens = sum(part.lengths)
        lines.append(
            f"{split:<12}{len(part.encoded)} rows, {tokens} tokens, "
            f"{part.num_supervised} supervised, "
            f"{len(part.dropped)} dropped, {len(part.truncated)} cut"
        )
    lines.append(f"steps       {inputs.num_steps} of {inputs.recipe.train.batch_size} examples")
    sys.stdout.write("\n".join(lines) + "\n")


def _print_run(run: "Run") -> None:
    console = Console(highlight=False)
    if run.evaluation is not None:
        print_reports(console, run.evaluation.reports)
    trained = run.trained
    loss = "" if trained.validation_loss is None else (
        f", validation loss {trained.validation_loss:.4f} nats per token"
    )  # fmt: skip
    console.print(f"adapter of step {trained.step} of {trained.num_steps}{loss}")
    console.print(f"adapter digest {run.adapter_digest}", soft_wrap=True)
    console.print(f"the run is in {run.path}", soft_wrap=True)


def _print_seeds(found: SeedRuns) -> None:
    console = Console(highlight=False)
    for number, run in enumerate(found.runs):
        figures = [f"{arm.arm} {METRICS[arm.metric].figure(arm.score.values[number])}"
                   for arm in found.arms if not arm.few_shot]  # fmt: skip
        if run.validation_loss is not None:
            figures.append(f"validation loss {run.validation_loss:.4f} nats per token")
        figures.append(f"digest {run.adapter_digest}")
        console.print(f"seed {run.seed}: {', '.join(figures)}", soft_wrap=True)
    for arm in found.arms:
        metric = METRICS[arm.metric]
        mean = _mean(metric.number, arm.score)
        console.print(f"{arm.arm}, {arm.few_shot} examples in prompt: {metric.label} {mean}")
    if found.validation_loss is not None:
        console.print(f"validation loss {_mean('{:.4f}'.format, found.validation_loss)}")
    console.print("mean ± sample standard deviation over the training seeds")
    console.print(f"the runs are in {found.path}", soft_wrap=True)


def _mean(shown: Callable[[float], str], spread: Spread) -> str:
    return f"{shown(spread.mean)} ± {shown(spread.sd)}"
