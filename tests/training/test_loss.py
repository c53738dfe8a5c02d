"""The loss is the mean over supervised tokens, however examples are packed, padded or cut."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from tiny_models import make_tiny_base
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GraniteConfig,
    PretrainedConfig,
)

from medtune.data import Encoded
from medtune.models import attach, load_model, load_tokenizer, locate_base
from medtune.recipe import Adapter, Base
from medtune.records import Silent
from medtune.training import loss as loss_module
from medtune.training import mean_loss
from medtune.training.batches import (
    Batch,
    Passes,
    batches,
    collate_packed,
    collate_padded,
    num_predicted,
)
from medtune.training.engine import SingleProcess
from medtune.training.loss import head_logits, supervised_loss_sum
from medtune.training.selftest import pass_attention

CPU = torch.device("cpu")
PAD = 0
SMALL = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.5,
}
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


PADDED = Passes(packing=False, tokens=256, pad_id=PAD)
PACKED = Passes(packing=True, tokens=256, pad_id=PAD)
CONDITIONS = ["tied", "untied", "double", "nf4", "int8"]


def load(folder: Path, *, quantization: str = "none", dropout: float = 0.0) -> PeftModel:
    """A float32 base with an adapter whose every weight has a gradient."""
    section = Base(model=str(folder), dtype="float32", quantization=quantization)
    located = locate_base(section, offline=True, progress=Silent())
    base = load_model(located, section, load_tokenizer(located))
    model = attach(base, Adapter(rank=4, alpha=8.0, dropout=dropout), seed=1)
    generator = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.05, generator=generator)
    return model.train()


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> PeftModel:
    """The tied one in float32, for what does not depend on the base."""
    return load(tiny_base)


@pytest.fixture(scope="module", params=CONDITIONS)
def any_model(
    request: pytest.FixtureRequest, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory
) -> PeftModel:
    """Bases whose heads and layers are stored in different ways."""
    if request.param == "untied":
        return load(make_tiny_base(tmp_path_factory.mktemp("bases") / "untied", tied=False))
    if request.param in ("nf4", "int8"):
        return load(tiny_base, quantization=request.param)
    found = load(tiny_base)
    return found.double() if request.param == "double" else found


@st.composite
def rows(draw: st.DrawFn) -> Encoded:
    ids = draw(st.lists(st.integers(1, 399), min_size=2, max_size=24))
    first = draw(st.integers(1, len(ids) - 1))
    # Several answers, as in a conversation, and a prompt of one token at least.
    mask = [False] * first + draw(
        st.lists(st.booleans(), min_size=len(ids) - first, max_size=len(ids) - first)
    )
    mask[-1] = True
    return Encoded(id="row", input_ids=tuple(ids), supervised=tuple(mask))


def plain_loss(model: torch.nn.Module, row: Encoded) -> torch.Tensor:
    """All logits of one unpadded row, in double precision from there on."""
    ids = torch.tensor([row.input_ids])
    logits = model(ids).logits[0].double()
    terms = [
        cross_entropy(logits[position - 1], ids[0, position])
        for position in range(1, len(row))
        if row.supervised[position]
    ]
    return torch.stack(terms).sum()


def gradients(model: PeftModel, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


def batch_of(*examples: Encoded) -> Batch:
    return collate_padded(examples, PAD, CPU)


def pack_of(*examples: Encoded) -> Batch:
    return collate_packed(examples, CPU)


def packed_loss(model: PeftModel, *examples: Encoded) -> torch.Tensor:
    with pass_attention(model, PACKED):
        return supervised_loss_sum(model, pack_of(*examples))


@given(st.lists(rows(), min_size=1, max_size=4))
def test_the_sum_is_the_cross_entropy_of_the_supervised_tokens(
    model: PeftModel, examples: list[Encoded]
) -> None:
    with torch.no_grad():
        expected = sum(plain_loss(model, row) for row in examples)
        padded = supervised_loss_sum(model, batch_of(*examples))
        packed = packed_loss(model, *examples)
    torch.testing.assert_close(padded.double(), expected, **CLOSE)
    torch.testing.assert_close(packed.double(), expected, **CLOSE)


def some_rows(count: int, *, seed: int = 2) -> list[Encoded]:
    """Rows of very different lengths and shares of supervised tokens."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for number in range(count):
        length = int(torch.randint(4, 30, (1,), generator=generator))
        prompt = int(torch.randint(1, length, (1,), generator=generator))
        ids = torch.randint(1, 399, (length,), generator=generator).tolist()
        mask = (False,) * prompt + (True,) * (length - prompt)
        found.append(Encoded(id=f"row-{number}", input_ids=tuple(ids), supervised=mask))
    return found


