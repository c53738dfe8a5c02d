"""Folders of runs as they are on disk, made up here, written through the real records."""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medtune.digests import write_json
from medtune.metrics import METRICS
from medtune.records import (
    ArmScore,
    ArmSpread,
    Comparison,
    Contamination,
    Evaluation,
    ItemScore,
    Measure,
    ScoreReport,
    Spread,
)

LETTERS = ("A", "B", "C", "D")
ADAPTER_DIGEST = "ab" * 32


def option_item(number: int, *, sure: Sequence[float], answer: str = "A", **more: Any) -> ItemScore:
    """An item with four options and their log-likelihoods."""
    predicted = LETTERS[sure.index(max(sure))] if len(sure) == len(LETTERS) else ""
    values: dict[str, Any] = {
        "id": f"item-{number}",
        "group": f"item-{number}",
        "prompt_digest": "0" * 64,
        "question": f"Case {number}: a cough of {number} weeks. A. rest B. tea C. none D. X-ray",
        "options": LETTERS,
        "log_likelihoods": tuple(sure),
        "num_answer_tokens": 1,
        "predicted": predicted,
        "answer": answer,
        "value": float(predicted == answer),
    }
    return ItemScore(**(values | more))


def answers(rights: Sequence[bool], **more: Any) -> list[ItemScore]:
    """Items of which these were answered rightly (with A) and the others with B."""
    right, wrong = (-0.2, -2.0, -3.0, -4.0), (-2.0, -0.2, -3.0, -4.0)
    return [
        option_item(number, sure=right if is_right else wrong, **more)
        for number, is_right in enumerate(rights, 1)
    ]


def arm(
    name: str, items: Sequence[ItemScore], *, metric: Any = "accuracy", **more: Any
) -> ArmScore:
    """An arm's summary; the interval is the normal approximation, near enough for a picture."""
    values = [item.value for item in items]
    mean = sum(values) / len(values)
    half = 1.96 * math.sqrt(sum((v - mean) ** 2 for v in values) / len(values) / len(values))
    low, high = mean - half, mean + half
    if METRICS[metric].higher_is_better:
        low, high = max(low, 0.0), min(high, 1.0)
    fields: dict[str, Any] = {
        "arm": name,
        "few_shot": 0,
        "metric": metric,
        "value": mean,
        "interval": (low, high),
        "interval_method": "normal approximation",
        "num_items": len(items),
        "num_groups": len({item.group for item in items}),
        "items": tuple(items),
    }
    return ArmScore(**(fields | more))


def comparison(new: ArmScore, old: ArmScore, **more: Any) -> Comparison:
    """The difference of two arms."""
    changes = [a.value - b.value for a, b in zip(new.items, old.items, strict=True)]
    mean = sum(changes) / len(changes)
    half = 1.96 * math.sqrt(sum((c - mean) ** 2 for c in changes)) / len(changes)
    is_better = METRICS[new.metric].is_better
    fields: dict[str, Any] = {
        "against": old.label,
        "difference": mean,
        "interval": (mean - half, mean + half),
        "interval_method": "normal approximation",
        "p_value": None,
        "gained": sum(map(is_better, changes)),
        "lost": sum(is_better(-change) for change in changes),
    }
    return Comparison(**(fields | more))


def report(name: str, arms: Sequence[ArmScore], **more: Any) -> ScoreReport:
    """A set on which the last arm is compared with those before it."""
    fields: dict[str, Any] = {
        "name": name,
        "task": "mcq",
        "test_set": f"{arms[0].num_items} rows of {name}.jsonl",
        "is_official": False,
        "is_complete": True,
        "protocol": "the letter of the likeliest option, without examples in the prompt",
        "settings": {"protocol": "top_token", "prompt": {"sha256": "c" * 64}},
        "dtype": "float32",
        "arms": tuple(arms),
        "comparisons": tuple(comparison(arms[-1], old) for old in arms[:-1]),
    }
    return ScoreReport(**(fields | more))


def evaluation(suite: str, *reports: ScoreReport) -> Evaluation:
    """All of one suite."""
    conditions = {
        "engine": "transformers",
        "base": "d" * 64,
        "adapter": ADAPTER_DIGEST,
        "packages": {"torch": "2.13.0"},
    }
    return Evaluation(suite=suite, conditions=conditions, reports=reports)


