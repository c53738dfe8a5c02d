"""The loss is the mean over supervised tokens, however examples are batched or padded."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from torch.nn.functional import cross_entropy

from medtune.data import Encoded
from medtune.models import attach, load_model, load_tokenizer, locate_base
from medtune.recipe import Adapter, Base
from medtune.records import Silent
from medtune.training import mean_loss
from medtune.training.batches import IGNORED, Batch, collate, micro_batches
from medtune.training.loss import supervised_loss_sum

CPU = torch.device("cpu")
PAD = 0
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> PeftModel:
    """A float32 base with an adapter whose every weight has a gradient."""
    section = Base(model=str(tiny_base), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    model = attach(
        load_model(located, section, load_tokenizer(located)), Adapter(rank=4, alpha=8.0), seed=1
    )
    generator = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.05, generator=generator)
    return model.train()


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
    return collate(examples, PAD, CPU)


@given(st.lists(rows(), min_size=1, max_size=4))
def test_the_sum_is_the_cross_entropy_of_the_supervised_tokens(
    model: PeftModel, examples: list[Encoded]
) -> None:
    with torch.no_grad():
        expected = sum(plain_loss(model, row) for row in examples)
        found = supervised_loss_sum(model, batch_of(*examples))
    torch.testing.assert_close(found.double(), expected, **CLOSE)


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


def test_gradients_are_those_of_the_plain_cross_entropy(model: PeftModel) -> None:
    examples = some_rows(5)
    expected = gradients(model, sum(plain_loss(model, row) for row in examples))
    found = gradients(model, supervised_loss_sum(model, batch_of(*examples)))
    assert len(found) == len(expected) == 28
    for name, gradient in expected.items():
        assert gradient.any()
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5)


def accumulated(model: PeftModel, parts: list[list[Encoded]]) -> dict[str, torch.Tensor]:
    """Gradients as a training step accumulates them over its micro-batches."""
    count = sum(row.num_supervised for part in parts for row in part)
    model.zero_grad(set_to_none=True)
    for part in parts:
        (supervised_loss_sum(model, batch_of(*part)) / count).backward()
    return {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}


def test_a_step_has_the_same_gradients_however_it_is_cut_into_micro_batches(
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


@pytest.mark.parametrize("amount", [0, 1, 7])
@pytest.mark.parametrize("pad", [PAD, 2, 250])
def test_neither_amount_nor_token_of_the_padding_changes_the_loss(
    model: PeftModel, amount: int, pad: int
) -> None:
    examples = some_rows(3)
    with torch.no_grad():
        expected = supervised_loss_sum(model, batch_of(*examples))
        batch = collate(examples, pad, CPU)
        length = batch.input_ids_BT.shape[1] + amount
        wider = Batch(
            ids=batch.ids,
            input_ids_BT=_widen(batch.input_ids_BT, length, pad),
            attention_mask_BT=_widen(batch.attention_mask_BT, length, 0),
            labels_BT=_widen(batch.labels_BT, length, IGNORED),
        )
        torch.testing.assert_close(supervised_loss_sum(model, wider), expected, **CLOSE)


def _widen(values_BT: torch.Tensor, length: int, fill: int) -> torch.Tensor:
    return torch.nn.functional.pad(values_BT, (0, length - values_BT.shape[1]), value=fill)


def test_the_side_of_the_padding_does_not_change_the_loss(model: PeftModel) -> None:
    examples = some_rows(4)
    right = batch_of(*examples)
    left = Batch(
        ids=right.ids,
        input_ids_BT=_to_the_right(right.input_ids_BT, examples),
        attention_mask_BT=_to_the_right(right.attention_mask_BT, examples),
        labels_BT=_to_the_right(right.labels_BT, examples),
    )
    assert not torch.equal(left.labels_BT, right.labels_BT)
    with torch.no_grad():
        found, expected = supervised_loss_sum(model, left), supervised_loss_sum(model, right)
    torch.testing.assert_close(found, expected, **CLOSE)


def _to_the_right(values_BT: torch.Tensor, examples: list[Encoded]) -> torch.Tensor:
    shifts = [values_BT.shape[1] - len(example) for example in examples]
    return torch.stack([row.roll(shift) for row, shift in zip(values_BT, shifts, strict=True)])


def test_validation_loss_is_per_token_and_does_not_depend_on_the_batch_size(
    model: PeftModel,
) -> None:
    examples = some_rows(7)
    with torch.no_grad():
        total = sum(float(plain_loss(model, row)) for row in examples)
    expected = total / sum(row.num_supervised for row in examples)
    for size in (1, 2, 3, 16):
        assert mean_loss(model, examples, size, PAD) == pytest.approx(expected, rel=1e-5)


def test_validation_uses_no_dropout_and_leaves_the_mode_as_it_was(tiny_base: Path) -> None:
    section = Base(model=str(tiny_base), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    base = load_model(located, section, load_tokenizer(located))
    model = attach(base, Adapter(rank=4, dropout=0.5), seed=1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(0.05)
    examples = some_rows(3)
    model.train()
    first = mean_loss(model, examples, 2, PAD)
    assert model.training
    assert mean_loss(model, examples, 2, PAD) == first
    model.eval()
    assert mean_loss(model, examples, 2, PAD) == first
    assert not model.training
    (batch,) = micro_batches(examples, 3, PAD, CPU)
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
        lambda module, inputs, output: seen.append(tuple(output.shape[:2]))
    )
    with torch.no_grad():
        supervised_loss_sum(model, batch_of(*examples))
    hook.remove()
    assert seen == [(2, 3)], "two positions of the one row, one of the other"
