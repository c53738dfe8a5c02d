"""The same batches through others and through us: TRL, transformers' Trainer, plain PyTorch.

All three train PEFT's own LoRA layers from the tensors that our adapter starts with, so that
nothing of ours is in them. Ours is ``fit``, as a run calls it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from test_loss import some_rows
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from trl import SFTConfig, SFTTrainer

from medtune.data import Encoded, Encoder, Prepared, PreparedSplit, make_template
from medtune.models import adapter_state, attach, load_model, load_tokenizer, locate_base
from medtune.models.adapter import set_adapter_state
from medtune.recipe import Adapter, Base, Train
from medtune.records import Silent
from medtune.training import SingleProcess, fit, read_log
from medtune.training.batches import rows_of_step

NUM_STEPS = 20
BATCH = 8
SEED = 3
PAD = 0
# Five steps to a pass: the rows come in four different orders.
EXAMPLES = some_rows(5 * BATCH, seed=11)
NAMES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SETTINGS: dict[str, Any] = {
    "learning_rate": 5e-3,
    "schedule": "constant",
    "warmup_fraction": 0.0,
    "max_steps": NUM_STEPS,
    "batch_size": BATCH,
    "weight_decay": 0.1,
    "adam_beta1": 0.8,
    "adam_beta2": 0.95,
    # The default of 1e-8 lets AdamW blow rounding up to whole steps where a gradient is about zero.
    "adam_epsilon": 1e-4,
    # Between the norms that occur: some steps are clipped and some are not.
    "clip_norm": 1.45,
}
State = dict[str, torch.Tensor]


def uses_deprecated(name: str) -> pytest.MarkDecorator:
    """Others' own uses of names that transformers is about to drop."""
    return pytest.mark.filterwarnings(f"ignore:`{name}` is deprecated:FutureWarning")


# PEFT's, at each new adapter.
pytestmark = uses_deprecated("is_gradient_checkpointing")


@dataclass
class Outcome:
    losses: list[float]
    norms: list[float]
    """Of the gradients before they are clipped."""
    state: State


def our_model(folder: Path) -> PeftModel:
    section = Base(model=str(folder), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    base = load_model(located, section, load_tokenizer(located))
    return attach(base, Adapter(rank=4, alpha=8.0), seed=1)


def pefts_model(folder: Path) -> PeftModel:
    """The same base and start on transformers' and PEFT's own classes."""
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=NAMES, task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    set_adapter_state(model, adapter_state(our_model(folder)))
    return model


def prepared(examples: list[Encoded], folder: Path) -> Prepared:
    def split(encoded: list[Encoded]) -> PreparedSplit:
        return PreparedSplit(
            examples=(),
            encoded=tuple(encoded),
            lengths=[len(row) for row in encoded],
            num_supervised=sum(row.num_supervised for row in encoded),
            num_own=len(encoded),
            num_read=len(encoded),
        )

    template = make_template("chatml", AutoTokenizer.from_pretrained(folder))
    return Prepared(
        task="chat",
        splits={"train": split(examples), "validation": split([]), "test": split([])},
        files={},
        held_out=(),
        encoder=Encoder(template),
        record={},
    )


def ours(model: PeftModel, section: Train, folder: Path, run: Path) -> Outcome:
    trained = fit(
        model,
        prepared(EXAMPLES, folder),
        section,
        seed=SEED,
        pad_id=PAD,
        run=run,
        progress=Silent(),
        engine=SingleProcess(),
    )
    log = read_log(run / "log.jsonl")
    return Outcome([r["loss"] for r in log], [r["grad_norm"] for r in log], trained.state)


def in_our_order(num_steps: int) -> Iterator[list[Encoded]]:
    """The examples of each step."""
    for step in range(1, num_steps + 1):
        rows = rows_of_step(len(EXAMPLES), BATCH, step, SEED)
        yield [EXAMPLES[row] for row in rows]


def as_dataset() -> Dataset:
    """All steps' rows, one after another, with the labels that transformers and TRL read."""
    rows = [example for examples in in_our_order(NUM_STEPS) for example in examples]
    assert len(rows) == NUM_STEPS * BATCH
    return Dataset.from_list(
        [
            {
                "input_ids": list(row.input_ids),
                "labels": [
                    token if supervised else -100
                    for token, supervised in zip(row.input_ids, row.supervised, strict=True)
                ],
            }
            for row in rows
        ]
    )


def their_settings(section: Train, folder: Path, accumulation: int) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": BATCH // accumulation,
        "gradient_accumulation_steps": accumulation,
        "max_steps": section.max_steps,
        "train_sampling_strategy": "sequential",
        "learning_rate": section.learning_rate,
        "lr_scheduler_type": "constant",
        "optim": "adamw_torch",
        "weight_decay": section.weight_decay,
        "adam_beta1": section.adam_beta1,
        "adam_beta2": section.adam_beta2,
        "adam_epsilon": section.adam_epsilon,
        "max_grad_norm": section.clip_norm,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": False,
        "dataloader_pin_memory": False,
        "activation_checkpointing": False,
    }


def outcome_of(trainer: Trainer) -> Outcome:
    trainer.train()
    steps = [record for record in trainer.state.log_history if "loss" in record]
    losses, norms = ([step[name] for step in steps] for name in ("loss", "grad_norm"))
    return Outcome(losses, norms, adapter_state(trainer.model))


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    def padded(name: str, value: int) -> torch.Tensor:
        return pad_sequence([torch.tensor(row[name]) for row in rows], True, value)

    return {
        "input_ids": padded("input_ids", PAD),
        "labels": padded("labels", -100),
        "attention_mask": pad_sequence([torch.ones(len(r["input_ids"])) for r in rows], True),
    }


