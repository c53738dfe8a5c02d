"""Mask and ids: what is trained on is exactly the answer and its stop, behind the prompt."""

from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import CHAT_TEMPLATE, make_example, make_tokenizer
from tokenizers.normalizers import NFC
from transformers import AutoTokenizer

from medtune.data import Encoded, Encoder, make_template
from medtune.data.template import special_tokens
from medtune.digests import write_json
from medtune.errors import TemplateError
from medtune.models import LocatedBase, load_tokenizer
from medtune.records import Example

LLAMA_2 = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
    "{% else %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endif %}{% endfor %}"
)
WORDS = (
    "A",
    "yes",
    " lead",
    "tail \n",
    "\n",
    "e\u0301",
    "👩\u200d⚕️",
    "\u200f\u05e9\u05dc",
    "\u00a0",
    "<s",
    "日",
)
# smollm2's vocabulary lacks the bytes F1 and F2 (unassigned planes) and six control characters.
CHARACTERS = st.characters(
    exclude_categories=["Cs", "Cn", "Co"], exclude_characters="\x04\x06\x13\x14\x16\x1d"
)
CONTENT = st.one_of(
    st.text(CHARACTERS, min_size=1, max_size=40),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map("".join),
).filter(str.strip)


@st.composite
def chats(draw: st.DrawFn, max_pairs: int = 4, *, last_only: bool = False) -> Example:
    contents = draw(st.lists(CONTENT, min_size=2, max_size=2 * max_pairs))
    contents = contents[: len(contents) // 2 * 2]
    system = draw(st.none() | CONTENT)
    return make_example(*contents, system=system, last_only=last_only)


@pytest.fixture(scope="module")
def spm_folder(medtune_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer folder of Llama-2's shape: SentencePiece, BOS written by the tokenizer."""
    folder = tmp_path_factory.mktemp("spm")
    model = medtune_data / "tokenizer" / "mistral_v1_32k.model"
    (folder / "tokenizer.model").write_bytes(model.read_bytes())
    settings = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "unk_token": "<unk>"}
    write_json(
        folder / "tokenizer_config.json", settings | {"bos_token": "<s>", "eos_token": "</s>"}
    )
    return folder


ENCODERS = [f"{kind} {name}" for kind in ("tiny", "smollm2", "spm")
            for name in ("tokenizer", "chatml", "plain")]  # fmt: skip


@pytest.fixture(scope="module", params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    kind, name = request.param.split()
    if kind == "tiny":
        tokenizer = make_tokenizer()
    elif kind == "smollm2":
        located: LocatedBase = request.getfixturevalue("smollm2")
        tokenizer = load_tokenizer(located)
    else:
        tokenizer = AutoTokenizer.from_pretrained(request.getfixturevalue("spm_folder"))
        tokenizer.chat_template = LLAMA_2
    return Encoder(make_template(name, tokenizer))


def tiny_encoder(name: str = "tokenizer", template: str | None = None) -> Encoder:
    tokenizer = make_tokenizer()
    if template is not None:
        tokenizer.chat_template = template
    return Encoder(make_template(name, tokenizer))


def decode(encoder: Encoder, ids: tuple[int, ...]) -> str:
    """The text as it is, by way of tokens: a decoder may drop a space at the very beginning."""
    anchor = encoder.tokenizer.convert_tokens_to_ids(encoder.template.stop_token)
    text = encoder.tokenizer.decode([anchor, *ids], clean_up_tokenization_spaces=False)
    assert text.startswith(encoder.template.stop_token)
    return text.removeprefix(encoder.template.stop_token)


def supervised_runs(encoded: Encoded) -> list[tuple[int, ...]]:
    pairs = zip(encoded.input_ids, encoded.supervised, strict=True)
    runs = groupby(pairs, key=lambda pair: pair[1])
    return [tuple(token for token, _ in run) for supervised, run in runs if supervised]


def answers(example: Example) -> list[str]:
    return [message.content for message in example.messages if message.supervised]


@given(chats())
def test_what_is_supervised_decodes_to_each_answer_and_its_stop(
    encoder: Encoder, example: Example
) -> None:
    encoded = encoder.example(example)
    lead = " " if encoder.template.source == LLAMA_2 else ""
    stop = encoder.template.stop_token
    found = [decode(encoder, run) for run in supervised_runs(encoded)]
    assert found == [lead + answer + stop for answer in answers(example)]


@given(chats())
def test_the_ids_decode_to_the_rendered_conversation_up_to_the_last_stop(
    encoder: Encoder, example: Example
) -> None:
    encoded = encoder.example(example)
    text = encoder.template.render(example.messages)
    stop = encoder.template.stop_token
    written = decode(encoder, encoded.input_ids).removeprefix(encoder.tokenizer.bos_token or "")
    expected = text[: text.rindex(stop) + len(stop)].removeprefix(encoder.tokenizer.bos_token)
    # SentencePiece writes a space where a text begins; nothing else may differ.
    assert written.removeprefix(" ") == expected.removeprefix(" ")


@given(chats(last_only=True))
def test_the_prompt_that_is_trained_behind_is_the_prompt_that_is_asked(
    encoder: Encoder, example: Example
) -> None:
    encoded = encoder.example(example)
    length = encoded.supervised.index(True)
    assert encoded.input_ids[:length] == encoder.prompt(example.prompt)
    assert all(encoded.supervised[length:])


@given(chats(max_pairs=1))
def test_a_scored_answer_has_the_ids_that_it_was_trained_with(
    encoder: Encoder, example: Example
) -> None:
    prompt = encoder.prompt(example.prompt)
    lead = " " if encoder.template.source == LLAMA_2 else ""
    scored = encoder.continuation(prompt, lead + example.answer + encoder.template.stop_token)
    assert prompt + scored == encoder.example(example).input_ids


@given(chats())
def test_there_is_one_bos_at_most_and_it_is_never_supervised(
    encoder: Encoder, example: Example
) -> None:
    encoded = encoder.example(example)
    bos = encoder.tokenizer.bos_token_id
    assert encoded.input_ids[:2] != (bos, bos)
    assert not encoded.supervised[0]
    if encoder.tokenizer("a")["input_ids"][0] == bos:
        assert encoded.input_ids.count(bos) == encoder.prompt(example.prompt).count(bos) == 1
        assert encoded.input_ids[0] == bos


@given(chats())
def test_every_answer_ends_with_a_supervised_stop(encoder: Encoder, example: Example) -> None:
    encoded = encoder.example(example)
    stop = encoder.template.stop_token_id
    runs = supervised_runs(encoded)
    assert [run[-1] for run in runs] == [stop] * len(answers(example))
    assert not any(stop in run[:-1] for run in runs)
    assert encoded.supervised[-1]
    assert 0 < encoded.num_supervised < len(encoded)


def test_the_stop_is_supervised_where_the_pad_token_is_the_end_of_sequence() -> None:
    tokenizer = make_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    encoded = Encoder(make_template("tokenizer", tokenizer)).example(make_example("q", "A"))
    assert encoded.input_ids[-1] == tokenizer.pad_token_id
    assert encoded.supervised[-1]


def test_an_option_is_one_token_behind_the_prompt(encoder: Encoder) -> None:
    for text in ("A", "D", "yes", "no"):
        example = make_example("Which?", text)
        lead = " " if encoder.template.source == LLAMA_2 else ""
        ids = encoder.continuation(encoder.prompt(example.prompt), lead + text)
        if len(encoder.tokenizer) > 1000:
            assert len(ids) == 1


# Templates that could not be proven right


def turns(user: str, assistant: str, end: str = "") -> str:
    return (
        "{% for message in messages %}{% if message['role'] == 'assistant' %}"
        + assistant
        + "{% else %}"
        + user
        + "{% endif %}{% endfor %}"
        + end
    )


USER = "{{ '<|user|>' + message['content'] }}"
ANSWER = "{{ '<|assistant|>' + message['content'] + eos_token }}"
GENERATION = "{% if add_generation_prompt %}<|assistant|>{% endif %}"


def test_a_template_that_trims_content_trains_on_the_trimmed_answer() -> None:
    assistant = "{{ '<|assistant|>' + message['content'] | trim + eos_token }}"
    encoder = tiny_encoder(template=turns(USER, assistant, GENERATION))
    (run,) = supervised_runs(encoder.example(make_example("q", "  the answer\n")))
    assert decode(encoder, run) == "the answer</s>"


@pytest.mark.parametrize(
    "assistant",
    [
        pytest.param(
            "{% if loop.last %}{{ '<|assistant|><think>\n\n</think>\n\n' + message['content'] "
            "+ eos_token }}{% else %}" + ANSWER + "{% endif %}",
            id="thinks before the last answer",
        ),
        pytest.param(
            "{{ '<|assistant|>' + message['content'].split('</think>')[-1] + eos_token }}",
            id="cuts reasoning out",
        ),
        pytest.param(
            "{{ '<|assistant|>' + message['content'] }}{% if messages[0]['content'] != 'Question' "
            "%} (over){% endif %}{{ eos_token }}",
            id="adds text behind some answers",
        ),
    ],
)
def test_a_template_that_changes_an_answer_is_refused(assistant: str) -> None:
    encoder = tiny_encoder(template=turns(USER, assistant, GENERATION))
    with pytest.raises(TemplateError, match=r"rows\.jsonl:7: .*use data\.template: chatml"):
        encoder.example(make_example("q", "so</think>yes it is", id="row-7"))


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(
            "{% set messages = messages[-2:] if not add_generation_prompt else messages[-1:] %}"
            + turns(USER, ANSWER, GENERATION),
            id="drops earlier turns",
        ),
        pytest.param(
            turns(
                USER,
                "{{ '<|assistant|>' + message['content'] }}{% if loop.last %}{{ eos_token }}"
                "{% endif %}",
                GENERATION,
            ),
            id="stops the last answer only",
        ),
        pytest.param(
            turns(
                USER,
                "{{ '<|assistant|>' }}{% if loop.last %}{{ message['content'] }}{% else %}"
                "{{ message['content'].split('</think>')[-1] }}{% endif %}{{ eos_token }}",
                GENERATION,
            ),
            id="cuts reasoning out of earlier answers",
        ),
    ],
)
def test_a_template_that_writes_a_turn_differently_once_others_follow_is_refused(
    template: str,
) -> None:
    encoder = tiny_encoder(template=template)
    with pytest.raises(TemplateError, match=r"rows\.jsonl:3: .*use data\.template: chatml"):
        encoder.example(make_example("q", "x</think>yes", "why?", "because", id="row-3"))


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(
            turns(USER, "{{ '<|assistant|>' + message['content'] | upper + eos_token }}"),
            id="rewrites",
        ),
        pytest.param(
            turns(USER, "{{ '<|assistant|>' + message['content'] + ' (over)' + eos_token }}"),
            id="adds text behind",
        ),
        pytest.param(turns(USER, "{{ '<|assistant|>' + eos_token }}"), id="hides the answer"),
        pytest.param("{{ messages | length }}" + turns(USER, ANSWER), id="counts messages"),
    ],
)
def test_a_template_that_changes_every_answer_is_refused_before_any_row(template: str) -> None:
    with pytest.raises(TemplateError, match=r"use data\.template: chatml"):
        tiny_encoder(template=template + GENERATION)


