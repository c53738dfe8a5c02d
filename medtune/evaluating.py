"""A base or an adapter on suites: results in a folder of their own, which can be taken up again.

find base and adapter -> read the suites' rows -> take a folder -> load -> ask -> write

runs/<run>/eval/<name>/                    of an adapter in its run
runs/<base or adapter>/eval/<name>/        of any other
evaluation.json    under which conditions this was begun
scores.json, items.jsonl, provenance.json
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from medtune import models, provenance
from medtune.assess import PRIVATE_RESPONSES, Panel, answering, score_sets
from medtune.data import Encoder
from medtune.digests import write_json
from medtune.evaluation.items import ItemSet, suite_items
from medtune.evaluation.prompt_file import load_prompts
from medtune.evaluation.scores import Arm, Examiner, evaluation_arms
from medtune.evaluation.sets import read_set
from medtune.evaluation.suites import Suite, load_suite
from medtune.evidence.scores import write_evaluation
from medtune.recipe import Evaluate, lock
from medtune.records import Evaluation, Progress, Silent
from medtune.report import write_report
from medtune.runs import DEFAULT_PARENT, FINISHED, begin, open_run
from medtune.subject import Subject, TemplateName, find_subject
from medtune.training_rows import is_of_patients, read_training_rows

BEGUN = "evaluation.json"
DEFAULT_SEED = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A finished evaluation."""

    path: Path
    evaluation: Evaluation


