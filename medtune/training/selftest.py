"""Before anything is trained: does this base, on this machine, compute what the loop believes?

Packing leaks in many ways, all of them silent: a mask that is not used, a kernel that does not know
where documents end, an architecture that mixes rows outside attention. So the real model with its
real kernels is asked, on the run's own examples (R14).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice

import torch
from peft import PeftModel
from torch.nn.functional import cross_entropy

from medtune.data import Encoded
from medtune.errors import TrainingError
from medtune.models import packed_documents
from medtune.training.batches import Passes, batches, collate_packed
from medtune.training.loss import supervised_loss_sum

NUM_EXAMPLES = 4
MAX_LONG = 1024
"""Tokens of the longest example that is looked at: attention is written out for it."""
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Largest relative difference of losses that the base's precision explains. For double precision
that of float32, in which transformers takes norms and softmax whatever the base's precision."""
MAX_LEAK = 1e-3
"""What a document may feel of another's tokens, relative to what that one feels itself."""
INT8_TOLERANCE = 5e-2
"""Both of them for int8 bases: LLM.int8 treats as outliers what is large anywhere in a pass, so
rows of one pass feel each other's rounding however they are batched (arXiv:2208.07339). A leak
through attention is larger by an order of magnitude."""


def pass_attention(model: PeftModel, passes: Passes) -> AbstractContextManager[None]:
    """Attention within documents while passes are packed; the base's own elsewhere."""
    return packed_documents(model.get_base_model()) if passes.packing else nullcontext()


LOOKED_AT = 4096
"""Examples among which those that are tried are looked for."""


@torch.no_grad()
def require_faithful(model: PeftModel, examples: Sequence[Encoded], passes: Passes) -> None:
    """Compare the loop's loss with the base's own forward pass, and look for leaks in a pack.

    Called with ``pass_attention`` in force, before a run takes its name. Four examples are enough.

    Raises:
        TrainingError: They differ by more than precision explains.
    """
    was_training = model.training
    model.eval()
    try:
        chosen = _choose(examples[:LOOKED_AT], passes.tokens)
        _require_equal_loss(model, chosen, passes)
        if passes.packing and len(chosen) > 1:
            _require_isolation(model, chosen)
    except TypeError as error:
        raise TrainingError(
            f"this base's forward pass does not take what the training step hands it: {error}"
            + ("; set train.packing: false" if passes.packing else "")
        ) from error
    finally:
        model.train(was_training)


def _choose(examples: Sequence[Encoded], tokens: int) -> list[Encoded]:
    """Short examples of different lengths and a long one, that fit one pass together.

    The long one is there because kernels and masks differ with the length.
    """
    by_length = {len(example): example for example in examples}  # one of each: not all in memory
    lengths = sorted(by_length)
    chosen = [by_length[lengths[0]]]
    for length in [n for n in lengths[:0:-1] if n <= MAX_LONG][:1] + lengths[1:]:
        fits = length + sum(map(len, chosen)) <= tokens
        if fits and len(chosen) < NUM_EXAMPLES and by_length[length] not in chosen:
            chosen.append(by_length[length])
    if len(chosen) == 1:  # all of one length
        others = (e for e in examples if e != chosen[0] and 2 * len(e) <= tokens)
        chosen += islice(others, 1)
    return chosen


def _require_equal_loss(model: PeftModel, examples: Sequence[Encoded], passes: Passes) -> None:
    device = next(model.parameters()).device
    found = sum(float(supervised_loss_sum(model, b)) for b in batches(examples, passes, device))
    with _eager_attention(model):
        expected = sum(_plain_loss(model, example, device) for example in examples)
    difference = abs(found - expected) / max(abs(expected), 1e-6)
    tolerance = _tolerance(model)
    if not difference <= tolerance:
        how = "packed" if passes.packing else "padded"
        raise TrainingError(
            f"the loss of {len(examples)} {how} examples is {found:.6g}, that of the base's own "
            f"forward pass on each alone {expected:.6g}: they differ by {difference:.1e}, and this "
            f"precision explains {tolerance:.0e}. This base cannot be trained so"
            + ("; set train.packing: false" if passes.packing else "")
        )


def _require_isolation(model: PeftModel, examples: Sequence[Encoded]) -> None:
    """Change one document's tokens: in a pack of the same shape the others must not feel it."""
    device = next(model.parameters()).device
    before = _hidden(model, examples, device)
    limit = INT8_TOLERANCE if _is_int8(model) else MAX_LEAK
    for changed in (0, len(examples) - 1):
        others = list(examples)
        others[changed] = _shifted(examples[changed])
        after = _hidden(model, others, device)
        moved = [float((a - b).norm() / b.norm()) for a, b in zip(after, before, strict=True)]
        own = moved.pop(changed)
        if not max(moved) <= limit * own:
            raise TrainingError(
                f"packed documents see each other on this base: one that was changed moves its "
                f"neighbours' hidden states by {max(moved):.1e}, its own by {own:.1e}; set "
                "train.packing: false"
            )


def _shifted(example: Encoded) -> Encoded:
    """The example with its tokens in another order: other content, no unknown token."""
    ids = example.input_ids
    return Encoded(id=example.id, input_ids=ids[1:] + ids[:1], supervised=example.supervised)


def _hidden(
    model: PeftModel, examples: Sequence[Encoded], device: torch.device
) -> list[torch.Tensor]:
    """Last hidden states (T, E) of each document of one pack, in float32."""
    batch = collate_packed(examples, device)
    hidden_1TE = (
        model.get_base_model()
        .base_model(input_ids=batch.input_ids_BT, use_cache=False, **batch.inputs)
        .last_hidden_state
    )
    return list(hidden_1TE[0].float().split([len(example) for example in examples]))


def _plain_loss(model: PeftModel, example: Encoded, device: torch.device) -> float:
    """The loss of one unpadded example, by the model's own forward pass."""
    ids_1T = torch.tensor([example.input_ids], device=device)
    places_K = torch.tensor(example.supervised, device=device)[1:].nonzero().squeeze(-1)
    logits_KV = model(input_ids=ids_1T, use_cache=False, logits_to_keep=places_K).logits[0]
    return float(cross_entropy(logits_KV.float(), ids_1T[0, places_K + 1], reduction="sum"))


@contextmanager
def _eager_attention(model: PeftModel) -> Iterator[None]:
    """Attention as transformers writes it out for this architecture, without any kernel."""
    base = model.get_base_model()
    now = base.config._attn_implementation
    base.set_attn_implementation("eager")
    try:
        yield
    finally:
        base.set_attn_implementation(now)


def _tolerance(model: PeftModel) -> float:
    return INT8_TOLERANCE if _is_int8(model) else TOLERANCE[model.get_base_model().dtype]


def _is_int8(model: PeftModel) -> bool:
    return bool(getattr(model.get_base_model(), "is_loaded_in_8bit", False))
