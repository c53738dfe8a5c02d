"""How far merged models are from their adapter, by precision and by who merged.

``python tests/bench/merge.py ADAPTER [BASE]``, an adapter or its run. Prints, for each way of
merging, what `medtune parity` measures: divergences from the adapter on its unrounded base.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedModel

from medtune import models
from medtune.models.libraries import quiet_libraries
from medtune.models.merge import MERGE_DTYPES, merge_into_base
from medtune.parity import ask_adapter, compare, parity_prompts
from medtune.records import Silent
from medtune.subject import Subject, find_subject


def load(subject: Subject) -> PeftModel:
    """The adapter on its base as the base's files have it."""
    section = subject.base.model_copy(update={"quantization": "none", "attention": "sdpa"})
    base = models.load_model(subject.located, section, subject.tokenizer, dtype="auto")
    assert subject.adapter is not None
    return models.load_adapter(base, subject.adapter)


def peft_merge(subject: Subject, dtype: torch.dtype) -> PreTrainedModel:
    """What PEFT alone makes of the adapter on a base that is loaded in a precision."""
    base = AutoModelForCausalLM.from_pretrained(subject.located.folder, dtype=dtype)
    merged: PreTrainedModel = PeftModel.from_pretrained(base, subject.adapter).merge_and_unload()
    return merged


def merges(subject: Subject) -> Iterator[tuple[str, PreTrainedModel]]:
    """Every way, one after the other."""
    for name, dtype in MERGE_DTYPES.items():
        yield f"medtune, {name}", merge_into_base(load(subject), dtype)
    yield "PEFT on the bfloat16 base", peft_merge(subject, torch.bfloat16)
    exact = peft_merge(subject, torch.float32)
    # Written and read again, so that what is rounded are the weights and no table of positions.
    with tempfile.TemporaryDirectory() as folder:
        exact.to(torch.bfloat16).save_pretrained(folder)
        cast = AutoModelForCausalLM.from_pretrained(Path(folder), dtype=torch.bfloat16)
    yield "PEFT in float32, then cast to bfloat16", cast


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("adapter")
    parser.add_argument("base", nargs="?")
    given = parser.parse_args()
    quiet_libraries()
    torch.set_num_threads(1)
    subject = find_subject(given.adapter, base=given.base, offline=True, progress=Silent())
    prompts = parity_prompts(subject, offline=True, progress=Silent())
    reference = ask_adapter(load(subject), prompts, subject, Silent())
    print(f"{len(prompts.ids)} {prompts.source}; effect {reference.mean_effect:.2e} nats")
    print("| merged by | mean KL | largest KL | largest logit difference | identical texts |")
    print("|---|---|---|---|---|")
    for name, merged in merges(subject):
        found = compare(reference, merged, subject, Silent())
        print(
            f"| {name} | {found.mean_kl:.1e} | {found.max_kl:.1e} "
            f"| {found.max_logit_difference:.1e} | {found.identical_texts:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
