"""The training step beside TRL's SFTTrainer, and beside the matrix products that it consists of.

    MEDTUNE_DATA=... python tests/bench/train.py [--rounds 3] [--steps 14] [--env FOLDER]

Installs TRL in an environment of its own and trains in all ways at once, each in a process of its
own, on the same batches of MedMCQA and from the same adapter. They take turns step by step, so that
whatever else the machine does slows all of them. Prints a table, and fails where losses differ by
more than 1 %; speed never makes it fail.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from train_workers import TRL_SETTINGS, Job

import medtune
from medtune import models
from medtune.inputs import Inputs
from medtune.models import adapter_state
from medtune.training.batches import rows_of_step

Steps = list[dict[str, float]]
"""Seconds, tokens and loss of each step."""
Runs = dict[str, list[Steps]]
"""For each way its rounds."""
ROOT = Path(__file__).parents[2]
WARM_UP = 2
"""First steps that are not counted: memory is laid out in them."""
COMPARED = 10
"""Last steps whose mean loss has to be equal."""
MAX_DIFFERENCE = 0.01
TRL_NEEDS = ("torch", "transformers", "peft", "accelerate", "datasets", "safetensors", "trl")
DEFAULT_TRL = ["defaults", "packed, no checkpointing", "packed, no checkpointing, no autocast"]
OURS = ("medtune packed", "medtune padded")
FLOOR = "floor"


def main() -> None:
    """Prepare, measure, print."""
    options = read_options()
    python = trl_environment(options.env)
    with tempfile.TemporaryDirectory() as folder:
        job = write_job(Path(folder), options)
        runs = alternate(job, options, python, Path(folder))
    print(describe(job, options, python))
    print(table(runs))
    require_equal_losses(runs)


def read_options() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=14)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--env",
        type=Path,
        default=Path(tempfile.gettempdir()) / "medtune-bench-trl",
        help="folder of TRL's environment; made where it is missing",
    )
    parser.add_argument(
        "--trl",
        action="append",
        choices=TRL_SETTINGS,
        help="TRL's settings to measure; the best of them is what ratios refer to",
    )
    options = parser.parse_args()
    options.trl = options.trl or DEFAULT_TRL
    if options.steps < WARM_UP + COMPARED:
        parser.error(f"--steps has to be {WARM_UP + COMPARED} at least")
    return options


def trl_environment(folder: Path) -> Path:
    """Python of an environment with TRL and, within pyproject.toml's bounds, what it runs on."""
    python = folder / "bin" / "python"
    if not python.exists():
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
            "optional-dependencies"
        ]
        wanted = [
            line for line in extras["train"] + extras["dev"] if line.split(">")[0] in TRL_NEEDS
        ]
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def write_job(folder: Path, options: argparse.Namespace) -> Job:
    """Rows of all steps in the order in which ``fit`` will take them, and the adapter's start."""
    job: Job = {
        "recipe": str(ROOT / "recipes" / "medmcqa_lora.yaml"),
        "overrides": {
            "base.model": "smollm2-135m",
            "data.path": f"{os.environ['MEDTUNE_DATA']}/qa/medmcqa",
            # Without the longest questions: a mean of 65 tokens, near the 62 of earlier figures.
            "data.max_tokens": 80,
            "data.on_overlength": "drop",
            "train.batch_size": 8,
            "train.max_steps": options.steps,
            # A schedule that both have: the figures are about the step.
            "train.schedule": "constant",
            "train.warmup_fraction": 0.0,
            "train.final_fraction": 0.0,
        },
        "threads": options.threads,
    }
    recipe = medtune.load_recipe(job["recipe"], job["overrides"])
    inputs = medtune.gather(recipe)
    base = models.load_model(inputs.located, recipe.base, inputs.tokenizer)
    model = models.attach(base, recipe.adapter, seed=recipe.seed)
    state = {name: tensor.contiguous() for name, tensor in adapter_state(model).items()}
    save_file(state, folder / "adapter.safetensors")
    config = model.peft_config["default"]
    job |= rows_in_order(inputs) | {
        "base": str(inputs.located.folder),
        "adapter": str(folder / "adapter.safetensors"),
        "train": recipe.train.model_dump(),
        "lora": {
            "r": config.r,
            "lora_alpha": config.lora_alpha,
            "lora_dropout": config.lora_dropout,
            "target_modules": sorted(config.target_modules),
        },
    }
    (folder / "job.json").write_text(json.dumps(job))
    return job


def rows_in_order(inputs: Inputs) -> dict[str, Any]:
    """Token ids and labels of the rows of all steps, and what each step counts."""
    encoded = inputs.prepared.splits["train"].encoded
    recipe = inputs.recipe
    steps = [
        [encoded[row] for row in rows_of_step(len(encoded), 8, step, recipe.seed)]
        for step in range(1, inputs.num_steps + 1)
    ]
    return {
        "rows": [
            {
                "input_ids": list(row.input_ids),
                "labels": [
                    token if supervised else -100
                    for token, supervised in zip(row.input_ids, row.supervised, strict=True)
                ],
            }
            for rows in steps
            for row in rows
        ],
        "tokens": [sum(map(len, rows)) for rows in steps],
        "supervised_tokens": [sum(row.num_supervised for row in rows) for rows in steps],
    }


