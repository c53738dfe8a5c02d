"""Figures beside outcomes: what was forgotten of general text, and how sure answers are.

Both arms are asked the same; differences are paired, adapter minus base, with their intervals.
"""

from collections.abc import Sequence
from math import exp, isfinite, log
from pathlib import Path
from statistics import fmean

from medtune.data import Encoder
from medtune.data.pieces import cut_text
from medtune.probes.asking import questions
from medtune.probes.family import Family
from medtune.probes.items import Contrast
from medtune.probes.running import Arms
from medtune.records import Bounded, Figure, Progress
from medtune.scoring import Question
from medtune.stats import NamedInterval, brier, expected_calibration_error
from medtune.stats.intervals import loss_interval, weighted_interval

CALIBRATED = ("pubmedqa_maybe", "mmlu_general")
"""Families whose answers are all options of a question, so that they have probabilities."""
GENERAL_TEXT = "gap/replay/wikitext2_valid.txt"
MAX_PIECES = 100


def general_text(data: Path | None) -> Path | None:
    """The file of general text below the data folder; None: there is none."""
    file = data / GENERAL_TEXT if data else None
    return file if file and file.is_file() else None


def forgetting(
    text: str, arms: Arms, encoder: Encoder, context_tokens: int | None, progress: Progress
) -> Figure | None:
    """Bits per byte of general text, on the first MAX_PIECES pieces that the base can read.

    None where there is no such piece.
    """
    pieces = []
    for piece in cut_text(text):
        ids = (*encoder.beginning, *encoder.text(piece))
        if len(ids) > 1 and (context_tokens is None or len(ids) <= context_tokens):
            pieces.append((len(piece.encode()), Question(prompt=ids[:1], continuations=(ids[1:],))))
    pieces = pieces[:MAX_PIECES]
    if not pieces:
        return None
    asked = [question for _, question in pieces]
    sizes = [float(size) for size, _ in pieces]
    bits = {}
    for name, engine in (("base", arms.base), ("adapter", arms.adapter)):
        step = f"general text: {name}"
        found = engine.weigh(asked, step=step, progress=progress)
        bits[name] = [
            -weights[0].log_likelihood / log(2) / size
            for weights, size in zip(found, sizes, strict=True)
        ]
    changes = [one - other for one, other in zip(bits["adapter"], bits["base"], strict=True)]
    groups = [str(number) for number in range(len(changes))]

    def mean(values: Sequence[float]) -> float:
        return sum(v * size for v, size in zip(values, sizes, strict=True)) / sum(sizes)

    return Figure(
        probe="general_text",
        name="bits per byte",
        base=mean(bits["base"]),
        adapter=mean(bits["adapter"]),
        difference=bounded(mean(changes), weighted_interval(changes, groups, sizes)),
        unit="bits per byte",
        num_items=len(pieces),
    )


def calibration(
    family: Family, arms: Arms, encoder: Encoder, progress: Progress
) -> tuple[Figure, ...]:
    """Brier score, paired, and expected calibration error of both arms.

    The same questions as the outcomes', in the same batches: answers that were kept are taken.
    """
    items = [item for item in family.items if isinstance(item, Contrast)]
    asked = [question for item in items for question in questions(item, encoder)]
    scores, errors = {}, {}
    for name, engine in (("base", arms.base), ("adapter", arms.adapter)):
        found = engine.weigh(asked, step=f"{family.name}: {name}, sureness", progress=progress)
        chances = [_chances([weight.log_likelihood for weight in several]) for several in found]
        width = max(map(len, chances))
        filled = [chance + [0.0] * (width - len(chance)) for chance in chances]
        scores[name] = [float(score) for score in brier(filled, [0] * len(filled))]
        errors[name] = expected_calibration_error(
            [max(chance) for chance in chances],
            [float(chance[0] == max(chance)) for chance in chances],
        )
    changes = [one - other for one, other in zip(scores["adapter"], scores["base"], strict=True)]
    brier_figure = Figure(
        probe=family.name,
        name="Brier score",
        base=fmean(scores["base"]),
        adapter=fmean(scores["adapter"]),
        difference=bounded(
            fmean(changes), loss_interval(changes, [item.cluster for item in items])
        ),
        unit="(0 to 2)",
        num_items=len(items),
    )
    error_figure = Figure(
        probe=family.name,
        name="expected calibration error",
        base=errors["base"],
        adapter=errors["adapter"],
        difference=None,
        unit="(0 to 1)",
        num_items=len(items),
    )
    return brier_figure, error_figure


def bounded(value: float, interval: NamedInterval) -> Bounded | None:
    """A difference with its interval; None where one group alone shows no spread."""
    if not (isfinite(interval.low) and isfinite(interval.high)):
        return None
    return Bounded(value=value, interval=(interval.low, interval.high), method=interval.method)


def _chances(log_likelihoods: Sequence[float]) -> list[float]:
    """Probabilities of answers, of which one has to be; the first is the safe one."""
    largest = max(log_likelihoods)
    shares = [exp(value - largest) for value in log_likelihoods]
    return [share / sum(shares) for share in shares]
