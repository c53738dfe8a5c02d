"""How the training went: loss and learning rate, step by step."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from medtune.pages import Html, Trace, curves, details, facts, heading, paragraph, table
from medtune.report.files import RunFiles, TrainRecord

MOST_POINTS = 400
"""Of a curve; of more steps means are drawn."""
MOST_STEPS = 200
"""Of the table of steps."""
Log = Sequence[Mapping[str, float]]


def training_section(files: RunFiles) -> Iterator[Html]:
    """Figures and curves of the training."""
    if not files.is_of_training:
        return
    yield heading("Training")
    if files.train is None:
        yield paragraph(
            "train.json is not there: the run was stopped, or is not finished; medtune train "
            "--resume goes on with it."
        )
    else:
        yield facts(_facts(files.train))
    if not files.log:
        missing = "is not there" if files.log is None else "has no step"
        yield paragraph(
            f"log.jsonl {missing}: the run ended before its first step, or the file was taken away."
        )
        return
    yield from _curves(files.log, files.train)


def _facts(train: TrainRecord) -> Iterator[tuple[str, str]]:
    best = "" if train.validation_loss is None else (
        f", validation loss {train.validation_loss:.4f} nats per token"
    )  # fmt: skip
    yield "exported", f"step {train.exported_step}{best}"
    stopped = "" if train.last_step == train.num_steps else ", stopped early"
    yield "steps", f"{train.last_step} of {train.num_steps}{stopped}"
    yield (
        "tokens",
        f"{train.tokens:,} read, {train.supervised_tokens:,} of them with loss",
    )
    yield "time", f"{_duration(train.seconds)} in training steps and validation"
    if {"trainable", "total"} <= set(train.weights):
        trained, total = train.weights["trainable"], train.weights["total"]
        yield "weights", f"{trained:,} trained of {total:,} ({trained / max(total, 1):.2%})"
    if train.effect_nats is not None:
        yield (
            "effect",
            f"up to {train.effect_nats:.3g} nats from the base on training prompts: the exported "
            "adapter does something",
        )


def _duration(seconds: float) -> str:
    for name, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"


def _curves(log: Log, train: TrainRecord | None) -> Iterator[Html]:
    loss, width = _thinned(log, "loss")
    rate, _ = _thinned(log, "learning_rate")
    name = "training" if width == 1 else f"training (means of {width} steps)"
    traces = [Trace(name=name, points=loss)]
    measured = [
        (step["step"], step["validation_loss"]) for step in log if "validation_loss" in step
    ]
    if measured:
        traces.append(Trace(name="validation", points=measured, is_dashed=True))
    marked = (float(train.exported_step), f"exported: {train.exported_step}") if train else None
    yield curves("Loss, nats per token", traces, across="step", marked=marked)
    if not measured:
        yield paragraph("No validation loss was measured: there were no validation rows.")
    yield curves("Learning rate", [Trace(name="", points=rate)], across="step", marked=marked)
    yield _table(log)


def _thinned(log: Log, name: str) -> tuple[list[tuple[float, float]], int]:
    """The curve's points, each the mean of so many steps, at the last of them."""
    width = -(-len(log) // MOST_POINTS)
    pieces = [log[start : start + width] for start in range(0, len(log), width)]
    return [(piece[-1]["step"], fmean(step[name] for step in piece)) for piece in pieces], width


def _table(log: Log) -> Html:
    """The steps as numbers: those that were validated, and some between them."""
    every = -(-len(log) // 20)
    chosen = [
        step
        for number, step in enumerate(log, 1)
        if number in (1, len(log)) or number % every == 0 or "validation_loss" in step
    ]
    rows = [
        (
            f"{step['step']:g}",
            f"{step['loss']:.4f}",
            f"{step['validation_loss']:.4f}" if "validation_loss" in step else "",
            f"{step['learning_rate']:.3g}",
            f"{step['grad_norm']:.3g}" if "grad_norm" in step else "",
        )
        for step in chosen[:MOST_STEPS]
    ]
    columns = ("step", "loss", "validation loss", "learning rate", "gradient norm")
    limit = f", first {MOST_STEPS} of {len(chosen)}" if len(chosen) > MOST_STEPS else ""
    return details(
        f"The curves as numbers ({len(chosen)} of {len(log)} steps{limit})",
        table(columns, rows, numbers=range(5)),
    )