def test_a_template_without_generation_prompt_is_refused() -> None:
    encoder = tiny_encoder(template=turns(USER, ANSWER))
    with pytest.raises(TemplateError, match=r"generation prompt.*use data\.template: chatml"):
        encoder.example(make_example("q", "A"))


def test_a_template_that_writes_bos_twice_is_refused() -> None:
    template = "{{ bos_token + bos_token }}" + turns(USER, ANSWER, GENERATION)
    encoder = tiny_encoder(template=template)
    with pytest.raises(TemplateError, match=r"twice; use data\.template: chatml"):
        encoder.example(make_example("q", "A"))
    with pytest.raises(TemplateError, match="twice"):
        encoder.prompt(make_example("q", "A").prompt)


def test_a_template_that_refuses_a_conversation_is_reported_with_its_own_words() -> None:
    template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    )
    encoder = tiny_encoder(template=template + turns(USER, ANSWER, GENERATION))
    encoder.example(make_example("q", "A"))
    with pytest.raises(TemplateError, match=r"no system here; use data\.template: chatml"):
        encoder.example(make_example("q", "A", system="s"))


def test_a_row_with_nothing_supervised_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"rows\.jsonl:1: no token of the row"):
        tiny_encoder().example(make_example("only a question"))


def test_a_row_with_everything_supervised_is_refused() -> None:
    encoder = tiny_encoder(template=turns("", "{{ message['content'] + eos_token }}"))
    with pytest.raises(TemplateError, match=r"rows\.jsonl:1: every token of the row"):
        encoder.example(make_example("a question that the template drops", "A"))


