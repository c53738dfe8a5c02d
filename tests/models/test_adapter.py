"""An exported adapter is whole, portable, tied to its base, and does something."""

import json
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from safetensors.torch import load_file, save_file
from tiny_models import make_tiny_base, make_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from medtune.data import make_template
from medtune.errors import AdapterError, RecipeError
from medtune.models import (
    FrozenBase,
    adapter_digest,
    adapter_state,
    attach,
    export,
    load_adapter,
    load_model,
    load_tokenizer,
    locate_base,
    read_manifest,
    require_effect,
    set_adapter_state,
)
from medtune.recipe import Adapter, Base
from medtune.records import AdapterManifest, Silent

IDS = torch.tensor([[1, 7, 19, 250, 33, 8]])
PROMPTS = [(1, 7, 19), (1, 250, 33, 8)]
WEIGHTS = "adapter_model.safetensors"
ATTENTION = ["k_proj", "o_proj", "q_proj", "v_proj"]
MLP = ["down_proj", "gate_proj", "up_proj"]


def load(folder: Path) -> FrozenBase:
    section = Base(model=str(folder), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    return load_model(located, section, load_tokenizer(located))


@pytest.fixture
def base(tiny_base: Path) -> FrozenBase:
    return load(tiny_base)


def grow(model: PeftModel, *, seed: int = 3) -> None:
    """Take one large step of training, so that every lora_B differs from zero."""
    torch.manual_seed(seed)
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    model.train()
    model(IDS, labels=IDS).loss.backward()
    torch.optim.AdamW(trainable, lr=0.05).step()
    model.zero_grad(set_to_none=True)
    model.eval()


@pytest.fixture
def trained(base: FrozenBase) -> PeftModel:
    model = attach(base, Adapter(rank=4, alpha=8.0), seed=1)
    grow(model)
    return model


def manifest_of(base: FrozenBase, *, step: int = 1, init: str = "default") -> AdapterManifest:
    template = make_template("tokenizer", base.tokenizer)
    return AdapterManifest(
        schema_version=1,
        base=base.located.reference,
        base_revision=None,
        base_digest=base.located.digest,
        template=template.name,
        template_digest=template.digest,
        tokenizer_digest=base.located.tokenizer_digest,
        stop_token=template.stop_token,
        stop_token_id=template.stop_token_id,
        pad_token_id=base.tokenizer.unk_token_id,
        quantization="none",
        step=step,
        init=init,
    )


def write(
    model: PeftModel,
    base: FrozenBase,
    folder: Path,
    *,
    state: dict[str, torch.Tensor] | None = None,
    step: int = 1,
) -> str:
    return export(
        model,
        adapter_state(model) if state is None else state,
        manifest_of(base, step=step),
        base.tokenizer,
        "{{ the template it was trained with }}",
        folder,
    )


@pytest.fixture
def adapter(trained: PeftModel, base: FrozenBase, tmp_path: Path) -> Path:
    write(trained, base, tmp_path / "adapter")
    return tmp_path / "adapter"


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


# Where it is attached


def adapted(model: PeftModel) -> set[str]:
    return {name.split(".lora_A")[0] for name, _ in model.named_parameters() if "lora_A" in name}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("all-linear", ATTENTION + MLP),
        ("attention", ATTENTION),
        ("mlp", MLP),
        (["q_proj", "up_proj"], ["q_proj", "up_proj"]),
        (["self_attn.v_proj"], ["v_proj"]),
    ],
)
def test_targets_are_the_linear_layers_asked_for_in_every_block_and_never_the_head(
    tmp_path: Path, targets: str | list[str], expected: list[str], tied: bool
) -> None:
    base = load(make_tiny_base(tmp_path / "base", tied=tied))
    found = adapted(attach(base, Adapter(targets=targets), seed=1))
    assert sorted({name.rpartition(".")[2] for name in found}) == sorted(expected)
    assert len(found) == 2 * len(expected)
    assert not any("head" in name or "embed" in name for name in found)


def test_one_layer_can_be_named_in_full(base: FrozenBase) -> None:
    model = attach(base, Adapter(targets=["layers.1.self_attn.q_proj"]), seed=1)
    assert adapted(model) == {"base_model.model.model.layers.1.self_attn.q_proj"}


