"""Runs that a registry may hold, made without training: a small base, an adapter, its evidence."""

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from medtune.digests import base_digest
from medtune.gate.run import decide
from medtune.recipe import Lock, Recipe
from medtune.recipe.lock import Resolved
from medtune.registry.founding import new_trust
from medtune.registry.push import BaseFiles
from medtune.registry.registry import Registry
from medtune.registry.weights import base_shapes
from medtune.signing import generate_key

MODULES = {"model.layers.0.self_attn.q_proj": (12, 8), "model.layers.0.mlp.down_proj": (8, 16)}
RANK = 2


def _evidence_files():
    """The gate's tests make up evidence in the same way."""
    name = "evidence_files"
    if name not in sys.modules:
        file = Path(__file__).parents[1] / "gate" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


evidence_files = _evidence_files()


@dataclass(frozen=True)
class Site:
    """A hospital's folder: keys by role, a policy, a base."""

    folder: Path

    def key(self, name: str) -> Path:
        return self.folder / "keys" / f"{name}.key"

    def public(self, name: str) -> Path:
        return self.folder / "keys" / f"{name}.pub"

    @property
    def policy(self) -> Path:
        return self.folder / "policy" / "policy.yaml"

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def base_files(self) -> BaseFiles:
        return BaseFiles(digest=base_digest(self.base), shapes=base_shapes(self.base))


def make_site(folder: Path) -> Site:
    site = Site(folder)
    (folder / "keys").mkdir(parents=True)
    for name in ("trainer", "ci", "board", "chief", "stranger"):
        generate_key(folder / "keys" / name)
    evidence_files.write_policy(folder / "policy", "doses")
    make_base(site.base)
    return site


def make_base(folder: Path, seed: int = 1) -> None:
    folder.mkdir()
    draw = np.random.default_rng(seed)
    tensors = {
        f"{module}.weight": draw.normal(size=shape).astype(np.float32)
        for module, shape in MODULES.items()
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")


def adapter_tensors(seed: int, dtype=np.float32) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    found = {}
    for module, (outer, inner) in MODULES.items():
        name = f"base_model.model.{module}"
        found[f"{name}.lora_A.weight"] = draw.normal(size=(RANK, inner)).astype(dtype)
        found[f"{name}.lora_B.weight"] = draw.normal(size=(outer, RANK)).astype(dtype)
    return found


def make_adapter(folder: Path, site: Site, seed: int = 1) -> Path:
    folder.mkdir(parents=True)
    save_file(adapter_tensors(seed), folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 4, "use_dora": False,
              "use_rslora": False, "modules_to_save": None, "rank_pattern": {}}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    manifest = {"schema_version": 1, "base": "small", "base_digest": base_digest(site.base),
                "quantization": "none"}  # fmt: skip
    (folder / "medtune.json").write_text(json.dumps(manifest))
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 64}')
    (folder / "README.md").write_text("# A card\n")
    return folder


def make_run(
    folder: Path,
    site: Site,
    *,
    seed: int = 1,
    counts: Mapping[str, int] | None = evidence_files.CLEAN,
    gate: bool = True,
    age_days: int = 0,
) -> Path:
    """A finished run; without counts nothing was probed."""
    make_adapter(folder / "adapter", site, seed)
    (folder / "train.json").write_text("{}")
    data = {"splits": {"train": {"licences": {"CC0": 3}}}, "files_with_text": []}
    (folder / "data.json").write_text(json.dumps(data))
    values = {
        "name": "demo", "seed": seed, "base": {"model": str(site.base)},
        "data": {"task": "medqa", "path": str(folder), "max_tokens": 64},
        "train": {"learning_rate": 1e-4},
    }  # fmt: skip
    resolved = Resolved(
        base={"reference": "small", "revision": None, "digest": base_digest(site.base)},
        data={name: {"file": f"{name}.jsonl", "sha256": "a" * 64} for name in ("train", "test")},
        template="t", tokenizer="k", packages={"medtune": "0"},
    )  # fmt: skip
    Lock(recipe=Recipe.model_validate(values), resolved=resolved).write(folder)
    (folder / "provenance.json").write_text("{}")
    if counts is not None:
        pairs = evidence_files.outcomes("doses", counts)
        evidence_files.write_evidence(folder, pairs, age_days=age_days, base=base_digest(site.base))
        if gate:
            decide(folder, site.policy)
    return folder


def trust_of(site: Site, *, approvals: int = 1, staging: bool = False) -> str:
    roles = {
        "sign": [site.public("trainer")], "gate": [site.public("ci")],
        "promote": [site.public("board"), site.public("chief")],
    }  # fmt: skip
    return new_trust(roles, str(site.policy), approvals=approvals, staging=staging)


def blob(registry: Registry, sha256: str) -> Path:
    return Path(registry.place) / "blobs" / "sha256" / sha256


def rewrite(file: Path, data: bytes) -> None:
    file.chmod(0o644)
    file.write_bytes(data)


def edit_index(registry: Registry, edit: Callable[[dict], None]) -> None:
    file = Path(registry.place) / "index.json"
    values = json.loads(file.read_text())
    edit(values)
    file.write_text(json.dumps(values))