def write_scores(folder: Path, found: Evaluation) -> Path:
    """``scores.json`` and ``items.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.json").write_text(json.dumps(found.summary()), encoding="utf-8")
    with (folder / "items.jsonl").open("w", encoding="utf-8") as file:
        for one in found.reports:
            for own in one.arms:
                place = {
                    "set": one.name,
                    "arm": own.arm,
                    "few_shot": own.few_shot,
                    "shot_seed": own.shot_seed,
                }
                for item in own.items:
                    file.write(json.dumps(place | asdict(item)) + "\n")
    return folder


def split_record(rows: int, **more: Any) -> dict[str, Any]:
    """A split of ``data.json``."""
    return {
        "read": rows,
        "kept": rows,
        "dropped": [],
        "truncated": [],
        "leaked": [],
        "contaminated": [],
        "groups": rows,
        "tokens": 90 * rows,
        "supervised_tokens": 2 * rows,
        "length_quantiles": {"max": 120, "median": 90, "min": 60, "p95": 110},
        "answers": {},
        "sources": {"made up": rows},
        "licences": {"none": rows},
    } | more


def write_training(run: Path, *, steps: int = 60, every: int = 10) -> Path:
    """All files of a finished run but its scores."""
    noise = random.Random(4)
    lines = []
    for step in range(1, steps + 1):
        loss = 0.3 + 1.4 * math.exp(-step / (steps / 4))
        line = {
            "step": step,
            "loss": loss + noise.gauss(0, 0.06),
            "learning_rate": 2e-4 * min(step / (steps / 10), 1 - step / (steps + 1)),
            "grad_norm": 1.0,
        }
        if step % every == 0:
            line["validation_loss"] = loss + 0.05 + max(0, step - steps / 2) * 0.1 / steps
        lines.append(json.dumps(line) + "\n")
    (run / "adapter").mkdir(parents=True, exist_ok=True)
    (run / "log.jsonl").write_text("".join(lines))
    (run / "recipe.lock.yaml").write_text("lock_version: 1\nrecipe:\n  name: sample # <b>&\n")
    train = split_record(
        480, read=493, dropped=["row-9"], leaked=["row-12", "row-13"], truncated=["row-4"]
    )
    files = {
        "file": "train.jsonl",
        "sha256": "e" * 64,
        "num_rows": 493,
        "is_official": False,
        "official_rows": None,
    }
    data = {
        "task": "mcq",
        "splits": {"train": train, "validation": split_record(60), "test": split_record(160)},
        "files": {"train": files, "test": files | {"file": "test.jsonl", "official_rows": 1273}},
        "mixture": {},
        "notes": ["options are read from a mapping, because the first row has one"],
        "held_out_by_group": ["validation"],
        "files_with_text": [],
    }
    write_json(run / "data.json", data)
    write_json(run / "train.json", {
        "adapter_digest": ADAPTER_DIGEST, "effect_nats": 3.21, "exported_step": steps // 2,
        "last_step": steps, "num_steps": steps, "validation_loss": 0.4321, "tokens": 43000,
        "supervised_tokens": 960, "seconds": 236.0, "tokens_per_second": 182.2,
        "weights": {"trainable": 2_442_240, "total": 136_957_248},
    })  # fmt: skip
    write_json(run / "adapter" / "medtune.json", {
        "schema_version": 1, "base": "smollm2-135m", "base_revision": None,
        "base_digest": "d" * 64, "template": "tokenizer", "template_digest": "f" * 64,
        "tokenizer_digest": "1" * 64, "stop_token": "<|im_end|>", "stop_token_id": 2,
        "pad_token_id": 2, "quantization": "none", "step": steps // 2, "init": "default",
    })  # fmt: skip
    write_json(run / "provenance.json", {
        "started": "2025-01-02T08:00:00+00:00", "finished": "2025-01-02T08:04:00+00:00",
        "resumed": False, "base_digest": "d" * 64, "adapter_digest": ADAPTER_DIGEST,
        "packages": {"medtune": "0.1.0", "torch": "2.13.0"},
        "machine": {"system": "Linux", "cores": 2, "gpus": [], "cuda": None},
    })  # fmt: skip
    return run


def rights(count: int, share: float, seed: int) -> list[bool]:
    """Rights and wrongs, drawn."""
    draw = random.Random(seed)
    return [draw.random() < share for _ in range(count)]


def parted(items: Sequence[ItemScore]) -> tuple[Measure, ...]:
    """The mean of each of three parts."""
    found = []
    for number, name in enumerate(("anatomy", "clinical_knowledge", "professional_medicine")):
        own = [item.value for item in items[number::3]]
        mean = sum(own) / len(own)
        interval = (max(0.0, mean - 0.1), min(1.0, mean + 0.1))
        found.append(Measure(name=name, value=mean, interval=interval,
                             interval_method="wilson", num_items=len(own)))  # fmt: skip
    return tuple(found)


def measures(shift: float) -> tuple[Measure, ...]:
    """Brier score and calibration error."""
    return tuple(
        Measure(name=name, value=value - shift,
                interval=(value - shift - 0.03, value - shift + 0.04),
                interval_method="bootstrap", num_items=160)
        for name, value in (("brier", 0.71), ("ece", 0.282), ("option_mass", 0.83))
    )  # fmt: skip


def rich_run(run: Path) -> Path:
    """A run whose every part has something to show."""
    write_training(run)
    base, shots = answers(rights(160, 0.31, 1)), answers(rights(160, 0.35, 2))
    new = answers(rights(160, 0.72, 3))
    arms = [
        arm("base", base, measures=measures(0.0), parts=parted(base)),
        arm("base", shots, few_shot=5, shot_seed=17, measures=measures(0.05), parts=parted(shots)),
        arm("adapter", new, measures=measures(0.2), parts=parted(new)),
    ]
    spread = ArmSpread(
        arm="base", few_shot=5, metric="accuracy", score=Spread.of([0.35, 0.331, 0.362])
    )
    contamination = Contamination(
        training_rows=480, ngram=8, share=0.4, hits=("item-3", "item-9"),
        without=tuple(Measure(name="accuracy", value=own.value - 0.01, interval=own.interval,
                              interval_method="wilson", num_items=158) for own in arms),
    )  # fmt: skip
    write_scores(run, evaluation("sample", report(
        "test", arms, spreads=(spread,), contamination=contamination,
    )))  # fmt: skip
    write_scores(run / "eval" / "medical", evaluation("medical", *_medical()))
    return run


def _medical() -> list[ScoreReport]:
    sets = []
    for number, (name, size, old, new) in enumerate(
        (
            ("medqa", 400, 0.31, 0.36),
            ("pubmedqa", 300, 0.55, 0.61),
            ("mmlu_medical", 300, 0.4, 0.33),
        )
    ):
        base = answers(rights(size, old, 10 + number))
        # Most answers stay as they were, as with a real adapter.
        draw = random.Random(number)
        kept = [draw.random() < 0.8 for _ in range(size)]
        drawn = rights(size, new + 4 * (new - old), 20 + number)
        now = [bool(b.value) if k else r for b, k, r in zip(base, kept, drawn, strict=True)]
        pair = [arm("base", base), arm("adapter", answers(now))]
        pair[1] = arm("adapter", answers(now), num_unparsed=3 if name == "pubmedqa" else None,
                      num_cut=2 if name == "pubmedqa" else None)  # fmt: skip
        sets.append(report(name, pair, is_official=name == "medqa", is_complete=name != "pubmedqa",
                           notes=("options were drawn in the published order",)))  # fmt: skip
    texts = [
        [
            option_item(n, sure=(), options=(), predicted="", answer="", value=value, texts=(told,),
                        num_cut=int(n == 2), num_empty=0, question=f"Dialogue {n}: it hurts here.")
            for n, (value, told) in enumerate(pairs)
        ]
        for pairs in (
            [(0.21, "The patient says that it hurts."), (0.3, "Pain."), (0.1, "It " * 900)],
            [(0.41, "SUBJECTIVE: pain in the left arm."), (0.25, "No pain."), (0.32, "Pain, 2 d.")],
        )
    ]  # fmt: skip
    notes = [arm("base", texts[0], metric="rouge_l", num_cut=1, num_empty=0),
             arm("adapter", texts[1], metric="rouge_l", num_cut=0, num_empty=0)]  # fmt: skip
    sets.append(report("clinical_notes", notes, task="mts_dialog", contamination=None))
    bits = [
        [option_item(n, sure=(-80.0 - n + d,), options=(), predicted="", answer="",
                     value=0.9 + 0.01 * n - 0.004 * d, question="") for n in range(40)]
        for d in (0, -4)
    ]  # fmt: skip
    sets.append(report("general_text", [arm("base", bits[0], metric="bits_per_byte"),
                                        arm("adapter", bits[1], metric="bits_per_byte")],
                       task="bits"))  # fmt: skip
    return sets
