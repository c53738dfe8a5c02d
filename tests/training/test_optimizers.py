"""The optimiser steps as AdamW's paper says, at each group's rate."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel

from medtune.errors import TrainingError
from medtune.models import adapter_state, attach, load_model, load_tokenizer, locate_base
from medtune.recipe import Adapter, Base, Train
from medtune.records import Silent
from medtune.training import checkpoint
from medtune.training.checkpoint import Position
from medtune.training.optimizers import (
    EIGHT_BIT,
    make_optimizer,
    set_learning_rate,
    state_bytes,
)

IDS = torch.tensor([[1, 7, 19, 250, 33, 8]])
RATE, DECAY, BETA1, BETA2, EPSILON = 1e-2, 0.1, 0.9, 0.95, 1e-8


def adapted(folder: Path, **fields: object) -> PeftModel:
    section = Base(model=str(folder), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    base = load_model(located, section, load_tokenizer(located))
    model = attach(base, Adapter(**{"rank": 4, "alpha": 8.0, **fields}), seed=1)
    # B starts at zero, under which A has no gradient: give both something to do.
    torch.manual_seed(2)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    return model


def backward(model: PeftModel) -> None:
    model(IDS, labels=IDS).loss.backward()


def section(ratio: float) -> Train:
    return Train(learning_rate=RATE, weight_decay=DECAY, lora_plus_ratio=ratio)


def adamw_step(weight: torch.Tensor, gradient: torch.Tensor, rate: float) -> torch.Tensor:
    """The first step of AdamW (arXiv:1711.05101) by hand."""
    first = (1 - BETA1) * gradient / (1 - BETA1)
    second = (1 - BETA2) * gradient**2 / (1 - BETA2)
    return weight - rate * DECAY * weight - rate * first / (second.sqrt() + EPSILON)


@pytest.mark.parametrize("method", ["lora", "dora"])
@pytest.mark.parametrize("ratio", [1.0, 16.0])
def test_one_step_moves_b_at_the_ratio_and_everything_else_at_the_rate(
    ratio: float, method: str, tiny_base: Path
) -> None:
    model = adapted(tiny_base, method=method)
    optimizer = make_optimizer(model, section(ratio), Silent())
    backward(model)
    trainable = {n: w for n, w in model.named_parameters() if w.requires_grad}
    expected = {
        name: adamw_step(
            weight.detach().double(),
            weight.grad.double(),
            RATE / 2 * (ratio if "lora_B" in name else 1),
        )
        for name, weight in trainable.items()
        if weight.grad is not None
    }
    assert len(expected) == len(trainable) == (28 if method == "lora" else 42)
    set_learning_rate(optimizer, RATE / 2)
    optimizer.step()
    for name, weight in trainable.items():
        torch.testing.assert_close(
            weight.detach().double(), expected[name], atol=1e-6, rtol=1e-5, msg=name
        )


def test_two_rates_go_on_from_a_checkpoint_to_the_bit(tiny_base: Path, tmp_path: Path) -> None:
    def session() -> tuple[PeftModel, torch.optim.Optimizer]:
        model = adapted(tiny_base, dropout=0.2)
        return model, make_optimizer(model, section(16.0), Silent())

    def steps(model: PeftModel, optimizer: torch.optim.Optimizer, rates: list[float]) -> None:
        model.train()
        for rate in rates:
            torch.manual_seed(round(rate * 1e4))  # as the loop does, by its steps
            backward(model)
            set_learning_rate(optimizer, rate)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    model, optimizer = session()
    steps(model, optimizer, [1e-3, 2e-3])
    checkpoint.save(tmp_path / "c", model, optimizer, Position(step=2), None, keep_last=1)
    steps(model, optimizer, [3e-3, 1e-3])
    again, fresh = session()
    checkpoint.restore(tmp_path / "c", again, fresh)
    steps(again, fresh, [3e-3, 1e-3])
    expected, found = adapter_state(model), adapter_state(again)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.mark.parametrize("name", ["adamw_8bit", "paged_adamw", "paged_adamw_8bit"])
def test_other_optimisers_step_towards_the_same_and_go_on_from_a_checkpoint_to_the_bit(
    name: str, tiny_base: Path, tmp_path: Path
) -> None:
    settings = Train(learning_rate=RATE, optimizer=name)

    def session(settings: Train = settings) -> tuple[PeftModel, torch.optim.Optimizer]:
        # Rank 64: matrices of 4096 weights, the smallest that get 8-bit moments.
        model = adapted(tiny_base, rank=64)
        return model, make_optimizer(model, settings, Silent())

    def steps(model: PeftModel, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            backward(model)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    model, optimizer = session()
    steps(model, optimizer, 2)
    kinds = {value.dtype for state in optimizer.state.values() for value in state.values()
             if isinstance(value, torch.Tensor)}  # fmt: skip
    assert (torch.uint8 in kinds) == (name in EIGHT_BIT)
    checkpoint.save(tmp_path / "c", model, optimizer, Position(step=2), None, keep_last=1)
    steps(model, optimizer, 3)
    again, fresh = session()
    checkpoint.restore(tmp_path / "c", again, fresh)
    steps(again, fresh, 3)
    expected, found = adapter_state(model), adapter_state(again)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    plain, adamw = session(Train(learning_rate=RATE))
    start = adapter_state(plain)
    start = {name: tensor.clone() for name, tensor in start.items()}
    steps(plain, adamw, 5)
    for name, tensor in adapter_state(plain).items():
        moved, reference = found[name] - start[name], tensor - start[name]
        assert torch.cosine_similarity(moved.flatten(), reference.flatten(), dim=0) > 0.97, name


@pytest.mark.parametrize(
    ("name", "is_said"),
    [("adamw", False), ("adamw_8bit", False), ("paged_adamw", True), ("paged_adamw_8bit", True)],
)
def test_an_optimiser_that_the_device_does_not_have_is_announced_and_replaced(
    name: str, is_said: bool, tiny_base: Path
) -> None:
    notes = Notes()
    make_optimizer(adapted(tiny_base), Train(learning_rate=RATE, optimizer=name), notes)
    assert [f"train.optimizer is {name}" in line for line in notes.said] == [True] * is_said


@pytest.mark.parametrize("name", ["adamw", "adamw_8bit"])
def test_the_moments_take_the_memory_that_is_predicted(name: str, tiny_base: Path) -> None:
    settings = Train(learning_rate=RATE, optimizer=name)
    model = adapted(tiny_base, rank=64)
    optimizer = make_optimizer(model, settings, Silent())
    backward(model)
    optimizer.step()
    moments = {"exp_avg", "exp_avg_sq", "state1", "state2", "absmax1", "absmax2"}
    found = sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for key, value in state.items()
        if key in moments
    )
    weights = [w for w in model.parameters() if w.requires_grad]
    assert state_bytes(weights, settings) == found


def test_a_checkpoint_of_another_kind_of_optimiser_is_refused(
    tiny_base: Path, tmp_path: Path
) -> None:
    model = adapted(tiny_base)
    optimizer = make_optimizer(model, section(1.0), Silent())
    backward(model)
    optimizer.step()
    checkpoint.save(tmp_path / "c", model, optimizer, Position(step=1), None, keep_last=1)
    other = make_optimizer(model, Train(learning_rate=RATE, optimizer="adamw_8bit"), Silent())
    with pytest.raises(TrainingError, match="written with the optimiser AdamW and cannot go on"):
        checkpoint.restore(tmp_path / "c", model, other)
