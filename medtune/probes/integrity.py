"""What has to hold before an outcome is worth reading."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from peft.tuners.lora import LoraLayer
from peft.utils.integrations import dequantize_module_weight
from peft.utils.other import transpose

from medtune.data.contamination import NGRAM, contaminated
from medtune.evidence.integrity import faults_of
from medtune.overlap import words
from medtune.probes.family import Family
from medtune.records import Example, Integrity

_Words = tuple[str, ...]
_SEPARATOR = "#"
"""Between an item's id, which has none, and the number of its prompt."""


def weights_digest(model: torch.nn.Module) -> str:
    """sha256 over a model's own weights in memory, without those of an adapter on it."""
    digest = hashlib.sha256()
    with torch.no_grad():
        for name, tensor in sorted(_own(model).items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            raw = tensor.detach().contiguous().flatten().view(torch.uint8).cpu().numpy()
            digest.update(raw.data)
    return digest.hexdigest()


def _own(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in tensors.items() if "lora_" not in name}


@torch.no_grad()
def largest_update(model: torch.nn.Module) -> float:
    """Largest ratio of an adapter's change of a weight to that weight (Frobenius norms).

    Trained adapters change a weight by some hundredths of its norm; one of random numbers by many
    times.
    """
    largest = 0.0
    for module in model.modules():
        if not isinstance(module, LoraLayer) or not module.lora_A:
            continue
        weight = dequantize_module_weight(module.get_base_layer()).float()
        for name in module.active_adapters:
            is_dora = name in module.lora_magnitude_vector
            change = _dora_change(module, name, weight) if is_dora else _lora_change(module, name)
            largest = max(largest, change / max(float(weight.norm()), 1e-12))
    return largest


def _lora_change(module: LoraLayer, name: str) -> float:
    a_RI, b_OR = module.lora_A[name].weight.float(), module.lora_B[name].weight.float()
    # |BA|^2 = trace(B'B AA'), without ever making BA.
    square = ((b_OR.T @ b_OR) * (a_RI @ a_RI.T)).sum().clamp(min=0.0)
    return float(square.sqrt()) * abs(float(module.scaling[name]))


def _dora_change(module: LoraLayer, name: str, weight: torch.Tensor) -> float:
    """DoRA puts m (W + sBA) / |W + sBA| in W's place, row by row: m alone can replace a base."""
    weight_OI = transpose(weight, module.fan_in_fan_out)
    a_RI, b_OR = module.lora_A[name].weight.float(), module.lora_B[name].weight.float()
    sum_OI = weight_OI + module.scaling[name] * (b_OR @ a_RI)
    m_O = module.lora_magnitude_vector[name].weight.float()
    norm_O = sum_OI.norm(dim=1).clamp(min=1e-12)
    return float(((m_O / norm_O)[:, None] * sum_OI - weight_OI).norm())


def find_overlap(
    families: Sequence[Family], training: Sequence[Example]
) -> tuple[dict[str, tuple[str, ...]], str]:
    """Items of which the training rows hold a prompt, by probe; and how they were looked for.

    Of a prompt with fewer words than a run, the whole is looked for: as a question, a turn or a
    line of a row.
    """
    prompts = {
        family.name: {
            _SEPARATOR.join((item.id, str(number))): prompt
            for item in family.items
            for number, prompt in enumerate(item.prompts)
        }
        for family in families
    }
    hits, num_rows = contaminated(prompts, training)
    short = _short(prompts)
    unseen = len(short.pop((), ()))
    whole = _met_whole(short, training)
    found = {
        name: tuple(sorted({key.split(_SEPARATOR)[0] for key in keys | whole[name]}))
        for name, keys in hits.items()
        if keys | whole[name]
    }
    note = f"{num_rows} training rows were looked through for runs of eight words"
    if short:
        note += f"; {sum(map(len, short.values()))} prompts have fewer and were looked for whole"
    if unseen:
        note += f"; {unseen} prompts have no word that could be looked for"
    return found, note


def _short(prompts: Mapping[str, Mapping[str, str]]) -> dict[_Words, list[tuple[str, str]]]:
    """Words of each prompt with fewer than a run -> names of probe and prompt that have them."""
    short: dict[_Words, list[tuple[str, str]]] = defaultdict(list)
    for name, some in prompts.items():
        for key, prompt in some.items():
            if len(told := tuple(words(prompt))) < NGRAM:
                short[told].append((name, key))
    return short


def _met_whole(
    short: Mapping[_Words, Sequence[tuple[str, str]]], training: Sequence[Example]
) -> dict[str, set[str]]:
    """Of short prompts those that a part of a row is, letter case and punctuation aside."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in training if short else ():
        turns = (row.own_text, row.question, *(message.content for message in row.messages))
        for part in {part for turn in turns for part in (turn, *turn.split("\n"))}:
            for name, key in short.get(tuple(words(part)), ()):
                found[name].add(key)
    return found


def integrity(
    *,
    before: str,
    after: str,
    effect: float,
    update: float,
    overlap: Mapping[str, tuple[str, ...]] | None,
    overlap_note: str,
) -> Integrity:
    """Put together what was looked at, and tell the faults."""
    found = Integrity(
        base_digest_before=before,
        base_digest_after=after,
        effect=effect,
        update=update,
        overlap=overlap,
        overlap_note=overlap_note,
        faults=(),
    )
    return replace(found, faults=tuple(faults_of(found)))
