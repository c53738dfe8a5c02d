"""A run becomes a version: looked at, written by digest, signed, logged; with all its evidence.

blobs -> manifests -> index -> log. The line in the log is what makes a version: whatever is killed
before it has left blobs that nobody names, and the same push completes it.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medtune.digests import sha256_bytes, sha256_file, sha256_named
from medtune.errors import RecipeError, RegistryError, VerificationError
from medtune.evidence.probes import PROBES
from medtune.evidence.scores import ITEMS, SCORES
from medtune.gate.run import GATE, decide_again, evidence_of, read_gate
from medtune.recipe import lock
from medtune.registry import statements
from medtune.registry.contents import WEIGHTS, Contents, read_contents
from medtune.registry.ignoring import ignore
from medtune.registry.keeping import named_blobs
from medtune.registry.layout import Layout, blob_key
from medtune.registry.log import Event
from medtune.registry.manifest import (
    File,
    Kind,
    Pins,
    Written,
    write_attachment,
    write_version,
)
from medtune.registry.registry import Registry, new_event
from medtune.registry.states import Standings
from medtune.registry.trust import STATES
from medtune.registry.weights import read_header
from medtune.signing import key_id, read_private

BLOBS = "blobs/sha256"
ADAPTER = "adapter"
FINISHED = "provenance.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFiles:
    """The base that an adapter is checked against, as it lies here."""

    digest: str
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did."""

    name: str
    version: str
    manifest: str
    adapter_digest: str
    is_new: bool
    attached: tuple[str, ...]
    """What is attached now that was not before."""
    withheld: tuple[str, ...]
    """What was left out, and why."""


