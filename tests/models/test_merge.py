"""A merged model is the adapter on its base, in weights and answers, and is whole or not there."""

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import Linear as PeftLinear
from safetensors.torch import load_file, save_file
from test_adapter import grow, logits, manifest_of
from test_inits import load, section
from tiny_models import make_tiny_base
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

import medtune
from medtune.cli import main
from medtune.data import make_template
from medtune.errors import AdapterError, BaseError, RecipeError, RunExistsError, VerificationError
from medtune.models import (
    LocatedBase,
    adapter_digest,
    adapter_state,
    attach,
    export,
    load_adapter,
    load_model,
)
from medtune.models.locate import weights_digest
from medtune.models.merge import merge_into_base
from medtune.records import Silent
from medtune.subject import find_subject

ROWS = [[1, 7, 19, 250, 33, 8, n, 2 * n, 100 + n] for n in range(9, 90)]
LAYER = "model.layers.1.mlp.up_proj"


def make_adapter(base_folder: Path, folder: Path, kind: str = "lora", **fields: Any) -> Path:
    """Train an adapter for one large step, and export it as a run does."""
    base = load(base_folder, kind)
    model = attach(base, section(kind, **fields), seed=1, rows=ROWS)
    grow(model)
    return write_adapter(base, model, folder, kind)


def write_adapter(base: Any, model: PeftModel, folder: Path, kind: str = "lora") -> Path:
    manifest = dataclasses.replace(
        manifest_of(base, init=section(kind).init), quantization=base.section.quantization
    )
    template = make_template("tokenizer", base.tokenizer)
    export(model, adapter_state(model), manifest, base.tokenizer, template.source, folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that no test changes."""
    return make_adapter(tiny_base, tmp_path_factory.mktemp("adapters") / "lora")


def merge(adapter: Path, out: Path, base: Path, **options: Any) -> medtune.Merged:
    return medtune.merge(adapter, out, base=str(base), **{"dtype": "float32"} | options)


def plain(folder: Path, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """As transformers reads it, without medtune."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in sorted(folder.glob("model*.safetensors"))
            for name, tensor in load_file(file).items()}  # fmt: skip


