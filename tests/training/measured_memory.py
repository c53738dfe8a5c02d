"""Run as a script: predict the memory of training steps, take the steps, print both in bytes.

Each is done in a process of its own, forked before any model is there, so that a peak is that of
one step alone.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from tiny_models import make_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from medtune.data import Encoded
from medtune.models import attach, load_model, load_tokenizer, locate_base
from medtune.recipe import Recipe
from medtune.records import Silent
from medtune.training import pass_attention, passes_of, predict
from medtune.training.batches import batches
from medtune.training.loss import supervised_loss_sum
from medtune.training.optimizers import make_optimizer


def make_base(folder: Path) -> None:
    """Wide enough for activations to be what counts, and quick to step."""
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def step(folder: Path, case: dict[str, Any], *, is_predicted: bool) -> dict[str, int]:
    """Bytes by purpose, or the peak that was measured."""
    settings, length, answer = case["settings"], case["length"], case["answer"]
    recipe = Recipe.model_validate(
        {
            "name": "memory",
            "base": {"model": str(folder), "dtype": "float32", **settings.get("base", {})},
            "data": {"task": "mcq", "max_tokens": length},
            "train": {"learning_rate": 1e-3, "batch_size": 4096 // length, "pack_tokens": 4096}
            | settings.get("train", {}),
        }
    )
    mask = (False,) * (length - answer) + (True,) * answer
    ids = tuple(range(10, 10 + length))
    rows = [Encoded(id=str(n), input_ids=ids, supervised=mask) for n in range(4096 // length)]
    located = locate_base(recipe.base, offline=True, progress=Silent())
    device = torch.device("cpu")
    if is_predicted:
        return dict(
            predict(located, recipe, rows, pad_id=0, device=device, seed=1, num_steps=1).rows()
        )
    base = load_model(located, recipe.base, load_tokenizer(located))
    model = attach(base, recipe.adapter, seed=1)
    optimizer = make_optimizer(model, recipe.train, Silent())
    if recipe.train.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    passes = passes_of(recipe.train, 0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    model.train()
    with pass_attention(model, passes):
        for _ in range(2):
            for batch in batches(rows, passes, device):
                supervised_loss_sum(model, batch).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    return {"peak": status("VmHWM")}


def in_a_child(folder: Path, case: dict[str, Any], *, is_predicted: bool) -> dict[str, int]:
    reading, writing = os.pipe()
    if os.fork() == 0:
        with os.fdopen(writing, "w") as pipe:
            json.dump(step(folder, case, is_predicted=is_predicted), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found: dict[str, int] = json.load(pipe)
    os.wait()
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    base, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
    results = [
        {
            "predicted": in_a_child(base, case, is_predicted=True),
            "measured": in_a_child(base, case, is_predicted=False)["peak"],
        }
        for case in cases
    ]
    print(json.dumps(results))
