"""How fast a registry is, beside what any registry has to do. Ratios are measured in one run.

    python tests/bench/registry.py [MEGABYTES]

push      beside a plain loop that reads, hashes, writes and syncs the same file
verify    beside sha256 of the same file
list      1,000 versions of one name, in this process
"""

import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "registry"))

import numpy as np
from registry_runs import make_run, make_site, trust_of
from safetensors.numpy import save_file

from medtune.digests import base_digest
from medtune.registry.push import push
from medtune.registry.registry import create_registry, new_event
from medtune.registry.verify import require_files

REPEATS = 5
PIECE = 1 << 20
VERSIONS = 1000


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def plain_copy(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as file, target.open("wb") as out:
        while piece := file.read(PIECE):
            digest.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def plain_hash(source: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def enlarge(run: Path, site, megabytes: int) -> None:
    """Weights of so many megabytes that fit a base of their size."""
    width = 1024
    outer = megabytes * (1 << 20) // 4 // 2 // width
    draw = np.random.default_rng(1)
    name = "model.layers.0.self_attn.q_proj"
    (site.base / "model.safetensors").unlink()
    save_file(
        {f"{name}.weight": np.zeros((outer, outer), np.uint8)}, site.base / "model.safetensors"
    )
    tensors = {
        f"base_model.model.{name}.lora_A.weight": draw.random((width, outer), np.float32),
        f"base_model.model.{name}.lora_B.weight": draw.random((outer, width), np.float32),
    }
    adapter = run / "adapter"
    save_file(tensors, adapter / "adapter_model.safetensors")
    for file, before, after in (
        ("adapter_config.json", '"r": 2', f'"r": {width}'),
        ("medtune.json", '"base_digest": "', f'"base_digest": "{base_digest(site.base)}", "x": "'),
    ):
        text = (adapter / file).read_text()
        (adapter / file).write_text(text.replace(before, after))


def main(megabytes: int) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        site = make_site(folder / "site")
        run = make_run(folder / "run", site, counts=None)
        enlarge(run, site, megabytes)
        weights = run / "adapter" / "adapter_model.safetensors"
        base = site.base_files
        ratios, verified = [], []
        for number in range(REPEATS):
            registry = create_registry(folder / f"registry-{number}", trust_of(site))
            plain = seconds(lambda n=number: plain_copy(weights, folder / f"plain-{n}"))
            ours = seconds(lambda r=registry: push(r, run, base, key=site.key("trainer")))
            ratios.append(plain / ours)
            version = registry.layout.version(registry.standings("demo").versions["v1"].manifest)
            hashed = seconds(lambda: plain_hash(weights))
            verified.append(hashed / seconds(
                lambda r=registry, v=version: require_files(r.layout, v)))  # fmt: skip
        told("push, of a plain copy's speed", ratios)
        told("verify, of sha256's speed", verified)
        many(folder, site)


def many(folder: Path, site) -> None:
    registry = create_registry(folder / "many", trust_of(site))
    for number in range(VERSIONS):
        event = new_event(name="demo", kind="push", version=f"v{number}",
                          manifest=f"{number:064x}", adapter_digest="a" * 64)  # fmt: skip
        append(registry, event, site.key("trainer"))
    took = seconds(lambda: registry.standings("demo"))
    print(f"list: {VERSIONS} versions, every signature verified, in {took:.2f} s")


def append(registry, event, key: Path) -> None:
    """Lines without versions: only the log is read here."""
    from medtune.digests import sha256_bytes
    from medtune.registry.layout import log_key
    from medtune.registry.log import NO_LINE, write_line

    seen = registry.layout.store.read(log_key("demo"))
    lines = (seen or b"").splitlines(keepends=True)
    placed = event.model_copy(update={
        "sequence": len(lines), "previous": sha256_bytes(lines[-1]) if lines else NO_LINE,
    })  # fmt: skip
    assert registry.layout.append("demo", seen, write_line(placed, key))


def told(what: str, ratios: list[float]) -> None:
    print(f"{what}: median {statistics.median(ratios):.0%} ({min(ratios):.0%} to {max(ratios):.0%})"
          f" of {REPEATS}")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
