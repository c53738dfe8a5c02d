"""Our LoRA layers compute what PEFT's do, and leave everything else to PEFT."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import make_tiny_base
from torch.autograd import gradcheck

from medtune.models import FrozenBase, attach, load_model, load_tokenizer, locate_base
from medtune.models.lora import FastLinear, FastLinear4bit, FastLinear8bit, LoraDense, LoraUpdate
from medtune.recipe import Adapter, Base
from medtune.records import Silent

IDS = torch.tensor([[5, 17, 60, 250, 33, 8, 91], [7, 3, 3, 11, 240, 12, 9]])
LAYERS = {"none": FastLinear, "nf4": FastLinear4bit, "int8": FastLinear8bit}


def load(folder: Path, *, dtype: str = "float32", quantization: str = "none") -> FrozenBase:
    section = Base(model=str(folder), dtype=dtype, quantization=quantization)
    located = locate_base(section, offline=True, progress=Silent())
    return load_model(located, section, load_tokenizer(located))


def grow(model: PeftModel) -> PeftModel:
    """Give every B a value, the same for the same names."""
    generator = torch.Generator().manual_seed(3)
    for name, weight in sorted(model.named_parameters()):
        if "lora_" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.1
    return model


def pefts_own(base: FrozenBase, **options: object) -> PeftModel:
    """The same adapter on PEFT's own layers."""
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=4, lora_alpha=8, target_modules=names, task_type="CAUSAL_LM", **options)
    return get_peft_model(base.model, config)


def loss_and_gradients(model: PeftModel) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.train()
    loss = model(IDS, labels=IDS).loss
    loss.backward()
    found = {n: w.grad for n, w in model.named_parameters() if w.requires_grad}
    return loss.detach(), found


SIZES = st.integers(1, 5)


@given(SIZES, SIZES, SIZES, SIZES, st.floats(0.1, 4), st.integers(0, 99))
def test_the_gradient_is_the_numerical_one(
    tokens: int, width: int, out: int, rank: int, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, tokens, out), (2, tokens, width), (rank, width), (out, rank)]
    inputs = [
        torch.randn(shape, generator=generator, dtype=torch.double, requires_grad=True)
        for shape in shapes
    ]
    assert gradcheck(lambda *given: LoraUpdate.apply(*given, scale), inputs)
    y, x, a, b = inputs
    torch.testing.assert_close(LoraUpdate.apply(y, x, a, b, scale), y + scale * x @ a.T @ b.T)
    weight, bias = torch.randn(out, width + 1, generator=generator, dtype=torch.double).split(
        [width, 1], dim=1
    )
    for added in (None, bias[:, 0]):

        def dense(x, a, b, added=added):
            return LoraDense.apply(x, weight, added, a, b, scale)

        assert gradcheck(dense, (x, a, b))
        expected = torch.nn.functional.linear(x, weight, added) + scale * x @ a.T @ b.T
        torch.testing.assert_close(LoraDense.apply(x, weight, added, a, b, scale), expected)


@pytest.mark.parametrize("quantization", LAYERS)
@pytest.mark.parametrize("tied", [True, False])
def test_loss_and_gradients_are_those_of_pefts_own_layers(
    tmp_path: Path, quantization: str, tied: bool
) -> None:
    folder = make_tiny_base(tmp_path / "base", tied=tied)
    ours = grow(attach(load(folder, quantization=quantization), Adapter(rank=4, alpha=8), seed=1))
    theirs = grow(pefts_own(load(folder, quantization=quantization)))
    kinds = {type(m) for m in ours.modules() if hasattr(m, "lora_A")}
    assert kinds == {LAYERS[quantization]}
    loss, gradients = loss_and_gradients(ours)
    expected_loss, expected = loss_and_gradients(theirs)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-6, atol=1e-6)
    assert gradients.keys() == expected.keys()
    assert len(expected) == 28
    for name, gradient in expected.items():
        assert gradient.any()
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-4, atol=1e-6)


def test_on_a_bfloat16_base_weights_and_gradients_stay_float32_and_close_to_pefts(
    tiny_base: Path,
) -> None:
    ours = grow(attach(load(tiny_base, dtype="bfloat16"), Adapter(rank=4, alpha=8), seed=1))
    theirs = grow(pefts_own(load(tiny_base, dtype="bfloat16")))
    loss, gradients = loss_and_gradients(ours)
    expected_loss, expected = loss_and_gradients(theirs)
    assert loss == pytest.approx(float(expected_loss), rel=0.01)
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}
    for name, gradient in expected.items():
        cosine = torch.cosine_similarity(gradients[name].flatten(), gradient.flatten(), dim=0)
        assert cosine > 0.99, name


def test_a_disabled_adapter_is_the_base_to_the_bit(tiny_base: Path) -> None:
    base = load(tiny_base, dtype="bfloat16")
    with torch.no_grad():
        expected = base.model(IDS).logits
        model = grow(attach(base, Adapter(rank=4, alpha=8), seed=1)).eval()
        assert not torch.equal(model(IDS).logits, expected)
        with model.disable_adapter():
            assert torch.equal(model(IDS).logits, expected)


def test_a_merged_adapter_is_added_once(tiny_base: Path) -> None:
    model = grow(attach(load(tiny_base), Adapter(rank=4, alpha=8), seed=1)).eval()
    with torch.no_grad():
        expected = model(IDS).logits
        model.merge_adapter()
        torch.testing.assert_close(model(IDS).logits, expected, rtol=1e-4, atol=1e-4)
        model.unmerge_adapter()
        torch.testing.assert_close(model(IDS).logits, expected, rtol=1e-4, atol=1e-4)


def test_dropout_acts_on_the_update_alone_and_only_in_training(tiny_base: Path) -> None:
    model = grow(attach(load(tiny_base), Adapter(rank=4, alpha=8, dropout=0.5), seed=1))
    plain = grow(attach(load(tiny_base), Adapter(rank=4, alpha=8), seed=1)).eval()
    with torch.no_grad():
        assert torch.equal(model.eval()(IDS).logits, plain(IDS).logits)
        model.train()
        torch.manual_seed(1)
        first = model(IDS).logits
        assert not torch.equal(model(IDS).logits, first)
        torch.manual_seed(1)
        assert torch.equal(model(IDS).logits, first)
        theirs = grow(pefts_own(load(tiny_base), lora_dropout=0.5)).train()
        torch.manual_seed(1)
        torch.testing.assert_close(theirs(IDS).logits, first, rtol=1e-4, atol=1e-4)
