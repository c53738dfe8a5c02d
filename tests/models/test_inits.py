"""Other adapters than LoRA's default: each is what its paper says, and survives its export."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from test_adapter import PROMPTS, grow, logits, manifest_of, write
from tiny_models import make_tiny_base
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from medtune.errors import AdapterError, BaseError, RecipeError
from medtune.models import (
    FrozenBase,
    adapter_state,
    attach,
    export,
    load_adapter,
    load_model,
    load_tokenizer,
    locate_base,
    require_effect,
)
from medtune.recipe import Adapter, Base
from medtune.records import Silent

ROWS = [[1, 7, 19, 250, 33, 8, n, 2 * n, 100 + n] for n in range(9, 90)]
LAYER = "model.layers.1.mlp.up_proj"
KINDS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"rslora": True},
    "dora": {"method": "dora"},
    "dora rslora": {"method": "dora", "rslora": True},
    "pissa": {"init": "pissa"},
    "pissa rslora": {"init": "pissa", "rslora": True},
    "olora": {"init": "olora"},
    "olora rslora": {"init": "olora", "rslora": True},
    "eva": {"init": "eva"},
    "dora eva": {"method": "dora", "init": "eva"},
    "loftq": {"init": "loftq"},
    "loftq rslora": {"init": "loftq", "rslora": True},
    "dora nf4": {"method": "dora"},
    "eva nf4": {"init": "eva"},
    "eva int8": {"init": "eva"},
}


def quantization(kind: str) -> str:
    if "loftq" in kind or "nf4" in kind:
        return "nf4"
    return "int8" if "int8" in kind else "none"


def load(folder: Path, kind: str = "lora", dtype: str = "float32") -> FrozenBase:
    section = Base(
        model=str(folder),
        dtype=dtype,  # type: ignore[arg-type]
        quantization=quantization(kind),  # type: ignore[arg-type]
    )
    located = locate_base(section, offline=True, progress=Silent())
    return load_model(located, section, load_tokenizer(located))


def section(kind: str, **fields: Any) -> Adapter:
    return Adapter(**({"rank": 4, "alpha": 8.0} | KINDS[kind] | fields))


def make(base: FrozenBase, kind: str, **fields: Any) -> PeftModel:
    model = attach(base, section(kind, **fields), seed=1, rows=ROWS)
    grow(model)
    return model


def exported(base: FrozenBase, model: PeftModel, folder: Path, init: str = "default") -> Path:
    if init == "default":
        write(model, base, folder)
    else:
        manifest = manifest_of(base, init=init)
        export(model, adapter_state(model), manifest, base.tokenizer, "template", folder)
    return folder


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


# All of them


@pytest.mark.parametrize("kind", KINDS)
def test_the_export_on_the_untouched_base_answers_as_the_trained_model_did(
    kind: str, tiny_base: Path, tmp_path: Path
) -> None:
    untouched = load(tiny_base, kind)
    before, plain = weights(untouched.model), logits(untouched.model)
    base = load(tiny_base, kind)
    model = make(base, kind)
    trained = logits(model)
    folder = exported(base, model, tmp_path / "adapter")
    reloaded = load_adapter(untouched, folder)
    torch.testing.assert_close(logits(reloaded), trained, atol=1e-4, rtol=0)
    assert (trained - plain).abs().max() > 0.1
    assert require_effect(reloaded, PROMPTS) > 1e-3
    reloaded.unload()
    after = untouched.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("kind", KINDS)
def test_plain_peft_loads_every_export_with_the_same_logits(
    kind: str, tiny_base: Path, tmp_path: Path
) -> None:
    base = load(tiny_base, kind)
    folder = exported(base, make(base, kind), tmp_path / "adapter")
    ours = logits(load_adapter(load(tiny_base, kind), folder))
    stored = {
        "none": None,
        "int8": BitsAndBytesConfig(load_in_8bit=True),
        "nf4": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        ),
    }
    bare = AutoModelForCausalLM.from_pretrained(
        tiny_base, dtype=torch.float32, quantization_config=stored[quantization(kind)]
    )
    # On a CPU with AVX512-BF16 bitsandbytes would compute in bfloat16 in evaluation mode.
    for module in bare.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    peft = PeftModel.from_pretrained(bare, folder).eval()
    assert torch.equal(logits(peft), ours)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["init_lora_weights"] is True
    assert config["eva_config"] is None
    assert not config["loftq_config"]
    assert not config["rank_pattern"]
    assert config["target_modules"] == sorted(config["target_modules"])
    assert len(config["target_modules"]) == 7


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "loftq" not in kind])
def test_every_start_but_loftqs_is_the_base_itself(kind: str, tiny_base: Path) -> None:
    plain = logits(load(tiny_base, kind).model)
    fresh = attach(load(tiny_base, kind), section(kind), seed=1, rows=ROWS)
    atol = 1e-4 if "pissa" in kind or "olora" in kind else 0
    torch.testing.assert_close(logits(fresh), plain, atol=atol, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_starts_and_takes_from_the_base_the_same_to_the_bit(
    kind: str, tiny_base: Path
) -> None:
    first, second = load(tiny_base, kind), load(tiny_base, kind)
    attach(first, section(kind), seed=1, rows=ROWS)
    torch.rand(5)
    attach(second, section(kind), seed=1, rows=ROWS)
    found, again = weights(first.model), weights(second.model)
    assert found.keys() == again.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in found.items())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["dora", "pissa", "olora", "eva", "loftq", "dora nf4"])
def test_trained_weights_are_float32_whatever_the_base_and_dropout_is(
    kind: str, dtype: str, tiny_base: Path
) -> None:
    model = make(load(tiny_base, kind, dtype), kind, dropout=0.2)
    trainable = {n: w for n, w in model.named_parameters() if w.requires_grad}
    assert all("lora_" in name and w.dtype == torch.float32 for name, w in trainable.items())
    assert len(trainable) == (42 if "dora" in kind else 28)


# Against a computation of our own, in double precision


def computed(kind: str, folder: Path, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One layer's output by the papers' formulas, from the saved tensors."""
    saved = load_file(folder / "adapter_model.safetensors")
    prefix = f"base_model.model.{LAYER}.lora_"
    first, second = saved[f"{prefix}A.weight"].double(), saved[f"{prefix}B.weight"].double()
    update = (8 / math.sqrt(4) if "rslora" in kind else 8 / 4) * second @ first
    merged = weight.double() + update
    if "dora" in kind:
        lengths = saved[f"{prefix}magnitude_vector"].double()
        merged = merged * (lengths / merged.norm(dim=1))[:, None]
    return x.double() @ merged.T


