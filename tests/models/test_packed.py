"""Documents of a pack are attended as if each stood alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
)

from medtune.errors import BaseError
from medtune.models import Documents, packed, packed_documents

CPU = torch.device("cpu")
SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.3,
}
CONFIGS = {
    "llama": LlamaConfig(**SMALL),
    "qwen2, biased": Qwen2Config(**SMALL),
    "mistral, window of 6": MistralConfig(sliding_window=6, **SMALL),
    "llama, as many key heads": LlamaConfig(**{**SMALL, "num_key_value_heads": 4}),
}


def make(config: LlamaConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float64).eval()


def documents(lengths: list[int], seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, 64, (1, n), generator=generator) for n in lengths]


def packed_logits(model: PreTrainedModel, docs: list[torch.Tensor]) -> list[torch.Tensor]:
    lengths = [doc.shape[1] for doc in docs]
    with packed_documents(model):
        inputs = Documents.of(lengths, CPU).inputs()
        logits = model(torch.cat(docs, dim=1), use_cache=False, **inputs).logits[0]
    return list(logits.split(lengths))


@pytest.fixture(scope="module", params=CONFIGS)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return make(CONFIGS[request.param])


@pytest.mark.parametrize("plain_up_to", [256, 8, 0], ids=["plain", "both", "fused"])
@given(lengths=st.lists(st.integers(1, 24), min_size=1, max_size=6))
def test_logits_in_a_pack_are_those_of_each_document_alone(
    model: PreTrainedModel, plain_up_to: int, lengths: list[int]
) -> None:
    docs = documents(lengths)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "MAX_PLAIN_TOKENS", plain_up_to)
        found = packed_logits(model, docs)
        for doc, logits in zip(docs, found, strict=True):
            # transformers computes norms and rotary angles in float32.
            torch.testing.assert_close(logits, model(doc).logits[0], rtol=1e-4, atol=1e-5)


def test_gradients_through_a_pack_are_those_of_separate_passes(model: PreTrainedModel) -> None:
    docs = documents([9, 20, 4])
    weights = [doc.flatten().double() for doc in docs]
    model.zero_grad()
    found = packed_logits(model, docs)
    sum(
        (logits.sin().sum(-1) * w).sum() for logits, w in zip(found, weights, strict=True)
    ).backward()
    packed_gradients = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    for doc, w in zip(docs, weights, strict=True):
        (model(doc).logits[0].sin().sum(-1) * w).sum().backward()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(packed_gradients[name], weight.grad, rtol=1e-4, atol=1e-4)


@given(changed=st.integers(0, 3), seed=st.integers(1, 99))
def test_a_changed_document_moves_no_bit_of_another(changed: int, seed: int) -> None:
    model = make(CONFIGS["llama"])
    docs = documents([7, 12, 5, 12])
    others = list(docs)
    others[changed] = documents([7, 12, 5, 12], seed=seed)[changed]
    with torch.no_grad():
        before, after = packed_logits(model, docs), packed_logits(model, others)
    for number in range(4):
        is_same = torch.equal(before[number], after[number])
        assert is_same == (number != changed or torch.equal(docs[number], others[number]))


@given(st.lists(st.integers(1, 300), min_size=1, max_size=30))
def test_less_than_half_of_what_is_attended_is_padding(lengths: list[int]) -> None:
    layout = Documents.of(lengths, CPU)
    assert sum(layout.tokens_of_groups) == sum(lengths)
    for group in layout.groups:
        assert group.count * group.longest < 2 * len(group.places_T) or group.count == 1
        assert sorted(set(group.places_T.tolist())) == sorted(group.places_T.tolist())


def test_the_bases_own_attention_is_back_afterwards_even_after_an_error() -> None:
    model = make(CONFIGS["llama"])
    before = model.config._attn_implementation
    with pytest.raises(ZeroDivisionError), packed_documents(model):
        raise ZeroDivisionError(model.config._attn_implementation)
    assert model.config._attn_implementation == before


def test_an_attention_that_packing_does_not_know_is_refused() -> None:
    model = make(Gemma2Config(head_dim=8, attn_logit_softcapping=5.0, **SMALL))
    with pytest.raises(BaseError, match=r"set train\.packing: false"):
        packed_logits(model, documents([4, 6]))


def test_an_architecture_that_does_not_hand_on_where_documents_end_is_refused() -> None:
    model = make(CONFIGS["llama"])
    with packed_documents(model), pytest.raises(BaseError, match="does not hand on where packed"):
        model(torch.tensor([[3, 4, 5]]), use_cache=False)
