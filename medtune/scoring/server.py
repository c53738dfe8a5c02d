"""The engine at a URL: a server that speaks the OpenAI completions protocol.

What the server can do is found out first (``dialect``); then each continuation or text is a job,
and as many are under way at once as wanted. A text's tokens are counted by our tokenizer.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Event
from typing import Any

from transformers import PreTrainedTokenizerBase

from medtune.digests import sha256_value
from medtune.errors import EvaluationError
from medtune.records import Progress
from medtune.scoring.cache import Forgotten, Kept
from medtune.scoring.completions import Client
from medtune.scoring.dialect import FEW_TOKENS, Dialect
from medtune.scoring.engine import Decoding, Question, Weight, Written


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One thing to find out, and how the answer is read."""

    prompt: tuple[int, ...]
    tries: tuple[dict[str, Any], ...]
    """Fields of the request; the next ones are sent where ``read`` finds nothing."""
    read: Callable[[dict[str, Any], dict[str, Any]], Any]
    """From an answer and the fields that brought it, the value, which is JSON; None: not there."""
    asked: Any = None
    """What ``read`` looks for, where the request does not tell."""


class ServerEngine:
    """A model behind a URL, which is asked at once what it can do.

    Args:
        url: Where the protocol's paths begin, such as ``http://127.0.0.1:8000/v1``. Nothing else
            is reached: no redirection is followed and no proxy is used.
        model: As the server calls it.
        tokenizer: Of the base that the server is said to have.
        batch_size: Requests under way at once.
        offline: Refuse a server on another machine.
        progress: Is told what was found.
        kept: Answers found before, and where new ones are kept, each as it arrives.

    Raises:
        EvaluationError: The server cannot be reached or used, or cuts texts into other tokens.
        RecipeError: The URL is not one.
    """

    def __init__(
        self,
        url: str,
        model: str,
        tokenizer: PreTrainedTokenizerBase,
        *,
        batch_size: int,
        offline: bool,
        progress: Progress,
        kept: Kept | None = None,
    ) -> None:
        self._client = Client(url, connections=batch_size, offline=offline)
        self._model = model
        self._dialect = Dialect(self._client, model, tokenizer)
        self._batch_size = batch_size
        self._kept = Forgotten() if kept is None else kept  # an empty cache is false
        progress.say(self._dialect.findings())

    @property
    def conditions(self) -> Mapping[str, str]:
        """Under which it answers, as far as can be known from here."""
        return {
            "engine": "server",
            "protocol": "openai-completions",
            "url": self._client.url,
            "server": self._dialect.server,
            "model": self._model,
            "weights": "as the server has them: not verified",
        }

    def weigh(
        self, questions: Sequence[Question], *, step: str, progress: Progress
    ) -> list[list[Weight]]:
        """Each continuation of each question, in their order.

        Raises:
            EvaluationError: The server cannot weigh these, or failed; answers until then are kept.
        """
        jobs = [self._weighing(question) for question in questions]
        values = iter(self._run([job for each in jobs for job in each], step, progress))
        return [
            [Weight(value, is_greedy) for _ in each for value, is_greedy in next(values)]
            for each in jobs
        ]

    def write(
        self,
        prompts: Sequence[tuple[int, ...]],
        decoding: Decoding,
        *,
        step: str,
        progress: Progress,
    ) -> list[list[Written]]:
        """``decoding.samples`` texts behind each prompt, in their order, each asked for by itself.

        Raises:
            EvaluationError: The server failed; answers until then are kept.
        """
        samples = range(decoding.samples)
        jobs = [self._writing(prompt, decoding, n) for prompt in prompts for n in samples]
        values = iter(self._run(jobs, step, progress))
        return [[Written(**next(values)) for _ in samples] for _ in prompts]

    def _weighing(self, question: Question) -> list[_Job]:
        if self._dialect.echoes(question.prompt):
            return [self._echoing(question.prompt, each) for each in question.continuations]
        self._dialect.sent(question.prompt)  # says so where the prompt cannot even be sent
        longest = max(map(len, question.continuations))
        if self._dialect.most and longest == 1:
            return [self._choosing(question)]
        raise EvaluationError(
            f"{self._client.url}: {self._dialect.server} "
            + (
                "gives log-probabilities of a next token alone, and a continuation has "
                f"{longest} tokens"
                if self._dialect.most
                else "gives no log-probabilities (llama-cpp-python: start it with logits_all)"
            )
            + "; serve the model with vLLM, which echoes a prompt with its log-probabilities, or "
            "let medtune load it"
        )

    def _echoing(self, prompt: tuple[int, ...], continuation: tuple[int, ...]) -> _Job:
        whole = prompt + continuation
        places = range(len(prompt), len(whole))

        def read(answer: dict[str, Any], _: object) -> list[list[Any]]:
            found = self._dialect.echoed(answer, whole)
            values = [found[place] for place in places if place in found]
            if len(values) < len(places):
                raise self._dialect.nonsense("a continuation's token has no log-probability")
            is_greedy = all(value >= best for value, best in values)
            return [[math.fsum(value for value, _ in values), is_greedy]]

        return _Job(prompt=whole, tries=(self._dialect.echo,), read=read, asked=len(prompt))

    def _choosing(self, question: Question) -> _Job:
        tokens = [each[0] for each in question.continuations]

        def read(answer: dict[str, Any], fields: dict[str, Any]) -> list[list[Any]] | None:
            found = self._dialect.options(answer, tokens, asked=fields["logprobs"])
            return None if found is None else [list(each) for each in found]

        counts = sorted({min(FEW_TOKENS, self._dialect.most), self._dialect.most})
        tries = tuple(self._dialect.likeliest(count) for count in counts)
        return _Job(prompt=question.prompt, tries=tries, read=read, asked=tokens)

    def _writing(self, prompt: tuple[int, ...], decoding: Decoding, sample: int) -> _Job:
        fields: dict[str, Any] = {
            "max_tokens": decoding.max_new_tokens,
            "temperature": decoding.temperature,
        }
        if decoding.temperature:
            seed = sha256_value([list(prompt), decoding.seed, sample])
            fields["seed"] = int(seed[:8], 16) >> 1  # 31 bits: llama.cpp's has 32
        fields |= self._dialect.stopping(decoding.stop_ids)
        return _Job(prompt=prompt, tries=(fields,), read=self._written)

    def _written(self, answer: dict[str, Any], _: object) -> dict[str, Any]:
        choice = answer["choices"][0]
        text, reason = choice.get("text"), choice.get("finish_reason")
        if not isinstance(text, str) or reason not in ("stop", "length"):
            raise self._dialect.nonsense(
                f"a text of type {type(text).__name__} that ended by {reason!r}"
            )
        return {
            "text": text,
            "num_tokens": len(self._dialect.encode(text)),
            "is_complete": reason == "stop",
        }

    def _run(self, jobs: Sequence[_Job], step: str, progress: Progress) -> list[Any]:
        """Values of all jobs, in their order; all that arrives is kept, whatever fails."""
        progress.start(step, len(jobs), "requests")
        started, values, failures = time.monotonic(), dict[int, Any](), list[EvaluationError]()
        stop, pool = Event(), ThreadPoolExecutor(self._batch_size)
        waiting: dict[Future[Any], tuple[int, str]] = {}
        try:
            for number, job in enumerate(jobs):
                key = sha256_value([self._dialect.body(job.prompt, job.tries[0]), job.asked])
                if (known := self._kept.get(key)) is not None:
                    values[number] = known
                    progress.advance(1)
                else:
                    waiting[pool.submit(self._find, job, stop)] = number, key
            for done, future in enumerate(as_completed(waiting), 1):
                number, key = waiting[future]
                try:
                    values[number] = future.result()
                except EvaluationError as error:
                    failures.append(error)
                    stop.set()
                    continue
                self._kept.put(key, values[number])
                progress.advance(1, per_second=round(done / (time.monotonic() - started), 2))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
            progress.finish()
        if failures:
            raise failures[0]
        return [values[number] for number in range(len(jobs))]

    def _find(self, job: _Job, stop: Event) -> Any:  # noqa: ANN401
        for fields in job.tries:
            if stop.is_set():
                raise EvaluationError("not asked any more")  # behind the failure that is told
            answer = self._dialect.ask(job.prompt, fields)
            try:
                value = job.read(answer, fields)
            except (AttributeError, KeyError, TypeError) as error:
                raise self._dialect.nonsense("an answer is not of the protocol's form") from error
            if value is not None:
                return value
        raise EvaluationError(
            f"{self._client.url}: an option's first token is not among the {self._dialect.most} "
            "likeliest next tokens, and the server gives no more; raise its limit (vLLM: "
            "--max-logprobs), or let medtune load the model"
        )
