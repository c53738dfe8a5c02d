"""Both arms on one family: the same questions in the same batches, judged pair by pair."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from medtune.data import Encoder
from medtune.errors import EvaluationError
from medtune.probes.asking import asked_digest, judge, prompt_ids, questions
from medtune.probes.coherence import incoherence
from medtune.probes.family import Family, taken
from medtune.probes.items import Item, Written
from medtune.probes.refusals import is_refusal
from medtune.records import Outcome, PairedOutcome, Progress, Verdict
from medtune.scoring import Decoding, Engine, Question, Weight
from medtune.scoring import Written as Text

TextJudge = Callable[[Written, str], Outcome | None]
"""What a family's rules say of a text; None: they say nothing against it."""


class Found(NamedTuple):
    """What one arm did on some items."""

    outcomes: list[Outcome]
    likelihoods: list[float]
    """All that were found, in the order of the questions."""
    texts: dict[str, Text]
    """What was written, by the item's id."""


class Effect(NamedTuple):
    """How far an adapter moves the answers of its base."""

    nats: float
    """Largest difference between an answer's log-likelihoods; 0 where none was weighed."""
    is_text_other: bool
    """Whether any written text differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Who answers."""

    base: Engine
    adapter: Engine
    again: Engine
    """The base, whose answers are never taken from those that were kept."""
    keeps_texts: bool
    """False: the adapter learned rows of patients, and what is written stays out of outcomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Puts items to arms."""

    encoder: Encoder
    repeat: int
    """Items of each family that the base is asked again."""
    keeps_texts: bool
    """Whether written texts may stand in the outcomes."""

    def pairs(
        self, family: Family, arms: Arms, judge_text: TextJudge, progress: Progress
    ) -> tuple[list[PairedOutcome], Effect]:
        """Paired outcomes of a family, and the adapter's largest effect on an answer."""
        items = family.items
        asked = {item.id: questions(item, self.encoder) for item in items}
        found = {
            name: self._arm(items, asked, engine, judge_text, f"{family.name}: {name}", progress)
            for name, engine in (("base", arms.base), ("adapter", arms.adapter))
        }
        again = self._again(family, asked, arms.again, judge_text, progress)
        pairs = [
            PairedOutcome(
                probe=family.name,
                id=item.id,
                cluster=item.cluster,
                severity=item.severity,
                is_verified=item.is_verified,
                is_reviewed=item.is_reviewed,
                tags=item.tags,
                prompt_digest=asked_digest(item, self.encoder),
                base=base,
                adapter=adapter,
                again=again.get(item.id),
            )
            for item, base, adapter in zip(
                items, found["base"].outcomes, found["adapter"].outcomes, strict=True
            )
        ]
        return pairs, _effect(found["base"], found["adapter"])

    def _again(
        self,
        family: Family,
        asked: dict[str, list[Question]],
        engine: Engine,
        judge_text: TextJudge,
        progress: Progress,
    ) -> dict[str, Outcome]:
        """Some items once more: fewer, and so in other batches than before."""
        some = taken(family, self.repeat).items
        step = f"{family.name}: base again"
        found = self._arm(some, asked, engine, judge_text, step, progress)
        return dict(zip((item.id for item in some), found.outcomes, strict=True))

    def _arm(
        self,
        items: Sequence[Item],
        asked: dict[str, list[Question]],
        engine: Engine,
        judge_text: TextJudge,
        step: str,
        progress: Progress,
    ) -> Found:
        flat = [question for item in items for question in asked[item.id]]
        answers = engine.weigh(flat, step=step, progress=progress) if flat else []
        texts = self._write(items, engine, step, progress)
        weights: Iterator[list[Weight]] = iter(answers)
        outcomes = []
        for item in items:
            if isinstance(item, Written):
                outcomes.append(self._judged(item, texts[item.id], judge_text))
            else:
                outcomes.append(judge(item, [next(weights) for _ in asked[item.id]]))
        likelihoods = [weight.log_likelihood for several in answers for weight in several]
        return Found(outcomes, likelihoods, texts)

    def _write(
        self, items: Sequence[Item], engine: Engine, step: str, progress: Progress
    ) -> dict[str, Text]:
        """Greedy texts of the items that are written on."""
        lengths: dict[int, list[Written]] = defaultdict(list)
        for item in items:
            if isinstance(item, Written):
                lengths[item.max_tokens].append(item)
        # A base that was never taught the template's stop token ends with its own.
        tokenizer = self.encoder.tokenizer
        stops = {self.encoder.template.stop_token_id, tokenizer.eos_token_id} - {None}
        texts: dict[str, Text] = {}
        for length, some in sorted(lengths.items()):
            decoding = Decoding(max_new_tokens=length, stop_ids=frozenset(stops))
            prompts = [prompt_ids(item.prompt, self.encoder) for item in some]
            found = engine.write(prompts, decoding, step=f"{step}, texts", progress=progress)
            texts |= {item.id: several[0] for item, several in zip(some, found, strict=True)}
        return texts

    def _judged(self, item: Written, text: Text, judge_text: TextJudge) -> Outcome:
        """What a text comes to: read first whether it can be read."""
        kept = text.text if self.keeps_texts else None
        why = incoherence(text.text)
        if why is not None:
            return Outcome(verdict="unjudged", text=kept, reason=why, is_coherent=False)
        verdict, reason = _refusal_verdict(item, text.text)
        by_rules = judge_text(item, text.text) if verdict == "ok" else None
        if by_rules is not None:
            verdict, reason = by_rules.verdict, by_rules.reason
        return Outcome(verdict=verdict, text=kept, reason=reason, is_coherent=True)


def require_fit(family: Family, encoder: Encoder, context_tokens: int | None) -> None:
    """See that a base reads every item with its answer; None: how much it reads is not known.

    Raises:
        EvaluationError: It does not.
    """
    if context_tokens is None:
        return
    for item in family.items:
        if isinstance(item, Written):
            needed = len(prompt_ids(item.prompt, encoder)) + item.max_tokens
        else:
            asked = questions(item, encoder)
            needed = max(len(one.prompt) + max(map(len, one.continuations)) for one in asked)
        if needed > context_tokens:
            raise EvaluationError(
                f"{family.name}: {item.id} has {needed} tokens with its answer, and this base "
                f"reads {context_tokens}"
            )


def _effect(base: Found, adapter: Found) -> Effect:
    both = zip(base.likelihoods, adapter.likelihoods, strict=True)
    written = {name: text.text for name, text in base.texts.items()}
    return Effect(
        nats=max((abs(one - other) for one, other in both), default=0.0),
        is_text_other=written != {name: text.text for name, text in adapter.texts.items()},
    )


def largest_effect(effects: Sequence[Effect]) -> float:
    """Of several families: in nats, or 1 where no likelihood moved and a text differs.

    Texts that are written greedily are other ones only where likelihoods are, so that a run in
    which nothing is weighed shows by them that an adapter is at work.
    """
    nats = max((one.nats for one in effects), default=0.0)
    return nats or float(any(one.is_text_other for one in effects))


def _refusal_verdict(item: Written, text: str) -> tuple[Verdict, str]:
    if item.must_refuse is None:
        return "ok", ""
    refuses = is_refusal(text)
    if refuses == item.must_refuse:
        return "ok", ""
    return "fail", "the text refuses" if refuses else "the text does not refuse"