# Content that could not be trained on


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("name", ["tokenizer", "chatml", "plain"])
def test_a_control_token_inside_a_message_is_refused_with_its_row(name: str, position: int) -> None:
    encoder = tiny_encoder(name)
    for token in special_tokens(encoder.tokenizer):
        contents = ["q", "an answer", "more?", "yes"]
        contents[position] += f"so{token}then"
        with pytest.raises(TemplateError, match=r"rows\.jsonl:12: .* control token") as caught:
            encoder.example(make_example(*contents, id="row-12"))
        assert repr(token) in str(caught.value)
        assert "so" + token not in str(caught.value), "a row's text is not printed"


def test_half_a_surrogate_pair_is_refused_with_its_row() -> None:
    with pytest.raises(TemplateError, match=r"rows\.jsonl:5: .* surrogate"):
        tiny_encoder("plain").example(make_example("q", "broken \ud83d emoji", id="row-5"))


def test_a_message_that_the_vocabulary_cannot_write_is_refused_with_its_row(
    smollm2: LocatedBase,
) -> None:
    encoder = Encoder(make_template("chatml", load_tokenizer(smollm2)))
    for contents in (("q", "a\x1db"), ("q\x1dq", "a")):
        with pytest.raises(TemplateError, match=r"rows\.jsonl:8: .*control character"):
            encoder.example(make_example(*contents, id="row-8"))
    # One that the vocabulary has is kept.
    assert encoder.example(make_example("q\x0bq", "a", id="row-8")).num_supervised > 0


def test_an_answer_that_the_tokenizer_rewrites_is_refused_with_its_row() -> None:
    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.normalizer = NFC()
    encoder = Encoder(make_template("plain", tokenizer))
    assert encoder.example(make_example("cafe\u0301", "caf\u00e9")).num_supervised > 1
    with pytest.raises(TemplateError, match=r"rows\.jsonl:2: the tokenizer cannot write"):
        encoder.example(make_example("q", "cafe\u0301", id="row-2"))


def test_a_template_that_refuses_a_row_names_it() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system message here') }}"
        "{% endif %}" + CHAT_TEMPLATE
    )
    encoder = Encoder(make_template("tokenizer", tokenizer))
    rows = [make_example("q", "a"), make_example("q", "a", id="row-7", system="s")]
    with pytest.raises(TemplateError, match=r"^rows\.jsonl:7: the chat template .* refuses"):
        encoder.tokens(rows)
