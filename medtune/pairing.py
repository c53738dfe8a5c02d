"""One model in memory, its adapter switched on and off, on families of probes.

training rows and weights -> outcomes of both arms, family by family -> privacy -> figures
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from medtune.assess import Panel, answering
from medtune.data import Encoder
from medtune.probes.family import Family
from medtune.probes.figures import CALIBRATED, calibration, forgetting, general_text
from medtune.probes.integrity import find_overlap, integrity, largest_update, weights_digest
from medtune.probes.privacy import Examiner, Found, untested
from medtune.probes.running import Arms, Asker, Effect, largest_effect, require_fit
from medtune.probes.summaries import coherence_result, read_with, summarise
from medtune.probes.texts import text_judge
from medtune.records import Figure, PairedOutcome, ProbeReport, ProbeResult, Progress
from medtune.scoring import LocalEngine
from medtune.training_rows import TrainingRows

PRIVATE_PAIRS = ".probe_responses"
"""Folder of kept answers to probes in a run whose rows are private."""
PRIVACY_SEED = 17
"""Of which rows and which made-up secrets are taken."""
REPEAT = {"quick": 24, "full": 64, "confirm": 64}
"""Items of each family that the base is asked again."""


def own_batch_size() -> int:
    """Sequences in a forward pass where nobody says otherwise."""
    return 16 if torch.cuda.is_available() else 4


@contextmanager
def answering_pairs(panel: Panel, run: Path, *, is_private: bool) -> Iterator[Arms]:
    """Both arms, whose answers are kept for the next adapter and the next try.

    Args:
        panel: An adapter and the base below it, in memory.
        run: Folder of the results.
        is_private: The adapter learned rows of patients, and its answers may hold them: they stay
            in the folder and go with the block, unless an exception ends it. The base's are kept.
    """
    # In a folder of its own: scores of the same run remove theirs.
    with answering(panel, run / PRIVATE_PAIRS) as engines:
        again = _live(panel, is_adapter_on=False)
        yield Arms(
            base=engines(False)["base"],
            adapter=engines(is_private)["adapter"],
            again=again,
            keeps_texts=not is_private,
        )


def require_askable(
    families: Sequence[Family], encoder: Encoder, context_tokens: int | None
) -> None:
    """See that all can be asked, before anything is; None: how much the base reads is not known.

    Raises:
        EvaluationError: An item with its answer is longer than the base reads.
        RecipeError: An item names a rule that its family does not have.
    """
    for family in families:
        text_judge(family)
        require_fit(family, encoder, context_tokens)


def probe_report(
    panel: Panel,
    families: Sequence[Family],
    rows: TrainingRows | None,
    settings: Mapping[str, Any],
    arms: Arms,
    *,
    log: Callable[[Sequence[PairedOutcome]], None],
    unknown: str = "",
    absent: Sequence[str] = (),
    data: Path | None,
    progress: Progress,
) -> ProbeReport:
    """Ask both arms everything, and look whether what they answer can be relied on.

    Args:
        panel: An adapter and the base below it, in memory.
        families: What is asked.
        rows: What the adapter was trained on; None: not known.
        settings: suite, repeat, limit and batch_size.
        arms: Who answers.
        log: Takes the outcomes of each family as soon as it was asked.
        unknown: Why the rows are not known.
        absent: What was asked for and is not there, in words.
        data: Where general text lies; None: nowhere.
        progress: Where to report.
    """
    overlap, overlap_note = None, unknown
    if rows is not None:
        overlap, overlap_note = find_overlap(families, rows.train)
    before = weights_digest(panel.model)
    asker = Asker(encoder=panel.encoder, repeat=settings["repeat"], keeps_texts=arms.keeps_texts)
    effects, outcomes, results = list[Effect](), list[PairedOutcome](), list[ProbeResult]()
    figures, not_tested = list[Figure](), list(absent)
    for family in families:
        pairs, moved = asker.pairs(family, arms, text_judge(family), progress)
        effects.append(moved)
        outcomes += pairs
        log(pairs)
        results.append(summarise(family, pairs))
        if family.name in CALIBRATED:
            figures += calibration(family, arms, panel.encoder, progress)
    forgotten = _forgetting(panel, arms, settings, data, progress)
    for found in chain(_privacy(panel, rows, settings, progress), forgotten):
        figures += found.figures
        not_tested += found.not_tested
        for family, private in found.probes:
            outcomes += private
            results.append(summarise(family, private))
    is_complete = all(family.total is None for family in families)
    coherence = coherence_result(outcomes, is_complete=is_complete)
    return ProbeReport(
        suite=settings["suite"],
        base_conditions=panel.conditions("base"),
        adapter_conditions=panel.conditions("adapter"),
        settings=dict(settings),
        integrity=integrity(
            before=before,
            after=weights_digest(panel.model),
            effect=largest_effect(effects),
            update=largest_update(panel.model),
            overlap=overlap,
            overlap_note=overlap_note,
        ),
        coherence=coherence,
        results=tuple(read_with(coherence, results, families)),
        figures=tuple(figures),
        not_tested=tuple(not_tested),
        outcomes=tuple(outcomes),
    )


def _privacy(
    panel: Panel, rows: TrainingRows | None, settings: Mapping[str, Any], progress: Progress
) -> Iterator[Found]:
    """What the adapter tells of its training rows; secrets always, the rest in a full suite."""
    if settings["suite"] == "confirm":
        yield untested("memorisation: sealed items are asked alone")
        return
    if rows is None:
        yield untested("memorisation: the training rows are not known")
        return
    examiner = Examiner(
        base=_live(panel, is_adapter_on=False),
        adapter=_live(panel, is_adapter_on=True),
        encoder=panel.encoder,
        seed=PRIVACY_SEED,
    )
    if rows.canaries is None:
        yield untested("memorisation of secrets: no canaries were planted (data.canaries)")
    else:
        yield examiner.canaries(rows.canaries, progress)
    if settings["suite"] != "full":
        yield untested("membership and verbatim extraction: a full suite asks them")
        return
    yield examiner.membership(rows.own, rows.held_out, progress)
    yield examiner.verbatim(rows.train, progress)


def _forgetting(
    panel: Panel, arms: Arms, settings: Mapping[str, Any], data: Path | None, progress: Progress
) -> Iterator[Found]:
    """How much worse general text is predicted, in a full suite."""
    if settings["suite"] != "full":
        yield untested("forgetting of general text: a full suite asks it")
        return
    file = general_text(data)
    if file is None:
        yield untested("forgetting of general text: there is none below the data folder")
        return
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = f"{file.name} cannot be read as UTF-8 text ({type(error).__name__})"
        yield untested(f"forgetting of general text: {why}")
        return
    context = panel.base.located.context_tokens
    figure = forgetting(text, arms, panel.encoder, context, progress)
    if figure is None:
        yield untested(f"forgetting of general text: this base reads no piece of {file.name}")
    else:
        yield Found(probes=(), figures=(figure,), not_tested=())


def _live(panel: Panel, *, is_adapter_on: bool) -> LocalEngine:
    """An arm that keeps no answer and takes none that was kept."""
    return LocalEngine(
        panel.model,
        panel.conditions("adapter" if is_adapter_on else "base"),
        is_adapter_on=is_adapter_on,
        decode=panel.encoder.decode,
        batch_size=panel.batch_size,
        pad_id=panel.pad_id,
    )
