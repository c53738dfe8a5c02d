"""The learning rate as a pure function of the step."""

from math import ceil, cos, pi

from medtune.recipe import Train

DECAY_FRACTION = 0.1
"""Share of the run in which warmup-stable-decay falls."""


def learning_rate(section: Train, step: int, num_steps: int) -> float:
    """Rate of optimiser step ``step``, counted from 1 to ``num_steps``.

    The rate rises linearly over the warm-up's steps, reaches the peak on the last of them, and
    ends at peak * final_fraction on the last step of the run.
    """
    warmup = _share(section.warmup_fraction, num_steps)
    if step <= warmup:
        return section.learning_rate * step / warmup
    left = num_steps - warmup
    done = (step - warmup) / left
    match section.schedule:
        case "constant":
            remaining = 1.0
        case "cosine":
            remaining = (1 + cos(pi * done)) / 2
        case "linear":
            remaining = 1 - done
        case _:
            falling = min(left, _share(DECAY_FRACTION, num_steps))
            remaining = 1 - max(0, step - warmup - (left - falling)) / falling
    # The recipe allows a floor under the falling schedules only.
    return section.learning_rate * (section.final_fraction * (1 - remaining) + remaining)


def _share(fraction: float, num_steps: int) -> int:
    """Steps of a share, rounded up; 0.07 of 100 is 7, although 0.07 * 100 is a little more."""
    return max(ceil(round(fraction * num_steps, 9)), 1 if fraction else 0)
