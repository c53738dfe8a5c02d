"""What a server of the OpenAI completions protocol can do, and how it takes and tells it.

What a server can do is found out by asking it, once; who it is tells only how to switch off what
it would do to the model's answers unasked. Three were read for this (vLLM 0.15, llama.cpp's
llama-server and llama-cpp-python 0.3.36; tests/scoring/completions_server.py behaves like each):

    vLLM               token ids; the prompt echoed with log-probabilities; its defaults are those
                       of the model's generation_config.json
    llama-server       token ids; refuses echo; log-probabilities of the next token, with ids, as
                       many as wanted; samples with top-k 40 and min-p unless told otherwise
    llama-cpp-python   text alone; echoes when started with logits_all; what it echoes is one place
                       off where the prompt does not begin with BOS, and leaves out BOS

Servers other than vLLM stop at a stop token's text, wherever it comes from, and at what they
themselves take for an end.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from transformers import PreTrainedTokenizerBase

from medtune.errors import EvaluationError
from medtune.scoring.completions import Client, Refused

PROBE = "Is 5 mg/kg of ibuprofen a usual dose for a child? Answer yes or no.\nAnswer:"
PROBE_ENDS = (" yes", " no", " 7", "\n")
FEW_TOKENS = 100
"""How many likeliest next tokens are asked for before all that the server gives."""
MORE_THAN_PADDING = 1024
"""Bases have a few more rows than their tokenizers have tokens; they, too, get likelihoods."""
SAME = 0.1
"""Nats by which one prediction may differ between requests: rounding in bfloat16 does less."""
TOKEN_ID = "token_id:"
"""How vLLM begins a token's name where it is asked to write ids."""
IMPOSSIBLE = -9999.0
"""What vLLM writes for minus infinity, which JSON cannot say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A server that is known by what its list of models names as owner."""

    name: str
    unasked: Mapping[str, Any] = field(default_factory=dict)
    """Switches off what would change the model's answers, beside the protocol's own settings."""
    stops_at_ids: bool = False
    keeps_stops: bool = False
    """Whether it has to be told not to swallow a stop token's text before it looks for it."""
    weighing_temperature: float = 1.0
    """Of the one token that is written where none is wanted. At 1 log-probabilities are the
    model's, whether or not the server takes them behind the temperature."""


