"""Parity tells a merged model that answers as its adapter from one that does not."""

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from fixtures import recipe, write_questions, write_recipe
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from peft import PeftModel
from safetensors.torch import load_file, save_file
from scipy.special import rel_entr, softmax
from tiny_models import make_tiny_base
from transformers import AutoModelForCausalLM, GenerationConfig

import medtune
from medtune.cli import main
from medtune.errors import BaseError, EvaluationError, VerificationError
from medtune.parity import (
    BOUNDS,
    MAX_LOST,
    Parity,
    ask_adapter,
    compare,
    divergence,
    float32_arithmetic,
    parity_prompts,
    require_parity,
)
from medtune.records import Silent
from medtune.subject import Subject, find_subject

WEIGHT = "model.layers.1.mlp.down_proj.weight"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a tiny base, that is used and not changed."""
    folder = tmp_path_factory.mktemp("trained")
    base = make_tiny_base(folder / "base")
    rows = write_questions(folder / "rows", test=20)
    values = recipe(base, rows, train={"max_steps": 4})
    return medtune.train(write_recipe(folder / "recipe.yaml", values), out=folder / "runs").path


@pytest.fixture(scope="module")
def merged(run: Path) -> Path:
    """Merged in float32, used and not changed."""
    return medtune.merge(run, run.parents[1] / "merged", dtype="float32").path


@pytest.fixture
def own(merged: Path, tmp_path: Path) -> Path:
    """A copy of the merged folder for one test."""
    return Path(shutil.copytree(merged, tmp_path / "own"))


@pytest.fixture(scope="module")
def subject(run: Path) -> Subject:
    return find_subject(str(run), offline=True, progress=Silent())


def plain(folder: Path, dtype: torch.dtype = torch.float32) -> AutoModelForCausalLM:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def change(folder: Path, name: str = WEIGHT, *, by: float) -> None:
    """Change one number of one weight."""
    weights = load_file(folder / "model.safetensors")
    weights[name][0, 0] += by
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


class Told(Silent):
    """What was said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)


# What is measured


def test_a_run_is_asked_its_held_out_rows_and_a_lone_adapter_built_in_prompts(
    run: Path, merged: Path, tmp_path: Path
) -> None:
    record = json.loads((merged / "merged.json").read_text())
    assert record["parity"]["prompts"] == "held-out rows of the run"
    assert record["parity"]["num_prompts"] == 16
    alone = shutil.copytree(run / "adapter", tmp_path / "alone")
    told = Told()
    found = medtune.check_parity(alone, merged, base=str(run.parents[1] / "base"), progress=told)
    assert told.messages == [
        "parity is measured on built-in prompts: the adapter does not lie in its run, whose lock "
        "names its rows"
    ]
    assert (found.prompts, found.num_prompts) == ("built-in prompts", 12)


def test_the_last_rows_are_asked_as_they_are_scored(run: Path, subject: Subject) -> None:
    prompts = parity_prompts(subject, offline=True, progress=Silent())
    # Of 8 rows for validation and 20 for the test, the last 16.
    for ids, number in zip(prompts.ids, range(36, 52), strict=True):
        text = subject.tokenizer.decode(ids)
        assert f"Patient {number} has" in text
        assert text.endswith("<|assistant|>\n")


def test_rows_without_room_for_an_answer_are_not_asked(subject: Subject) -> None:
    whole = parity_prompts(subject, offline=True, progress=Silent())
    longest = max(map(len, whole.ids))
    located = dataclasses.replace(subject.located, context_tokens=longest + 31)
    narrow = dataclasses.replace(subject, located=located)
    asked = parity_prompts(narrow, offline=True, progress=Silent())
    assert asked.ids == tuple(ids for ids in whole.ids if len(ids) < longest)


@given(arrays.arrays(float, (2, 3, 7), elements=st.floats(-30, 30, width=32)))
def test_a_divergence_is_scipys_relative_entropy(logits: object) -> None:
    first, second = torch.tensor(logits)
    expected = rel_entr(softmax(first.numpy(), -1), softmax(second.numpy(), -1)).sum(-1)
    found = divergence(first, second)
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-12, rtol=1e-9)
    assert (found > -1e-12).all()
    assert (divergence(first, first) == 0).all()