def alternate(job: Job, options: argparse.Namespace, python: Path, folder: Path) -> Runs:
    """All ways side by side, one step of each in turn; anew for each round."""
    ways = [*(f"TRL {name}" for name in options.trl), *OURS, FLOOR]
    runs: Runs = {way: [] for way in ways}
    for number in range(options.rounds):
        with ExitStack() as stack:
            workers = {way: stack.enter_context(worker(way, python, folder)) for way in ways}
            steps: dict[str, Steps] = {way: [] for way in ways}
            for tokens in job["tokens"]:
                for way in ways:
                    record = take_turn(workers[way], way, folder)
                    steps[way].append(record | {"tokens": tokens})
                now = ", ".join(f"{way} {speeds([steps[way][-1:]], 0)[0]:.0f}" for way in ways)
                print(f"round {number + 1}, tokens/s: {now}", file=sys.stderr)
        for way in ways:
            runs[way].append(steps[way])
    return runs


@contextmanager
def worker(way: str, python: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that trains in this way and waits for its turns."""
    command = [python if way.startswith("TRL") else sys.executable]
    command += [Path(__file__).with_name("train_workers.py"), way, folder / "job.json"]
    with (folder / f"{way}.txt").open("w") as messages:
        process = subprocess.Popen(
            command,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def take_turn(process: subprocess.Popen[str], way: str, folder: Path) -> dict[str, float]:
    """Let a worker take a step, and read what it took; its other lines are its own."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):  # it is gone: what it wrote last is told below
        process.stdin.write("\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
    sys.exit(f"{way} stopped:\n{(folder / f'{way}.txt').read_text()[-4000:]}")


def speeds(runs: list[Steps], warm_up: int = WARM_UP) -> list[float]:
    """Tokens that are no padding, per second, of each counted step of all rounds."""
    return [s["tokens"] / s["seconds"] for steps in runs for s in steps[warm_up:]]


def ratios(runs: list[Steps], others: list[Steps]) -> list[float]:
    """How many times as fast as another way, for each pair of steps taken in the same turn."""
    return [a / b for a, b in zip(speeds(runs), speeds(others), strict=True)]


def spread(values: list[float], digits: int) -> str:
    """Median and the middle half."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def last_loss(runs: list[Steps]) -> float:
    """Mean of the last steps of all rounds."""
    return statistics.mean(step["loss"] for steps in runs for step in steps[-COMPARED:])


def best_of_trl(runs: Runs) -> str:
    """TRL's fastest settings."""
    ways = [way for way in runs if way.startswith("TRL")]
    return max(ways, key=lambda way: statistics.median(speeds(runs[way])))


def describe(job: Job, options: argparse.Namespace, python: Path) -> str:
    """What was measured, and with which versions."""
    names = ("torch", "transformers", "peft")
    ours = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    code = f"from importlib.metadata import version as v; print(*map(v, {('trl', *names)}))"
    theirs = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    lengths = [len(row["input_ids"]) for row in job["rows"]]
    return (
        f"\nsmollm2-135m in bfloat16, LoRA rank {job['lora']['r']} on all linear layers, batches "
        f"of 8 of MedMCQA (at most {job['overrides']['data.max_tokens']} tokens, mean "
        f"{statistics.mean(lengths):.1f}); {options.steps} steps of which {WARM_UP} are not "
        f"counted, {options.rounds} rounds, {options.threads} threads\n"
        f"medtune: {ours}\nTRL, torch, transformers, peft: {theirs.stdout.strip()}\n"
    )


def table(runs: Runs) -> str:
    """Medians and middle halves of steps, as Markdown."""
    best = best_of_trl(runs)
    lines = [
        "| median of steps (middle half) | tokens/s | times TRL's best | share of the floor "
        "| loss, last 10 steps | against TRL's best |",
        "|---|---|---|---|---|---|",
    ]
    for way, found in runs.items():
        cells = [
            way + (" (TRL's best)" if way == best else ""),
            spread(speeds(found), 0),
            spread(ratios(found, runs[best]), 2),
            spread(ratios(found, runs[FLOOR]), 2),
        ]
        loss = last_loss(found)
        difference = f"{loss / last_loss(runs[best]) - 1:+.2%}"
        cells += ["", ""] if way == FLOOR else [f"{loss:.4f}", difference]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def require_equal_losses(runs: Runs) -> None:
    """Fail where two ways did not train the same."""
    expected = last_loss(runs[best_of_trl(runs)])
    for way, found in runs.items():
        if way != FLOOR and abs(last_loss(found) / expected - 1) > MAX_DIFFERENCE:
            sys.exit(f"{way} has a loss of {last_loss(found):.4f}, TRL's best {expected:.4f}")


if __name__ == "__main__":
    main()