def rewrite(folder: Path, change: dict[str, torch.Tensor]) -> None:
    """Put other tensors into a folder of one file."""
    weights = tensors(folder) | change
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def everything(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


# What is merged


@pytest.mark.parametrize(
    ("kind", "tied"),
    [("lora", True), ("lora", False), ("rslora", True), ("dora", True), ("dora", False),
     ("pissa", True), ("dora rslora", True)],
)  # fmt: skip
def test_a_merge_in_float32_answers_as_peft_merged_and_unmerged(
    kind: str, tied: bool, tmp_path: Path
) -> None:
    base = make_tiny_base(tmp_path / "base", tied=tied)
    adapter = make_adapter(base, tmp_path / "adapter", kind)
    found = merge(adapter, tmp_path / "merged", base)
    assert found.parity.max_kl < 1e-9
    assert found.parity.identical_texts == 1
    ours = logits(plain(found.path))
    theirs = PeftModel.from_pretrained(plain(base), adapter).eval()
    torch.testing.assert_close(ours, logits(theirs), atol=1e-4, rtol=0)
    torch.testing.assert_close(ours, logits(theirs.merge_and_unload()), atol=1e-4, rtol=0)
    assert (ours - logits(plain(base))).abs().max() > 0.1
    # Tied weights are stored once, as transformers does.
    assert tensors(found.path).keys() == tensors(base).keys()
    assert ("lm_head.weight" in tensors(found.path)) is not tied


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_merged_weight_is_the_sum_in_float32_rounded_once(dtype: str, tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    low = plain(base, getattr(torch, dtype))
    low.save_pretrained(base)
    adapter = make_adapter(base, tmp_path / "adapter", alpha=6.0)
    found = merge(adapter, tmp_path / "merged", base, dtype=dtype)
    weights = load_file(adapter / "adapter_model.safetensors")
    down, up = (weights[f"base_model.model.{LAYER}.lora_{part}.weight"] for part in "AB")
    before = tensors(base)[f"{LAYER}.weight"]
    assert before.dtype == low.dtype
    update = (up @ down) * (6.0 / 4)
    merged = tensors(found.path)
    assert torch.equal(merged[f"{LAYER}.weight"], (before.float() + update).to(before.dtype))
    # Rounding the update first, as a sum in 16 bits does, is another result.
    assert not torch.equal(merged[f"{LAYER}.weight"], before + update.to(before.dtype))
    assert {tensor.dtype for tensor in merged.values()} == {before.dtype}
    assert torch.equal(merged["model.norm.weight"], tensors(base)["model.norm.weight"])


def test_an_adapter_of_nf4_is_merged_into_the_unrounded_weights_and_that_is_said(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    adapter = make_adapter(tiny_base, tmp_path / "adapter", "eva nf4")
    command = ["medtune", "merge", adapter, "--out", tmp_path / "merged", "--base", tiny_base,
               "--dtype", "float32"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    told = capsys.readouterr()
    assert "trained beside nf4 weights" in told.err
    assert "are not those of the merged model" in told.out
    record = json.loads((tmp_path / "merged" / "merged.json").read_text())
    assert record["trained_beside"] == "nf4"
    # What rounding the base to 4 bits does, beside what merging does.
    assert record["parity_as_trained"]["mean_kl"] > 1e-3
    assert record["parity"]["max_kl"] < 1e-9
    weights = load_file(adapter / "adapter_model.safetensors")
    down, up = (weights[f"base_model.model.{LAYER}.lora_{part}.weight"] for part in "AB")
    expected = tensors(tiny_base)[f"{LAYER}.weight"] + (up @ down) * 2
    torch.testing.assert_close(tensors(tmp_path / "merged")[f"{LAYER}.weight"], expected)


def test_a_base_in_shards_is_merged_as_one_in_a_single_file(
    adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    base = tmp_path / "shards"
    plain(tiny_base).save_pretrained(base, max_shard_size="100KB")
    AutoTokenizer.from_pretrained(tiny_base).save_pretrained(base)
    assert len(list(base.glob("*.safetensors"))) > 1
    of_shards = make_adapter(base, tmp_path / "adapter")
    found = merge(of_shards, tmp_path / "merged", base)
    other = merge(adapter, tmp_path / "other", tiny_base)
    ours, theirs = tensors(found.path), tensors(other.path)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours.keys() | theirs.keys())


def test_no_more_than_one_module_is_wider_than_it_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_tiny_base(tmp_path / "base")
    plain(base, torch.bfloat16).save_pretrained(base)
    make_adapter(base, tmp_path / "adapter")
    subject = find_subject(str(tmp_path / "adapter"), base=str(base), progress=Silent())
    frozen = load_model(subject.located, subject.base, subject.tokenizer, dtype="auto")
    model = load_adapter(frozen, tmp_path / "adapter")
    wide: list[int] = []
    merge_one = PeftLinear.merge

    def counted(layer: PeftLinear, **options: bool) -> None:
        weights = [p for name, p in model.named_parameters() if "lora_" not in name]
        wide.append(sum(weight.dtype == torch.float32 for weight in weights))
        merge_one(layer, **options)

    monkeypatch.setattr(PeftLinear, "merge", counted)
    merged = merge_into_base(model, torch.bfloat16)
    assert wide == [1] * 14
    assert {weight.dtype for weight in merged.parameters()} == {torch.bfloat16}


@pytest.mark.slow
def test_smollm2_merged_in_bfloat16_answers_as_its_adapter(
    smollm2: LocatedBase, tmp_path: Path
) -> None:
    adapter = make_adapter(smollm2.folder, tmp_path / "adapter", targets=["q_proj", "v_proj"])
    found = merge(adapter, tmp_path / "merged", smollm2.folder, dtype="bfloat16")
    assert found.parity.num_positions > 100
    assert found.parity.mean_effect > 0.01
    assert found.parity.mean_kl < found.parity.mean_effect / 100


# What is written


def test_a_merged_folder_is_a_base_with_the_adapters_template_and_stop(
    adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    found = merge(adapter, tmp_path / "merged", tiny_base, dtype="bfloat16")
    subject = find_subject(str(found.path), offline=True, progress=Silent())
    trained = find_subject(str(adapter), base=str(tiny_base), offline=True, progress=Silent())
    assert subject.adapter is None
    assert subject.template.digest == trained.template.digest
    assert subject.template.stop_token_id == trained.template.stop_token_id
    assert subject.located.digest == found.weights_digest == weights_digest(found.path)
    settings = GenerationConfig.from_pretrained(found.path)
    assert (settings.eos_token_id, settings.do_sample) == (trained.template.stop_token_id, False)
    config = json.loads((found.path / "config.json").read_text())
    before = json.loads((tiny_base / "config.json").read_text())
    assert config == before | {"dtype": "bfloat16"}


def test_the_record_binds_base_adapter_and_result_and_names_no_place(
    adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    found = merge(adapter, tmp_path / "merged", tiny_base)
    record = json.loads((found.path / "merged.json").read_text())
    assert record["base_digest"] == weights_digest(tiny_base)
    assert record["adapter_digest"] == adapter_digest(adapter)
    assert record["weights_digest"] == weights_digest(found.path)
    assert (record["dtype"], record["trained_beside"]) == ("float32", "none")
    assert record["parity"] == dataclasses.asdict(found.parity)
    for file in found.path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o644
        for place in (tmp_path, tiny_base.parent, Path.home()):
            assert str(place).encode() not in file.read_bytes(), file.name


# What is refused


def test_another_base_is_refused_before_anything_is_written(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    other = make_tiny_base(tmp_path / "other", seed=5)
    command = ["medtune", "merge", adapter, "--out", tmp_path / "merged", "--base", other]
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 5
    assert "was trained on tiny with digest" in capsys.readouterr().err
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("dtype", ["nf4", "int8", "float8", "bf16"])
def test_fewer_than_16_bits_are_refused_with_the_reason(
    dtype: str, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=f"{dtype}: merged weights are stored in bfloat16"):
        merge(adapter, tmp_path / "merged", tiny_base, dtype=dtype)


def test_a_name_that_is_taken_is_left_as_it_is(
    adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "file").write_text("mine")
    for taken in (tmp_path / "merged", tmp_path / "file"):
        with pytest.raises(RunExistsError, match="is there already"):
            merge(adapter, taken, tiny_base)
    assert everything(tmp_path) == {"merged", "file"}


def test_an_adapter_without_effect_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    base = load(tiny_base)
    model = attach(base, section("lora"), seed=1)
    manifest = dataclasses.replace(manifest_of(base), step=0)
    template = make_template("tokenizer", base.tokenizer)
    export(model, adapter_state(model), manifest, base.tokenizer, template.source,
           tmp_path / "adapter")  # fmt: skip
    with pytest.raises(AdapterError, match="has no effect, so there is nothing to merge"):
        merge(tmp_path / "adapter", tmp_path / "merged", tiny_base)


def test_an_adapter_that_started_with_loftq_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tiny_base, tmp_path / "adapter", "loftq")
    with pytest.raises(AdapterError, match="started with loftq cannot be merged"):
        merge(adapter, tmp_path / "merged", tiny_base)


def test_a_weight_that_float16_cannot_hold_is_refused_by_its_name(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    rewrite(base, {"model.norm.weight": tensors(base)["model.norm.weight"] * 1e5})
    adapter = make_adapter(base, tmp_path / "adapter")
    with pytest.raises(AdapterError, match=r"model\.norm\.weight has values that float16 cannot"):
        merge(adapter, tmp_path / "merged", base, dtype="float16")
    assert everything(tmp_path) == everything(base) | everything(adapter) | {"base", "adapter"}


def test_a_base_whose_own_files_are_quantised_is_refused(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    adapter = make_adapter(base, tmp_path / "adapter")
    (base / "config.json").write_text(json.dumps(config))
    manifest = json.loads((adapter / "medtune.json").read_text())
    manifest["base_digest"] = weights_digest(base)
    (adapter / "medtune.json").write_text(json.dumps(manifest))
    with pytest.raises(BaseError, match=r"stored quantised \(gptq\)"):
        merge(adapter, tmp_path / "merged", base)


def test_a_template_that_is_not_the_trained_one_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tiny_base, tmp_path / "adapter")
    (adapter / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(VerificationError, match="has another chat template"):
        merge(adapter, tmp_path / "merged", tiny_base)
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("missing", ["nowhere", "base"])
def test_what_is_no_adapter_is_refused(missing: str, tiny_base: Path, tmp_path: Path) -> None:
    given = tiny_base if missing == "base" else tmp_path / missing
    with pytest.raises(AdapterError, match=r"there is no run or adapter here|is a base"):
        medtune.merge(given, tmp_path / "merged", offline=True)


# Whole or not at all


class Stopped(Exception):
    """Raised in the middle."""


class StopsAt(Silent):
    """A progress in whose n-th long step something happens."""

    def __init__(self, number: int) -> None:
        self.number = number

    def start(self, step: str, total: int, unit: str) -> None:
        self.number -= 1
        if self.number == 0:
            raise Stopped(step)


def test_a_merge_that_fails_once_all_is_written_leaves_nothing(
    adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        merge(adapter, tmp_path / "merged", tiny_base, progress=StopsAt(2))
    assert everything(tmp_path) == set()


KILLED = """
import os, signal, sys
import medtune
from medtune.records import Silent

class Dies(Silent):
    steps = 0
    def start(self, step, total, unit):
        self.steps += 1
        if self.steps == 2:
            os.kill(os.getpid(), signal.SIGKILL)

medtune.merge(sys.argv[1], sys.argv[2], base=sys.argv[3], progress=Dies())
"""


def test_a_killed_merge_has_no_name_and_the_next_one_clears_up_after_it(
    adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED, adapter, tmp_path / "merged", tiny_base]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".merged.")
    assert (left / "model.safetensors").is_file()
    # A merge that is still at work under that name, in another process, is left alone.
    alive = tmp_path / ".merged.alive.partial"
    alive.mkdir()
    handle = os.open(alive, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    merge(adapter, tmp_path / "merged", tiny_base)
    os.close(handle)
    assert {path.name for path in tmp_path.iterdir()} == {"merged", alive.name}


def test_a_merge_that_answers_otherwise_is_not_left_under_its_name(
    adapter: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Rounding to 16 bits is more than float32's bound allows.
    monkeypatch.setitem(medtune.parity.BOUNDS, "bfloat16", 1e-7)
    with pytest.raises(VerificationError, match="does not answer as the adapter on its base"):
        merge(adapter, tmp_path / "merged", tiny_base, dtype="bfloat16")
    assert everything(tmp_path) == set()