OTHER = _Kind(name="a server that medtune does not know")
KINDS = {
    "vllm": _Kind(
        name="vLLM",
        unasked={
            "top_k": -1,  # 0 was not allowed before vLLM 0.9
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "skip_special_tokens": True,
            # Its texts of tokens are not unique; this changes how tokens are written, no number.
            "return_tokens_as_token_ids": True,
        },
        stops_at_ids=True,
    ),
    "llamacpp": _Kind(
        name="llama.cpp's llama-server",
        unasked={
            "top_k": 0,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "typical_p": 1.0,
            "top_n_sigma": -1.0,
            "xtc_probability": 0.0,
            "dry_multiplier": 0.0,
            "dynatemp_range": 0.0,
            "mirostat": 0,
        },
        keeps_stops=True,
    ),
    "me": _Kind(
        name="llama-cpp-python",
        unasked={"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0, "mirostat_mode": 0},
        # It takes them before, and has none to give where an end of text happens to be drawn.
        weighing_temperature=0.0,
    ),
}


class Dialect:
    """How one server takes prompts and tells likelihoods, found out at once.

    Args:
        client: Asks the server.
        model: As the server calls it.
        tokenizer: Of the base that the server is said to have.

    Raises:
        EvaluationError: The server cannot be reached or used, or cuts texts into other tokens.
    """

    def __init__(self, client: Client, model: str, tokenizer: PreTrainedTokenizerBase) -> None:
        self._client = client
        self._model = model
        self._tokenizer = tokenizer
        self._kind = KINDS.get(client.owner_of(model), OTHER)
        self.server = self._kind.name
        """What it is, as far as that is known."""
        self._one = {"max_tokens": 1, "temperature": self._kind.weighing_temperature, "seed": 0}
        self._sends_ids = self._takes_ids()
        self._adds_bos = self._begins_texts_with_bos()
        bos = tokenizer.bos_token_id
        starts = [[bos], []] if bos is not None else [[]]
        if self._adds_bos and not self._sends_ids:
            starts = [[bos]]
        self._echoes = [start for start in starts if self._is_echo_right(start)]
        without = [start for start in starts if start not in self._echoes]
        self._is_partly_right = bool(self._echoes and without)
        self.most = self._most_next_tokens(without[0]) if without else 0
        """How many of the likeliest next tokens are given where a prompt is not echoed right."""

    def findings(self) -> str:
        """What was found, for people."""
        ways = []
        if self._echoes:
            begins = "begins with" if self._echoes[0] else "does not begin with"
            partly = f", but only where a prompt {begins} BOS" if self._is_partly_right else ""
            ways.append(f"log-likelihoods come from echoed prompts{partly}")
        if self.most:
            ways.append(f"single tokens are weighed among the {self.most} likeliest next ones")
        how = "; ".join(ways) or "it gives no log-probabilities, so it can only write"
        known = "" if self._kind is not OTHER else (
            "; top-k, penalties and the like are as it has them: medtune knows no way to switch "
            "them off there"
        )  # fmt: skip
        what = "token ids" if self._sends_ids else "text, as it takes no token ids"
        return (
            f"{self._client.url}: {self.server} with {self._model}; prompts are sent as "
            f"{what}; {how}{known}"
        )

    @property
    def echo(self) -> dict[str, Any]:
        """Fields of a request for a prompt's own log-probabilities."""
        return {"echo": True, "logprobs": 1, **self._one}

    def likeliest(self, count: int) -> dict[str, Any]:
        """Fields of a request for the log-probabilities of the likeliest next tokens."""
        return {"logprobs": count, **self._one}

    def stopping(self, stop_ids: Iterable[int]) -> dict[str, Any]:
        """Fields of a request for a text that ends at these tokens."""
        stops = sorted(stop_ids)
        if self._kind.stops_at_ids:
            # Its own ends are switched off: they may be others.
            return {"stop_token_ids": stops, "ignore_eos": True}
        texts = [self._tokenizer.decode([token]) for token in stops]
        return {"stop": texts} | ({"preserved_tokens": texts} if self._kind.keeps_stops else {})

    def echoes(self, prompt: Sequence[int]) -> bool:
        """Whether what stands behind this prompt is echoed with its own log-probabilities."""
        bos = self._tokenizer.bos_token_id
        return ([bos] if prompt[0] == bos else []) in self._echoes

    def ask(self, prompt: Sequence[int], fields: Mapping[str, Any]) -> dict[str, Any]:
        """An answer that has a choice and was given to as many tokens as were sent."""
        answer = self._client.complete(self.body(prompt, fields))
        counted = self._num_prompt_tokens(answer)
        if counted != len(prompt):
            raise self.nonsense(
                f"it counts {counted} tokens in a prompt of {len(prompt)}: its tokenizer is not "
                "the base's, or it changes prompts"
            )
        return answer

    def body(self, prompt: Sequence[int] | str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A request, as it is sent."""
        if not isinstance(prompt, str):
            prompt = self.sent(prompt)
        return {
            "model": self._model,
            "prompt": prompt,
            "top_p": 1.0,
            "frequency_penalty": 0.0,
            "presence_penalty": 0.0,
            **self._kind.unasked,
            **fields,
        }

    def sent(self, prompt: Sequence[int]) -> list[int] | str:
        """A prompt as the server takes it.

        A text is one that it cuts into these tokens; as far as can be told, which is checked.

        Raises:
            EvaluationError: It takes text alone, and there is none.
        """
        ids = list(prompt)
        if self._sends_ids:
            return ids
        if self._adds_bos and ids[0] == self._tokenizer.bos_token_id:
            ids = ids[1:]
        elif self._adds_bos:
            raise self.nonsense("it begins every prompt with BOS, and this one has none")
        text: str = self._tokenizer.decode(ids)
        if self.encode(text) != ids:
            raise self.nonsense("it takes text alone, and these tokens are not those of their text")
        return text

    def echoed(
        self, answer: Mapping[str, Any], ids: Sequence[int]
    ) -> dict[int, tuple[float, float]]:
        """By place: the log-probability of the token there, and of the likeliest one.

        Empty where the prompt was not echoed, or as other tokens.
        """
        logprobs = answer["choices"][0].get("logprobs") or {}
        names = ("tokens", "token_logprobs", "top_logprobs")
        texts, values, tops = (logprobs.get(name) or [] for name in names)
        bos = self._tokenizer.bos_token_id
        for places in (range(len(ids)), [n for n, token in enumerate(ids) if token != bos]):
            is_whole = len(places) <= len(texts) <= len(places) + 1
            pairs = zip(places, texts, strict=False)
            if is_whole and all(self._is_text_of(text, ids[place]) for place, text in pairs):
                rows = zip(places, values, tops, strict=False)
                return {
                    place: (self._likelihood(value), max(top.values()))
                    for place, value, top in rows
                    if value is not None
                }
        return {}

    def options(
        self, answer: Mapping[str, Any], tokens: Sequence[int], asked: int
    ) -> list[tuple[float, bool]] | None:
        """Of each token as the next one, the log-probability, and whether none is likelier.

        None where one of them is not among the ``asked`` likeliest that the answer tells.
        """
        found = _next_tokens(answer)
        if not found:
            raise self.nonsense("it gives no log-probabilities where the text ends at once")
        values = [found.get(token) for token in tokens]
        best = max(found.values())
        if any(isinstance(key, str) for key in found):
            values = [found.get(self._own_text(token)) for token in tokens]
            best = self._best_by_text(answer, found, asked)
        weighed = [self._likelihood(value) for value in values if value is not None]
        if len(weighed) < len(tokens):
            return None
        return [(value, value >= best) for value in weighed]

    def encode(self, text: str) -> list[int]:
        """A text's tokens by our tokenizer."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids

    def nonsense(self, what: str) -> EvaluationError:
        """The error that says why its answers are no scores."""
        return EvaluationError(
            f"{self._client.url}: {self.server} cannot be scored: {what}; serve the base with "
            "its own tokenizer, or with vLLM, or let medtune load it"
        )

    def _takes_ids(self) -> bool:
        self._sends_ids = True
        try:
            self.ask(self.encode(PROBE), self._one)
        except Refused:
            return False
        return True

    def _begins_texts_with_bos(self) -> bool:
        """Whether it puts BOS before a text; one more token can be nothing else.

        Raises:
            EvaluationError: It cuts the text into other tokens than our tokenizer.
        """
        ours = len(self.encode(PROBE))
        theirs = self._num_prompt_tokens(self._client.complete(self.body(PROBE, self._one)))
        if theirs not in (ours, ours + (self._tokenizer.bos_token_id is not None)):
            raise self.nonsense(f"a text of {ours} tokens has {theirs} there: another tokenizer")
        return theirs > ours

    def _num_prompt_tokens(self, answer: Mapping[str, Any]) -> int:
        try:
            answer["choices"][0].keys()
            return int(answer["usage"]["prompt_tokens"])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise self.nonsense("an answer has no choices[0] or no usage.prompt_tokens") from None

    def _is_echo_right(self, start: list[int]) -> bool:
        """Whether log-probabilities of a prompt that begins so are given, each at its place.

        What is predicted at a place does not depend on the token that stands there. Were they one
        place off, it would: llama-cpp-python's are, without BOS.
        """
        prompt, bests = self.encode(PROBE), dict[int, float]()
        place = len(start) + len(prompt)
        for end in PROBE_ENDS:
            ids = self.encode(PROBE + end)
            if ids[: len(prompt)] != prompt:
                continue  # the tokenizer joins the end to what is before
            try:
                answer = self.ask(start + ids, self.echo)
                found = self.echoed(answer, start + ids)
            except Refused:
                return False
            if place not in found:
                return False
            if PROBE not in answer["choices"][0]["text"]:
                raise self.nonsense("it echoes another text than it was sent: another tokenizer")
            bests[ids[len(prompt)]] = found[place][1]
        return len(bests) > 1 and max(bests.values()) - min(bests.values()) <= SAME

    def _most_next_tokens(self, start: list[int]) -> int:
        """How many of the likeliest next tokens are given; 0: none."""
        for count in (len(self._tokenizer) + MORE_THAN_PADDING, FEW_TOKENS, 20, 5):
            # Some give none where the text ends at once, which it does not behind every end.
            for end in ("", *PROBE_ENDS):
                try:
                    ids = start + self.encode(PROBE + end)
                    found = _next_tokens(self.ask(ids, self.likeliest(count)))
                except Refused:
                    break
                if found:
                    # Tokens that share a text count as one where texts name them.
                    is_by_id = not any(isinstance(key, str) for key in found)
                    return min(count, len(found)) if is_by_id else count
        return 0

    def _is_text_of(self, text: str, token: int) -> bool:
        if text.startswith(TOKEN_ID):
            return text == f"{TOKEN_ID}{token}"
        own = self._piece(token)
        # Servers write control tokens and parts of characters in ways of their own.
        is_plain = token not in self._control_ids and "\ufffd" not in own
        return not is_plain or own.strip() == text.strip()

    @cached_property
    def _control_ids(self) -> frozenset[int]:
        """More than ``all_special_ids``: Llama 3's header tokens are not among those."""
        added = self._tokenizer.added_tokens_decoder.items()
        return frozenset(token for token, about in added if about.special)

    def _piece(self, token: int) -> str:
        """A token's text inside a text: decoded alone, some tokenizers drop its leading space."""
        once, twice = self._tokenizer.decode([token]), self._tokenizer.decode([token, token])
        return str(twice[len(once) :])

    def _own_text(self, token: int) -> str:
        """A token's text, which no other token has: for servers that name tokens by their text."""
        text = self._piece(token)
        if self._num_tokens_of[text] > 1:
            raise self.nonsense("it names tokens by their text, and an option's has several")
        return text

    def _best_by_text(
        self, answer: Mapping[str, Any], found: Mapping[Any, float], asked: int
    ) -> float:
        """The likeliest next token's log-probability, where tokens with one text show as one."""
        if not self._kind.weighing_temperature:
            return float(answer["choices"][0]["logprobs"]["token_logprobs"][0])  # it was written
        best = max(found.values())
        hidden = 1.0 - math.fsum(map(math.exp, found.values()))
        if len(found) < asked and math.exp(best) < hidden:
            raise self.nonsense("the likeliest next token may be hidden by another of its text")
        return best

    @cached_property
    def _num_tokens_of(self) -> Counter[str]:
        return Counter(self._piece(token) for token in range(len(self._tokenizer)))

    def _likelihood(self, value: float) -> float:
        if not IMPOSSIBLE < value <= 0.0:
            raise self.nonsense(f"a log-probability is {value}")
        return value


def _next_tokens(answer: Mapping[str, Any]) -> dict[int | str, float]:
    """Log-probabilities of the next token, by id where the server tells it, else by text."""
    logprobs = answer["choices"][0].get("logprobs") or {}
    if content := logprobs.get("content"):  # llama-server's form
        entries = content[0]["top_logprobs"]
        return {entry.get("id", entry["token"]): entry["logprob"] for entry in entries}
    tops = logprobs.get("top_logprobs") or [{}]
    return {
        int(key.removeprefix(TOKEN_ID)) if key.startswith(TOKEN_ID) else key: value
        for key, value in tops[0].items()
    }
