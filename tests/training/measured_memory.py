"""Run as a script: predict a training step's memory, or take the step and print its peak.

A process of its own: its peak is that of the step alone, in bytes.
"""

import json
import sys
from pathlib import Path

import torch
from conftest import make_tokenizer
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


def main(
    folder: Path,
    settings: dict[str, dict[str, object]],
    length: int,
    answer: int,
    *,
    is_predicted: bool,
) -> None:
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
        print(json.dumps(predict(located, recipe, rows, pad_id=0, device=device).rows()))
        return
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
    print(status("VmHWM"))


if __name__ == "__main__":
    main(
        Path(sys.argv[2]),
        json.loads(sys.argv[3]),
        int(sys.argv[4]),
        int(sys.argv[5]),
        is_predicted=sys.argv[1] == "predict",
    )