def push(
    registry: Registry,
    run: Path,
    base: BaseFiles,
    *,
    name: str | None = None,
    version: str | None = None,
    key: Path | None = None,
    gate_key: Path | None = None,
) -> Pushed:
    """Put a run's adapter and evidence into a registry; what is there already is left alone.

    Args:
        registry: Where to.
        run: A finished run with its adapter.
        base: The base of the adapter.
        name: Of the log; None: the run's.
        version: Label; None: v1, v2, … in the order in which versions come.
        key: That signs the version; None: it stays unsigned, and cannot be promoted.
        gate_key: That signs the run's decision of the gate, after it was decided again here.

    Raises:
        AdapterError: The adapter's files are none that a registry holds, or are of another base.
        RegistryError: The registry cannot be written.
        VerificationError: The label is taken, or the decision does not come out again.
    """
    layout = registry.layout
    _require_label(version)
    found = _read_run(layout, run, base)
    written, label = found.written, name or found.recipe_name
    _write_blobs(layout, found)
    evidence, withheld = _evidence(run, found)
    if key is not None:
        evidence += _signature(registry, found, label, key)
    if gate_key is not None:
        evidence += _gate_statement(registry, run, found, evidence, gate_key)
    new = _write_manifests(layout, written, evidence)
    _require_all_there(layout, found)
    event = _log(registry, label, version, found, key)
    placed = registry.standings(label)
    standing = next(v for v in placed.versions.values() if v.manifest == written.digest)
    # In a folder: git keeps all but the weights.
    ignore(registry, [file.sha256 for file in found.files if file.name == WEIGHTS])
    return Pushed(
        name=label, version=standing.version, manifest=written.digest,
        adapter_digest=standing.adapter_digest, is_new=event is not None, attached=tuple(new),
        withheld=tuple(withheld),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run that may be pushed."""

    recipe_name: str
    contents: Contents
    files: tuple[File, ...]
    written: Written
    pins: Pins
    texts: frozenset[str]
    """Files of the run that hold texts of patients."""


Evidence = list[tuple[Kind, str, dict[str, Path | bytes]]]


def _read_run(layout: Layout, run: Path, base: BaseFiles) -> _Run:
    adapter = run / ADAPTER
    recorded = lock.read(run / lock.FILE_NAME) if (run / lock.FILE_NAME).is_file() else None
    if recorded is None or not (run / FINISHED).is_file():
        raise RecipeError(f"{run} is no finished run; a version needs its recipe and its data")
    contents, weights = _store_weights(layout, adapter, base)
    files = tuple(
        File(path.name, weights if path.name == WEIGHTS else sha256_file(path),
             path.stat().st_size)
        for path in contents.files
    )  # fmt: skip
    account = _account(run)
    pins = _pins(run, recorded, contents, files, account)
    written = write_version(recorded.recipe.name, files, pins, _settings(contents, adapter))
    return _Run(
        recipe_name=recorded.recipe.name, contents=contents, files=files, written=written,
        pins=pins, texts=frozenset(account.get("files_with_text", ())),
    )  # fmt: skip


def _account(run: Path) -> dict[str, Any]:
    """What the run says of its rows.

    Raises:
        RecipeError: It does not, or in another form than medtune writes.
    """
    file = run / "data.json"
    try:
        account: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        account["splits"]["train"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(
            f"{file} is not what a finished run has ({type(error).__name__}); push the run as it "
            "was written"
        ) from None
    if not (run / "train.json").is_file():
        raise RecipeError(f"{run} has no train.json; push the run as it was written")
    return account


def _store_weights(layout: Layout, adapter: Path, base: BaseFiles) -> tuple[Contents, str]:
    """Look at an adapter, and write its weights meanwhile: each takes about as long."""
    file = adapter / WEIGHTS
    if not file.is_file():
        read_contents(adapter, base.shapes)  # says what is wrong
    with ThreadPoolExecutor(1) as beside:
        stored = beside.submit(layout.store.add_file, BLOBS, file)
        try:
            contents = read_contents(adapter, base.shapes)
            if contents.manifest.get("base_digest") != base.digest:
                raise VerificationError(
                    f"{adapter} was trained on another base than the one that lies here "
                    f"({base.digest[:16]}…); give its own, --base"
                )
        except VerificationError:
            if stored.exception() is None and stored.result() not in named_blobs(layout):
                layout.store.delete(blob_key(stored.result()))
            raise
        return contents, stored.result()


def _pins(
    run: Path,
    recorded: lock.Lock,
    contents: Contents,
    files: Sequence[File],
    account: Mapping[str, Any],
) -> Pins:
    read = recorded.resolved.data
    licences = account["splits"]["train"].get("licences", {})
    return Pins(
        base=str(contents.manifest["base"]),
        base_digest=str(contents.manifest["base_digest"]),
        adapter_digest=sha256_named({file.name: file.sha256 for file in files}),
        lock_digest=sha256_file(run / lock.FILE_NAME),
        data={name: one["sha256"] for name, one in read.items() if "sha256" in one},
        licences="; ".join(sorted(licences)) or "unknown",
    )


def _settings(contents: Contents, adapter: Path) -> dict[str, str]:
    dtypes = {tensor.dtype for tensor in read_header(adapter / WEIGHTS).values()}
    return {
        "format": "safetensors",
        "architecture": "transformer",
        "precision": "+".join(sorted(dtypes)).lower(),
        "quantization": str(contents.manifest.get("quantization", "none")),
    }


def _write_blobs(layout: Layout, found: _Run) -> None:
    for path, file in zip(found.contents.files, found.files, strict=True):
        if path.name != WEIGHTS:
            layout.write_blob(path, file.sha256)
    for sha256, data in found.written.blobs.items():
        layout.write_blob(data, sha256)
    layout.write_blob(found.written.data, found.written.digest)


def _evidence(run: Path, found: _Run) -> tuple[Evidence, list[str]]:
    """What of a run is evidence; files with texts of patients are left out, and told."""
    parts: Evidence = [("run", "run", {lock.FILE_NAME: run / lock.FILE_NAME,
                                       "train.json": run / "train.json"})]  # fmt: skip
    withheld = []
    if (run / SCORES).is_file():
        parts.append(("scores", "scores", {name: run / name for name in (SCORES, ITEMS)}))
    for folder in sorted((run / "probes").glob("*")):
        if not (folder / PROBES).is_file() or not (folder / FINISHED).is_file():
            continue
        names = (PROBES, "outcomes.jsonl", FINISHED)
        parts.append(("probes", f"probes {folder.name}", {name: folder / name for name in names}))
        if (folder / GATE).is_file():
            parts.append(("gate", f"gate {folder.name}", _gate_files(folder / GATE)))
    kept: Evidence = []
    for kind, title, files in parts:
        private = [str(path) for path in files.values() if isinstance(path, Path)
                   and path.is_relative_to(run)
                   and path.relative_to(run).as_posix() in found.texts]  # fmt: skip
        if private:
            withheld.append(f"{title}: {private[0]} holds texts of patients")
        else:
            kept.append((kind, title, files))
    return kept, withheld


def _gate_files(file: Path) -> dict[str, Path | bytes]:
    """gate.json, and all that it was decided from."""
    recorded = read_gate(file)
    evidence = evidence_of(file, recorded)
    return {GATE: file, **evidence.files()}


def _signature(registry: Registry, found: _Run, name: str, key: Path) -> Evidence:
    """The version's signature and where it is from, unless this key has signed it already."""
    mine = key_id(read_private(key).public_key())
    registry.trust.require(mine, "sign", datetime.now(UTC))
    for one in registry.layout.attachments(found.written.digest):
        file = one.file(statements.SIGNATURE_FILE)
        if one.kind == "signature" and file is not None:
            bundle = statements.parse_json(registry.layout.read_file(file), "signature")
            if mine in statements.open_signature(bundle, found.files, registry.trust):
                return []
    bundle = statements.sign_files(name, found.files, key)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    said = statements.provenance(found.pins, now)
    made = statements.make_statement(name, found.written.digest, statements.PROVENANCE, said)
    origin = statements.sign_statement(made, key)
    return [
        ("signature", "signature", {statements.SIGNATURE_FILE: _json(bundle)}),
        ("provenance", "provenance", {statements.STATEMENT_FILE: _json(origin)}),
    ]


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _gate_statement(
    registry: Registry, run: Path, found: _Run, evidence: Evidence, key: Path
) -> Evidence:
    """Signed statements about the run's decisions, each made again first."""
    mine = key_id(read_private(key).public_key())
    registry.trust.require(mine, "gate", datetime.now(UTC))
    made: Evidence = []
    gates = [(title, files) for kind, title, files in evidence if kind == "gate"]
    for title, files in gates:
        file = files[GATE]
        assert isinstance(file, Path), "as _gate_files gives it"
        recorded = read_gate(file)
        decision = decide_again(
            file, recorded, evidence_of(file, recorded), registry.trust.waiver_keys
        )
        attachment = _manifest_of("gate", found.written, files)
        if _is_stated(registry, found.written.digest, attachment.digest, mine):
            continue
        predicate = {
            "gate": attachment.digest, "verdict": decision.verdict,
            "policy": recorded["policy"]["policy"], "policy_digest": recorded["policy_digest"],
            "adapter_digest": found.pins.adapter_digest, "base_digest": found.pins.base_digest,
            "decided": recorded["decided"],
            "signed": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
        statement = statements.make_statement(
            found.recipe_name, found.written.digest, statements.GATE, predicate
        )
        data = _json(statements.sign_statement(statement, key))
        told = f"{title}: {decision.verdict}, signed"
        made.append(("statement", told, {statements.STATEMENT_FILE: data}))
    if not gates:
        raise RecipeError(f"{run} has no decision to be signed; medtune gate makes one")
    return made


def _is_stated(registry: Registry, version: str, gate: str, key: str) -> bool:
    """Whether a key has signed a decision already."""
    for one in registry.layout.attachments(version):
        file = one.file(statements.STATEMENT_FILE)
        if one.kind == "statement" and file is not None:
            envelope = statements.parse_json(registry.layout.read_file(file), file.name)
            _, predicate, signers = statements.open_statement(
                envelope, registry.trust, statements.GATE
            )
            if predicate.get("gate") == gate and key in signers:
                return True
    return False


def _manifest_of(kind: Kind, version: Written, files: Mapping[str, Path | bytes]) -> Written:
    return write_attachment(
        kind, version.digest, len(version.data), [_file(*pair) for pair in files.items()]
    )


def _file(name: str, source: Path | bytes) -> File:
    if isinstance(source, bytes):
        return File(name, sha256_bytes(source), len(source))
    return File(name, sha256_file(source), source.stat().st_size)


def _attach(
    layout: Layout, version: Written, kind: Kind, files: Mapping[str, Path | bytes]
) -> Written:
    """Write an attachment's blobs and manifest."""
    one = _manifest_of(kind, version, files)
    for name, source in files.items():
        layout.write_blob(source, _file(name, source).sha256)
    for sha256, data in one.blobs.items():
        layout.write_blob(data, sha256)
    layout.write_blob(one.data, one.digest)
    return one


def _write_manifests(layout: Layout, version: Written, evidence: Evidence) -> list[str]:
    """Write all that is attached and name it in the index; titles of what was not there."""
    known = {one.digest for one in layout.attachments(version.digest)}
    manifests: dict[bytes, str | None] = {version.data: None}
    new = []
    for kind, title, files in evidence:
        one = _attach(layout, version, kind, files)
        if one.digest not in known:
            new.append(title)
        manifests[one.data] = version.digest
    layout.add(manifests)
    return new


def _require_all_there(layout: Layout, found: _Run) -> None:
    """What a collection of garbage took before the index named it is noticed."""
    for file in found.files:
        if layout.store.size(blob_key(file.sha256)) != file.size:
            raise RegistryError(f"{file.name} went while it was pushed; push again")


def _log(
    registry: Registry, name: str, version: str | None, found: _Run, key: Path | None
) -> Event | None:
    def make(before: Standings) -> tuple[Event, Path | None] | None:
        for standing in before.versions.values():
            if standing.manifest == found.written.digest:
                if version not in (None, standing.version):
                    raise VerificationError(f"this adapter is there already, as {standing.version}")
                return None
        if version in before.versions:
            raise VerificationError(
                f"{name}:{version} is another adapter; a version never changes: give a new label"
            )
        label = version or _next_label(before)
        event = new_event(
            name=name, kind="push", version=label, manifest=found.written.digest,
            adapter_digest=found.pins.adapter_digest,
        )  # fmt: skip
        return event, key

    return registry.record(name, make)


def _next_label(before: Standings) -> str:
    number = len(before.versions) + 1
    while f"v{number}" in before.versions:
        number += 1
    return f"v{number}"


def _require_label(version: str | None) -> None:
    if version is not None and (version in STATES or not version.replace(".", "").isalnum()):
        raise RecipeError(f"{version!r} is no label of a version; v1, 2026.1 are some")
