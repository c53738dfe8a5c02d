"""A server of the OpenAI completions protocol on loopback, for tests, with a tiny model behind it.

It knows nothing of medtune: one request, one sequence, one plain forward pass for each token. It
behaves like one of the servers that users have, the faults of each included:

    vllm       ids or text; echo; at most 20 log-probabilities; samples as generation_config.json
               says unless told otherwise; stop_token_ids
    llamacpp   ids or text; refuses echo; log-probabilities of new tokens with ids, as many as
               wanted; top-k 40, min-p and a repetition penalty unless told otherwise
    me         llama-cpp-python: text alone; echoes one place off where the prompt does not begin
               with BOS; leaves out BOS; text stops
    openai     ids or text; no echo; at most 5 log-probabilities, with texts of tokens
"""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MOST = {"vllm": 20, "llamacpp": 10**9, "me": 10**9, "openai": 5}
DEFAULTS: dict[str, dict[str, Any]] = {
    "vllm": {"top_k": 3, "repetition_penalty": 2.0},
    "llamacpp": {"top_k": 40, "min_p": 0.05, "repeat_penalty": 2.0},
    "me": {"top_k": 40, "min_p": 0.05, "repeat_penalty": 2.0},
    "openai": {},
}


class Refusal(Exception):
    """HTTP status and message."""


@dataclass
class Served:
    """What the server has, how it behaves, and what it was asked."""

    model: Any
    tokenizer: Any
    kind: str = "vllm"
    name: str = "tiny"
    key: str = ""
    has_logprobs: bool = True
    ends: tuple[int, ...] = ()
    """Tokens that it takes for ends beside EOS, unless told to ignore such."""
    adds_bos: bool = False
    """Whether a text begins with BOS, whatever it says."""
    statuses: list[int] = field(default_factory=list)
    """Answered, one a completion, before any is given."""
    left: int | None = None
    """Completions until it breaks all connections; None: never."""
    seconds: float = 0.0
    """Taken for a completion, beside what it takes."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """Laid over each completion."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of completions, in the order of their arrival."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""