@pytest.mark.parametrize("kind", ["lora", "rslora", "dora", "dora rslora", "eva", "dora eva"])
def test_a_layer_computes_what_its_paper_says(kind: str, tiny_base: Path, tmp_path: Path) -> None:
    base = load(tiny_base)
    weight = load_file(tiny_base / "model.safetensors")[f"{LAYER}.weight"]
    folder = exported(base, make(base, kind), tmp_path / "adapter")
    model = load_adapter(load(tiny_base), folder)
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    found = model.get_base_model().get_submodule(LAYER)(x).detach().double()
    expected = computed(kind, folder, weight, x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (found - x.double() @ weight.double().T).abs().max() > 1e-2


def test_doras_lengths_start_as_the_rows_of_the_weight_and_are_trained(tiny_base: Path) -> None:
    weight = load_file(tiny_base / "model.safetensors")[f"{LAYER}.weight"]
    name = f"base_model.model.{LAYER}.lora_magnitude_vector"
    model = attach(load(tiny_base), section("dora"), seed=1)
    torch.testing.assert_close(adapter_state(model)[name], weight.norm(dim=1))
    grow(model)
    assert (adapter_state(model)[name] - weight.norm(dim=1)).abs().min() > 1e-3


@pytest.mark.parametrize("kind", ["pissa", "pissa rslora", "olora", "olora rslora"])
def test_pissa_and_olora_leave_in_the_base_what_their_papers_leave(
    kind: str, tiny_base: Path
) -> None:
    weight = load_file(tiny_base / "model.safetensors")[f"{LAYER}.weight"].double()
    base = load(tiny_base)
    attach(base, section(kind), seed=1)
    left = base.model.get_submodule(LAYER).base_layer.weight.double()
    if "pissa" in kind:
        u, s, v = torch.linalg.svd(weight, full_matrices=False)
        expected = u[:, 4:] @ torch.diag(s[4:]) @ v[4:]
    else:
        scale = 8 / math.sqrt(4) if "rslora" in kind else 8 / 4
        q, r = torch.linalg.qr(weight)
        expected = weight - scale * q[:, :4] @ r[:4]
    torch.testing.assert_close(left, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("rslora", "alpha"), [(False, 16.0), (True, 8 * math.sqrt(2))])
def test_pissa_is_exported_at_twice_the_rank_under_the_same_scale(
    rslora: bool, alpha: float, tiny_base: Path, tmp_path: Path
) -> None:
    base = load(tiny_base)
    folder = exported(base, make(base, "pissa", rslora=rslora), tmp_path / "adapter")
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["r"], config["use_rslora"]) == (8, rslora)
    assert config["lora_alpha"] == pytest.approx(alpha)


def test_eva_starts_from_the_main_directions_of_a_layers_inputs(tiny_base: Path) -> None:
    base = load(tiny_base)
    seen = []
    hook = base.model.get_submodule(LAYER).register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].detach().double().reshape(-1, 64))
    )
    with torch.no_grad():
        base.model(torch.tensor(ROWS))
    hook.remove()
    inputs = torch.cat(seen)
    centred = inputs - inputs.mean(0)
    directions = torch.linalg.svd(centred, full_matrices=False)[2][:4]
    model = attach(base, section("eva"), seed=1, rows=ROWS)
    first = adapter_state(model)[f"base_model.model.{LAYER}.lora_A.weight"].double()
    # The same space: each direction lies in the span of the four that were found.
    torch.testing.assert_close(first @ first.T, torch.eye(4).double(), atol=1e-4, rtol=0)
    assert (directions @ first.T).norm(dim=1).min() > 0.99