def evaluate(
    subject: str | Path,
    suite: str | Path,
    section: Evaluate | None = None,
    *,
    base: str | None = None,
    dtype: Literal["bfloat16", "float32"] | None = None,
    quantization: Literal["none", "nf4", "int8"] | None = None,
    template: TemplateName = "auto",
    data: str | Path | None = None,
    seed: int | None = None,
    name: str | None = None,
    out: Path | str | None = None,
    private: bool = False,
    resume: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> Evaluated:
    """Score a base, or an adapter and its base, on a suite.

    Args:
        subject: A run or an adapter's folder; or a base: an alias, a hub id, or a path.
        suite: The name of a suite, or a file of your own.
        section: How to ask: protocol, examples, limits.
        base: An adapter's base, where neither the run nor the adapter tells where it is.
        dtype: Precision; None: that of the run, or bfloat16.
        quantization: None: that of the adapter's training, or none.
        template: For a bare base; auto: its tokenizer's own, or else ``plain``.
        data: Folder of the suite's rows; None: as the suite says, or below $MEDTUNE_DATA.
        seed: Of draws; None: the run's, or 17.
        name: Of the folder of results; None: suite and protocol.
        out: Folder in which the subject's folder is; the run's own, or ``runs`` by default.
        private: The adapter learned rows of patients, and what it writes is kept nowhere. Its own
            run says so (data.private); this is for an adapter outside of it.
        resume: Continue one that was stopped; items that were answered are not asked again.
        offline: Reach for no network.
        progress: Where to report.

    Raises:
        MedtuneError: See ``medtune.errors`` for which, and their exit codes.
    """
    progress, section = progress or Silent(), section or Evaluate()
    loaded = load_suite(suite)
    found = find_subject(
        str(subject), base=base, dtype=dtype, quantization=quantization, template=template,
        offline=offline, progress=progress,
    )  # fmt: skip
    if seed is None:
        seed = _run_seed(found)
    encoder = Encoder(found.template)
    examiner = Examiner(
        encoder=encoder, prompts=load_prompts(section.prompt), section=section, seed=seed,
        dtype=found.base.dtype,
    )  # fmt: skip
    is_private = private or is_of_patients(found)
    item_sets, digests = read_suite(
        loaded, section, data=data, is_private=is_private, offline=offline, progress=progress
    )
    names = ("base", "adapter") if found.adapter else ("base",)

    def arms(items: ItemSet) -> Sequence[Arm]:
        return evaluation_arms(names, items, section, seed)

    for items in item_sets:
        examiner.require_fit(items, arms(items)[0], found.located.context_tokens)
    begun = _conditions(found, loaded, section, seed, digests)
    begun |= {"private": True} if is_private else {}
    place = _place(found, out)
    with open_run(name or default_name(loaded, section), place, resume=resume) as folder:
        begin(folder / BEGUN, begun, resume=resume)
        started = provenance.now()
        rows, notes = read_training_rows(found, offline=offline, progress=progress)
        training = None if rows is None else rows.train
        panel = _load(found, section, encoder)
        with answering(panel, folder / PRIVATE_RESPONSES) as engines:
            reports = score_sets(examiner, item_sets, arms, engines, training, progress)
        evaluation = Evaluation(
            suite=loaded.name,
            conditions=panel.conditions(),
            reports=tuple(replace(r, notes=(*r.notes, *notes)) for r in reports),
        )
        finish(folder, evaluation, started, resumed=resume)
    return Evaluated(path=folder, evaluation=evaluation)


def read_suite(
    suite: Suite,
    section: Evaluate,
    *,
    data: str | Path | None,
    is_private: bool = False,
    offline: bool,
    progress: Progress,
) -> tuple[list[ItemSet], dict[str, str]]:
    """The items of a suite's sets, and the digest of each set's files.

    Raises:
        DataError: Rows are missing or bad.
    """
    item_sets, digests = [], {}
    for part in suite.sets:
        found = read_set(part, offline=offline, data_path=data)
        for note in found.notes:
            progress.say(note)
        items = suite_items(found, section, is_private=is_private)
        progress.say(f"{items.name}: {items.described}")
        item_sets.append(items)
        digests[part.name] = found.sha256
    return item_sets, digests


def finish(folder: Path, evaluation: Evaluation, started: str, *, resumed: bool) -> None:
    """Write the results; the record of how they were made comes last, and finishes the folder."""
    write_evaluation(evaluation, folder)
    record = {
        "started": started,
        "finished": provenance.now(),
        "resumed": resumed,
        "base_digest": evaluation.conditions.get("base", "not verified"),
        "adapter_digest": evaluation.conditions.get("adapter", "not verified"),
        "packages": provenance.packages(),
        "machine": provenance.machine(),
    }
    write_report(folder, record)
    write_json(folder / FINISHED, record)


def default_name(suite: Suite, section: Evaluate) -> str:
    """A folder's name that tells suite, protocol and examples."""
    parts = [suite.name, section.protocol]
    if section.normalise != "sum":
        parts.append(section.normalise)
    if section.rotate_options:
        parts.append("rotated")
    if section.few_shot:
        parts.append(f"{section.few_shot}shot")
    if section.limit:
        parts.append(f"first{section.limit}")
    return ".".join(parts)


def _place(subject: Subject, out: Path | str | None) -> Path:
    if out is None and subject.run is not None:
        return subject.run / "eval"
    return Path(out or DEFAULT_PARENT) / subject.name / "eval"


def _conditions(
    subject: Subject, suite: Suite, section: Evaluate, seed: int, digests: dict[str, str]
) -> dict[str, Any]:
    """All that can change a score, in a form that can be compared."""
    return asked_conditions(suite, section, seed, digests) | {
        "base_digest": subject.located.digest,
        "adapter_digest": models.adapter_digest(subject.adapter) if subject.adapter else None,
        "template": subject.template.digest,
        "dtype": subject.base.dtype,
        "quantization": subject.base.quantization,
    }


def asked_conditions(
    suite: Suite, section: Evaluate, seed: int, digests: dict[str, str]
) -> dict[str, Any]:
    """What is asked and how, whoever answers."""
    asked = section.model_dump(mode="json", exclude={"suites", "prompt"})
    return {f"evaluate.{key}": value for key, value in asked.items()} | {
        "suite": suite.name,
        "suite_digest": suite.digest,
        "rows": digests,
        "seed": seed,
        "prompt_digest": load_prompts(section.prompt).digest,
        "packages": provenance.packages(),
    }


def _run_seed(subject: Subject) -> int:
    recorded = lock.read(subject.run / lock.FILE_NAME) if subject.run else None
    return recorded.recipe.seed if recorded else DEFAULT_SEED


def _load(subject: Subject, section: Evaluate, encoder: Encoder) -> Panel:
    frozen = models.load_model(subject.located, subject.base, subject.tokenizer)
    model = models.load_adapter(frozen, subject.adapter) if subject.adapter else frozen.model
    return Panel(
        model=model,
        base=frozen,
        adapter_digest=models.adapter_digest(subject.adapter) if subject.adapter else None,
        encoder=encoder,
        pad_id=subject.pad_id,
        batch_size=section.batch_size,
    )