def require_same(found: Outcome, expected: Outcome, *, loss: float, weights: float) -> None:
    """Losses, norms and adapter agree; and the run was one in which they could have differed."""
    assert len(found.losses) == len(expected.losses)
    assert expected.losses[-1] < 0.95 * expected.losses[0]
    num_clipped = sum(norm > SETTINGS["clip_norm"] for norm in expected.norms)
    assert 3 <= num_clipped <= len(expected.norms) - 3
    assert found.losses == pytest.approx(expected.losses, abs=loss)
    assert found.norms == pytest.approx(expected.norms, rel=10 * loss)
    assert found.state.keys() == expected.state.keys()
    for name, tensor in expected.state.items():
        torch.testing.assert_close(
            found.state[name].double(), tensor.double(), rtol=0, atol=weights
        )


@uses_deprecated("gradient_checkpointing")  # SFTConfig's, for a default of its own
@pytest.mark.parametrize("padding_free", [True, False])
@pytest.mark.parametrize("packing", [True, False])
def test_trls_trainer_has_the_same_losses_and_ends_with_the_same_adapter(
    tiny_base: Path, tmp_path: Path, packing: bool, padding_free: bool
) -> None:
    section = Train(**SETTINGS, packing=packing, pack_tokens=256)
    settings = their_settings(section, tmp_path / "trl", accumulation=1)
    trainer = SFTTrainer(
        model=pefts_model(tiny_base),
        # Padding-free is how TRL trains packs: one row, positions that begin anew, no mask.
        args=SFTConfig(**settings, padding_free=padding_free, max_length=None),
        train_dataset=as_dataset(),
        processing_class=AutoTokenizer.from_pretrained(tiny_base),
    )
    expected = outcome_of(trainer)
    found = ours(our_model(tiny_base), section, tiny_base, tmp_path)
    require_same(found, expected, loss=1e-4, weights=1e-4)


@pytest.mark.parametrize("accumulation", [1, BATCH])
@pytest.mark.parametrize("pack_tokens", [256, max(map(len, EXAMPLES))])
def test_transformers_trainer_agrees_however_either_cuts_a_step(
    tiny_base: Path, tmp_path: Path, accumulation: int, pack_tokens: int
) -> None:
    section = Train(**SETTINGS, pack_tokens=pack_tokens)
    trainer = Trainer(
        model=pefts_model(tiny_base),
        args=TrainingArguments(**their_settings(section, tmp_path / "trainer", accumulation)),
        train_dataset=as_dataset(),
        data_collator=collate,
    )
    expected = outcome_of(trainer)
    found = ours(our_model(tiny_base), section, tiny_base, tmp_path)
    require_same(found, expected, loss=1e-4, weights=1e-4)


def by_hand(model: PeftModel, section: Train) -> Outcome:
    """A loop as in a textbook, in double precision: one example at a time, all its logits."""
    model.double()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        weights,
        betas=(section.adam_beta1, section.adam_beta2),
        eps=section.adam_epsilon,
        weight_decay=section.weight_decay,
        foreach=False,
        fused=False,
    )
    outcome = Outcome([], [], {})
    for step, examples in enumerate(in_our_order(section.max_steps), start=1):
        terms = []
        for example in examples:
            log_probabilities = model(torch.tensor([example.input_ids])).logits[0].log_softmax(-1)
            terms += [
                -log_probabilities[place - 1, example.input_ids[place]]
                for place in range(1, len(example))
                if example.supervised[place]
            ]
        loss = torch.stack(terms).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(float((weight.grad**2).sum()) for weight in weights))
        for weight in weights:  # 1e-6 as in torch's own clipping
            weight.grad *= min(1.0, section.clip_norm / (norm + 1e-6))
        optimizer.param_groups[0]["lr"] = section.learning_rate * cosine(step, section.max_steps)
        optimizer.step()
        outcome.losses.append(loss.item())
        outcome.norms.append(norm)
    outcome.state = adapter_state(model)
    return outcome


def cosine(step: int, num_steps: int) -> float:
    """Two steps of warm-up, then half a cosine to a tenth."""
    if step <= 2:
        return step / 2
    return 0.1 + 0.9 * (1 + math.cos(math.pi * (step - 2) / (num_steps - 2))) / 2


def in_own_precision(norm: LlamaRMSNorm, hidden: torch.Tensor) -> torch.Tensor:
    """The norm as published; transformers computes it in float32 even in a double model."""
    return norm.weight * hidden * (hidden.pow(2).mean(-1, True) + norm.variance_epsilon).rsqrt()


@pytest.mark.parametrize(("is_double", "close"), [(True, 1e-9), (False, 1e-4)])
@pytest.mark.parametrize("packing", [True, False])
def test_a_plain_loop_in_double_precision_agrees(
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_double: bool,
    close: float,
    packing: bool,
) -> None:
    monkeypatch.setattr(LlamaRMSNorm, "forward", in_own_precision)
    values = SETTINGS | {
        "learning_rate": 1e-2,
        "schedule": "cosine",
        "warmup_fraction": 0.2,
        "final_fraction": 0.1,
        "max_steps": 10,
    }
    section = Train(**values, packing=packing, pack_tokens=256)
    expected = by_hand(pefts_model(tiny_base), section)
    model = our_model(tiny_base)
    found = ours(model.double() if is_double else model, section, tiny_base, tmp_path)
    require_same(found, expected, loss=close, weights=close)