@pytest.mark.parametrize("targets", [["q_proj", "query"], ["lm_head"], ["proj"], ["norm"]])
def test_a_target_that_matches_no_layer_is_refused_with_those_that_exist(
    base: FrozenBase, targets: list[str]
) -> None:
    with pytest.raises(RecipeError) as caught:
        attach(base, Adapter(targets=targets), seed=1)
    assert f"{targets[-1]!r} matches no linear layer" in str(caught.value)
    assert str(caught.value).endswith(", ".join(sorted(ATTENTION + MLP)))


def test_a_fresh_adapter_is_float32_trainable_alone_and_without_effect(tiny_base: Path) -> None:
    section = Base(model=str(tiny_base), dtype="bfloat16")
    located = locate_base(section, offline=True, progress=Silent())
    base = load_model(located, section, load_tokenizer(located))
    before = logits(base.model)
    model = attach(base, Adapter(rank=4), seed=1)
    for name, weight in model.named_parameters():
        assert weight.requires_grad == ("lora_" in name)
        assert weight.dtype == (torch.float32 if "lora_" in name else torch.bfloat16)
    assert torch.equal(logits(model), before)


def test_the_start_depends_on_the_seed_alone(tiny_base: Path) -> None:
    def start(seed: int) -> dict[str, torch.Tensor]:
        return adapter_state(attach(load(tiny_base), Adapter(rank=4), seed=seed))

    first = start(1)
    torch.rand(5)
    again, other = start(1), start(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_base_is_bit_identical_after_attach_training_and_unload(base: FrozenBase) -> None:
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    expected = logits(base.model)
    model = attach(base, Adapter(rank=4), seed=1)
    grow(model)
    assert not torch.equal(logits(model), expected)
    model.unload()
    after = base.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert torch.equal(logits(base.model), expected)


# What is written


def test_a_reloaded_adapter_has_the_logits_that_were_exported(
    trained: PeftModel, adapter: Path, tiny_base: Path
) -> None:
    base = load(tiny_base)
    plain = logits(base.model)
    model = load_adapter(base, adapter)
    assert not model.training
    assert torch.equal(logits(model), logits(trained))
    assert not torch.allclose(logits(model), plain, atol=1e-2)


def test_an_adapter_loads_on_the_base_it_was_just_unloaded_from(
    trained: PeftModel, adapter: Path, base: FrozenBase
) -> None:
    expected = logits(trained)
    trained.unload()
    assert torch.equal(logits(load_adapter(base, adapter)), expected)


def test_the_exported_weights_are_those_handed_over_not_those_in_memory(
    trained: PeftModel, base: FrozenBase, tmp_path: Path
) -> None:
    best = {name: tensor.clone() for name, tensor in adapter_state(trained).items()}
    grow(trained)
    write(trained, base, tmp_path / "adapter", state=best)
    written = load_file(tmp_path / "adapter" / WEIGHTS)
    assert written.keys() == best.keys()
    assert all(torch.equal(written[name], tensor) for name, tensor in best.items())


def test_plain_peft_loads_the_adapter_with_the_same_logits(
    adapter: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load(tiny_base)
    plain = logits(base.model)
    expected = logits(load_adapter(base, adapter))
    bare = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    assert torch.equal(logits(bare), plain)
    assert torch.equal(logits(PeftModel.from_pretrained(bare, adapter).eval()), expected)
    # The adapter names its base as the recipe does; here it is a folder of that name.
    monkeypatch.chdir(tiny_base.parent)
    auto = AutoPeftModelForCausalLM.from_pretrained(adapter, dtype=torch.float32)
    assert torch.equal(logits(auto.eval()), expected)


def test_the_adapters_config_is_portable_and_written_in_one_order(
    adapter: Path, tiny_base: Path
) -> None:
    text = (adapter / "adapter_config.json").read_text()
    config = json.loads(text)
    assert text == json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert config["base_model_name_or_path"] == "tiny"
    assert config["target_modules"] == sorted(ATTENTION + MLP)
    assert config["inference_mode"] is True
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (4, 8.0, "LORA")
    for file in adapter.iterdir():
        content = file.read_bytes()
        assert str(tiny_base).encode() not in content, file.name
        assert str(adapter.parent).encode() not in content, file.name


def test_template_tokenizer_and_stop_travel_with_the_adapter(
    adapter: Path, base: FrozenBase
) -> None:
    own = (base.tokenizer.chat_template, base.tokenizer.pad_token)
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    assert tokenizer.chat_template == "{{ the template it was trained with }}"
    assert tokenizer.pad_token_id == base.tokenizer.unk_token_id
    assert tokenizer("fever? <s>")["input_ids"] == base.tokenizer("fever? <s>")["input_ids"]
    assert json.loads((adapter / "generation_config.json").read_text()) == {
        "do_sample": False,
        "eos_token_id": base.tokenizer.eos_token_id,
        "pad_token_id": base.tokenizer.unk_token_id,
    }
    assert own == (make_tokenizer().chat_template, None), "the base's tokenizer is left as it was"


def test_the_manifest_comes_back_as_it_was_written(adapter: Path, base: FrozenBase) -> None:
    assert read_manifest(adapter) == manifest_of(base)


def test_the_same_weights_have_the_same_digest_in_any_folder(
    trained: PeftModel, base: FrozenBase, tmp_path: Path
) -> None:
    first = write(trained, base, tmp_path / "adapter")
    second = write(trained, base, tmp_path / "another")
    assert first == second == adapter_digest(tmp_path / "another")
    assert write(trained, base, tmp_path / "adapter") == first, "over an adapter that is there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "another"]


def test_other_weights_or_another_file_change_the_digest_and_the_card_does_not(
    trained: PeftModel, base: FrozenBase, tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    first = write(trained, base, folder)
    grow(trained)
    assert write(trained, base, tmp_path / "other") != first
    (folder / "README.md").write_text("a card")
    assert adapter_digest(folder) == first
    names = {path.name for path in folder.iterdir()} - {"README.md"}
    assert {WEIGHTS, "adapter_config.json", "medtune.json", "generation_config.json",
            "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= names  # fmt: skip
    for name in names:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content + b" ")
        assert adapter_digest(folder) != first, name
        (folder / name).write_bytes(content)
    (folder / "more").write_text("")
    assert adapter_digest(folder) != first


# What is not written


def test_weights_that_are_not_finite_are_not_exported(
    trained: PeftModel, base: FrozenBase, tmp_path: Path
) -> None:
    for value in (float("nan"), float("inf")):
        state = {name: tensor.clone() for name, tensor in adapter_state(trained).items()}
        name = sorted(state)[3]
        state[name].view(-1)[-1] = value
        with pytest.raises(AdapterError, match=r"has values that are not finite") as caught:
            write(trained, base, tmp_path / "adapter", state=state)
        assert name in str(caught.value)
    assert not list(tmp_path.iterdir()), "nothing is left of it"


def test_an_adapter_without_effect_after_steps_is_not_exported(
    base: FrozenBase, tmp_path: Path
) -> None:
    model = attach(base, Adapter(rank=4), seed=1)
    with pytest.raises(AdapterError, match="every lora_B is zero after 7 steps"):
        write(model, base, tmp_path / "adapter", step=7)
    assert not list(tmp_path.iterdir())
    write(model, base, tmp_path / "adapter", step=0)


def test_an_empty_state_is_not_exported(
    trained: PeftModel, base: FrozenBase, tmp_path: Path
) -> None:
    with pytest.raises(AdapterError, match="there is no tensor at all"):
        write(trained, base, tmp_path / "adapter", state={})
    empty = {name: torch.zeros(0) for name in adapter_state(trained)}
    with pytest.raises(AdapterError, match="is empty"):
        write(trained, base, tmp_path / "adapter", state=empty)


def test_a_refused_export_leaves_the_adapter_that_was_there(
    trained: PeftModel, base: FrozenBase, adapter: Path
) -> None:
    before = adapter_digest(adapter)
    with pytest.raises(AdapterError):
        write(trained, base, adapter, state={})
    assert adapter_digest(adapter) == before


# What is not loaded


def test_an_adapter_of_another_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    other = load(make_tiny_base(tmp_path / "tiny", seed=1))
    with pytest.raises(AdapterError, match="was trained on tiny with digest") as caught:
        load_adapter(other, adapter)
    assert caught.value.exit_code == 5
    assert other.located.digest[:16] in str(caught.value)
    assert not any("lora" in name for name, _ in other.model.named_parameters())


def change_weights(adapter: Path, **changed: torch.Tensor | None) -> None:
    state = load_file(adapter / WEIGHTS)
    for name, tensor in changed.items():
        if tensor is None:
            del state[name]
        else:
            state[name] = tensor
    save_file(state, adapter / WEIGHTS)


NAME = "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({NAME: None}, rf"{NAME} is missing \(27 of 28 tensors"),
        ({"base_model.model.inner.lora_B.weight": torch.ones(2)}, r"inner.* is unexpected"),
        ({NAME: torch.ones(128, 3)}, rf"{NAME} has shape \(128, 3\), expected \(128, 4\)"),
        ({NAME: torch.full((128, 4), float("nan"))}, rf"{NAME} has values that are not finite"),
    ],
)
def test_weights_that_are_missing_left_over_misshapen_or_not_finite_are_refused(
    tiny_base: Path, adapter: Path, changed: dict[str, torch.Tensor | None], message: str
) -> None:
    change_weights(adapter, **changed)
    base = load(tiny_base)
    with pytest.raises(AdapterError, match=message):
        load_adapter(base, adapter)
    # What was refused leaves nothing on the base.
    attach(base, Adapter(rank=4), seed=1)


def test_a_base_that_carries_an_adapter_takes_no_second_one(adapter: Path, tiny_base: Path) -> None:
    base = load(tiny_base)
    model = load_adapter(base, adapter)
    for second in (
        lambda: load_adapter(base, adapter),
        lambda: attach(base, Adapter(rank=4), seed=1),
    ):
        with pytest.raises(AdapterError, match="carries an adapter already"):
            second()
    model.unload()
    load_adapter(base, adapter)


@pytest.mark.parametrize("content", [None, b"", b"\0" * 40])
def test_a_weights_file_that_is_missing_or_torn_is_refused(
    tiny_base: Path, adapter: Path, content: bytes | None
) -> None:
    if content is None:
        (adapter / WEIGHTS).unlink()
    else:
        (adapter / WEIGHTS).write_bytes(content)
    with pytest.raises(AdapterError, match=r"adapter_model\.safetensors could not be read"):
        load_adapter(load(tiny_base), adapter)


def test_an_adapter_without_a_manifest_of_this_version_is_refused(
    adapter: Path, base: FrozenBase
) -> None:
    file = adapter / "medtune.json"
    values = json.loads(file.read_text())
    for broken in ("{", "[]", "{}", json.dumps(values | {"unknown": 1})):
        file.write_text(broken)
        with pytest.raises(AdapterError, match=r"not an adapter that medtune wrote"):
            read_manifest(adapter)
    file.write_text(json.dumps(values | {"schema_version": 2}))
    with pytest.raises(AdapterError, match="schema version 2; this medtune reads 1"):
        load_adapter(base, adapter)
    file.unlink()
    with pytest.raises(AdapterError, match="missing or unreadable"):
        read_manifest(adapter)


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(trained: PeftModel) -> None:
    before = {name: tensor.clone() for name, tensor in adapter_state(trained).items()}
    short = {name: tensor + 1 for name, tensor in before.items() if "layers.0" in name}
    with pytest.raises(AdapterError, match=r"layers\.1.* is missing \(14 of 28"):
        set_adapter_state(trained, short)
    after = adapter_state(trained)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    set_adapter_state(trained, {name: tensor + 1 for name, tensor in before.items()})
    after = adapter_state(trained)
    assert all(torch.equal(after[name], tensor + 1) for name, tensor in before.items())


# Whether it does something


def test_the_effect_is_the_largest_divergence_of_the_next_token(
    trained: PeftModel, base: FrozenBase
) -> None:
    expected = []
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        with torch.no_grad():
            adapted_p = trained(ids).logits[0, -1].double().softmax(-1)
            with trained.disable_adapter():
                base_p = trained(ids).logits[0, -1].double().softmax(-1)
        expected.append(float((base_p * (base_p / adapted_p).log()).sum()))
    assert expected[0] != pytest.approx(expected[1])
    assert require_effect(trained, PROMPTS) == pytest.approx(max(expected), rel=1e-6)


def test_an_adapter_without_effect_is_refused(base: FrozenBase) -> None:
    model = attach(base, Adapter(rank=4), seed=1)
    with pytest.raises(AdapterError, match=r"no effect: .* over 2 prompts"):
        require_effect(model, PROMPTS)


def test_an_adapter_that_the_model_ignores_is_refused(trained: PeftModel) -> None:
    with trained.disable_adapter(), pytest.raises(AdapterError, match="no effect"):
        require_effect(trained, PROMPTS)
