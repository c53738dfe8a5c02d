"""What each arm is asked: the prompt of every item, alone or behind examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medtune.data import Encoder
from medtune.errors import RecipeError
from medtune.evaluation.prompt_file import PLACEHOLDER, PromptFile, Wording, WordingName
from medtune.records import Example, Message

FEW_SHOT_STREAM = 1
"""Keeps the draw of the examples in the prompt apart from other draws with the recipe's seed."""
Header = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Prompter:
    """Puts questions in the words of a prompt file, as token ids."""

    encoder: Encoder
    prompts: PromptFile
    protocol: str
    """As ``evaluate.protocol``."""

    def prompt(
        self, example: Example, header: Header = (), order: Sequence[int] | None = None
    ) -> tuple[int, ...]:
        """Token ids of what stands before an answer.

        Args:
            example: What is asked.
            header: Examples before it.
            order: Places of the options in which they are listed; None: as they are.

        Raises:
            RecipeError: The prompt file has no words for this.
        """
        messages, lead = self._messages(example, order)
        systems = [message for message in messages if message.role == "system"]
        # A system message stays first; the examples come between it and the conversation.
        ids = self.encoder.prompt((*systems, *header, *messages[len(systems) :]))
        return (*ids, *self.encoder.continuation(ids, lead)) if lead else ids

    def option(self, prompt: Sequence[int], example: Example, option: str) -> tuple[int, ...]:
        """Token ids of an option behind the prompt."""
        lead = self.lead(example)
        text = f" {option}" if lead and not lead[-1].isspace() else option
        return self.encoder.continuation(prompt, text)

    def lead(self, example: Example) -> str:
        """What the answer begins with, before the model goes on."""
        wording = self._wording(example)
        return wording.lead if wording else ""

    def header(self, examples: Sequence[Example], count: int, seed: int) -> Header:
        """Messages of ``count`` examples, drawn without replacement; each as it would be asked.

        Raises:
            RecipeError: There are fewer examples than that.
        """
        if count > len(examples):
            raise RecipeError(
                f"evaluate.few_shot is {count}; there are {len(examples)} training rows to show"
            )
        generator = np.random.default_rng([seed, FEW_SHOT_STREAM])
        drawn = generator.choice(len(examples), size=count, replace=False)
        return tuple(message for place in drawn for message in self._shown(examples[int(place)]))

    def _shown(self, example: Example) -> Header:
        """A training example with its answer, in the words in which questions are put."""
        wording = self._wording(example)
        if wording is None:
            return tuple(message for message in example.messages if message.role != "system")
        answer = example.answer
        if self.protocol == "option_likelihood" and example.choices:
            answer = example.choices[example.options.index(answer)]
        gap = " " if wording.lead and not wording.lead[-1].isspace() else ""
        return (
            Message(role="user", content=_filled(wording, example, None)),
            Message(role="assistant", content=f"{wording.lead}{gap}{answer}"),
        )

    def _messages(
        self, example: Example, order: Sequence[int] | None
    ) -> tuple[tuple[Message, ...], str]:
        wording = self._wording(example)
        if wording is None:
            if order is not None and list(order) != list(range(len(example.options))):
                raise RecipeError(
                    "evaluate.rotate_options needs rows whose options are lettered texts"
                )
            return example.prompt, ""
        system = [message for message in example.prompt if message.role == "system"]
        if wording.system is not None:
            system = [Message(role="system", content=wording.system)]
        worked: list[Message] = []
        for one in wording.examples:
            worked.append(Message(role="user", content=one.user))
            worked.append(Message(role="assistant", content=one.assistant))
        asked = Message(role="user", content=_filled(wording, example, order))
        return (*system, *worked, asked), wording.lead

    def _wording(self, example: Example) -> Wording | None:
        """The words for an example; None: its own, as it was trained on."""
        if not example.options or not example.question:
            return None
        return self.prompts.wording(wording_name(example, self.protocol))


def wording_name(example: Example, protocol: str) -> WordingName:
    """Which wording of a prompt file puts this question under this protocol."""
    is_reasoned = protocol in ("cot", "sc_cot")
    if not example.choices:
        return "decision_reasoned" if is_reasoned else "decision"
    if protocol == "option_likelihood":
        return "cloze"
    return "letters_reasoned" if is_reasoned else "letters"


def rotations(example: Example) -> list[list[int]]:
    """The cyclic orders of an example's options, as they are first."""
    count = len(example.options)
    return [[(place + shift) % count for place in range(count)] for shift in range(count)]


def headers(
    prompter: Prompter, shots: Mapping[str, Sequence[Example]], count: int, seed: int | None
) -> dict[str, Header]:
    """The examples before the questions of each subject.

    ``shots``: training examples by subject; "": for all others.

    Raises:
        RecipeError: There are too few.
    """
    if not count:
        return dict.fromkeys(shots, ())
    assert seed is not None, "examples are drawn by a seed"
    return {subject: prompter.header(rows, count, seed) for subject, rows in shots.items()}


def _filled(wording: Wording, example: Example, order: Sequence[int] | None) -> str:
    order = range(len(example.options)) if order is None else order
    listed = [
        f"{letter}. {example.choices[place]}"
        for letter, place in zip(example.options, order, strict=True)
        if example.choices
    ]
    *most, last = example.options
    values = {
        "question": example.question,
        "options": "\n".join(listed),
        "names": f"{', '.join(most)} or {last}" if most else last,
    }
    return PLACEHOLDER.sub(lambda found: values[found[1]], wording.user)
