"""From an adapter to a model of its own: merged, written, reopened, and held to its adapter (R26).

find adapter and base -> ask the adapter -> merge -> write -> reopen -> ask again -> take the name

A merged folder is a base like any other: transformers loads it, and so does ``medtune eval``.
Beside the model's files lies ``merged.json``: what it was made of, and how far it is from that.
"""

import fcntl
import gc
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from safetensors import SafetensorError
from transformers import PreTrainedModel

from medtune import models
from medtune.digests import PARTIAL, partial_folder, sync_folder, sync_tree, write_json
from medtune.errors import AdapterError, MedtuneError, RunExistsError, VerificationError
from medtune.models import FrozenBase, LocatedBase
from medtune.models.merge import (
    merge_dtype,
    merge_into_base,
    require_mergeable,
    require_unquantised,
    stored_dtype,
    write_merged,
)
from medtune.parity import (
    Parity,
    Prompts,
    Reference,
    ask_adapter,
    compare,
    parity_prompts,
    require_parity,
    rounding,
)
from medtune.recipe import Base
from medtune.records import AdapterManifest, Progress, Silent
from medtune.registry.pull import SCHEME
from medtune.subject import Subject, find_subject

RECORD = "merged.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A merged model and what it was made of; ``merged.json`` holds all but the path."""

    path: Path
    base: str
    base_revision: str | None
    base_digest: str
    adapter_digest: str
    trained_beside: str
    """How the base's weights were stored in training. The adapter is merged into the unrounded
    ones, whatever they were."""
    dtype: str
    weights_digest: str
    """Of the merged folder, as of any base."""
    parity: Parity
    """Against the adapter on the unrounded base."""
    parity_as_trained: Parity | None
    """Against the adapter on the base in nf4 or int8, which it learned beside; None: it did not."""