@pytest.mark.parametrize("kind", ["loftq", "loftq rslora"])
def test_loftq_starts_at_the_best_update_of_its_rank_to_what_nf4_rounded_off(
    kind: str, tiny_base: Path
) -> None:
    weight = load_file(tiny_base / "model.safetensors")[f"{LAYER}.weight"].double()
    plain = load(tiny_base, kind).model.get_submodule(LAYER)
    rounded = plain(torch.eye(64)).T.double()
    base = load(tiny_base, kind)
    attach(base, section(kind), seed=1)
    started = base.model.get_submodule(LAYER)(torch.eye(64)).detach().T.double()
    # Eckart and Young: no update of rank 4 leaves less than the other singular values.
    least = torch.linalg.svdvals(weight - rounded)[4:].norm()
    assert (weight - started).norm() == pytest.approx(float(least), rel=1e-3)
    assert least < 0.95 * (weight - rounded).norm()


def test_loftq_reads_the_weights_of_a_base_in_shards(tiny_base: Path, tmp_path: Path) -> None:
    whole = make_tiny_base(tmp_path / "whole")
    sharded = tmp_path / "sharded"
    AutoModelForCausalLM.from_pretrained(whole).save_pretrained(sharded, max_shard_size="100KB")
    load(whole).tokenizer.save_pretrained(sharded)
    assert len(list(sharded.glob("*.safetensors"))) > 1
    first = adapter_state(attach(load(whole, "loftq"), section("loftq"), seed=1))
    second = adapter_state(attach(load(sharded, "loftq"), section("loftq"), seed=1))
    assert all(torch.equal(second[name], tensor) for name, tensor in first.items())


# What is refused


def test_loftq_without_the_unrounded_weights_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_base(tmp_path / "tiny")
    base = load(folder, "loftq")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.self_attn.q_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BaseError, match=r"tiny has no model\.layers\.1\.self_attn\.q_proj\.weight"):
        attach(base, section("loftq"), seed=1)
    # What was refused leaves nothing on the base.
    attach(base, section("lora"), seed=1)


def test_a_loftq_adapter_is_refused_on_the_base_that_was_not_rounded(
    tiny_base: Path, tmp_path: Path
) -> None:
    base = load(tiny_base, "loftq")
    folder = exported(base, make(base, "loftq"), tmp_path / "adapter", init="loftq")
    with pytest.raises(AdapterError, match="holds what nf4 rounded off"):
        load_adapter(load(tiny_base), folder)
    load_adapter(load(tiny_base, "loftq"), folder)


@pytest.mark.parametrize("kind", ["pissa", "olora"])
def test_a_base_that_a_start_has_changed_takes_no_other_adapter(
    kind: str, tiny_base: Path, tmp_path: Path
) -> None:
    base = load(tiny_base)
    model = make(base, kind)
    folder = exported(base, model, tmp_path / "adapter")
    model.unload()
    for second in (
        lambda: load_adapter(base, folder),
        lambda: attach(base, section("lora"), seed=1),
    ):
        with pytest.raises(AdapterError, match="load the base anew"):
            second()


@pytest.mark.parametrize(("kind", "most"), [("pissa", 32), ("olora", 32), ("eva", 32)])
def test_a_rank_that_a_layer_does_not_have_is_refused(
    kind: str, most: int, tiny_base: Path
) -> None:
    base = load(tiny_base)
    with pytest.raises(RecipeError, match=rf"at most {most} directions from .*, found 33"):
        attach(base, section(kind, rank=33), seed=1, rows=ROWS)
    attach(base, section(kind, rank=most), seed=1, rows=ROWS)


@pytest.mark.parametrize("rows", [(), [[1, 2, 3]]])
def test_eva_without_enough_rows_is_refused(rows: list[list[int]], tiny_base: Path) -> None:
    base = load(tiny_base)
    with pytest.raises(RecipeError, match="twice as many tokens of training rows"):
        attach(base, section("eva"), seed=1, rows=rows)
    attach(base, section("lora"), seed=1)


def test_only_what_was_taken_is_subtracted_and_no_more(tiny_base: Path, tmp_path: Path) -> None:
    # An adapter that learned nothing is nothing on the untouched base.
    base = load(tiny_base)
    model = attach(base, section("pissa"), seed=1)
    folder = exported(base, model, tmp_path / "adapter")
    untouched = load(tiny_base)
    plain = logits(untouched.model)
    torch.testing.assert_close(logits(load_adapter(untouched, folder)), plain, atol=1e-4, rtol=0)
