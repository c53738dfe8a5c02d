"""What is written is what a plain loop over the likeliest token writes, however it is batched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from tiny_models import make_tiny_base
from transformers import GenerationConfig, PreTrainedModel

from medtune.models import attach, load_model, locate_base
from medtune.recipe import Adapter, Base
from medtune.records import Silent
from medtune.scoring import Decoding, Forgotten, Generated, generate

PAD = 0
STOP = 2
NEW = 12


def load(folder: Path, dtype: str = "float32") -> PreTrainedModel:
    section = Base(model=str(folder), dtype=dtype)
    located = locate_base(section, offline=True, progress=Silent())
    return load_model(located, section, None).model


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> PreTrainedModel:
    return load(tiny_base)


@pytest.fixture
def adapted(tiny_base: Path) -> PeftModel:
    section = Base(model=str(tiny_base), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    model = attach(load_model(located, section, None), Adapter(rank=4, dropout=0.5), seed=1)
    generator = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.1, generator=generator)
    return model.eval()


@torch.no_grad()
def reference(
    model: torch.nn.Module, prompt: tuple[int, ...], *, stops: frozenset[int], new: int
) -> Generated:
    """One prompt, no cache, no padding: run all again for each token, with a float32 head."""
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    head = inner.get_output_embeddings().weight.float()
    ids: list[int] = []
    while len(ids) < new:
        hidden = inner.get_decoder()(torch.tensor([[*prompt, *ids]]), use_cache=False)
        token = int((head @ hidden.last_hidden_state[0, -1].float()).argmax())
        if token in stops:
            return Generated(ids=tuple(ids), is_complete=True)
        ids.append(token)
    return Generated(ids=tuple(ids), is_complete=False)


def run(
    model: torch.nn.Module,
    prompts: list[tuple[int, ...]],
    *,
    stops: frozenset[int] = frozenset({STOP}),
    new: int = NEW,
    batch_size: int = 16,
    pad: int = PAD,
    progress: Silent | None = None,
) -> list[Generated]:
    found = generate(
        model,
        prompts,
        Decoding(max_new_tokens=new, stop_ids=stops),
        batch_size=batch_size,
        pad_id=pad,
        kept=Forgotten(),
        progress=progress or Silent(),
    )
    return [text for [text] in found]


def some_ids(count: int, seed: int) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(3, 416, (count,), generator=generator).tolist())


PROMPTS = [some_ids(count, seed) for seed, count in enumerate((9, 3, 30, 1, 9, 17, 4))]


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.integers(0, 415), min_size=1, max_size=15), min_size=1, max_size=6),
    st.sets(st.integers(0, 415), min_size=1, max_size=60),
    st.integers(1, 8),
)
def test_any_batch_is_written_as_each_prompt_alone_by_a_plain_loop(
    model: PreTrainedModel, drawn: list[list[int]], stops: set[int], batch_size: int
) -> None:
    prompts = [tuple(prompt) for prompt in drawn]
    pad = next(token for token in range(416) if token not in stops)
    found = run(model, prompts, stops=frozenset(stops), batch_size=batch_size, pad=pad)
    assert found == [reference(model, p, stops=frozenset(stops), new=NEW) for p in prompts]


def test_a_text_ends_before_its_stop_token_and_one_without_is_cut(model: PreTrainedModel) -> None:
    [whole] = run(model, PROMPTS[:1])
    assert len(whole.ids) == NEW
    assert not whole.is_complete
    for end, stop in enumerate(whole.ids):
        if stop in whole.ids[:end]:
            continue
        expected = Generated(ids=whole.ids[:end], is_complete=True)
        assert run(model, PROMPTS[:1], stops=frozenset({stop})) == [expected]
        # The stop token may be the last that there is room for, and then there must be room.
        assert run(model, PROMPTS[:1], stops=frozenset({stop}), new=end + 1) == [expected]
        if end:
            cut = Generated(ids=whole.ids[:end], is_complete=False)
            assert run(model, PROMPTS[:1], stops=frozenset({stop}), new=end) == [cut]


def test_texts_of_a_batch_end_at_different_stops(model: PreTrainedModel) -> None:
    whole = run(model, PROMPTS)
    stops = frozenset({whole[0].ids[3], whole[2].ids[1], whole[5].ids[0]})
    found = run(model, PROMPTS, stops=stops)
    assert len({len(text.ids) for text in found}) > 2
    assert found == [reference(model, p, stops=stops, new=NEW) for p in PROMPTS]


def test_nothing_in_gives_nothing_out(model: PreTrainedModel) -> None:
    assert run(model, []) == []


def test_the_token_used_for_padding_does_not_matter(model: PreTrainedModel) -> None:
    assert run(model, PROMPTS, pad=0) == run(model, PROMPTS, pad=415)


def test_the_bases_own_settings_are_left_aside_and_left_alone(model: PreTrainedModel) -> None:
    plain = run(model, PROMPTS)
    before = model.generation_config
    own = GenerationConfig(
        do_sample=True,
        temperature=3.0,
        top_p=0.9,
        repetition_penalty=9.0,
        no_repeat_ngram_size=1,
        num_beams=3,
        max_length=20,
        min_new_tokens=2,
        eos_token_id=plain[0].ids[0],
        suppress_tokens=[plain[0].ids[1]],
        use_cache=False,
    )
    model.generation_config = own
    try:
        assert run(model, PROMPTS) == plain
        assert model.generation_config is own
    finally:
        model.generation_config = before


def test_an_adapter_writes_with_and_its_base_without_it(
    model: PreTrainedModel, adapted: PeftModel
) -> None:
    stops = frozenset({STOP})
    found = run(adapted, PROMPTS, batch_size=3)
    assert found == [reference(adapted, p, stops=stops, new=NEW) for p in PROMPTS]
    with adapted.disable_adapter():
        assert run(adapted, PROMPTS, batch_size=3) == run(model, PROMPTS) != found
    assert run(adapted, PROMPTS, batch_size=3) == found


@pytest.mark.parametrize("training", [True, False])
def test_the_model_writes_without_dropout_and_is_left_in_its_mode(
    adapted: PeftModel, training: bool
) -> None:
    expected = run(adapted, PROMPTS)
    adapted.train(training)
    assert run(adapted, PROMPTS) == expected
    assert adapted.training == training
    assert adapted.get_base_model().training == training
    assert adapted.get_base_model().config.use_cache is False
    with pytest.raises(IndexError):
        run(adapted, [(10_000,)])
    assert adapted.training == training


def test_what_was_written_before_is_kept_and_not_computed_again(model: PreTrainedModel) -> None:
    seen = []
    hook = model.get_input_embeddings().register_forward_hook(
        lambda module, inputs, output: seen.append(tuple(inputs[0].shape))
    )
    run(model, [some_ids(20, 1), some_ids(10, 2), some_ids(5, 3)], new=4, batch_size=2)
    hook.remove()
    assert seen == [(2, 20), (2, 1), (2, 1), (2, 1), (1, 5), (1, 1), (1, 1), (1, 1)]


def test_a_bfloat16_model_chooses_by_float32_logits(tmp_path: Path) -> None:
    # Of 300 prompts some have two tokens that are equally likely in bfloat16, whatever the CPU.
    model = load(make_tiny_base(tmp_path / "base", seed=3), "bfloat16")
    prompts = [some_ids(11, seed) for seed in range(300)]
    found = run(model, prompts, new=1, batch_size=1)
    assert found == [reference(model, p, stops=frozenset({STOP}), new=1) for p in prompts]
    with torch.no_grad():
        rounded = [int(model(torch.tensor([p])).logits[0, -1].argmax()) for p in prompts]
    assert [text.ids[0] if text.ids else STOP for text in found] != rounded


class Counted(Silent):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.units: list[int] = []

    def advance(self, units: int, **figures: float) -> None:
        self.units.append(units)


def test_progress_counts_prompts(model: PreTrainedModel) -> None:
    counted = Counted()
    run(model, PROMPTS, batch_size=3, progress=counted)
    assert counted.units == [3, 3, 1]


@pytest.fixture(autouse=True)
def _modes_do_not_leak(model: PreTrainedModel) -> Iterator[None]:
    yield
    assert not model.training
