"""Long runs on real questions: training on PubMedQA, and scores on every set."""

import json
import sys
from pathlib import Path

import pytest
import torch
from fixtures import recipe, write_recipe
from peft import PeftModel
from tiny_models import make_tiny_base
from transformers import AutoModelForCausalLM, AutoTokenizer

import medtune
from medtune.models import LocatedBase
from medtune.recipe.bundled import recipes_folder


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_pubmedqa_trains_on_the_default_base_and_its_adapter_works_in_plain_peft(
    quantization: str, smollm2: LocatedBase, medtune_data: Path, tmp_path: Path
):
    run = medtune.train(
        recipes_folder() / "pubmedqa_lora.yaml",
        {
            "base.model": "smollm2-135m",
            "train.max_steps": 40,
            "base.quantization": quantization,
        },
        out=tmp_path,
    )
    losses = [
        json.loads(line)["loss"] for line in (run.path / "log.jsonl").read_text().splitlines()
    ]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert run.scores is not None
    assert run.scores.arms[0].num_items == 243
    assert "NOT the published test set" in run.scores.test_set
    base = AutoModelForCausalLM.from_pretrained(smollm2.folder, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(run.adapter)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Does aspirin reduce fever?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    before = base(**prompt).logits[0, -1]
    after = PeftModel.from_pretrained(base, run.adapter)(**prompt).logits[0, -1]
    assert (after - before).abs().max() > 0.1


SETS = {
    "medqa": 654, "medqa_5opt": 654, "medmcqa": 289, "pubmedqa": 243, "mmlu_medical": 767,
    "mmlu_general": 1211, "mc1": 49, "mc2": 49, "wikitext2": 714,
}  # fmt: skip
"""Items of each set in the data at hand."""


@pytest.mark.slow
def test_a_base_and_its_adapter_are_scored_on_every_question_of_the_real_sets(
    medtune_data: Path, tmp_path: Path
):
    base = make_tiny_base(tmp_path / "base", context_tokens=8192)
    values = recipe(base, tmp_path, evaluate={"few_shot": 0, "limit": 20})
    values["data"] = {"task": "medmcqa", "max_tokens": 1024}
    values["train"] |= {"pack_tokens": 1024, "max_steps": 20}
    run = medtune.train(write_recipe(tmp_path / "r.yaml", values), out=tmp_path / "runs").path
    found = {}
    for suite in ("medqa", "medqa_5opt", "medmcqa", "pubmedqa", "mmlu_medical", "general",
                  "truthfulqa_medical"):  # fmt: skip
        for report in medtune.evaluate(run, suite).evaluation.reports:
            before, after = report.arms
            found[report.name] = after.num_items
            for arm in report.arms:
                low, high = arm.interval
                assert low < arm.value < high
            [comparison] = report.comparisons
            assert comparison.difference == pytest.approx(after.value - before.value)
            assert comparison.interval[0] <= comparison.difference <= comparison.interval[1]
            assert not report.is_official
            assert report.contamination is not None
            assert report.contamination.training_rows > 3000
            sys.stdout.write(
                f"{report.name}: {before.num_items} items, {before.value:.4f} {before.interval}, "
                f"{after.value:.4f} {after.interval}, {comparison.difference:+.4f} "
                f"{comparison.interval}, p {comparison.p_value}, "
                f"{len(report.contamination.hits)} contaminated\n"
            )
    assert found == SETS