def test_figures_are_those_of_plain_forward_passes(run: Path, subject: Subject) -> None:
    prompts = parity_prompts(subject, offline=True, progress=Silent())
    base_folder = run.parents[1] / "base"
    adapted = PeftModel.from_pretrained(plain(base_folder), run / "adapter").eval()
    reference = ask_adapter(adapted, prompts, subject, Silent())
    base = plain(base_folder)
    found = compare(reference, base, subject, Silent())
    # As if nothing had been merged, so that there is something to find.
    assert found.mean_kl == pytest.approx(found.mean_effect, rel=1e-6)
    settings = GenerationConfig(max_new_tokens=32, do_sample=False, pad_token_id=0,
                                eos_token_id=subject.template.stop_token_id)  # fmt: skip
    base.generation_config = settings
    divergences, differences, common = [], [], []
    for prompt, text in zip(prompts.ids, reference.texts, strict=True):
        ids = torch.tensor([[*prompt, *text]])
        with torch.no_grad():
            theirs, ours = adapted(ids).logits[0], base(ids).logits[0]
            written = base.generate(ids[:, : len(prompt)])[0, len(prompt) :].tolist()
        pair = [logits[len(prompt) - 1 :].double() for logits in (theirs, ours)]
        chances = [softmax(logits.numpy(), -1) for logits in pair]
        divergences += rel_entr(*chances).sum(-1).tolist()
        differences.append(float((pair[0] - pair[1]).abs().max()))
        mine = [*text, subject.template.stop_token_id][:32]
        if written != mine:
            common.append(next(i for i, (a, b) in enumerate(zip(mine, written)) if a != b))  # noqa: B905
    assert found.num_positions == len(divergences)
    assert found.mean_kl == pytest.approx(sum(divergences) / len(divergences), rel=1e-4)
    assert found.max_kl == pytest.approx(max(divergences), rel=1e-4)
    assert found.max_logit_difference == pytest.approx(max(differences), rel=1e-4)
    assert found.identical_texts == 1 - len(common) / len(prompts.ids) < 1
    assert found.first_difference == min(common)


def test_float32_arithmetic_is_that_of_widened_weights_and_leaves_them_as_they_were(
    run: Path,
) -> None:
    ids = torch.tensor([[1, 7, 19, 250, 33, 8]])
    low, wide = (plain(run.parents[1] / "base", torch.bfloat16) for _ in range(2))
    before = {name: weight.clone() for name, weight in low.state_dict().items()}
    with float32_arithmetic(low):
        found = low(ids).logits
        with pytest.raises(IndexError):  # a token that is not in the vocabulary
            low(torch.tensor([[10**6]]))
    assert torch.equal(found, wide.float()(ids).logits)
    after = low.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    assert {weight.dtype for weight in after.values()} == {torch.bfloat16}
    assert low(ids).logits.dtype == torch.bfloat16


# What is caught


@pytest.mark.parametrize("by", [0.05, -1.0])
def test_one_changed_weight_is_caught_by_its_digest_and_by_the_answers(
    run: Path, own: Path, by: float
) -> None:
    assert medtune.check_parity(run, own).max_kl < 1e-9
    change(own, by=by)
    with pytest.raises(VerificationError, match="was changed after it was merged"):
        medtune.check_parity(run, own)
    (own / "merged.json").unlink()
    with pytest.raises(VerificationError, match="does not answer as the adapter on its base"):
        medtune.check_parity(run, own)


def test_a_merge_that_left_out_one_module_is_caught_in_bfloat16(run: Path, tmp_path: Path) -> None:
    found = medtune.merge(run, tmp_path / "merged")
    assert found.dtype == "bfloat16"
    # What was written is what was rounded, to the last bit.
    assert found.parity.mean_kl == found.parity.mean_rounding > 1e-6
    (found.path / "merged.json").unlink()
    weights = load_file(found.path / "model.safetensors")
    base = load_file(run.parents[1] / "base" / "model.safetensors")
    name = "model.layers.0.self_attn.v_proj.weight"
    weights[name] = base[name].bfloat16()
    save_file(weights, found.path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(VerificationError, match="rounding to bfloat16 alone explains"):
        medtune.check_parity(run, found.path)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_merge_by_peft_in_16_bits_passes(
    dtype: torch.dtype, run: Path, merged: Path, tmp_path: Path
) -> None:
    base = plain(run.parents[1] / "base", dtype)
    theirs = PeftModel.from_pretrained(base, run / "adapter").merge_and_unload()
    theirs.save_pretrained(tmp_path / "theirs")
    for file in (run / "adapter").glob("*token*"):
        shutil.copy(file, tmp_path / "theirs")
    shutil.copy(run / "adapter" / "chat_template.jinja", tmp_path / "theirs")
    found = medtune.check_parity(run, tmp_path / "theirs")
    assert found.mean_rounding is not None
    # Base and sum are rounded apart.
    assert 1.2 < found.mean_kl / found.mean_rounding < 2.5


def test_a_merge_of_another_adapter_is_refused(run: Path, own: Path) -> None:
    record = json.loads((own / "merged.json").read_text())
    (own / "merged.json").write_text(json.dumps(record | {"adapter_digest": "0" * 64}))
    with pytest.raises(VerificationError, match="was merged from another adapter"):
        medtune.check_parity(run, own)


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"schema_version": 9}'])
def test_a_record_that_cannot_be_read_is_refused(text: str, run: Path, own: Path) -> None:
    (own / "merged.json").write_text(text)
    with pytest.raises(VerificationError, match=r"merged\.json"):
        medtune.check_parity(run, own)


