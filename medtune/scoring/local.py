"""The engine on this machine: transformers, with an adapter switched on or off."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from medtune.digests import sha256_file, sha256_named
from medtune.models import FrozenBase
from medtune.records import Progress, Silent
from medtune.scoring.cache import Forgotten, Kept
from medtune.scoring.engine import Decoding, Question, Weight, Written
from medtune.scoring.generation import generate
from medtune.scoring.likelihood import num_rows, weigh

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")
"""Whose versions can change an answer."""


class LocalEngine:
    """A model in memory.

    Args:
        model: A base, or an adapter on it.
        conditions: Under which it answers; see ``local_conditions``.
        is_adapter_on: False asks the base below an adapter: the same weights, to the last bit.
        decode: Token ids of an answer to its text.
        batch_size: Sequences in one forward pass.
        pad_id: A token for padding.
        kept: Answers found before, and where new ones are kept.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        conditions: Mapping[str, Any],
        *,
        is_adapter_on: bool,
        decode: Callable[[Sequence[int]], str],
        batch_size: int,
        pad_id: int,
        kept: Kept | None = None,
    ) -> None:
        self._model = model
        self._conditions = conditions
        self._is_adapter_on = is_adapter_on
        self._decode = decode
        self._batch_size = batch_size
        self._pad_id = pad_id
        self._kept = Forgotten() if kept is None else kept

    @property
    def conditions(self) -> Mapping[str, Any]:
        """Under which it answers."""
        return self._conditions

    def weigh(
        self, questions: Sequence[Question], *, step: str, progress: Progress
    ) -> list[list[Weight]]:
        """Each continuation of each question, in their order."""
        told = _Rate(progress, step, num_rows(questions), "prompts")
        with self._arm():
            found = weigh(
                self._model, questions, batch_size=self._batch_size, pad_id=self._pad_id,
                kept=self._kept, progress=told,
            )  # fmt: skip
        progress.finish()
        return found

    def write(
        self,
        prompts: Sequence[tuple[int, ...]],
        decoding: Decoding,
        *,
        step: str,
        progress: Progress,
    ) -> list[list[Written]]:
        """``decoding.samples`` texts behind each prompt, in their order."""
        told = _Rate(progress, step, len(prompts) * decoding.samples, "texts")
        with self._arm():
            found = generate(
                self._model, prompts, decoding, batch_size=self._batch_size, pad_id=self._pad_id,
                kept=self._kept, progress=told,
            )  # fmt: skip
        progress.finish()
        return [
            [
                Written(
                    text=self._decode(text.ids),
                    num_tokens=len(text.ids),
                    is_complete=text.is_complete,
                )
                for text in texts
            ]
            for texts in found
        ]

    def _arm(self) -> AbstractContextManager[object]:
        if self._is_adapter_on or not isinstance(self._model, PeftModel):
            return nullcontext()
        disabled: AbstractContextManager[object] = self._model.disable_adapter()
        return disabled


class _Rate(Silent):
    """Tells a long step with its rate, so that progress can say how long it still takes."""

    def __init__(self, progress: Progress, step: str, total: int, unit: str) -> None:
        self._progress = progress
        self._done = 0
        self._started = time.monotonic()
        progress.start(step, total, unit)

    def advance(self, units: int, **figures: float) -> None:
        """Tell that units are done, and how fast."""
        self._done += units
        seconds = max(time.monotonic() - self._started, 1e-9)
        self._progress.advance(units, per_second=round(self._done / seconds, 2), **figures)


def local_conditions(
    base: FrozenBase, *, adapter: str | None, template: str, decoder: str = "transformers"
) -> dict[str, Any]:
    """Everything that can change an answer of a model in memory, but the question.

    Args:
        base: As it was loaded.
        adapter: The adapter digest; None: the base alone.
        template: sha256 of the chat template.
        decoder: Name of the engine.
    """
    located = base.located
    return {
        "engine": decoder,
        "base": located.digest,
        "adapter": adapter or "none",
        "tokenizer": located.tokenizer_digest,
        "template": template,
        "dtype": base.section.dtype,
        "quantization": base.section.quantization,
        "attention": str(base.model.config._attn_implementation),
        "device": device_name(base.device),
        "packages": {name: version(name) for name in PACKAGES},
        "code": code_digest(),
    }


def device_name(device: torch.device) -> str:
    """What kind of device answers."""
    return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else device.type


def code_digest() -> str:
    """Digest of the code that puts questions and reads answers."""
    folder = Path(__file__).parent
    return sha256_named({path.name: sha256_file(path) for path in folder.glob("*.py")})
