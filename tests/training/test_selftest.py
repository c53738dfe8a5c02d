"""What the start-up test refuses: bases that compute something else than the loop believes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from test_loss import load, some_rows

from medtune.data import Encoded
from medtune.errors import TrainingError
from medtune.models import LocatedBase, attach, load_model, load_tokenizer, packed
from medtune.recipe import Adapter, Base
from medtune.training import selftest
from medtune.training.batches import Passes
from medtune.training.selftest import pass_attention, require_faithful

PACKED = Passes(packing=True, tokens=256, pad_id=0)
PADDED = Passes(packing=False, tokens=256, pad_id=0)


def check(model: PeftModel, passes: Passes = PACKED) -> None:
    with pass_attention(model, passes):
        require_faithful(model, some_rows(8), passes)


@pytest.mark.parametrize("passes", [PACKED, PADDED])
@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_a_base_that_isolates_documents_passes_and_keeps_its_mode(
    tiny_base: Path, quantization: str, passes: Passes
) -> None:
    model = load(tiny_base, quantization=quantization)
    check(model, passes)
    assert model.training
    assert model.get_base_model().config._attn_implementation == "sdpa"


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_real_base_passes_in_both_precisions(smollm2: LocatedBase, dtype: str) -> None:
    section = Base(model="smollm2-135m", dtype=dtype)
    base = load_model(smollm2, section, load_tokenizer(smollm2))
    check(attach(base, Adapter(rank=4), seed=1))


def sees_everything(query, key, value, scaling, dropout, window):
    """Attention that forgets who belongs together: document d also sees document d - 1."""
    attended = packed._fused(query, key, value, scaling, dropout, window)
    return attended + 0.1 * attended.roll(1, dims=0)


def sees_the_future(query, key, value, scaling, dropout, window):
    return torch.nn.functional.scaled_dot_product_attention(
        query, key, value, scale=scaling, enable_gqa=True
    )


@pytest.mark.parametrize("broken", [sees_everything, sees_the_future])
def test_an_attention_kernel_that_leaks_is_refused(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch, broken: Callable[..., torch.Tensor]
) -> None:
    model = load(tiny_base)
    monkeypatch.setattr(packed, "_plain", broken)
    with pytest.raises(TrainingError, match=r"set train\.packing: false"):
        check(model)


def test_a_mixture_across_documents_outside_attention_is_refused(tiny_base: Path) -> None:
    """As architectures with convolutions or recurrent states would do: rows feel rows before."""
    model = load(tiny_base)
    layer = model.get_base_model().model.layers[1]
    handle = layer.register_forward_hook(
        lambda module, inputs, output: output + 0.05 * output.roll(12, dims=1)
    )
    with pytest.raises(TrainingError, match=r"see each other|the base's own forward pass"):
        check(model)
    handle.remove()
    check(model)


def test_a_packed_attention_that_was_never_called_is_refused(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An architecture that takes its own attention instead, with one causal mask over the pack."""
    model = load(tiny_base)

    def dense(module, query, key, value, mask, *, scaling, **others):
        attended = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scaling, enable_gqa=True
        )
        return attended.transpose(1, 2), None

    monkeypatch.setitem(packed.AttentionInterface._global_mapping, packed.NAME, dense)
    with pytest.raises(TrainingError, match=r"set train\.packing: false"):
        check(model)


def test_a_head_that_is_not_what_the_loss_takes_it_for_is_refused(tiny_base: Path) -> None:
    """Padded passes too: here the base scales its logits in a way that nobody announced."""
    model = load(tiny_base)
    base = model.get_base_model()
    base.register_forward_hook(
        lambda module, inputs, output: output.__class__(logits=output.logits * 0.5)
    )
    with pytest.raises(TrainingError, match="the base's own forward pass"):
        check(model, PADDED)


def test_a_forward_pass_that_does_not_take_documents_is_refused(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny_base)
    inner = model.get_base_model().model
    forward = inner.forward
    monkeypatch.setattr(
        inner,
        "forward",
        lambda input_ids=None, attention_mask=None, position_ids=None, use_cache=None: forward(
            input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache
        ),
    )
    with pytest.raises(TrainingError, match=r"does not take .*set train\.packing: false"):
        check(model)


def test_not_all_rows_are_in_memory_at_once_to_choose_some():
    class Counted(Encoded):
        alive = 0

        def __init__(self, length: int) -> None:
            super().__init__(id="r", input_ids=(1,) * length, supervised=(True,) * length)
            Counted.alive += 1

        def __del__(self) -> None:
            Counted.alive -= 1

    class Lazy(list[int]):
        def __iter__(self):
            for length in super().__iter__():
                yield Counted(length)
                assert Counted.alive <= 5

    chosen = selftest._choose(Lazy([3, 4] * 50), 100)  # type: ignore[arg-type]
    assert [len(row) for row in chosen] == [3, 4]