def test_another_template_is_refused(run: Path, own: Path) -> None:
    (own / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    (own / "merged.json").unlink()
    with pytest.raises(VerificationError, match="has another chat template"):
        medtune.check_parity(run, own)


def test_a_model_of_another_vocabulary_is_refused(
    run: Path, subject: Subject, tmp_path: Path
) -> None:
    prompts = parity_prompts(subject, offline=True, progress=Silent())
    adapted = PeftModel.from_pretrained(plain(run.parents[1] / "base"), run / "adapter").eval()
    reference = ask_adapter(adapted, prompts, subject, Silent())
    other = plain(run.parents[1] / "base")
    other.resize_token_embeddings(500)
    with pytest.raises(EvaluationError, match="predicts 500 tokens, the adapter's 416"):
        compare(reference, other, subject, Silent())


def test_logits_that_are_no_numbers_are_refused(run: Path, own: Path) -> None:
    (own / "merged.json").unlink()
    change(own, by=float("nan"))
    with pytest.raises(EvaluationError, match="its weights are damaged"):
        medtune.check_parity(run, own)


def test_a_folder_in_a_precision_that_parity_does_not_know_is_refused(run: Path, own: Path) -> None:
    (own / "merged.json").unlink()
    plain(own, torch.float64).save_pretrained(own)
    with pytest.raises(BaseError, match=r"is stored in torch\.float64; merged weights are"):
        medtune.check_parity(run, own)


def parity(
    *,
    max_kl: float = 0.0,
    mean_kl: float = 0.0,
    mean_effect: float = 1.0,
    mean_rounding: float = 1.0,
) -> Parity:
    return Parity(
        prompts="built-in prompts", num_prompts=1, num_positions=1, mean_kl=mean_kl, max_kl=max_kl,
        max_logit_difference=0.0, mean_effect=mean_effect, identical_texts=1.0,
        first_difference=None, mean_rounding=mean_rounding,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", BOUNDS)
def test_a_model_passes_up_to_the_bound_and_not_beyond(dtype: str) -> None:
    require_parity(parity(max_kl=BOUNDS[dtype]), dtype, "merged")
    with pytest.raises(VerificationError, match="does not answer as the adapter"):
        require_parity(parity(max_kl=BOUNDS[dtype] * 1.01), dtype, "merged")


def test_rounding_that_takes_a_tenth_of_a_small_effect_is_refused() -> None:
    require_parity(parity(mean_kl=1e-4, mean_effect=1e-4 / MAX_LOST), "bfloat16", "merged")
    with pytest.raises(VerificationError, match="took more than 10% of it"):
        require_parity(parity(mean_kl=1e-4, mean_effect=0.9e-4 / MAX_LOST), "bfloat16", "merged")


def test_what_rounding_does_not_explain_is_refused() -> None:
    for floor, allowed in ((1e-4, 3e-4), (0.0, 1e-9)):
        require_parity(parity(mean_kl=allowed, mean_rounding=floor), "bfloat16", "merged")
        with pytest.raises(VerificationError, match="rounding to bfloat16 alone explains"):
            require_parity(
                parity(mean_kl=allowed * 1.01, mean_rounding=floor), "bfloat16", "merged"
            )


def test_the_command_prints_the_figures_and_exits_5_where_they_differ(
    run: Path, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_command() -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["medtune", "parity", str(run), str(own)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    code, out, _ = run_command()
    assert code == 0
    assert "parity on 16 held-out rows of the run" in out
    assert "KL(adapter || merged)" in out
    assert "identical greedy texts 100%\n" in out
    (own / "merged.json").unlink()
    change(own, by=1.0)
    code, _, err = run_command()
    assert code == 5
    assert "nats over" in err
    assert "Traceback" not in err
