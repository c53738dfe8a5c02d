"""Two versions beside each other: recipe, data, scores, and how far each module's weights moved."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from medtune.evidence.scores import read_evaluation
from medtune.recipe.lock import FILE_NAME
from medtune.registry.contents import CONFIG, WEIGHTS
from medtune.registry.layout import Layout, blob_key
from medtune.registry.manifest import Version
from medtune.registry.registry import Registry
from medtune.registry.replaying import unpacked_files
from medtune.registry.statements import parse_json
from medtune.registry.store import PIECE
from medtune.registry.weights import read_tensors

MISSING = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the second of two versions has otherwise than the first."""

    settings: tuple[tuple[str, str, str], ...]
    """Key of the lock or the manifest, and both values."""
    scores: tuple[tuple[str, str, float | None, float | None], ...]
    """Set, arm, and both values; None: it was not measured."""
    modules: tuple[tuple[str, float], ...]
    """Module -> relative change: the Frobenius norm of the difference of both updates over that of
    the first; infinite where the first has none. The largest first."""


def compare(registry: Registry, name: str, first: str, second: str) -> Difference:
    """Compare two versions of a name.

    Raises:
        VerificationError: One of them is not there, or was changed.
    """
    layout, found = registry.layout, registry.standings(name)
    one, other = (layout.version(found.find(label).manifest) for label in (first, second))
    settings = [_settings(layout, version) for version in (one, other)]
    scores = [_scores(layout, version) for version in (one, other)]
    return Difference(
        settings=tuple(_differing(*settings)),
        scores=tuple((*key, scores[0].get(key), scores[1].get(key))
                     for key in sorted(scores[0].keys() | scores[1].keys())),
        modules=tuple(sorted(_modules(layout, one, other), key=lambda pair: -pair[1])),
    )  # fmt: skip


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for key in sorted(one.keys() | other.keys()):
        before, after = one.get(key, MISSING), other.get(key, MISSING)
        if before != after:
            yield key, before, after


def _settings(layout: Layout, version: Version) -> dict[str, str]:
    """All that a version's lock and pins say, flat."""
    found: dict[str, str] = {}
    for one in layout.attachments(version.digest):
        file = one.file(FILE_NAME)
        if one.kind == "run" and file is not None:
            found |= _flat(yaml.safe_load(layout.read_file(file)), "")
    return found | {"base digest": version.pins.base_digest, "licences": version.pins.licences}


def _flat(values: Any, prefix: str) -> dict[str, str]:  # noqa: ANN401 - a lock's value
    if not isinstance(values, dict):
        return {prefix: str(values)}
    found: dict[str, str] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def _scores(layout: Layout, version: Version) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for one in layout.attachments(version.digest):
        if one.kind == "scores":
            with unpacked_files(layout, one) as folder:
                for report in read_evaluation(folder).reports:
                    found |= {(report.name, arm.arm): arm.value for arm in report.arms}
    return found


def _modules(layout: Layout, one: Version, other: Version) -> Iterator[tuple[str, float]]:
    before, after = _updates(layout, one), _updates(layout, other)
    for module in sorted(before.keys() | after.keys()):
        # B A of both side by side: their difference is one product of twice the rank.
        factors = [found.get(module) for found in (before, after)]
        first = _norm([factors[0]])
        changed = _norm([factors[0], _negative(factors[1])])
        yield module, changed / first if first else float("inf")


Factors = tuple[NDArray[np.float64], NDArray[np.float64]]


def _negative(factors: Factors | None) -> Factors | None:
    return None if factors is None else (-factors[0], factors[1])


def _norm(parts: list[Factors | None]) -> float:
    """Frobenius norm of the sum of B A, without making it: tr((B'B)(A A'))."""
    there = [part for part in parts if part is not None]
    if not there:
        return 0.0
    outer = np.concatenate([part[0] for part in there], axis=1)
    inner = np.concatenate([part[1] for part in there], axis=0)
    return float(np.sqrt(max(0.0, np.sum((outer.T @ outer) * (inner @ inner.T)))))


def _updates(layout: Layout, version: Version) -> dict[str, Factors]:
    """Module -> its two matrices, the second scaled as PEFT does."""
    files = {file.name: file.sha256 for file in version.files}
    config = parse_json(layout.read_blob(files[CONFIG]), CONFIG)
    rank = config["r"]
    scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
    with _as_file(layout, files[WEIGHTS]) as path:
        tensors = read_tensors(path)
    found = {}
    for name, tensor in tensors.items():
        if name.endswith(".lora_B.weight"):
            module = name.removesuffix(".lora_B.weight")
            inner = tensors[f"{module}.lora_A.weight"]
            found[module.removeprefix("base_model.model.")] = (scale * tensor, inner)
    return found


@contextmanager
def _as_file(layout: Layout, sha256: str) -> Iterator[Path]:
    """A blob of weights as a file, for as long as it is read."""
    with tempfile.TemporaryDirectory(prefix="medtune-") as folder:
        path = Path(folder) / WEIGHTS
        with layout.store.open(blob_key(sha256)) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, PIECE)
        yield path
