"""What each arm is asked: the prompt of every test item, alone or behind examples."""

from collections.abc import Sequence

import numpy as np

from medtune.data import Encoder, Prepared
from medtune.errors import RecipeError
from medtune.recipe import Evaluate
from medtune.records import Example, Message

FEW_SHOT_STREAM = 1
"""Keeps the draw of the examples in the prompt apart from other draws with the recipe's seed."""


def scored_examples(prepared: Prepared, section: Evaluate) -> Sequence[Example]:
    """The test rows that are scored."""
    return prepared.splits["test"].examples[: section.limit]


def _own_examples(prepared: Prepared) -> Sequence[Example]:
    """Training examples of the task that is scored: not those of other sources, nor canaries."""
    part = prepared.splits["train"]
    return part.examples[: part.num_own]


def make_prompts(
    prepared: Prepared, section: Evaluate, few_shot: int, seed: int
) -> list[tuple[int, ...]]:
    """Token ids of the prompt of each scored example.

    Raises:
        RecipeError: There are fewer training examples than are to stand in the prompt.
    """
    header = few_shot_messages(_own_examples(prepared), few_shot, seed)
    examples = scored_examples(prepared, section)
    return [_prompt(example, header, prepared.encoder) for example in examples]


def few_shot_messages(examples: Sequence[Example], count: int, seed: int) -> tuple[Message, ...]:
    """Messages of ``count`` training examples, drawn without replacement; the same for all items.

    Raises:
        RecipeError: There are fewer training examples than that.
    """
    if count > len(examples):
        raise RecipeError(f"evaluate.few_shot is {count}; there are {len(examples)} training rows")
    generator = np.random.default_rng([seed, FEW_SHOT_STREAM])
    drawn = generator.choice(len(examples), size=count, replace=False)
    return tuple(m for i in drawn for m in examples[int(i)].messages if m.role != "system")


def _prompt(example: Example, header: tuple[Message, ...], encoder: Encoder) -> tuple[int, ...]:
    messages = example.prompt
    # A system message stays first; the examples come between it and the conversation.
    systems = tuple(message for message in messages if message.role == "system")
    return encoder.prompt((*systems, *header, *messages[len(systems) :]))