def merge(
    adapter: str | Path,
    out: str | Path,
    *,
    dtype: str = "bfloat16",
    base: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Merged:
    """Merge an adapter into its base, and show that the result answers as the two together.

    Args:
        adapter: A run or an adapter's folder, or ``registry:NAME:VERSION``.
        out: The folder to make.
        dtype: bfloat16, float16 or float32.
        base: The base, where neither the run nor the adapter tells where it is.
        offline: Reach for no network.
        progress: Where to report.

    Raises:
        RunExistsError: There is something of that name.
        VerificationError: The base is not the adapter's own, the adapter has no effect, or the
            merged model does not answer as the adapter does; nothing is left under the name.
        MedtuneError: See ``medtune.errors`` for others, and their exit codes.
    """
    progress, target, wanted = progress or Silent(), Path(out), merge_dtype(dtype)
    _require_free(target)
    subject = _find_adapter(adapter, base=base, offline=offline, progress=progress)
    manifest = models.read_manifest(_adapter_of(subject))
    require_mergeable(manifest)
    require_unquantised(subject.located)
    prompts = parity_prompts(subject, offline=offline, progress=progress)
    trained = _ask_as_trained(subject, manifest, prompts, progress)
    model = _load_unrounded(subject)
    reference = ask_adapter(model, prompts, subject, progress)
    with _whole_folder(target) as folder:
        merged = merge_into_base(model, wanted)
        rounded = rounding(reference, merged)
        _write(merged, subject, folder, called=target)
        del model, merged
        gc.collect()
        reopened = _reopen(folder)
        _require_template(target, reopened.tokenizer.chat_template, subject)
        parity = compare(reference, reopened.model, subject, progress, mean_rounding=rounded)
        require_parity(parity, dtype, str(target))
        found = Merged(
            path=target,
            base=manifest.base,
            base_revision=manifest.base_revision,
            base_digest=manifest.base_digest,
            adapter_digest=models.adapter_digest(_adapter_of(subject)),
            trained_beside=manifest.quantization,
            dtype=dtype,
            weights_digest=reopened.located.digest,
            parity=parity,
            parity_as_trained=None
            if trained is None
            else compare(trained, reopened.model, subject, progress),
        )
        values = asdict(found) | {"schema_version": SCHEMA_VERSION}
        del values["path"]
        write_json(folder / RECORD, values)
    return found


def check_parity(
    adapter: str | Path,
    merged: str | Path,
    *,
    base: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Parity:
    """Compare a merged folder, of medtune's or another's making, with its adapter on its base.

    Args:
        adapter: A run or an adapter's folder, or ``registry:NAME:VERSION``.
        merged: The merged model's folder.
        base: The base, where neither the run nor the adapter tells where it is.
        offline: Reach for no network.
        progress: Where to report.

    Raises:
        VerificationError: They are not of one adapter, the folder is not what was merged, its chat
            template is another, or it does not answer as the adapter does.
        MedtuneError: See ``medtune.errors`` for others, and their exit codes.
    """
    progress, folder = progress or Silent(), Path(merged)
    subject = _find_adapter(adapter, base=base, offline=offline, progress=progress)
    located = _locate(folder)
    _require_same(folder, located, subject)
    dtype = stored_dtype(located)
    prompts = parity_prompts(subject, offline=offline, progress=progress)
    model = _load_unrounded(subject)
    reference = ask_adapter(model, prompts, subject, progress)
    rounded = rounding(reference, merge_into_base(model, merge_dtype(dtype)))
    del model
    gc.collect()
    reopened = _reopen(folder)
    found = compare(reference, reopened.model, subject, progress, mean_rounding=rounded)
    require_parity(found, dtype, str(folder))
    return found


def _require_free(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise RunExistsError(f"{target} is there already; give another folder (--out)")


def _find_adapter(
    adapter: str | Path, *, base: str | None, offline: bool, progress: Progress
) -> Subject:
    # Of what is no adapter, find_subject would look for a base of that name.
    if not str(adapter).startswith(SCHEME) and not Path(adapter).exists():
        raise AdapterError(f"{adapter}: there is no run or adapter here")
    subject = find_subject(str(adapter), base=base, offline=offline, progress=progress)
    if subject.adapter is None:
        raise AdapterError(f"{adapter} is a base: an adapter is needed, or the run that has one")
    return subject


def _adapter_of(subject: Subject) -> Path:
    assert subject.adapter is not None
    return subject.adapter


def _ask_as_trained(
    subject: Subject, manifest: AdapterManifest, prompts: Prompts, progress: Progress
) -> Reference | None:
    """What the adapter answers on the base as it was trained; None: that is the unrounded one."""
    if manifest.quantization == "none":
        return None
    progress.say(
        f"the adapter was trained beside {manifest.quantization} weights; it is merged into the "
        "unrounded ones, and answers slightly differently there"
    )
    base = models.load_model(subject.located, subject.base, subject.tokenizer)
    model = models.load_adapter(base, _adapter_of(subject))
    found = ask_adapter(model, prompts, subject, progress)
    del base, model
    gc.collect()  # PEFT's layers refer to each other
    return found


def _load_unrounded(subject: Subject) -> PeftModel:
    """The adapter on its base as the base's files have it."""
    # Flash attention knows no float32, in which parity is measured.
    section = subject.base.model_copy(update={"quantization": "none", "attention": "sdpa"})
    base = models.load_model(subject.located, section, subject.tokenizer, dtype="auto")
    return models.load_adapter(base, _adapter_of(subject))


def _locate(folder: Path) -> LocatedBase:
    section = Base(model=str(folder.resolve()))
    located = models.locate_base(section, offline=True, progress=Silent())
    require_unquantised(located)
    return located


def _reopen(folder: Path) -> FrozenBase:
    """A merged model as it lies on the disk."""
    located = _locate(folder)
    section = Base(model=str(located.folder), attention="sdpa")
    return models.load_model(located, section, models.load_tokenizer(located), dtype="auto")


def _require_same(folder: Path, located: LocatedBase, subject: Subject) -> None:
    """Refuse a folder that says, or shows, that it is not this adapter's."""
    if (folder / RECORD).is_file():
        record = _read_record(folder / RECORD)
        _require_digest(
            f"{folder} was merged from another adapter",
            record.get("adapter_digest"),
            models.adapter_digest(_adapter_of(subject)),
        )
        _require_digest(
            f"{folder} was changed after it was merged", record.get("weights_digest"),
            located.digest,
        )  # fmt: skip
    _require_template(folder, models.load_tokenizer(located).chat_template, subject)


def _require_template(folder: Path, found: object, subject: Subject) -> None:
    if found != subject.template.source:
        raise VerificationError(
            f"{folder} has another chat template than the adapter was trained with: asked through "
            "it, it would not answer as the adapter does"
        )


def _require_digest(what: str, recorded: object, found: str) -> None:
    if recorded != found:
        raise VerificationError(f"{what}: {RECORD} has digest {recorded}, found {found}")


def _read_record(file: Path) -> Mapping[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise VerificationError(f"{file} is not JSON: {error}") from error
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        raise VerificationError(f"{file} is no record of a merge that this medtune reads")
    return record


def _write(merged: PreTrainedModel, subject: Subject, folder: Path, *, called: Path) -> None:
    try:
        write_merged(merged, subject.located, _adapter_of(subject), folder)
    except (OSError, SafetensorError) as error:
        raise MedtuneError(f"{called} could not be written: {error}") from error


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """A hidden folder that gets its name once the block has come to its end.

    What a killed process left of an earlier try goes first: nobody holds its lock any more.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*{PARTIAL}"):
        with _locked(left) as is_ours:
            if is_ours:
                shutil.rmtree(left)
    partial = partial_folder(target)
    try:
        with _locked(partial):
            yield partial
            for file in partial.iterdir():
                file.chmod(0o644)
            partial.chmod(0o755)
            sync_tree(partial)
            _require_free(target)
            partial.rename(target)
            sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold a folder's lock; False where another process has it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
