"""Answers of a server are those of plain forward passes, or there is an error that says why not."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from completions_server import Served, complete, completions_server
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import make_tiny_base
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from medtune.errors import EvaluationError, RecipeError
from medtune.records import Silent
from medtune.scoring import completions
from medtune.scoring.engine import Decoding, Question
from medtune.scoring.server import ServerEngine

BOS, STOP = 1, 2
NEW = 24
KEY = "secret-key-8c1f"
TEXT = "The patient has a fever. Answer yes, no or maybe."


class Told(Silent):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.totals: list[int] = []
        self.done = self.finished = 0

    def say(self, message: str) -> None:
        self.said.append(message)

    def start(self, step: str, total: int, unit: str) -> None:
        self.totals.append(total)

    def advance(self, units: int, **figures: float) -> None:
        self.done += units

    def finish(self) -> None:
        self.finished += 1


class Remembered(dict):
    """Kept answers that know how often they were put."""

    def put(self, key: str, value: Any) -> None:
        assert key not in self
        self[key] = json.loads(json.dumps(value))


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_base)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_base).eval()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "FIRST_WAIT_SECONDS", 0.001)


def engine(served: Served, tokenizer: Any, **given: Any) -> ServerEngine:
    settings = {"batch_size": 4, "offline": True, "progress": Silent()} | given
    return ServerEngine(served.url, settings.pop("name", "tiny"), tokenizer, **settings)


def encoded(tokenizer: Any, text: str, *, lead: bool = False) -> tuple[int, ...]:
    ids = tokenizer.encode(text, add_special_tokens=False)
    return (BOS, *ids) if lead else tuple(ids)


def question(tokenizer: Any, *ends: str, text: str = TEXT, lead: bool = False) -> Question:
    prompt = encoded(tokenizer, text, lead=lead)
    return Question(prompt=prompt, continuations=tuple(encoded(tokenizer, end) for end in ends))


@torch.no_grad()
def plain(model: Any, asked: Question) -> list[tuple[float, bool]]:
    """One forward pass for each continuation."""
    found = []
    for continuation in asked.continuations:
        ids = asked.prompt + continuation
        rows = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        places = range(len(asked.prompt), len(ids))
        value = sum(float(rows[place - 1, ids[place]]) for place in places)
        found.append((value, all(int(rows[p - 1].argmax()) == ids[p] for p in places)))
    return found


@torch.no_grad()
def greedy(model: Any, prompt: tuple[int, ...], stop: int = STOP) -> tuple[list[int], bool]:
    config = GenerationConfig(
        do_sample=False, max_new_tokens=NEW, eos_token_id=stop, pad_token_id=0
    )
    ids = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), generation_config=config
    )[0, len(prompt) :].tolist()
    return (ids[:-1], True) if ids[-1] == stop else (ids, False)


def check(model: Any, asked: list[Question], found: Any) -> None:
    for each, weights in zip(asked, found, strict=True):
        expected = plain(model, each)
        assert [w.log_likelihood for w in weights] == pytest.approx(
            [value for value, _ in expected], abs=1e-4
        )
        assert [w.is_greedy for w in weights] == [is_greedy for _, is_greedy in expected]


def likeliest(model: Any, prompt: tuple[int, ...], length: int) -> tuple[int, ...]:
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(length):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return tuple(ids[len(prompt) :])


def test_log_likelihoods_are_those_of_plain_forward_passes(tiny_base, model, tokenizer):
    asked = [
        question(tokenizer, " yes", " no", " maybe", " The patient"),
        question(tokenizer, "A", text="Question: which vitamin?\n\n", lead=True),
    ]
    prompt = encoded(tokenizer, "Abstract: background")
    likely = likeliest(model, prompt, 3)
    asked.append(Question(prompt=prompt, continuations=(likely, likely[:1], (*likely[:2], 7))))
    with completions_server(tiny_base) as served:
        found = engine(served, tokenizer).weigh(asked, step="asking", progress=Silent())
    check(model, asked, found)
    assert [weight.is_greedy for weight in found[-1]][:2] == [True, True]


ids = st.integers(3, 399)


@pytest.fixture(scope="module")
def running(tiny_base: Path, tokenizer: Any) -> Any:
    with completions_server(tiny_base) as served:
        yield engine(served, tokenizer)


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(
            st.lists(ids, min_size=1, max_size=12),
            st.lists(st.lists(ids, min_size=1, max_size=4), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_tokens_are_weighed_in_their_order(running, model, drawn):
    asked = [
        Question(prompt=tuple(prompt), continuations=tuple(map(tuple, continuations)))
        for prompt, continuations in drawn
    ]
    check(model, asked, running.weigh(asked, step="asking", progress=Silent()))


def test_single_tokens_are_weighed_where_nothing_is_echoed(tiny_base, model, tokenizer):
    prompt = encoded(tokenizer, TEXT)
    with torch.no_grad():
        order = model(torch.tensor([prompt])).logits[0, -1].argsort(descending=True).tolist()
    # Beyond the hundred that are asked for first, too.
    options = tuple((order[rank],) for rank in (0, 5, 250, 415))
    asked = [Question(prompt=prompt, continuations=options)]
    with completions_server(tiny_base, kind="llamacpp") as served:
        told = Told()
        found = engine(served, tokenizer, progress=told).weigh(asked, step="asking", progress=told)
    check(model, asked, found)
    assert "single tokens are weighed among the 416 likeliest" in told.said[0]


def ranked(model: Any, tokenizer: Any) -> Iterator[tuple[tuple[int, ...], list[str], list[int]]]:
    """Prompts, with all next tokens, likeliest first, as texts and ids."""
    for length in range(5, len(TEXT)):
        prompt = encoded(tokenizer, TEXT[:length])
        with torch.no_grad():
            order = model(torch.tensor([prompt])).logits[0, -1].argsort(descending=True).tolist()
        yield prompt, [tokenizer.decode([token]) for token in order], order


def test_an_option_beyond_what_the_server_gives_is_an_error_and_no_number(
    tiny_base, model, tokenizer
):
    prompt, texts, order = next(
        found
        for found in ranked(model, tokenizer)
        if all(found[1].count(text) == 1 for text in found[1][:5])
    )
    beyond = next(order[n] for n in range(200, 400) if texts.count(texts[n]) == 1)
    with completions_server(tiny_base, kind="openai") as served:
        asking = engine(served, tokenizer)
        among = [Question(prompt=prompt, continuations=tuple((t,) for t in order[:4]))]
        check(model, among, asking.weigh(among, step="asking", progress=Silent()))
        asked = [Question(prompt=prompt, continuations=((order[0],), (beyond,)))]
        with pytest.raises(EvaluationError, match="not among the 5 likeliest"):
            asking.weigh(asked, step="asking", progress=Silent())


def test_where_the_likeliest_token_may_be_hidden_nothing_is_said(tiny_base, model, tokenizer):
    prompt, texts, order = next(
        found
        for found in ranked(model, tokenizer)
        # The server draws one more, which may be another.
        if len(set(found[1][:5])) < 4 and any(found[1].count(text) == 1 for text in found[1][:5])
    )
    own = next(order[n] for n in range(5) if texts.count(texts[n]) == 1)
    with (
        completions_server(tiny_base, kind="openai") as served,
        pytest.raises(EvaluationError, match="may be hidden"),
    ):
        engine(served, tokenizer).weigh(
            [Question(prompt=prompt, continuations=((own,),))], step="asking", progress=Silent()
        )


def test_a_token_whose_text_others_have_is_not_looked_up_by_text(tiny_base, tokenizer):
    shared = next(t for t in range(100, 400) if "\ufffd" in tokenizer.decode([t]))
    asked = [Question(prompt=encoded(tokenizer, TEXT), continuations=((shared,),))]
    with (
        completions_server(tiny_base, kind="openai") as served,
        pytest.raises(EvaluationError, match="names tokens by their text"),
    ):
        engine(served, tokenizer).weigh(asked, step="asking", progress=Silent())


def test_longer_continuations_are_refused_where_nothing_is_echoed(tiny_base, tokenizer):
    asked = [question(tokenizer, " The patient")]
    with (
        completions_server(tiny_base, kind="llamacpp") as served,
        pytest.raises(EvaluationError, match=r"a next token alone.* has \d tokens; serve the"),
    ):
        engine(served, tokenizer).weigh(asked, step="asking", progress=Silent())


def test_a_server_without_log_probabilities_writes_and_does_not_weigh(tiny_base, model, tokenizer):
    prompt = encoded(tokenizer, TEXT)
    with completions_server(tiny_base, kind="me", has_logprobs=False) as served:
        told = Told()
        asking = engine(served, tokenizer, progress=told)
        decoding = Decoding(max_new_tokens=NEW, stop_ids=frozenset({STOP}))
        [[text]] = asking.write([prompt], decoding, step="writing", progress=Silent())
        with pytest.raises(EvaluationError, match="start it with logits_all"):
            asking.weigh([question(tokenizer, " yes")], step="asking", progress=Silent())
    assert text.text == tokenizer.decode(greedy(model, prompt)[0], skip_special_tokens=True)
    assert "it can only write" in told.said[0]


def test_text_alone_is_sent_to_servers_that_take_no_ids(tiny_base, model, tokenizer):
    asked = [question(tokenizer, " yes", " no, or maybe", lead=True)]
    for adds_bos in (True, False):
        with completions_server(tiny_base, kind="me", adds_bos=adds_bos) as served:
            asking = engine(served, tokenizer)
            check(model, asked, asking.weigh(asked, step="asking", progress=Silent()))
            assert all(isinstance(body["prompt"], str) for body in served.requests[-2:])


def test_a_prompt_without_bos_is_refused_where_the_server_puts_bos_before_all(tiny_base, tokenizer):
    asked = question(tokenizer, " yes")
    with completions_server(tiny_base, kind="me", adds_bos=True) as served:
        asking = engine(served, tokenizer)
        with pytest.raises(EvaluationError, match="begins every prompt with BOS"):
            asking.weigh([asked], step="asking", progress=Silent())
        decoding = Decoding(max_new_tokens=NEW, stop_ids=frozenset({STOP}))
        with pytest.raises(EvaluationError, match="begins every prompt with BOS"):
            asking.write([asked.prompt], decoding, step="writing", progress=Silent())


def test_control_tokens_may_be_echoed_as_nothing(tiny_base, model, tokenizer):
    """llama-cpp-python shows none of them; here one that is no named special token."""
    prompt = (BOS, 4, *encoded(tokenizer, TEXT))
    asked = [Question(prompt=prompt, continuations=(encoded(tokenizer, " yes"),))]
    with completions_server(tiny_base, kind="me") as served:
        found = engine(served, tokenizer).weigh(asked, step="asking", progress=Silent())
    check(model, asked, found)


def test_an_echo_that_is_one_place_off_is_found_and_not_used(tiny_base, model, tokenizer):
    single = [question(tokenizer, " yes", " no")]
    assert all(len(each) == 1 for each in single[0].continuations)
    with completions_server(tiny_base, kind="me") as served:
        told = Told()
        asking = engine(served, tokenizer, progress=told)
        check(model, single, asking.weigh(single, step="asking", progress=Silent()))
        assert "echo" not in served.requests[-1]
        assert "only where a prompt begins with BOS" in told.said[0]
        with pytest.raises(EvaluationError, match="a next token alone"):
            asking.weigh([question(tokenizer, " The patient")], step="asking", progress=Silent())


def test_tokens_that_are_not_those_of_their_text_are_not_sent_as_text(tiny_base, tokenizer):
    apart = tuple(t for c in TEXT for t in encoded(tokenizer, c))
    assert apart != encoded(tokenizer, TEXT)
    asked = [Question(prompt=(BOS, *apart), continuations=((300,),))]
    with (
        completions_server(tiny_base, kind="me") as served,
        pytest.raises(EvaluationError, match="these tokens are not those of their text"),
    ):
        engine(served, tokenizer).weigh(asked, step="asking", progress=Silent())


@pytest.mark.parametrize("kind", ["vllm", "llamacpp", "me", "openai"])
def test_greedy_is_greedy_whatever_the_server_would_do_unasked(kind, tiny_base, model, tokenizer):
    prompts = [encoded(tokenizer, text) for text in (TEXT, "Question: which", "The patient has")]
    decoding = Decoding(max_new_tokens=NEW, stop_ids=frozenset({STOP}))
    with completions_server(tiny_base, kind=kind) as served:
        found = engine(served, tokenizer).write(
            prompts, decoding, step="writing", progress=Silent()
        )
        body = {"prompt": TEXT, "max_tokens": NEW, "temperature": 0}
        unasked = complete(served, body)["choices"][0]["text"]
    for prompt, [text] in zip(prompts, found, strict=True):
        written, is_complete = greedy(model, prompt)
        assert text.text == tokenizer.decode(written, skip_special_tokens=True)
        assert text.is_complete == is_complete
        assert text.num_tokens == len(tokenizer.encode(text.text))
    # There was something to switch off.
    assert (unasked == found[0][0].text) == (kind == "openai")


def test_a_text_ends_at_our_stop_tokens_and_at_no_other(tiny_base, model, tokenizer):
    prompt = encoded(tokenizer, TEXT)
    text = greedy(model, prompt)[0]
    stop = next(t for n, t in enumerate(text) if n > 3 and t not in text[:n])
    decoding = Decoding(max_new_tokens=NEW, stop_ids=frozenset({stop}))
    with completions_server(tiny_base, ends=(text[1],)) as served:
        [[found]] = engine(served, tokenizer).write(
            [prompt], decoding, step="writing", progress=Silent()
        )
    assert found.is_complete
    assert found.text == tokenizer.decode(text[: text.index(stop)], skip_special_tokens=True)


def test_a_stop_token_that_shows_no_text_still_stops(tiny_base, model, tokenizer):
    user = 4  # <|user|>: a control token, but not what the model file says is its end
    assert user in tokenizer.added_tokens_decoder
    model_with_user = make_tiny_base(tiny_base.parent / "user")
    changed = AutoModelForCausalLM.from_pretrained(model_with_user)
    prompt = encoded(tokenizer, TEXT)
    third = likeliest(changed, prompt, 3)[-1]
    with torch.no_grad():  # the third token's place is taken by the control token
        weight = changed.get_input_embeddings().weight
        weight[user] = weight[third] * 3
    changed.save_pretrained(model_with_user)
    written = likeliest(changed, prompt, NEW)
    end = written.index(user)
    decoding = Decoding(max_new_tokens=NEW, stop_ids=frozenset({STOP, user}))
    with completions_server(model_with_user, kind="llamacpp") as served:
        [[text]] = engine(served, tokenizer).write(
            [prompt], decoding, step="writing", progress=Silent()
        )
    assert text.is_complete
    assert text.text == tokenizer.decode(written[:end])


def test_samples_repeat_by_seed_and_differ_between_samples(tiny_base, tokenizer):
    prompts = [encoded(tokenizer, TEXT), encoded(tokenizer, "Question:")]

    def written(seed: int, batch_size: int) -> list[list[str]]:
        decoding = Decoding(
            max_new_tokens=NEW, stop_ids=frozenset({STOP}), temperature=0.8, samples=5, seed=seed
        )
        found = engine(served, tokenizer, batch_size=batch_size).write(
            prompts, decoding, step="writing", progress=Silent()
        )
        return [[text.text for text in texts] for texts in found]

    with completions_server(tiny_base) as served:
        first = written(1, 4)
        assert first == written(1, 1)
        assert first != written(2, 4)
    assert all(len(set(texts)) > 1 for texts in first)


def test_sampling_is_from_the_whole_distribution_at_the_temperature(tiny_base, tokenizer):
    """Of 150 samples of one token, tokens that a top-k of 3 would never give."""
    prompt = encoded(tokenizer, TEXT)
    decoding = Decoding(max_new_tokens=1, stop_ids=frozenset({STOP}), temperature=2.0, samples=150)
    for kind in ("vllm", "llamacpp", "me"):
        with completions_server(tiny_base, kind=kind) as served:
            [texts] = engine(served, tokenizer).write(
                [prompt], decoding, step="writing", progress=Silent()
            )
        assert len({text.text for text in texts}) > 40, kind


def test_progress_sums_up_with_and_without_kept_answers(tiny_base, tokenizer):
    asked = [question(tokenizer, " yes", " no"), question(tokenizer, "A", text="Question")]
    kept, told = Remembered(), Told()
    with completions_server(tiny_base) as served:
        asking = engine(served, tokenizer, kept=kept)
        first = asking.weigh(asked, step="asking", progress=told)
        assert (told.totals, told.done, told.finished) == ([3], 3, 1)
        before = len(served.requests)
        assert asking.weigh(asked, step="asking", progress=told) == first
        assert len(served.requests) == before
    assert (told.totals, told.done, told.finished) == ([3, 3], 6, 2)


def test_one_sequence_cut_at_two_places_is_two_answers(tiny_base, model, tokenizer):
    whole = encoded(tokenizer, TEXT)
    asked = [
        Question(prompt=whole[:cut], continuations=(whole[cut:],)) for cut in (3, len(whole) - 1)
    ]
    with completions_server(tiny_base) as served:
        asking = engine(served, tokenizer, kept=Remembered())
        for each in asked:
            check(model, [each], asking.weigh([each], step="asking", progress=Silent()))


def test_what_arrived_before_the_server_died_is_kept_and_not_asked_again(
    tiny_base, model, tokenizer
):
    asked = [question(tokenizer, " yes", " no", text=f"Question {n}") for n in range(10)]
    kept, told = Remembered(), Told()
    with completions_server(tiny_base) as served:
        asking = engine(served, tokenizer, kept=kept, batch_size=2)
        served.left = 7
        with pytest.raises(EvaluationError, match="cannot be reached, after 5 attempts"):
            asking.weigh(asked, step="asking", progress=told)
        assert len(kept) == told.done == 7
        assert told.finished == 1
        served.left = None
        before = len(served.requests)
        found = asking.weigh(asked, step="asking", progress=told)
        assert len(served.requests) - before == 13
    check(model, asked, found)


def test_what_is_under_way_when_one_request_fails_is_kept(tiny_base, tokenizer):
    kept = Remembered()
    with completions_server(tiny_base) as served:
        asking = engine(served, tokenizer, kept=kept)
        served.statuses, served.seconds = [400], 0.2
        asked = [question(tokenizer, " yes", " no", " maybe", "A")]
        with pytest.raises(EvaluationError, match="HTTP 400"):
            asking.weigh(asked, step="asking", progress=Silent())
    assert kept


def test_a_server_that_is_busy_is_asked_again(tiny_base, model, tokenizer):
    asked = [question(tokenizer, " yes", " no")]
    with completions_server(tiny_base) as served:
        asking = engine(served, tokenizer)
        served.statuses = [500, 429, 503, 500]
        check(model, asked, asking.weigh(asked, step="asking", progress=Silent()))
        served.statuses = [500] * 20
        with pytest.raises(EvaluationError, match="HTTP 500") as caught:
            asking.weigh(asked, step="asking", progress=Silent())
    assert "quotes the prompt" in str(caught.value)
    assert str(list(asked[0].prompt))[1:-1] not in str(caught.value)


def test_a_refusal_that_quotes_no_prompt_is_told(tiny_base, tokenizer):
    with completions_server(tiny_base, kind="me") as served:
        asking = engine(served, tokenizer)
        served.statuses = [400]
        text = question(tokenizer, " yes", text="Q", lead=True)
        with pytest.raises(EvaluationError, match=r"400: it says: no, $"):
            asking.weigh([text], step="asking", progress=Silent())


def test_the_key_is_sent_and_never_told(tiny_base, tokenizer, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    told = Told()
    monkeypatch.setenv("MEDTUNE_SERVER_KEY", KEY)
    with completions_server(tiny_base, key=KEY) as served:
        asking = engine(served, tokenizer, progress=told)
        asking.weigh([question(tokenizer, " yes")], step="asking", progress=told)
        served.overrides = {"usage": {"prompt_tokens": KEY}}
        served.statuses = [400]
        with pytest.raises(EvaluationError) as refused:
            asking.weigh([question(tokenizer, " no")], step="asking", progress=told)
    with completions_server(tiny_base, key="another") as served:
        with pytest.raises(EvaluationError, match=r"HTTP 401.*set MEDTUNE_SERVER_KEY") as wrong:
            engine(served, tokenizer)
        monkeypatch.delenv("MEDTUNE_SERVER_KEY")
        with pytest.raises(EvaluationError, match="HTTP 401"):
            engine(served, tokenizer)
    seen = [*told.said, str(refused.value), str(wrong.value), caplog.text, str(asking.conditions)]
    assert not any(KEY in text for text in seen)


def test_conditions_hold_no_credentials_and_say_that_weights_are_not_verified(tiny_base, tokenizer):
    with completions_server(tiny_base) as served:
        address = served.url.removeprefix("http://")
        served.url = f"http://someone:word@{address}/"
        # The protocol has one Authorization header, and this server wants none.
        with pytest.raises(EvaluationError, match="HTTP 401") as caught:
            engine(served, tokenizer)
        served.url = f"http://{address}/"
        conditions = engine(served, tokenizer).conditions
    assert "word" not in str(caught.value)
    assert conditions == {
        "engine": "server",
        "protocol": "openai-completions",
        "url": f"http://{address}",
        "server": "vLLM",
        "model": "tiny",
        "weights": "as the server has them: not verified",
    }


def test_a_model_that_is_not_there_is_told_with_those_that_are(tiny_base, tokenizer):
    with (
        completions_server(tiny_base) as served,
        pytest.raises(EvaluationError, match="there is no model big; it has tiny"),
    ):
        engine(served, tokenizer, name="big")


def test_an_address_where_nothing_listens_is_told(tokenizer):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        nobody = Served(None, None, url=f"http://127.0.0.1:{held.getsockname()[1]}/v1")
        with pytest.raises(EvaluationError, match="cannot be reached, after 5 attempts"):
            engine(nobody, tokenizer)


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8000", "ftp://host/v1", "http://", "http://host/v1?key=1", "http://a:b:c", ""],
)
def test_what_is_no_url_is_refused(url, tokenizer):
    with pytest.raises(RecipeError, match="has to be http"):
        engine(Served(None, None, url=url), tokenizer)


@pytest.mark.parametrize("host", ["example.org", "10.0.0.7", "localhost.example.org", "[2001::1]"])
def test_another_machine_is_refused_offline_before_it_is_asked(host, tokenizer, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(EvaluationError, match="--offline keeps medtune from"):
        engine(Served(None, None, url=f"http://{host}:8000/v1"), tokenizer)


def test_no_other_address_is_reached_whatever_the_environment_says(
    tiny_base, tokenizer, monkeypatch
):
    reached = set()
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        reached.add(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with completions_server(tiny_base) as served:
        engine(served, tokenizer).weigh(
            [question(tokenizer, " yes")], step="asking", progress=Silent()
        )
        port = int(served.url.split(":")[2].removesuffix("/v1"))
    assert reached == {("127.0.0.1", port)}


def test_a_server_with_another_tokenizer_is_refused(tiny_base, tokenizer):
    with completions_server(tiny_base) as served:
        inner = served.tokenizer
        inner.add_tokens(["ibuprofen"])
        with pytest.raises(EvaluationError, match="another tokenizer"):
            engine(served, tokenizer)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"usage": {"prompt_tokens": 3}}, "counts 3 tokens in a prompt of"),
        ({"usage": None}, "no usage.prompt_tokens"),
        ({"choices": []}, r"no choices\[0\]"),
        ({"choices": [{"logprobs": {"tokens": 7}}]}, "not of the protocol's form"),
        ({"choices": [{"logprobs": None}]}, "has no log-probability"),
    ],
)
def test_nonsense_is_not_scored(overrides, message, tiny_base, tokenizer):
    with completions_server(tiny_base) as served:
        asking = engine(served, tokenizer)
        served.overrides = overrides
        with pytest.raises(EvaluationError, match=message):
            asking.weigh([question(tokenizer, " yes")], step="asking", progress=Silent())


@pytest.mark.parametrize("value", [0.5, float("nan"), float("-inf"), -9999.0])
def test_what_is_no_log_probability_is_not_scored(value, tiny_base, tokenizer, monkeypatch):
    asked = question(tokenizer, " yes")
    names = [f"token_id:{token}" for token in asked.prompt + asked.continuations[0]]
    logprobs = {
        "tokens": names,
        "token_logprobs": [None, *[value] * (len(names) - 1)],
        "top_logprobs": [None, *[{"token_id:5": value}] * (len(names) - 1)],
    }
    with completions_server(tiny_base) as served:
        asking = engine(served, tokenizer)
        served.overrides = {"choices": [{"logprobs": logprobs}]}
        with pytest.raises(EvaluationError, match="a log-probability is"):
            asking.weigh([asked], step="asking", progress=Silent())
