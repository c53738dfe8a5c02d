"""Which template, which stop token, which padding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import CHAT_TEMPLATE, make_example, make_tokenizer

from medtune.data import Encoder, choose_pad_id, make_template
from medtune.digests import sha256_text
from medtune.errors import TemplateError
from medtune.models import LocatedBase, load_tokenizer

TOKENIZER = make_tokenizer()


def test_the_tokenizers_own_template_is_taken_as_it_is() -> None:
    template = make_template("tokenizer", make_tokenizer())
    assert template.source == CHAT_TEMPLATE
    assert template.digest == sha256_text(CHAT_TEMPLATE)


def test_the_stop_token_is_read_off_a_rendered_answer() -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>", "<|end|>twice"]})
    tokenizer.chat_template = CHAT_TEMPLATE.replace("{{ eos_token }}", "{{ '\n<|end|>' }}")
    template = make_template("tokenizer", tokenizer)
    assert template.stop_token == "<|end|>"
    assert template.stop_token_id == tokenizer.convert_tokens_to_ids("<|end|>")
    assert template.stop_token_id != tokenizer.eos_token_id


def test_smollm2_stops_with_its_end_of_turn(smollm2: LocatedBase) -> None:
    tokenizer = load_tokenizer(smollm2)
    for name in ("tokenizer", "chatml", "plain"):
        assert make_template(name, tokenizer).stop_token == "<|im_end|>"


def test_chatml_takes_the_end_of_sequence_where_there_is_no_end_of_turn_token() -> None:
    template = make_template("chatml", make_tokenizer())
    messages = make_example("q1", "a1", "q2", "a2", system="s").messages
    assert template.stop_token == "</s>"
    assert template.render(messages) == (
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nq1<|im_end|>\n"
        "<|im_start|>assistant\na1</s>\n<|im_start|>user\nq2<|im_end|>\n"
        "<|im_start|>assistant\na2</s>\n"
    )


def test_plain_writes_turns_apart_and_announces_the_answer() -> None:
    template = make_template("plain", make_tokenizer())
    messages = make_example("q1", "a1", "q2", "a2", system="s").messages
    assert template.render(messages) == "s\n\nq1\n\nAnswer:\na1</s>\n\nq2\n\nAnswer:\na2</s>\n\n"
    assert template.render(messages[:2], add_generation_prompt=True) == "s\n\nq1\n\nAnswer:\n"


def test_a_stop_token_with_quotes_and_backslashes_is_written_as_it_is() -> None:
    tokenizer = make_tokenizer()
    stop = "<'it\\'s\\n over'>"
    tokenizer.add_special_tokens({"eos_token": stop})
    for name in ("chatml", "plain"):
        template = make_template(name, tokenizer)
        assert template.render(make_example("q", "A").messages).rstrip().endswith(f"A{stop}")
        assert Encoder(template).example(make_example("q", "A")).num_supervised == 2


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        (None, "no chat template"),
        ({"default": CHAT_TEMPLATE, "rag": CHAT_TEMPLATE}, "several chat templates"),
    ],
)
def test_a_base_without_one_template_of_its_own_is_refused(own: object, problem: str) -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = own
    with pytest.raises(TemplateError, match=rf"{problem}; use data\.template: chatml or plain"):
        make_template("tokenizer", tokenizer)
    assert make_template("chatml", tokenizer).stop_token == "</s>"


@pytest.mark.parametrize("end", ["### End", "</s", ""])
def test_a_template_that_ends_answers_with_plain_text_is_refused(end: str) -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE.replace("{{ eos_token }}", end)
    with pytest.raises(TemplateError, match=rf"'{end}(\\n)?'\); use data\.template: chatml"):
        make_template("tokenizer", tokenizer)


def test_a_broken_template_is_refused() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{% for message in messages %}"
    with pytest.raises(TemplateError, match=r"use data\.template: chatml"):
        make_template("tokenizer", tokenizer)


@pytest.mark.parametrize("name", ["chatml", "plain"])
def test_a_tokenizer_without_end_of_sequence_is_refused(name: str) -> None:
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(TemplateError, match="has none"):
        make_template(name, tokenizer)


# Padding


def test_the_pad_token_is_taken_where_it_is_no_stop() -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    assert choose_pad_id(tokenizer, frozenset({2})) == tokenizer.pad_token_id


def test_a_pad_token_that_is_the_end_of_sequence_is_not_taken() -> None:
    tokenizer = make_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    assert choose_pad_id(tokenizer, frozenset({tokenizer.eos_token_id})) == tokenizer.unk_token_id


@given(st.frozensets(st.integers(0, len(TOKENIZER) - 1), max_size=len(TOKENIZER) - 1))
def test_padding_is_a_token_of_the_vocabulary_and_never_a_stop(stops: frozenset[int]) -> None:
    pad = choose_pad_id(TOKENIZER, stops)
    assert pad not in stops
    assert 0 <= pad < len(TOKENIZER)


def test_a_tokenizer_of_stops_alone_has_no_padding() -> None:
    with pytest.raises(TemplateError, match="no token that could serve as padding"):
        choose_pad_id(TOKENIZER, frozenset(range(len(TOKENIZER))))
