"""Base and adapter on the same items, with intervals, item by item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from medtune.data import Encoder
from medtune.errors import RecipeError
from medtune.evaluation.answers import Answer, Asked, answer, longest, metric_of
from medtune.evaluation.items import ItemSet, shows_examples
from medtune.evaluation.prompt_file import PromptFile
from medtune.evaluation.prompts import Prompter, headers
from medtune.evaluation.summaries import spreads, summarise
from medtune.evidence.arms import comparisons
from medtune.recipe import Evaluate
from medtune.records import ArmScore, Progress, ScoreReport
from medtune.scoring import Engine


@dataclass(frozen=True, slots=True)
class Arm:
    """What is scored: base or adapter, behind how many examples."""

    name: str
    few_shot: int = 0
    shot_seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """How all sets of one run or command are scored."""

    encoder: Encoder
    prompts: PromptFile
    section: Evaluate
    seed: int
    dtype: str

    def asked(self, items: ItemSet, arm: Arm) -> Asked:
        """A set as one arm is asked it.

        Raises:
            RecipeError: There are too few examples to show, or no words for such a question.
        """
        is_truth = items.kind == "truth"
        protocol = "option_likelihood" if is_truth else self.section.protocol
        prompter = Prompter(self.encoder, self.prompts, protocol)
        return Asked(
            items=items,
            prompter=prompter,
            section=self.section,
            headers=headers(prompter, items.shots, arm.few_shot, arm.shot_seed),
            seed=self.seed,
        )

    def report(
        self,
        items: ItemSet,
        arms: Sequence[Arm],
        engines: Mapping[str, Engine],
        progress: Progress,
    ) -> ScoreReport:
        """Score a set of items.

        Args:
            items: What is asked.
            arms: In the order in which they are told; the adapter's behind the base's.
            engines: Name of an arm -> who answers.
            progress: Where to report.
        """
        scored = []
        for arm in arms:
            asked = self.asked(items, arm)
            step = f"{items.name}: {arm.name} {arm.few_shot}-shot"
            answers = answer(asked, engines[arm.name], step=step, progress=progress)
            scored.append(self._scored(arm, asked, answers))
        first = self.asked(items, arms[0])
        return ScoreReport(
            name=items.name,
            task=items.task,
            test_set=items.described,
            is_official=items.is_official,
            is_complete=items.is_complete,
            protocol=protocol_text(first),
            settings=settings(first),
            dtype=self.dtype,
            arms=tuple(scored),
            comparisons=comparisons(scored),
            spreads=spreads(scored),
            notes=items.notes,
        )

    def require_fit(self, items: ItemSet, arm: Arm, context_tokens: int | None) -> None:
        """Refuse what could not be asked, before anything is.

        Raises:
            RecipeError: There are too few examples, or the longest prompt with its answer is over
                the base's context.
            DataError: A reference has no word that ROUGE-L counts.
        """
        if not items.examples:
            return  # nothing is scored
        asked = self.asked(items, arm)
        needed = longest(asked)
        if context_tokens is None or needed <= context_tokens:
            return
        shots = f"{items.name}: the longest prompt with {arm.few_shot} examples and its answer"
        raise RecipeError(
            f"evaluate: {shots} has {needed} tokens (evaluate.max_new_tokens, "
            f"{self.section.max_new_tokens}, counts where texts are written), and this base reads "
            f"{context_tokens}; lower evaluate.few_shot, evaluate.max_new_tokens or data.max_tokens"
        )

    def _scored(self, arm: Arm, asked: Asked, answers: Sequence[Answer]) -> ArmScore:
        found = summarise(
            arm.name,
            arm.few_shot,
            metric_of(asked),
            [one.item for one in answers],
            shot_seed=arm.shot_seed if arm.few_shot else None,
            figures=[one.figures for one in answers],
        )
        return _without_texts(found) if asked.items.is_private else found


def training_arms(items: ItemSet, section: Evaluate, seed: int) -> list[Arm]:
    """Of a run: the base, the base with examples if there are to be some, the adapter."""
    shown = [Arm("base", *drawn) for drawn in _draws(items, section, seed) if drawn[0]]
    return [Arm("base"), *shown, Arm("adapter")]


def evaluation_arms(
    names: Sequence[str], items: ItemSet, section: Evaluate, seed: int
) -> list[Arm]:
    """Of ``medtune eval``: each arm behind each draw of examples."""
    return [Arm(name, *drawn) for name in names for drawn in _draws(items, section, seed)]


def _draws(items: ItemSet, section: Evaluate, seed: int) -> list[tuple[int, int | None]]:
    if not section.few_shot or not shows_examples(items.kind):
        return [(0, None)]
    return [(section.few_shot, drawn) for drawn in section.shot_seeds or [seed]]


PROTOCOLS: Mapping[str, str] = {
    "top_token": "top_token: arg-max log-probability over the options' first tokens, which for "
    "letters are the letters, at the place of the answer",
    "option_likelihood": "option_likelihood: arg-max log-likelihood over the options' texts behind "
    "a question that does not list them, {normalise}",
    "cot": "cot: the model writes its reasoning, greedily, and the answer is read from it; where "
    "none can be read it counts as wrong",
    "sc_cot": "sc_cot: {samples} texts at temperature {temperature:g}, the answer with most votes; "
    "where none can be read it counts as wrong",
    "truth": "mc2: the probability of the published right answers among all published answers",
    "note": "rouge_l: F-measure of the longest common subsequence of words (rouge-score, "
    "stemmed) of a greedily written answer and the reference, times 100",
    "answer": "answer_nll_per_token: negative log-likelihood of the reference answer per token",
    "text": "bits_per_byte: negative log-likelihood of plain text in bits per UTF-8 byte, pieces "
    "of whole paragraphs, each on its own behind the tokenizer's first token",
}
NORMALISED = {
    "sum": "summed over their tokens",
    "token": "divided by their tokens",
    "byte": "divided by their bytes",
}


def protocol_text(asked: Asked) -> str:
    """How a set is scored, in words that can be quoted beside a score."""
    section = asked.section
    key = section.protocol if asked.items.kind == "choice" else asked.items.kind
    told = PROTOCOLS[key].format(
        normalise=NORMALISED[section.normalise],
        samples=section.samples,
        temperature=section.temperature,
    )
    if asked.items.kind == "choice" and section.rotate_options:
        told += "; asked in every cyclic order of the options, of which each counts the same"
    return told


def settings(asked: Asked) -> dict[str, Any]:
    """The same for programs: everything that can change a score and is no digest of a model."""
    section, items = asked.section, asked.items
    found: dict[str, Any] = {"kind": items.kind, "seed": asked.seed, "limit": section.limit}
    if items.kind == "choice":
        found |= section.model_dump(include={"protocol", "normalise", "rotate_options"})
    if items.kind in ("choice", "truth"):
        found |= {"prompt": asked.prompter.prompts.name,
                  "prompt_digest": asked.prompter.prompts.digest}  # fmt: skip
    if items.kind == "note" or section.protocol in ("cot", "sc_cot"):
        found["max_new_tokens"] = section.max_new_tokens
    if items.kind == "choice" and section.protocol == "sc_cot":
        found |= section.model_dump(include={"samples", "temperature"})
    return found


def _without_texts(arm: ArmScore) -> ArmScore:
    return replace(
        arm,
        items=tuple(replace(item, texts=None, question="", prompt_digest="") for item in arm.items),
    )
