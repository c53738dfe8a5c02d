"""Rows for replay that the base writes itself: its own answers to prompts of yours.

An adapter that learns letters or short notes forgets how its base writes: texts begin to loop or to
count. Among its training rows the base's own answers hold it there, as no text of another hand does
(self-synthesised rehearsal, arXiv:2403.01244; self-distillation, arXiv:2402.13669). What the base
says wrongly is rehearsed as well: such rows keep an adapter as it was, and make it no better.

prompts -> the base answers greedily -> unended and looping answers are left out -> chat rows
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from medtune import models
from medtune.assess import RESPONSES
from medtune.data import Encoder
from medtune.digests import write_text
from medtune.errors import DataError, RecipeError
from medtune.models.cache import cache_folder
from medtune.probes.coherence import incoherence, repeated_share
from medtune.records import Message, Progress, Silent
from medtune.scoring import (
    Decoding,
    Forgotten,
    Kept,
    LocalEngine,
    ResponseCache,
    Written,
    local_conditions,
)
from medtune.subject import Subject, TemplateName, find_subject
from medtune.tasks import Prompt, read_prompts

BATCH_SIZE = 16
"""Answers written at once."""
MAX_REPEATED = 0.1
"""Share of an answer's runs of words that stand in it before. Texts can be read well beyond it, but
what is trained on loops learns to loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A file of rows, and what became of the prompts."""

    path: Path
    num_prompts: int
    num_rows: int
    num_repeated: int
    """Prompts that stood among them before."""
    num_unended: int
    """Answers that did not end within the tokens."""
    num_looping: int
    """Answers that repeat themselves, or cannot be read at all."""


def rehearse(
    base: str,
    prompts: str | Path,
    *,
    prompt: str | Sequence[str],
    out: Path | str,
    max_new_tokens: int = 256,
    limit: int | None = None,
    template: TemplateName = "auto",
    dtype: Literal["bfloat16", "float32"] = "bfloat16",
    private: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> Rehearsal:
    """Let a base answer prompts, and write its answers as rows of task chat.

    Args:
        base: An alias, a hub id, or a folder.
        prompts: A file of rows, in any of the kinds that recipes read.
        prompt: A column, or text with columns in braces, as `columns.prompt` of a recipe; or
            several, and each row is asked in each.
        out: The file of rows (.jsonl). It appears whole, and replaces none.
        max_new_tokens: Longest answer. One that has not ended by then is left out, as it would
            teach the adapter to end there or not to end at all.
        limit: Prompts, from the first on.
        template: The chat template that the adapter will be trained with.
        dtype: Precision of the base.
        private: The prompts are of patients: no answer is kept in the cache, and the file can be
            read by its owner alone.
        offline: Reach for no network.
        progress: Where to report.

    Raises:
        DataError: A row has no such column, a prompt leaves no room for its answer, or no answer is
            left.
        RecipeError: The subject is an adapter, or the file of rows is there.
        MedtuneError: There is no such base.
    """
    progress = progress or Silent()
    place = Path(out)
    _require_place(place)
    subject = find_subject(base, dtype=dtype, template=template, offline=offline, progress=progress)
    if subject.adapter is not None:
        raise RecipeError(f"{base} is an adapter: name its base, whose answers are to be kept")
    wordings = [prompt] if isinstance(prompt, str) else prompt
    asked = list(islice(read_prompts(str(prompts), wordings, offline=offline), limit))
    if not asked:
        raise DataError(f"{prompts}: there is no row, and so nothing to ask")
    first: dict[str, Prompt] = {}
    for one in asked:
        first.setdefault(one.text, one)
    distinct = list(first.values())
    answers = _answers(subject, distinct, max_new_tokens, private=private, progress=progress)
    ended = [one for one in zip(distinct, answers, strict=True) if one[1].is_complete]
    read = [(one, answer.text) for one, answer in ended if _is_of_use(answer.text)]
    if not read:
        raise DataError(
            f"no answer is left of {len(distinct)}: {len(distinct) - len(ended)} did not end in "
            f"{max_new_tokens} tokens, {len(ended)} loop or cannot be read"
        )
    source = f"answered by base {subject.located.digest[:12]}"
    rows = [_row(one, answer, source) for one, answer in read]
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    write_text(place, "".join(f"{line}\n" for line in lines), private=private)
    return Rehearsal(
        path=place,
        num_prompts=len(asked),
        num_rows=len(rows),
        num_repeated=len(asked) - len(distinct),
        num_unended=len(distinct) - len(ended),
        num_looping=len(ended) - len(read),
    )


def _require_place(place: Path) -> None:
    if place.suffix != ".jsonl":
        raise RecipeError(f"{place}: rows are written as .jsonl; let the name end so")
    if place.exists():
        raise RecipeError(f"{place} is there already, and nothing is overwritten; name another")
    if not place.parent.is_dir():
        raise RecipeError(f"{place.parent}: there is no such folder; make it first")


def _answers(
    subject: Subject,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    *,
    private: bool,
    progress: Progress,
) -> list[Written]:
    frozen = models.load_model(subject.located, subject.base, subject.tokenizer)
    encoder = Encoder(subject.template)
    conditions = local_conditions(frozen, adapter=None, template=subject.template.digest)
    kept: Kept = Forgotten() if private else ResponseCache(cache_folder() / RESPONSES, conditions)
    engine = LocalEngine(
        frozen.model, conditions, is_adapter_on=False, decode=encoder.decode,
        batch_size=BATCH_SIZE, pad_id=subject.pad_id, kept=kept,
    )  # fmt: skip
    stops = {subject.template.stop_token_id, subject.tokenizer.eos_token_id} - {None}
    decoding = Decoding(max_new_tokens=max_new_tokens, stop_ids=frozenset(stops))
    ids = [encoder.prompt([Message(role="user", content=one.text)]) for one in prompts]
    _require_room(ids, max_new_tokens, subject.located.context_tokens)
    found = engine.write(ids, decoding, step="the base's answers", progress=progress)
    return [answer for [answer] in found]


def _require_room(
    prompts: Sequence[Sequence[int]], max_new_tokens: int, context_tokens: int | None
) -> None:
    for number, ids in enumerate(prompts, 1):
        if context_tokens is not None and len(ids) + max_new_tokens > context_tokens:
            raise DataError(
                f"prompt {number} has {len(ids)} tokens and its answer up to {max_new_tokens}; "
                f"this base reads {context_tokens}: shorten one of the two"
            )


def _is_of_use(answer: str) -> bool:
    return incoherence(answer) is None and repeated_share(answer) <= MAX_REPEATED


def _row(prompt: Prompt, answer: str, source: str) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": prompt.text},
        {"role": "assistant", "content": answer},
    ]
    return {"id": prompt.id, "group": prompt.group, "source": source, "messages": messages}