def tolerance(model: PeftModel) -> dict[str, float]:
    """LLM.int8 rounds activations anew for each pass; the others only add up in other orders.

    transformers computes norms in float32 even in a double-precision model.
    """
    if getattr(model.get_base_model(), "is_loaded_in_8bit", False):
        return {"rtol": 0.2, "atol": 0.05}
    is_double = model.dtype == torch.float64
    return {"rtol": 1e-6, "atol": 1e-7} if is_double else {"rtol": 1e-4, "atol": 1e-5}


@pytest.mark.parametrize("max_logits", [loss_module.MAX_LOGITS, 3 * 416, 1])
def test_loss_and_gradients_are_those_of_the_plain_cross_entropy_in_chunks_too(
    any_model: PeftModel, max_logits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_module, "MAX_LOGITS", max_logits)
    examples = some_rows(5)
    loss = sum(plain_loss(any_model, row) for row in examples)
    expected = gradients(any_model, loss)
    close = tolerance(any_model)
    for passed in (
        packed_loss(any_model, *examples),
        supervised_loss_sum(any_model, batch_of(*examples)),
    ):
        torch.testing.assert_close(passed.double(), loss, rtol=close["rtol"] / 10, atol=1e-5)
        found = gradients(any_model, passed)
        assert len(found) == len(expected) == 28
        for name, gradient in expected.items():
            assert gradient.any()
            torch.testing.assert_close(found[name], gradient, **close)


def test_no_more_logits_than_allowed_are_ever_in_memory(
    model: PeftModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_module, "MAX_LOGITS", 3 * 416)
    seen = []
    hook = model.get_output_embeddings().register_forward_hook(
        lambda module, inputs, output: seen.append(output.shape[0])
    )
    examples = some_rows(5)
    packed_loss(model, *examples)
    hook.remove()
    assert sum(seen) == num_predicted(examples)
    assert max(seen) == 3


@pytest.mark.parametrize(
    "config",
    [
        Gemma2Config(final_logit_softcapping=3.0, **SMALL),
        CohereConfig(logit_scale=0.3, **SMALL),
        GraniteConfig(logits_scaling=4.0, **SMALL),
    ],
    ids=lambda config: config.model_type,
)
def test_what_an_architecture_does_after_its_head_is_done_here_too(
    config: PretrainedConfig,
) -> None:
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(config).eval()
    ids = torch.tensor([[3, 9, 27, 5]])
    with torch.no_grad():
        hidden = base.base_model(ids).last_hidden_state
        expected = base(ids).logits
        assert not torch.allclose(base.get_output_embeddings()(hidden), expected, rtol=1e-2)
        torch.testing.assert_close(head_logits(base, hidden), expected)


def accumulated(model: PeftModel, parts: list[list[Encoded]]) -> dict[str, torch.Tensor]:
    """Gradients as a training step accumulates them over its passes."""
    count = sum(row.num_supervised for part in parts for row in part)
    model.zero_grad(set_to_none=True)
    for part in parts:
        (packed_loss(model, *part) / count).backward()
    return {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}


