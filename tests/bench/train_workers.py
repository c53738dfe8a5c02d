"""What tests/bench/train.py measures, one way of training in each process.

    python tests/bench/train_workers.py WAY JOB

Runs in medtune's environment or in TRL's, so each way imports its own and none the other's. JOB
is a JSON file that train.py wrote. A worker waits for a line before each step and answers with
one: "@" and the step's seconds and loss.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = dict[str, Any]

# Settings of TRL's SFTConfig beyond those that equal losses need.
TRL_SETTINGS: dict[str, dict[str, Any]] = {
    # bfloat16 through autocast, activation checkpointing, padded batches.
    "defaults": {},
    # Padding-free is what packing trains with: one row, positions that begin anew, no mask. Here
    # a pack holds exactly the examples of one step, so that the batches are the same.
    "packed": {"padding_free": True, "max_length": None},
    "packed, no checkpointing": {
        "padding_free": True,
        "max_length": None,
        "gradient_checkpointing": False,
    },
    "packed, no checkpointing, no autocast": {
        "padding_free": True,
        "max_length": None,
        "gradient_checkpointing": False,
        "bf16": False,
    },
    "padded, no checkpointing, no autocast": {"gradient_checkpointing": False, "bf16": False},
}


class Turns:
    """One way's part of the alternation: wait, take a step, report it.

    A step lasts from the line that allows it to the moment at which the trainer reports it, so
    that all that a trainer does between its steps counts.
    """

    def wait(self) -> None:
        """Wait for the next step to be allowed; without a parent nobody will."""
        if not sys.stdin.readline():
            sys.exit()
        self._started = time.perf_counter()

    def report(self, loss: float) -> None:
        """Tell what the step took."""
        seconds = time.perf_counter() - self._started
        print("@", json.dumps({"seconds": seconds, "loss": loss}), flush=True)


def main(way: str, job_file: str) -> None:
    """Train in one way."""
    import torch

    job = json.loads(Path(job_file).read_text())
    torch.set_num_threads(job["threads"])
    ways: dict[str, Callable[[Job], None]] = {
        "medtune packed": lambda job: train_with_medtune(job, packing=True),
        "medtune padded": lambda job: train_with_medtune(job, packing=False),
        "floor": multiply_matrices,
    } | {
        f"TRL {name}": lambda job, name=name: train_with_trl(job, TRL_SETTINGS[name])
        for name in TRL_SETTINGS
    }
    ways[way](job)


def train_with_medtune(job: Job, *, packing: bool) -> None:
    """``fit`` as a run calls it, on the recipe's rows, without validation."""
    from dataclasses import replace

    from safetensors.torch import load_file

    import medtune
    from medtune import models, training
    from medtune.models.adapter import set_adapter_state
    from medtune.records import Silent

    turns = Turns()

    class Alternating(Silent):
        """Told by ``fit`` when training starts and after each step."""

        def start(self, step: str, total: int, unit: str) -> None:
            turns.wait()

        def advance(self, units: int, **figures: float) -> None:
            if units:
                turns.report(figures["loss"])
                turns.wait()

    recipe = medtune.load_recipe(job["recipe"], job["overrides"] | {"train.packing": packing})
    inputs = medtune.gather(recipe, offline=True)
    base = models.load_model(inputs.located, recipe.base, inputs.tokenizer)
    model = models.attach(base, recipe.adapter, seed=recipe.seed)
    set_adapter_state(model, load_file(job["adapter"]))
    empty = replace(inputs.prepared.splits["validation"], examples=(), encoded=())
    prepared = replace(inputs.prepared, splits=inputs.prepared.splits | {"validation": empty})
    with tempfile.TemporaryDirectory() as run:
        training.fit(
            model,
            prepared,
            recipe.train,
            seed=recipe.seed,
            pad_id=inputs.pad_id,
            run=Path(run),
            progress=Alternating(),
            engine=training.SingleProcess(),
        )


def train_with_trl(job: Job, settings: dict[str, Any]) -> None:
    """SFTTrainer on the same rows in the same order, from the same adapter."""
    from datasets import Dataset
    from peft import LoraConfig, set_peft_model_state_dict
    from safetensors.torch import load_file
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    turns = Turns()

    class Alternating(TrainerCallback):  # type: ignore[misc]
        """A step's loss is logged at its end."""

        def on_train_begin(self, *args: object, **kwargs: object) -> None:
            turns.wait()

        def on_log(self, *args: object, logs: dict[str, float], **kwargs: object) -> None:
            if "loss" in logs:
                turns.report(logs["loss"])
                turns.wait()

    train = job["train"]
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            model_init_kwargs={"dtype": "bfloat16"},
            per_device_train_batch_size=train["batch_size"],
            max_steps=train["max_steps"],
            train_sampling_strategy="sequential",
            learning_rate=train["learning_rate"],
            lr_scheduler_type="constant",
            weight_decay=train["weight_decay"],
            adam_beta1=train["adam_beta1"],
            adam_beta2=train["adam_beta2"],
            adam_epsilon=train["adam_epsilon"],
            max_grad_norm=train["clip_norm"],
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
            **settings,
        )
        trainer = SFTTrainer(
            model=job["base"],
            args=config,
            train_dataset=Dataset.from_list(job["rows"]),
            peft_config=LoraConfig(task_type="CAUSAL_LM", **job["lora"]),
            callbacks=[Alternating()],
        )
        set_peft_model_state_dict(trainer.model, load_file(job["adapter"]))
        trainer.train()


def multiply_matrices(job: Job) -> None:
    """The matrix products of a step and nothing else: no step can be faster than these.

    Forward and backward through the frozen layers and the head, LoRA's own products and their
    gradients, at the run's token counts and on the base's own weights. Attention's products are
    left out: on rows this short they are small.
    """
    import torch

    import medtune
    from medtune import models

    recipe = medtune.load_recipe(job["recipe"], job["overrides"])
    base = medtune.load_base(recipe.base, offline=True)
    layers = [
        module.base_layer.weight.detach()
        for module in models.attach(base, recipe.adapter, seed=recipe.seed).modules()
        if hasattr(module, "lora_A")
    ]
    head = base.model.get_output_embeddings().weight.detach()
    rank = recipe.adapter.rank
    turns = Turns()
    for tokens, supervised in zip(job["tokens"], job["supervised_tokens"], strict=True):
        random = {
            size: torch.randn(tokens, size, dtype=head.dtype)
            for size in {size for weight in layers for size in weight.shape}
        }
        inner = torch.randn(tokens, rank, dtype=head.dtype)
        a = {size: torch.randn(rank, size, dtype=head.dtype) for size in random}
        hidden = torch.randn(supervised, head.shape[1], dtype=head.dtype)
        logits = torch.randn(supervised, head.shape[0], dtype=head.dtype)
        turns.wait()
        for weight in layers:
            outs, ins = weight.shape
            x, dy = random[ins], random[outs]
            torch.mm(x, weight.T)
            torch.mm(x, a[ins].T)
            torch.mm(inner, a[outs])
        torch.mm(hidden, head.T)
        torch.mm(logits, head)
        for weight in reversed(layers):
            outs, ins = weight.shape
            x, dy = random[ins], random[outs]
            torch.mm(dy, weight)
            torch.mm(dy, a[outs].T)
            torch.mm(inner, a[ins])
            torch.mm(inner.T, x)
            torch.mm(inner.T, dy)
        turns.report(loss=0.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
