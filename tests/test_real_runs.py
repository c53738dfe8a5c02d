"""Long runs on real questions: PubMedQA on the default base, in bfloat16 and in 4 bits."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
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
