"""A conversation with what was trained, through the template and stop token of its training.

Nothing of a conversation is kept: it is in memory until it is forgotten or the process ends.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from medtune import models
from medtune.data import Encoder
from medtune.data.template import special_tokens
from medtune.errors import EvaluationError, TemplateError
from medtune.records import Message, Role
from medtune.scoring.conditions import evaluation_mode, float32_head
from medtune.subject import Subject

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer decodes a part of a character to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A model in memory and how it speaks."""

    subject: Subject
    model: PreTrainedModel | PeftModel
    max_new_tokens: int
    temperature: float
    """0: the likeliest token each time."""
    is_adapter_on: bool = True
    """False: the base below the adapter answers."""

    def switched(self) -> AbstractContextManager[object]:
        """Within, the model is the one that is to speak."""
        if self.is_adapter_on or not isinstance(self.model, PeftModel):
            return nullcontext()
        disabled: AbstractContextManager[object] = self.model.disable_adapter()
        return disabled


def load_speaker(subject: Subject, *, max_new_tokens: int, temperature: float) -> Speaker:
    """Load what is to be talked with.

    Raises:
        MedtuneError: The base or the adapter cannot be loaded.
    """
    base = models.load_model(subject.located, subject.base, subject.tokenizer)
    model: PreTrainedModel | PeftModel = base.model
    if subject.adapter is not None:
        model = models.load_adapter(base, subject.adapter)
    return Speaker(
        subject=subject, model=model, max_new_tokens=max_new_tokens, temperature=temperature
    )


class Chat:
    """One conversation.

    Args:
        speaker: Who answers.
        system: What is said before it; empty: nothing.
    """

    def __init__(self, speaker: Speaker, *, system: str = "") -> None:
        self._speaker = speaker
        self._encoder = Encoder(speaker.subject.template)
        self._beginning = [_message("system", system)] if system else []
        self._said = list(self._beginning)

    def reset(self) -> None:
        """Forget all that was said, but the system message."""
        self._said = list(self._beginning)

    def ask(self, text: str) -> Iterator[str]:
        """Say something; yields the answer in pieces, and remembers both once it has ended.

        Raises:
            TemplateError: The text holds a control token, or the template refuses it.
            EvaluationError: The base cannot read a conversation of this length.
        """
        self._refuse_control_text(text)
        said = [*self._said, _message("user", text)]
        prompt = self._encoder.prompt(said)
        self._require_room(len(prompt))
        ids: list[int] = []
        shown = ""
        for token in _tokens(self._speaker, prompt):
            ids.append(token)
            whole = self._encoder.decode(ids)
            if not whole.endswith(UNFINISHED):
                yield whole[len(shown) :]
                shown = whole
        whole = self._encoder.decode(ids)
        yield whole[len(shown) :]
        self._said = [*said, _message("assistant", whole)]

    def _refuse_control_text(self, text: str) -> None:
        for token in special_tokens(self._encoder.tokenizer):
            if token in text:
                raise TemplateError(
                    f"what was said holds the control token {token!r}, which the model would read "
                    "as the end or start of a turn"
                )

    def _require_room(self, num_tokens: int) -> None:
        room = self._speaker.subject.located.context_tokens
        needed = num_tokens + self._speaker.max_new_tokens
        if room is not None and needed > room:
            raise EvaluationError(
                f"the conversation is {num_tokens} tokens long, an answer may take "
                f"{self._speaker.max_new_tokens} more, and the base reads {room}: begin anew with "
                "/reset, or give a smaller --max-new-tokens"
            )


def _message(role: Role, content: str) -> Message:
    return Message(role=role, content=content)


def _tokens(speaker: Speaker, prompt: tuple[int, ...]) -> Iterator[int]:
    """The answer's tokens as they are decided, without the token that ends it."""
    model: Any = speaker.model
    writer = model.get_base_model() if isinstance(model, PeftModel) else model
    stops = {speaker.subject.template.stop_token_id, speaker.subject.tokenizer.eos_token_id}
    ids_1T = torch.tensor([prompt], device=model.device)
    past = None
    with speaker.switched(), evaluation_mode(model), float32_head(writer):
        for _ in range(speaker.max_new_tokens):
            with torch.no_grad():
                output = model(ids_1T, past_key_values=past, use_cache=True, logits_to_keep=1)
            token = _chosen(output.logits[0, -1], speaker.temperature)
            if token in stops:
                return
            yield token
            past, ids_1T = output.past_key_values, torch.tensor([[token]], device=model.device)


def _chosen(logits_V: torch.Tensor, temperature: float) -> int:
    if temperature == 0:
        return int(logits_V.argmax())
    return int(torch.multinomial((logits_V / temperature).softmax(-1), 1))
