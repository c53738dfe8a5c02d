"""The learning rate: its shape by laws, and by the schedules of transformers."""

from itertools import pairwise
from math import ceil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

from medtune.recipe import Train
from medtune.training.schedule import learning_rate

PEAK = 3e-4
FALLING = ("cosine", "linear", "warmup-stable-decay")


def train(schedule: str, warmup: float = 0.1, final: float = 0.0) -> Train:
    return Train(
        learning_rate=PEAK, schedule=schedule, warmup_fraction=warmup, final_fraction=final
    )


def rates(section: Train, num_steps: int) -> list[float]:
    return [learning_rate(section, step, num_steps) for step in range(1, num_steps + 1)]


STEPS = st.integers(1, 300)
WARMUP = st.floats(0, 0.99)
FINAL = st.floats(0, 1)


@given(st.sampled_from(FALLING), STEPS, WARMUP, FINAL)
def test_the_rate_rises_to_the_peak_once_and_then_never_rises(
    schedule: str, num_steps: int, warmup_fraction: float, final: float
) -> None:
    found = rates(train(schedule, warmup_fraction, final), num_steps)
    warmup = ceil(warmup_fraction * num_steps)
    assert all(0 <= rate <= PEAK * (1 + 1e-12) for rate in found)
    rising, falling = found[:warmup], found[max(0, warmup - 1) :]
    assert all(a < b for a, b in pairwise(rising))
    assert all(a >= b - 1e-12 * PEAK for a, b in pairwise(falling))
    if warmup:
        assert found[warmup - 1] == pytest.approx(PEAK)
        assert found[0] == pytest.approx(PEAK / warmup), "the first step already learns"
        assert all(rate < PEAK for rate in found[: warmup - 1])


@given(st.sampled_from(FALLING), STEPS, WARMUP, FINAL)
def test_the_last_step_has_the_final_rate(
    schedule: str, num_steps: int, warmup_fraction: float, final: float
) -> None:
    found = rates(train(schedule, warmup_fraction, final), num_steps)
    reached = ceil(warmup_fraction * num_steps) < num_steps
    assert found[-1] == pytest.approx(PEAK * final if reached else PEAK, abs=1e-12)


@given(STEPS, WARMUP)
def test_constant_stays_at_the_peak(num_steps: int, warmup_fraction: float) -> None:
    found = rates(train("constant", warmup_fraction), num_steps)
    assert found[max(0, ceil(warmup_fraction * num_steps) - 1) :] == pytest.approx(
        [PEAK] * (num_steps - max(0, ceil(warmup_fraction * num_steps) - 1))
    )


@pytest.mark.parametrize("num_steps", [20, 50, 200])
def test_warmup_stable_decay_falls_in_the_last_tenth_only(num_steps: int) -> None:
    found = rates(train("warmup-stable-decay", 0.1, 0.2), num_steps)
    tenth = num_steps // 10
    assert found[tenth - 1 : -tenth] == pytest.approx([PEAK] * (num_steps - 2 * tenth + 1))
    drops = [a - b for a, b in pairwise(found[-tenth - 1 :])]
    assert drops == pytest.approx([0.8 * PEAK / tenth] * tenth)


REFERENCES = {
    "cosine": lambda optimizer, warmup, total: get_cosine_schedule_with_warmup(
        optimizer, warmup, total
    ),
    "linear": lambda optimizer, warmup, total: get_linear_schedule_with_warmup(
        optimizer, warmup, total
    ),
    "constant": lambda optimizer, warmup, total: get_constant_schedule_with_warmup(
        optimizer, warmup
    ),
}


@pytest.mark.parametrize("schedule", sorted(REFERENCES))
@pytest.mark.parametrize(("num_steps", "fraction"), [(10, 0.2), (100, 0.03), (37, 0.0), (64, 0.5)])
def test_the_rate_is_that_of_transformers_one_step_on(
    schedule: str, num_steps: int, fraction: float
) -> None:
    # transformers counts from 0, so that its first step has rate 0 and its last is not quite 0.
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    reference = REFERENCES[schedule](optimizer, ceil(fraction * num_steps), num_steps)
    expected = []
    for _ in range(num_steps):
        optimizer.step()
        reference.step()
        expected.append(reference.get_last_lr()[0])
    assert rates(train(schedule, fraction), num_steps) == pytest.approx(expected, abs=1e-15)