@contextmanager
def completions_server(folder: Path, **behaviour: Any) -> Iterator[Served]:
    """Serve the model of a folder while the block runs."""
    served = Served(
        model=AutoModelForCausalLM.from_pretrained(folder).eval(),
        tokenizer=AutoTokenizer.from_pretrained(folder),
        **behaviour,
    )
    handler = type("Handler", (_Handler,), {"served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Served

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        if not self._is_let_in():
            return self._send(401, {"error": {"message": f"bad key {self._key()}"}})
        if self.path != "/v1/models":
            return self._send(404, {"error": {"message": "no such path"}})
        entry = {"id": self.served.name, "object": "model", "owned_by": self.served.kind}
        return self._send(200, {"object": "list", "data": [entry]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._is_let_in():
            return self._send(401, {"error": {"message": f"bad key {self._key()}"}})
        served = self.served
        with served.lock:
            if served.left is not None:
                if served.left <= 0:
                    self.close_connection = True
                    return None  # without an answer
                served.left -= 1
            served.requests.append(body)
            if served.statuses and (status := served.statuses.pop(0)) != 200:
                said = f"no, {self._key()}" if status < 500 else f"busy with {body['prompt']}"
                return self._send(status, {"error": {"message": said}})
            time.sleep(served.seconds)
            try:
                answer = complete(served, body) | served.overrides
            except Refusal as refusal:
                status, message = refusal.args
                return self._send(status, {"error": {"message": message}})
        return self._send(200, answer)

    def _key(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _is_let_in(self) -> bool:
        return self._key() == self.served.key

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def complete(served: Served, body: dict[str, Any]) -> dict[str, Any]:
    """Answer one request as a server of this kind would."""
    kind, ids = served.kind, prompt_ids(served, body["prompt"])
    count, echo = body.get("logprobs"), body.get("echo", False)
    if echo and kind == "llamacpp":
        raise Refusal(400, "Only no echo is supported")
    if count is not None and count > MOST[kind]:
        raise Refusal(400, f"at most {MOST[kind]} log-probabilities")
    if count is not None and not served.has_logprobs:
        raise Refusal(500, "logprobs is not supported for models created with logits_all=False")
    new, text, reason = write(served, ids, body)
    shown = ids + new if echo and kind != "openai" else new
    choice = {
        "index": 0,
        "text": (served.tokenizer.decode(ids) if echo and kind != "openai" else "") + text,
        "finish_reason": reason,
        "logprobs": None if count is None else logprobs(served, ids + new, shown, body),
    }
    usage = {"prompt_tokens": len(ids), "completion_tokens": len(new)}
    return {"object": "text_completion", "choices": [choice], "usage": usage}


def prompt_ids(served: Served, prompt: str | list[int]) -> list[int]:
    if isinstance(prompt, list):
        if served.kind == "me":
            raise Refusal(422, "prompt: Input should be a valid string")
        return prompt
    ids = served.tokenizer.encode(prompt, add_special_tokens=False)
    return [served.tokenizer.bos_token_id, *ids] if served.adds_bos else ids


@torch.no_grad()
def log_probabilities(served: Served, ids: Sequence[int]) -> torch.Tensor:
    """Of every next token behind each place."""
    return served.model(torch.tensor([list(ids)])).logits[0].float().log_softmax(-1)


def write(served: Served, ids: Sequence[int], body: dict[str, Any]) -> tuple[list[int], str, str]:
    """New ids without the stop token, their text, and how they ended."""
    settings = DEFAULTS[served.kind] | body
    generator = torch.Generator().manual_seed(settings.get("seed", 0))
    ends = set(settings.get("stop_token_ids", []))
    if not settings.get("ignore_eos", False):
        ends |= {served.tokenizer.eos_token_id, *served.ends}
    new: list[int] = []
    while len(new) < settings["max_tokens"]:
        token = draw(log_probabilities(served, [*ids, *new])[-1], new, settings, generator)
        if token in ends:
            return new, readable(served, new, settings), "stop"
        new.append(token)
        text = readable(served, new, settings)
        for stop in settings.get("stop", []):
            if stop in text:
                return new, text[: text.index(stop)], "stop"
    return new, readable(served, new, settings), "length"


def readable(served: Served, ids: Sequence[int], settings: dict[str, Any]) -> str:
    """Text without control tokens, but for those that the request wants to see."""
    seen = settings.get("preserved_tokens", [])
    special = [i for i, about in served.tokenizer.added_tokens_decoder.items() if about.special]
    kept = [i for i in ids if i not in special or served.tokenizer.decode([i]) in seen]
    return str(served.tokenizer.decode(kept))


def draw(
    scores: torch.Tensor, new: Sequence[int], settings: dict[str, Any], generator: torch.Generator
) -> int:
    penalty = settings.get("repetition_penalty", settings.get("repeat_penalty", 1.0))
    scores = scores.clone()
    for token in set(new):
        scores[token] *= penalty
    if settings.get("temperature", 1.0) == 0:
        return int(scores.argmax())
    if (top_k := settings.get("top_k", 0)) > 0:
        scores[scores < scores.topk(top_k).values[-1]] = -torch.inf
    chances = (scores / settings.get("temperature", 1.0)).softmax(-1)
    chances[chances < settings.get("min_p", 0.0) * chances.max()] = 0
    return int(torch.multinomial(chances, 1, generator=generator))


def logprobs(
    served: Served, ids: list[int], shown: list[int], body: dict[str, Any]
) -> dict[str, Any] | None:
    """Log-probabilities of the last ``shown`` of the ids, in the form of the server's kind."""
    rows, first = log_probabilities(served, ids), len(ids) - len(shown)
    bos, count = served.tokenizer.bos_token_id, body["logprobs"]
    places = list(range(first, len(ids)))
    before = dict.fromkeys(places, 1)  # the row that predicts a place is that of the place before
    if served.kind == "me":
        if first == 0 and ids[0] != bos:
            before = dict.fromkeys(places, 0)
        places = [place for place in places if ids[place] != bos]

    def named(token: int) -> str:
        as_id = served.kind == "vllm" and body.get("return_tokens_as_token_ids")
        if as_id:
            return f"token_id:{token}"
        return (
            readable(served, [token], {})
            if served.kind == "me"
            else (str(served.tokenizer.decode([token])))
        )

    found = []
    for place in places:
        row = rows[place - before[place]] if place else None
        top = [] if row is None else row.topk(min(count, len(row))).indices.tolist()
        found.append((ids[place], row, top))
    if served.kind == "llamacpp":
        content = [
            {
                "id": token,
                "token": named(token),
                "logprob": float(row[token]),
                "top_logprobs": [
                    {"id": i, "token": named(i), "logprob": float(row[i])} for i in top
                ],
            }
            for token, row, top in found
        ]
        return {"content": content} if content else None
    tops = [
        None if row is None else {named(i): float(row[i]) for i in (token, *top)}
        for token, row, top in found
    ]
    values = [None if row is None else float(row[token]) for token, row, _ in found]
    if served.kind == "me" and first == 0 and values:
        values[0], tops[0] = None, None
    return {"tokens": [named(t) for t, _, _ in found], "token_logprobs": values,
            "top_logprobs": tops}  # fmt: skip