def test_a_step_has_the_same_gradients_however_it_is_cut_into_passes(
    model: PeftModel,
) -> None:
    examples = some_rows(8)
    assert len({row.num_supervised for row in examples}) > 4
    whole = accumulated(model, [examples])
    count = sum(row.num_supervised for row in examples)
    plain = gradients(model, sum(plain_loss(model, row) for row in examples) / count)
    for parts in ([[row] for row in examples], [examples[:3], examples[3:]]):
        found = accumulated(model, parts)
        for name in plain:
            torch.testing.assert_close(found[name], whole[name], rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(found[name], plain[name], rtol=1e-4, atol=1e-6)
    # Not so for the mean over examples of each one's mean, which weighs tokens by their company.
    per_example = sum(plain_loss(model, row) / row.num_supervised for row in examples) / 8
    other = gradients(model, per_example)
    assert not any(torch.allclose(other[name], plain[name], rtol=1e-2) for name in plain)


@pytest.mark.parametrize("pad", [PAD, 2, 250])
def test_the_token_of_the_padding_does_not_change_the_loss(model: PeftModel, pad: int) -> None:
    examples = some_rows(3)
    with torch.no_grad():
        expected = supervised_loss_sum(model, batch_of(*examples))
        found = supervised_loss_sum(model, collate_padded(examples, pad, CPU))
    torch.testing.assert_close(found, expected, **CLOSE)


def test_an_examples_first_token_is_predicted_by_nothing(model: PeftModel) -> None:
    # As in continued pretraining, where all tokens are supervised.
    rows = [replace(row, supervised=(True,) * len(row)) for row in some_rows(3)]
    assert num_predicted(rows) == sum(map(len, rows)) - 3
    with torch.no_grad():
        expected = sum(plain_loss(model, row) for row in rows)
        torch.testing.assert_close(packed_loss(model, *rows).double(), expected, **CLOSE)


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("tokens", [30, 64, 1000])
def test_validation_loss_is_per_token_and_does_not_depend_on_the_passes(
    model: PeftModel, packing: bool, tokens: int
) -> None:
    examples = some_rows(7)
    with torch.no_grad():
        total = sum(float(plain_loss(model, row)) for row in examples)
    expected = total / sum(row.num_supervised for row in examples)
    passes = Passes(packing=packing, tokens=tokens, pad_id=PAD)
    with pass_attention(model, passes):
        found = mean_loss(model, examples, passes, SingleProcess())
    assert found == pytest.approx(expected, rel=1e-5)


def test_validation_uses_no_dropout_and_leaves_the_mode_as_it_was(tiny_base: Path) -> None:
    model = load(tiny_base, dropout=0.5)
    examples = some_rows(3)
    model.train()
    first = mean_loss(model, examples, PADDED, SingleProcess())
    assert model.training
    assert mean_loss(model, examples, PADDED, SingleProcess()) == first
    model.eval()
    assert mean_loss(model, examples, PADDED, SingleProcess()) == first
    assert not model.training
    (batch,) = batches(examples, PADDED, CPU)
    model.train()
    with torch.no_grad():
        drawn = [float(supervised_loss_sum(model, batch)) for _ in range(2)]
    assert drawn[0] != drawn[1], "the dropout is there, outside validation"


def test_prompts_cost_no_logits(model: PeftModel) -> None:
    examples = [
        Encoded(id="a", input_ids=tuple(range(1, 21)), supervised=(False,) * 18 + (True,) * 2),
        Encoded(id="b", input_ids=tuple(range(1, 11)), supervised=(False,) * 9 + (True,)),
    ]
    seen = []
    hook = model.get_output_embeddings().register_forward_hook(
        lambda module, inputs, output: seen.append(output.shape[0])
    )
    with torch.no_grad():
        supervised_loss_sum(model, batch_of(*examples))
    hook.remove()
    assert seen == [3], "two positions of the one row, one of the other"
