"""Answers item by item in lm-evaluation-harness' sample schema (``result_schema.SampleResult``).

One file for each set and arm, line for line what lm-eval 0.4.13 writes with ``--log_samples``, so
that its readers and those built on them can be used. medtune does not keep all that lm-eval does:

- ``arg_0`` is the item's own text, and not the whole prompt, of which only a digest is kept:
  ``prompt_digest`` beside it, sha256 over the prompt's token ids. ``prompt_hash`` is that of
  ``arg_0``, as in lm-eval.
- ``arg_1`` of an option is the option as it is named (its letter). Of texts that are weighed but
  not named (all right answers for MC2, a reference) there is none, and ``target`` is empty.
- Whether an option was the likeliest of all tokens is not known: "None" stands in its place.
- Of a row of patients nothing is written: no id, text, option or answer, only what the model made
  of it in numbers.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medtune.digests import atomic_writer, sha256_text
from medtune.records import ArmScore, Evaluation, ItemScore, ScoreReport

METRIC_NAMES: Mapping[str, str] = {"accuracy": "acc"}
"""lm-eval's names, where it has another one."""
_NOT_KEPT = "None"
_GENERATION = {"max_new_tokens": "max_gen_toks", "temperature": "temperature"}
"""Keys of ``ScoreReport.settings`` -> lm-eval's keys for how a text is written."""


def write_samples(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write ``samples_<set>_<arm>-<k>-shot[-seed-<s>].jsonl`` for each set and arm.

    lm-eval's own readers take what stands between the first and the last underscore for the task,
    and what stands behind it for a date.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for report in evaluation.reports:
        for arm in report.arms:
            path = folder / _file_name(report, arm)
            assert path not in paths, "names of sets, and arms of a set, are unique"
            with atomic_writer(path) as file:
                for number, item in enumerate(arm.items):
                    line = json.dumps(
                        sample(number, item, arm, report), ensure_ascii=False, allow_nan=False
                    )
                    file.write((line + "\n").encode())
            paths.append(path)
    return paths


def sample(number: int, item: ItemScore, arm: ArmScore, report: ScoreReport) -> dict[str, Any]:
    """One item; ``number`` is its place in the set, from 0."""
    is_private = not item.question and item.texts is None
    doc = {} if is_private else _doc(item)
    target = "" if is_private else item.answer
    is_written = not item.log_likelihoods
    weights = _weights(item, arm.metric)
    metric = METRIC_NAMES.get(arm.metric, arm.metric)
    return {
        "doc_id": number,
        "doc": doc,
        "target": target,
        "arguments": _written(item, report) if is_written else _weighed(item, is_private),
        "resps": [list(item.texts or ())] if is_written else [[one] for one in weights],
        "filtered_resps": [_chosen(item)] if is_written else weights,
        "filter": "extract" if is_written and item.is_parsed is not None else "none",
        "metrics": [metric],
        "doc_hash": sha256_text(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": sha256_text(item.question),
        "target_hash": sha256_text(target),
        metric: float(item.value),
    }


def _file_name(report: ScoreReport, arm: ArmScore) -> str:
    seed = "" if arm.shot_seed is None else f"-seed-{arm.shot_seed}"
    name = re.sub(r"[^\w.-]", "_", report.name)
    return f"samples_{name}_{arm.arm}-{arm.few_shot}-shot{seed}.jsonl"


def _doc(item: ItemScore) -> dict[str, Any]:
    return {
        "id": item.id,
        "group": item.group,
        "part": item.part,
        "question": item.question,
        "options": list(item.options),
        "answer": item.answer,
    }


def _context(item: ItemScore) -> dict[str, Any]:
    return {"arg_0": item.question}


def _weighed(item: ItemScore, is_private: bool) -> dict[str, dict[str, Any]]:
    """A request for each log-likelihood."""
    named = () if is_private else item.options
    digest = {"prompt_digest": item.prompt_digest} if item.prompt_digest else {}
    continuations = [{"arg_1": option} for option in named] or [{} for _ in item.log_likelihoods]
    return {
        f"gen_args_{place}": _context(item) | continuation | digest
        for place, continuation in enumerate(continuations)
    }


def _written(item: ItemScore, report: ScoreReport) -> dict[str, dict[str, Any]]:
    """The one request for all samples."""
    how = {
        theirs: report.settings[ours]
        for ours, theirs in _GENERATION.items()
        if ours in report.settings
    }
    how["do_sample"] = "temperature" in how
    digest = {"prompt_digest": item.prompt_digest} if item.prompt_digest else {}
    return {"gen_args_0": _context(item) | {"arg_1": how} | digest}


def _weights(item: ItemScore, metric: str) -> list[str] | list[list[str]]:
    """As texts, into which lm-eval turns its pairs (log-likelihood, is greedy)."""
    weights = [str(value) for value in item.log_likelihoods]
    # Running text has no pairs there.
    return weights if metric == "bits_per_byte" else [[weight, _NOT_KEPT] for weight in weights]


def _chosen(item: ItemScore) -> str:
    """What was read from the texts: the option, or the one text itself."""
    if item.texts is None:
        return ""
    return item.predicted if item.is_parsed is not None else item.texts[0]
