"""Log-likelihoods equal those of a plain forward pass over each sequence, however they are run."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import make_tiny_base
from transformers import PreTrainedModel

from medtune.errors import EvaluationError
from medtune.models import load_model, locate_base
from medtune.recipe import Base
from medtune.records import Silent
from medtune.scoring import Forgotten, Question, num_rows, runner, weigh

PAD = 0
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> PreTrainedModel:
    section = Base(model=str(tiny_base), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    return load_model(located, section, None).model


@torch.no_grad()
def reference(model: PreTrainedModel, question: Question) -> list[float]:
    """One unpadded sequence at a time, all logits, double precision behind the model."""
    found = []
    for continuation in question.continuations:
        ids = torch.tensor([question.prompt + continuation])
        log_probabilities = model(ids, use_cache=False).logits[0].double().log_softmax(-1)
        start = len(question.prompt) - 1
        found.append(
            sum(float(log_probabilities[start + k, token]) for k, token in enumerate(continuation))
        )
    return found


def run(
    model: PreTrainedModel, questions: list[Question], *, batch_size: int = 16, pad: int = PAD
) -> list[list[float]]:
    found = weigh(
        model, questions, batch_size=batch_size, pad_id=pad, kept=Forgotten(), progress=Silent()
    )
    return [[weight.log_likelihood for weight in weights] for weights in found]


def require_equal(model: PreTrainedModel, questions: list[Question], batch_size: int) -> None:
    found = run(model, questions, batch_size=batch_size)
    for question, values in zip(questions, found, strict=True):
        assert values == pytest.approx(reference(model, question), abs=TOLERANCE)


TOKENS = st.integers(0, 415)


def some_ids(count: int, seed: int) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, 416, (count,), generator=generator).tolist())


SHARED = some_ids(40, 1)
QUESTIONS = {
    "letters": [
        Question(prompt=some_ids(5 + 3 * n, n), continuations=((7,), (8,), (9,), (10,)))
        for n in range(7)
    ],
    "texts of one length": [
        Question(prompt=some_ids(4 + n, n), continuations=((7, 30, 2), (8, 31, 2)))
        for n in range(5)
    ],
    "mixed": [
        Question(prompt=some_ids(9, 1), continuations=((7,), (8, 9, 10, 11), (12, 13))),
        Question(prompt=some_ids(3, 2), continuations=((7,), (8,))),
        Question(prompt=some_ids(1, 3), continuations=(some_ids(20, 9),)),
        Question(prompt=some_ids(30, 4), continuations=((7, 7), (7,))),
        Question(prompt=some_ids(12, 5), continuations=((7,),)),
    ],
}


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("shared", [0, 10, 40])
@pytest.mark.parametrize("kind", sorted(QUESTIONS))
def test_each_continuation_has_the_log_probability_of_a_plain_forward_pass(
    model: PreTrainedModel, kind: str, shared: int, batch_size: int
) -> None:
    questions = [
        Question(prompt=SHARED[:shared] + q.prompt, continuations=q.continuations)
        for q in QUESTIONS[kind]
    ]
    require_equal(model, questions, batch_size)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.lists(TOKENS, min_size=1, max_size=12),
            st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([0, 35]),
    st.integers(1, 5),
)
def test_any_mix_of_questions_is_scored_as_each_alone(
    model: PreTrainedModel,
    drawn: list[tuple[list[int], list[list[int]]]],
    shared: int,
    batch_size: int,
) -> None:
    questions = [
        Question(
            prompt=SHARED[:shared] + tuple(prompt),
            continuations=tuple(tuple(c) for c in continuations),
        )
        for prompt, continuations in drawn
    ]
    require_equal(model, questions, batch_size)


def test_the_same_question_twice_is_scored_twice(model: PreTrainedModel) -> None:
    question = Question(prompt=SHARED, continuations=((7,), (8, 9)))
    require_equal(model, [question, question], 2)


def test_the_shared_beginning_is_run_once(model: PreTrainedModel) -> None:
    questions = [
        Question(prompt=SHARED + some_ids(4, n), continuations=((7,), (8,))) for n in range(8)
    ]
    seen = []
    hook = model.get_input_embeddings().register_forward_hook(
        lambda module, inputs, output: seen.append(tuple(inputs[0].shape))
    )
    run(model, questions, batch_size=4)
    hook.remove()
    assert seen == [(1, 40), (4, 4), (4, 4)]


def test_rows_with_headers_of_their_own_and_rows_without_any_are_scored_as_each_alone(
    model: PreTrainedModel,
) -> None:
    beginnings = [some_ids(40, 1)] * 20 + [some_ids(50, 2)] * 20 + [(), ()]
    questions = [
        Question(prompt=beginning + some_ids(3 + n % 4, 10 + n), continuations=((7,), (8,)))
        for n, beginning in enumerate(beginnings)
    ]
    require_equal(model, questions, 8)


def test_a_prompt_is_run_once_for_all_its_continuations(model: PreTrainedModel) -> None:
    questions = [
        Question(prompt=some_ids(30 + n, n), continuations=(some_ids(3, 50), some_ids(5, 60)))
        for n in range(3)
    ]
    seen = []
    hook = model.get_input_embeddings().register_forward_hook(
        lambda module, inputs, output: seen.append(tuple(inputs[0].shape))
    )
    require_equal(model, questions, 4)
    # Stems of all but the prompt's last token; then the rests, no more than 4 at a time.
    assert seen[:3] == [(3, 31), (4, 5), (2, 3)]
    hook.remove()


def test_the_head_runs_at_no_position_but_those_that_predict(model: PreTrainedModel) -> None:
    seen = []
    hook = model.get_output_embeddings().register_forward_hook(
        lambda module, inputs, output: seen.append(output.shape[0] * output.shape[1])
    )
    run(model, QUESTIONS["letters"])
    assert sum(seen) == sum(len(question.continuations) for question in QUESTIONS["letters"])
    hook.remove()


@torch.no_grad()
def test_a_continuation_is_greedy_if_each_of_its_tokens_is_the_likeliest(
    model: PreTrainedModel,
) -> None:
    prompt = some_ids(12, 3)
    written: list[int] = []
    for _ in range(3):
        logits = model(torch.tensor([[*prompt, *written]]), use_cache=False).logits[0, -1]
        written.append(int(logits.argmax()))
    other = (written[0], (written[1] + 1) % 416, written[2])
    question = Question(prompt=prompt, continuations=(tuple(written), other, (written[0],)))
    [found] = weigh(
        model, [question], batch_size=2, pad_id=PAD, kept=Forgotten(), progress=Silent()
    )
    assert [weight.is_greedy for weight in found] == [True, False, True]


def test_a_model_whose_logits_are_no_numbers_is_not_scored(tmp_path: Path) -> None:
    section = Base(model=str(make_tiny_base(tmp_path / "base")), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    model = load_model(located, section, None).model
    model.model.norm.weight.data.fill_(float("nan"))
    with pytest.raises(EvaluationError, match="logits that are no numbers"):
        run(model, QUESTIONS["letters"])


def test_the_token_used_for_padding_does_not_matter(model: PreTrainedModel) -> None:
    questions = QUESTIONS["mixed"]
    assert run(model, questions, pad=0) == run(model, questions, pad=415)


def test_logits_in_memory_are_bounded(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MAX_LOGITS", 5 * 416)
    seen = []
    hook = model.get_output_embeddings().register_forward_hook(
        lambda module, inputs, output: seen.append(output.shape[0] * output.shape[1])
    )
    questions = QUESTIONS["letters"] + QUESTIONS["texts of one length"]
    require_equal(model, questions, 16)
    seen.clear()
    run(model, questions)
    hook.remove()
    assert max(seen) <= 5
    assert len(seen) > 3


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_in_its_mode_and_has_no_gradients(tmp_path: Path, training: bool) -> None:
    section = Base(model=str(make_tiny_base(tmp_path / "base")), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    model = load_model(located, section, None).model
    model.config.attention_dropout = 0.5
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    model.train(training)
    model.requires_grad_(True)
    first = run(model, QUESTIONS["mixed"])
    assert model.training == training
    assert run(model, QUESTIONS["mixed"]) == first, "no dropout while scoring"
    assert all(weight.grad is None for weight in model.parameters())


class Counted(Silent):
    """A progress that adds up."""

    def __init__(self) -> None:
        self.units = 0

    def advance(self, units: int, **figures: float) -> None:
        self.units += units


@pytest.mark.parametrize("kind", sorted(QUESTIONS))
def test_progress_adds_up_to_the_announced_number(model: PreTrainedModel, kind: str) -> None:
    counted = Counted()
    weigh(model, QUESTIONS[kind], batch_size=3, pad_id=PAD, kept=Forgotten(), progress=counted)
    assert counted.units == num_rows(QUESTIONS[kind])


def test_options_of_one_token_share_one_row() -> None:
    assert num_rows(QUESTIONS["letters"]) == 7
    assert num_rows(QUESTIONS["texts of one length"]) == 10
    assert num_rows([]) == 0


@torch.no_grad()
def test_a_bfloat16_model_is_scored_with_float32_logits_so_that_options_do_not_tie(
    tiny_base: Path,
) -> None:
    section = Base(model=str(tiny_base), dtype="bfloat16")
    located = locate_base(section, offline=True, progress=Silent())
    model = load_model(located, section, None).model
    prompt = some_ids(20, seed=5)
    question = Question(prompt=prompt, continuations=tuple((i,) for i in range(416)))
    [found] = run(model, [question])
    hidden = model.get_decoder()(torch.tensor([prompt])).last_hidden_state[0, -1].float()
    logits = model.get_output_embeddings().weight.float() @ hidden
    assert found == pytest.approx(logits.log_softmax(-1).tolist(), abs=1e-4)
    in_bfloat16 = model(torch.tensor([prompt])).logits[0, -1].float()
    assert len(set(found)) > len(set(in_bfloat16.tolist()))


def test_a_model_that_fails_in_the_middle_is_left_in_its_mode(model: PreTrainedModel) -> None:
    model.train()
    try:
        with pytest.raises(IndexError):
            run(model, [Question(prompt=(10_000,), continuations=((1,),))])
        assert model.training
    finally:
        model.eval()
