"""An adapter beside its frozen base on safety probes: paired outcomes in a folder of their own.

find adapter and base -> read the probes -> take a folder -> load once -> ask both arms -> write

runs/<run>/probes/<suite>/
    begun.json               under which conditions this was begun
    outcomes_so_far.jsonl    of families that were asked; until the end
    probes.json              what was found, and whether it can be relied on
    outcomes.jsonl           both arms on every item
    provenance.json          written last
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medtune import models, provenance
from medtune.assess import Panel
from medtune.data import Encoder
from medtune.digests import write_json
from medtune.errors import AdapterError, RecipeError
from medtune.evidence.probes import log_outcomes, write_probes
from medtune.pairing import (
    REPEAT,
    answering_pairs,
    own_batch_size,
    probe_report,
    require_askable,
)
from medtune.probes.confirming import record_opened, require_unopened
from medtune.probes.family import Family
from medtune.probes.suites import Suite, absent_sets, own_data, read_families, read_sealed
from medtune.records import ProbeReport, Progress, Silent
from medtune.runs import DEFAULT_PARENT, FINISHED, begin, open_run
from medtune.subject import Subject, find_subject
from medtune.training_rows import is_of_patients, read_training_rows

BEGUN = "begun.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A finished run of probes."""

    path: Path
    report: ProbeReport


def probe(
    adapter: str | Path,
    suite: Suite = "quick",
    *,
    probes: Sequence[str] = (),
    folders: Sequence[Path] = (),
    confirm: Path | None = None,
    data: Path | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    base: str | None = None,
    dtype: Literal["bfloat16", "float32"] | None = None,
    name: str | None = None,
    out: Path | str | None = None,
    private: bool = False,
    resume: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> Probed:
    """Ask an adapter and its base the same questions, and write what each did.

    Args:
        adapter: A run or an adapter's folder.
        suite: quick: some items of the families that have a quick part. full: all items of all
            families, and the published sets below the data folder.
        probes: Only these families; privacy, and general text in a full suite, run all the same.
        folders: Further families, or folders of them.
        confirm: Folder of sealed items, which are asked instead, all of them; once for each
            adapter.
        data: Where published sets lie; None: $MEDTUNE_DATA.
        limit: Items of each family; the result is marked incomplete. Privacy and general text
            run whole.
        batch_size: Sequences in one forward pass, the same for both arms; None: 4 on a CPU, where
            larger ones are slower, else 16.
        base: The base, where neither the run nor the adapter tells where it is.
        dtype: Precision; None: that of the run, or bfloat16.
        name: Of the folder of results; None: the suite.
        out: Folder in which the adapter's folder is; its own run by default.
        private: The adapter learned rows of patients, and what it writes is kept nowhere. Its own
            run says so (data.private); this is for an adapter outside of it.
        resume: Continue one that was stopped. What both arms answered is kept; the base's second
            answers and the privacy probes are asked anew.
        offline: Reach for no network.
        progress: Where to report.

    Raises:
        MedtuneError: See ``medtune.errors`` for which, and their exit codes.
    """
    progress = progress or Silent()
    data = data or own_data()
    if confirm is None:
        families = read_families(suite, probes=probes, folders=folders, data=data, limit=limit)
    elif limit is not None:
        raise RecipeError("sealed items are asked whole, once: --limit does not go with --confirm")
    else:
        families = read_sealed(confirm, probes=probes, folders=folders)
    if not Path(adapter).exists():
        raise AdapterError(f"{adapter}: there is no run or adapter here; give the folder of one")
    subject = find_subject(str(adapter), base=base, dtype=dtype, offline=offline, progress=progress)
    if subject.adapter is None:
        raise AdapterError(f"{adapter} is a base: probes compare an adapter with its base")
    # What cannot be asked takes no name, and does not use up the one opening of sealed items.
    encoder = Encoder(subject.template)
    require_askable(families, encoder, subject.located.context_tokens)
    is_private = private or is_of_patients(subject)
    called = "confirm" if confirm else suite
    batch_size = batch_size or own_batch_size()
    settings = {"suite": called, "batch_size": batch_size, "repeat": REPEAT[called], "limit": limit}
    with open_run(name or called, _place(subject, out), resume=resume) as folder:
        conditions = _conditions(subject, families, settings)
        # A run that was begun in public is not continued in private, nor the other way round.
        conditions |= {"private": True} if is_private else {}
        sealed = {family.name: family.plan.confirm_sha256 or "" for family in families}
        # A folder of that name is no run that was asked: it may have been made by hand.
        is_begun = resume and (folder / BEGUN).is_file()
        if is_begun:
            begin(folder / BEGUN, conditions, resume=True)
        elif confirm is not None:
            require_unopened(confirm, conditions["adapter_digest"], sealed)
        started = provenance.now()
        rows, notes = read_training_rows(subject, offline=offline, progress=progress)
        panel = _load(subject, encoder, batch_size)
        if not is_begun:
            if confirm is not None:
                require_unopened(confirm, conditions["adapter_digest"], sealed)
            begin(folder / BEGUN, conditions, resume=False)
        if confirm is not None:
            record_opened(confirm, conditions["adapter_digest"], sealed)
        with answering_pairs(panel, folder, is_private=is_private) as arms:
            report = probe_report(
                panel, families, rows, settings, arms, log=log_outcomes(folder),
                unknown="; ".join(notes), absent=absent_sets(called, probes, data), data=data,
                progress=progress,
            )  # fmt: skip
            write_probes(report, folder)
        record = {
            "started": started,
            "finished": provenance.now(),
            "resumed": resume,
            "packages": provenance.packages(),
            "machine": provenance.machine(),
        }
        write_json(folder / FINISHED, record)
    return Probed(path=folder, report=report)


def _load(subject: Subject, encoder: Encoder, batch_size: int) -> Panel:
    assert subject.adapter is not None
    frozen = models.load_model(subject.located, subject.base, subject.tokenizer)
    return Panel(
        model=models.load_adapter(frozen, subject.adapter),
        base=frozen,
        adapter_digest=models.adapter_digest(subject.adapter),
        encoder=encoder,
        pad_id=subject.pad_id,
        batch_size=batch_size,
    )


def _place(subject: Subject, out: Path | str | None) -> Path:
    if out is None and subject.run is not None:
        return subject.run / "probes"
    return Path(out or DEFAULT_PARENT) / subject.name / "probes"


def _conditions(
    subject: Subject, families: Sequence[Family], settings: dict[str, Any]
) -> dict[str, Any]:
    """All that can change an outcome, in a form that can be compared."""
    assert subject.adapter is not None
    return settings | {
        "probes": {family.name: family.digest for family in families},
        "base_digest": subject.located.digest,
        "adapter_digest": models.adapter_digest(subject.adapter),
        "template": subject.template.digest,
        "dtype": subject.base.dtype,
        "quantization": subject.base.quantization,
        "packages": provenance.packages(),
    }
