"""A loaded base is whole, frozen, and differentiable however it is quantised."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import make_tiny_base

from medtune.errors import BaseError
from medtune.models import FrozenBase, attach, load_model, load_tokenizer, locate_base
from medtune.recipe import Adapter, Base
from medtune.records import Silent

IDS = torch.tensor([[1, 7, 19, 250, 33, 8]])


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy of the tiny base that a test may change."""
    return Path(shutil.copytree(tiny_base, tmp_path / "tiny"))


def load(folder: Path, **settings: object) -> FrozenBase:
    section = Base(model=str(folder), **settings)
    located = locate_base(section, offline=True, progress=Silent())
    return load_model(located, section, load_tokenizer(located))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_base_is_frozen_in_evaluation_mode_and_in_the_precision_asked_for(
    tiny_base: Path, dtype: str
) -> None:
    model = load(tiny_base, dtype=dtype).model
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())
    assert {weight.dtype for weight in model.parameters()} == {getattr(torch, dtype)}
    assert model.name_or_path == tiny_base.name


def test_a_missing_weight_is_refused_by_name(base: Path) -> None:
    state = load_file(base / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BaseError, match=r"1 weights are missing.*layers\.1\.mlp\.up_proj"):
        load(base)


def test_a_misshapen_weight_is_refused(base: Path) -> None:
    state = load_file(base / "model.safetensors")
    state["model.norm.weight"] = torch.ones(3)
    save_file(state, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BaseError, match="could not be loaded"):
        load(base)


def test_a_damaged_weights_file_is_refused(base: Path) -> None:
    file = base / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BaseError, match="tiny could not be loaded"):
        load(base)


def test_an_unknown_architecture_is_refused(base: Path) -> None:
    config = json.loads((base / "config.json").read_text())
    del config["architectures"]
    (base / "config.json").write_text(json.dumps(config | {"model_type": "unheard-of"}))
    section = Base(model=str(base))
    located = locate_base(section, offline=True, progress=Silent())
    with pytest.raises(BaseError, match="could not be loaded"):
        load_model(located, section, None)


def test_a_base_without_tokenizer_is_refused(base: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (base / name).unlink()
    with pytest.raises(BaseError, match="the tokenizer could not be read"):
        load_tokenizer(locate_base(Base(model=str(base)), offline=True, progress=Silent()))


def test_flash_attention_without_a_gpu_that_has_it_is_refused(tiny_base: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine may have it")
    with pytest.raises(BaseError, match="flash_attention_2, which needs a CUDA GPU"):
        load(tiny_base, attention="flash_attention_2")


def test_eager_and_sdpa_attention_give_the_same_logits(tiny_base: Path) -> None:
    logits = [
        load(tiny_base, dtype="float32", attention=name).model(IDS).logits
        for name in ("eager", "sdpa", "auto")
    ]
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-5, atol=1e-5)
    assert torch.equal(logits[1], logits[2])


# Quantised


def lora_b_gradients(base: FrozenBase, *, evaluated_before: bool) -> dict[str, torch.Tensor]:
    """Gradients of one training step on a fresh adapter, of which only lora_B has any."""
    model = attach(base, Adapter(rank=4), seed=1)
    if evaluated_before:
        model.eval()
        with torch.no_grad():
            model(IDS)
    model.train()
    model(IDS, labels=IDS).loss.backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if "lora_B" in name}
    assert len(found) == 14
    assert all(gradient is not None for gradient in found.values())
    return found


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_an_evaluation_between_steps_does_not_change_gradients(
    tiny_base: Path, quantization: str, dtype: str
) -> None:
    settings = {"quantization": quantization, "dtype": dtype}
    expected = lora_b_gradients(load(tiny_base, **settings), evaluated_before=False)
    found = lora_b_gradients(load(tiny_base, **settings), evaluated_before=True)
    for name, gradient in expected.items():
        assert torch.isfinite(gradient).all(), name
        assert gradient.any(), name
        assert torch.equal(gradient, found[name]), name


@pytest.mark.parametrize(("quantization", "closeness"), [("nf4", 0.8), ("int8", 0.999)])
def test_gradients_of_a_quantised_base_point_where_those_of_the_full_base_do(
    tiny_base: Path, quantization: str, closeness: float
) -> None:
    full = lora_b_gradients(load(tiny_base, dtype="float32"), evaluated_before=False)
    quantised = lora_b_gradients(
        load(tiny_base, dtype="float32", quantization=quantization), evaluated_before=False
    )
    a, b = (torch.cat([g.flatten() for g in grads.values()]) for grads in (full, quantised))
    assert torch.cosine_similarity(a, b, dim=0) > closeness


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_a_quantised_base_stores_its_linear_layers_in_fewer_bits(
    tmp_path: Path, quantization: str
) -> None:
    model = load(make_tiny_base(tmp_path / "untied", tied=False), quantization=quantization).model
    weight = model.get_submodule("model.layers.0.mlp.up_proj").weight
    assert weight.element_size() == 1
    assert weight.numel() == (64 * 128 // 2 if quantization == "nf4" else 64 * 128)
    assert model.get_output_embeddings().weight.dtype == torch.bfloat16
