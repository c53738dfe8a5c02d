"""The adapter: attach a fresh one, export it, load it strictly, and show that it does something.

The exported folder is in PEFT's format and loads in plain PEFT. Beside PEFT's two files lie the
template and tokenizer it was trained with, a generation config that knows its stop token, and
``medtune.json``, which pins the base by digest.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medtune.digests import (
    adapter_folder_digest,
    partial_folder,
    sha256_bytes,
    sha256_named,
    sync_folder,
    sync_tree,
    write_json,
)
from medtune.errors import AdapterError, MedtuneError
from medtune.models import inits
from medtune.models.loading import FrozenBase, Tokenizer
from medtune.models.lora import use_fast_layers
from medtune.models.targets import target_modules
from medtune.recipe import Adapter
from medtune.records import AdapterManifest

SCHEMA_VERSION = 1
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
MANIFEST = "medtune.json"
CARD = "README.md"
MIN_EFFECT = 1e-6
"""Smallest divergence from the base, in nats per prompt, that counts as an effect."""


def attach(
    base: FrozenBase, section: Adapter, *, seed: int, rows: Sequence[Sequence[int]] = ()
) -> PeftModel:
    """Put a fresh adapter on the base; its weights are float32.

    It starts without effect, but with ``init: loftq``, which mends what nf4 rounded off. pissa and
    olora change the base in memory: for anything but this adapter, load it anew.

    Args:
        base: A base that carries no adapter.
        section: The recipe's section.
        seed: Of the weights that are drawn.
        rows: Token ids of training examples; only ``init: eva`` looks at them.

    Raises:
        RecipeError: A target matches no linear layer (the message lists those that exist), a layer
            has not as many directions as the rank, or eva has too few rows.
        AdapterError: The base carries an adapter already, or was changed by the start of one.
    """
    _require_bare(base)
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=section.rank,
        lora_alpha=section.alpha,
        lora_dropout=section.dropout,
        use_rslora=section.rslora,
        use_dora=section.method == "dora",
        target_modules=target_modules(base.model, section.targets),
        base_model_name_or_path=base.located.reference,
        revision=base.located.revision,
        init_lora_weights=inits.peft_name(section),
    )
    inits.require_rank(base.model, config.target_modules, section)
    use_fast_layers(config)
    model = get_peft_model(base.model, config)
    try:
        if section.init in inits.TAKES_FROM_BASE:
            inits.remember_taken(base.model, adapter_state(model))
        elif section.init == "eva":
            inits.start_eva(model, rows, seed=seed)
        elif section.init == "loftq":
            inits.start_loftq(model, base.located)
    except MedtuneError:
        model.unload()
        raise
    return model


def adapter_state(model: PeftModel) -> dict[str, torch.Tensor]:
    """Copies of the adapter's tensors under PEFT's names, on the CPU."""
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}


def state_digest(state: Mapping[str, torch.Tensor]) -> str:
    """Digest of tensors by name and bytes."""
    return sha256_named({name: sha256_bytes(t.numpy().tobytes()) for name, t in state.items()})


def set_adapter_state(model: PeftModel, state: Mapping[str, torch.Tensor]) -> None:
    """Give the adapter these tensors.

    Raises:
        AdapterError: A tensor is missing, unexpected, or of another shape.
    """
    expected = {name: tuple(t.shape) for name, t in adapter_state(model).items()}
    found = {name: tuple(t.shape) for name, t in state.items()}
    if expected != found:
        raise AdapterError(f"the weights do not fit the adapter: {_first_misfit(expected, found)}")
    set_peft_model_state_dict(model, dict(state))


def export(
    model: PeftModel,
    state: Mapping[str, torch.Tensor],
    manifest: AdapterManifest,
    tokenizer: Tokenizer,
    template_source: str,
    folder: Path,
) -> str:
    """Write an adapter folder, whole or not at all, and reopen it (R20).

    What is written is plain LoRA or DoRA on the untouched base, whatever the start was.

    Returns:
        The adapter digest.

    Raises:
        AdapterError: The written weights are not complete, finite and with effect.
    """
    partial = partial_folder(folder)
    try:
        plain = inits.plain_state(model, state)
        contiguous = {name: tensor.contiguous() for name, tensor in plain.items()}
        save_file(contiguous, partial / WEIGHTS, metadata={"format": "pt"})
        write_json(partial / CONFIG, _portable_config(model))
        _write_tokenizer(tokenizer, template_source, manifest, partial)
        write_json(
            partial / "generation_config.json",
            {
                "do_sample": False,
                "eos_token_id": manifest.stop_token_id,
                "pad_token_id": manifest.pad_token_id,
            },
        )
        write_json(partial / MANIFEST, asdict(manifest))
        check_weights(load_weights(partial), expected=contiguous, step=manifest.step)
        for file in partial.iterdir():
            file.chmod(0o644)
        partial.chmod(0o755)
        sync_tree(partial)
        _replace_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return adapter_digest(folder)


def adapter_digest(folder: Path) -> str:
    """sha256 over the sorted (name, sha256) of the adapter's files; the card does not count."""
    return adapter_folder_digest(folder)


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of an adapter folder.

    Raises:
        AdapterError: The file is missing or no safetensors file.
    """
    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{folder / WEIGHTS} could not be read: {error}") from error


def read_manifest(folder: Path) -> AdapterManifest:
    """What the adapter says about itself.

    Raises:
        AdapterError: There is no ``medtune.json``, or it is not one that this medtune reads.
    """
    try:
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = AdapterManifest(**values)
    except (OSError, ValueError, TypeError) as error:
        raise AdapterError(
            f"{folder} is not an adapter that medtune wrote: {MANIFEST} is missing or unreadable"
        ) from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise AdapterError(
            f"{folder / MANIFEST}: schema version {manifest.schema_version}; this medtune reads "
            f"{SCHEMA_VERSION}"
        )
    return manifest


def load_adapter(base: FrozenBase, folder: Path) -> PeftModel:
    """Put an exported adapter on its base; nothing may be missing, left over or foreign.

    Raises:
        AdapterError: It was trained on another base, its files do not fit each other, or the base
            carries an adapter already.
    """
    manifest = read_manifest(folder)
    if manifest.base_digest != base.located.digest:
        raise AdapterError(
            f"{folder} was trained on {manifest.base} with digest {manifest.base_digest[:16]}…; "
            f"{base.located.reference} here has {base.located.digest[:16]}…. Load it on its own "
            "base: on another one its answers mean nothing"
        )
    inits.require_quantization(manifest, base.section)
    _require_bare(base)
    state = load_weights(folder)
    for name, tensor in state.items():
        _require_finite(name, tensor)
    config = LoraConfig.from_pretrained(str(folder))
    config.inference_mode = False
    use_fast_layers(config)
    model = get_peft_model(base.model, config)
    try:
        set_adapter_state(model, state)
    except AdapterError:
        model.unload()
        raise
    model.eval()
    return model


def _require_bare(base: FrozenBase) -> None:
    if any(isinstance(module, BaseTunerLayer) for module in base.model.modules()):
        raise AdapterError(
            f"{base.located.reference} in memory carries an adapter already; take it off with "
            "model.unload(), or load the base anew"
        )
    inits.require_untouched(base.model, base.located.reference)


def check_weights(
    found: Mapping[str, torch.Tensor], *, expected: Mapping[str, torch.Tensor], step: int
) -> None:
    """Refuse weights that were not written as they should be.

    Raises:
        AdapterError: A tensor is missing, unexpected, empty, misshapen, not finite or not what was
            to be written; or every B is zero after training, so the adapter changes nothing.
    """
    shapes = {name: tuple(t.shape) for name, t in expected.items()}
    found_shapes = {name: tuple(t.shape) for name, t in found.items()}
    if shapes != found_shapes or not found:
        raise AdapterError(f"the saved weights differ: {_first_misfit(shapes, found_shapes)}")
    for name, tensor in found.items():
        if tensor.numel() == 0:
            raise AdapterError(f"the saved tensor {name} is empty")
        _require_finite(name, tensor)
        if not torch.equal(tensor, expected[name]):
            raise AdapterError(f"the saved tensor {name} is not what was to be written")
    grown = any(tensor.any() for name, tensor in found.items() if "lora_B" in name)
    if step > 0 and not grown:
        raise AdapterError(
            f"every lora_B is zero after {step} steps: the adapter changes nothing. Was the "
            "learning rate zero, or did no gradient reach it?"
        )


@torch.no_grad()
def effect(model: PeftModel, prompts: Sequence[Sequence[int]]) -> float:
    """Largest KL(base || adapter) of the next token over the prompts, in nats (R24).

    The base is the same model with the adapter disabled, so that without an effect the two are
    equal to the last bit.
    """
    largest = 0.0
    for prompt in prompts:
        ids = torch.tensor([list(prompt)], device=model.device)
        with model.disable_adapter():
            base = model(ids, logits_to_keep=1).logits[0, -1].double().log_softmax(-1)
        adapted = model(ids, logits_to_keep=1).logits[0, -1].double().log_softmax(-1)
        largest = max(largest, float((base.exp() * (base - adapted)).sum()))
    return largest


def require_effect(model: PeftModel, prompts: Sequence[Sequence[int]]) -> float:
    """The adapter's effect on the prompts.

    Raises:
        AdapterError: It is smaller than MIN_EFFECT: the adapter loads but does nothing.
    """
    found = effect(model, prompts)
    if found < MIN_EFFECT:
        raise AdapterError(
            f"the adapter has no effect: the base's next-token distribution moves by {found:.1e} "
            f"nats at most over {len(prompts)} prompts. Train longer or at a higher learning rate"
        )
    return found


def _require_finite(name: str, tensor: torch.Tensor) -> None:
    if not torch.isfinite(tensor).all():
        raise AdapterError(f"the saved tensor {name} has values that are not finite")


def _first_misfit(expected: Mapping[str, object], found: Mapping[str, object]) -> str:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing ({len(found)} of {len(expected)} tensors are there)"
        if name not in expected:
            return f"{name} is unexpected"
        if expected[name] != found[name]:
            return f"{name} has shape {found[name]}, expected {expected[name]}"
    return "there is no tensor at all"


def _portable_config(model: PeftModel) -> dict[str, Any]:
    """PEFT's config with sorted lists, and without what only holds on this machine."""
    values = inits.plain_config(model)
    values["inference_mode"] = True
    values["auto_mapping"] = None
    return {
        key: sorted(value) if isinstance(value, set) else _plain(value)
        for key, value in values.items()
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - PEFT's config values
    return value.value if hasattr(value, "value") else value


def _write_tokenizer(
    tokenizer: Tokenizer, template_source: str, manifest: AdapterManifest, folder: Path
) -> None:
    """The tokenizer with the template and padding that the adapter was trained with."""
    before = (tokenizer.chat_template, tokenizer.pad_token)
    tokenizer.chat_template = template_source
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(manifest.pad_token_id)
    try:
        tokenizer.save_pretrained(folder)
    finally:
        tokenizer.chat_template, tokenizer.pad_token = before
    config = folder / "tokenizer_config.json"
    values = json.loads(config.read_text(encoding="utf-8"))
    for how_it_was_loaded in ("is_local", "local_files_only", "name_or_path"):
        values.pop(how_it_was_loaded, None)
    write_json(config, values)


def _replace_folder(new: Path, target: Path) -> None:
    """Put a folder under a name that may be taken; what was there goes only once the new is in."""
    if target.exists():
        old = target.rename(partial_folder(target))
        new.rename(target)
        shutil.rmtree(old)
    else:
        new.rename(target)
    sync_folder(target.parent)
