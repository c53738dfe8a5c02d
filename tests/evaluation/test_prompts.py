"""Questions are put in the words of a file; medtune's own words are those that tasks train with."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import make_example

from medtune.data import Encoder, make_template
from medtune.errors import RecipeError
from medtune.evaluation.prompt_file import load_prompts, own_prompts_text
from medtune.evaluation.prompts import Prompter, rotations
from medtune.models import load_tokenizer, locate_base
from medtune.recipe import Base, Rows
from medtune.records import Example, Silent
from medtune.tasks import TASKS
from medtune.tasks.rows import Origin

ROWS = {
    "medqa": {"question": "Scurvy?", "options": {"A": "a", "B": "b", "C": "c", "D": "d"},
              "answer_idx": "C"},
    "medmcqa": {"question": "Rickets?", "opa": "a", "opb": "b ", "opc": "c", "opd": "d", "cop": 4},
    "mmlu": {"question": "Which?", "choices": ["a", "b", "c", "d"], "answer": 0},
    "truthfulqa": {"question": "Is it true?", "mc1_targets": {"no": 1, "yes": 0, "maybe": 0},
                   "mc2_targets": {"no": 1, "yes": 0, "maybe": 0}},
    "pubmedqa": {"QUESTION": "Does it work?", "CONTEXTS": ["One.", "Two."],
                 "LABELS": ["AIM", "RESULT"], "final_decision": "maybe"},
    "mcq": {"question": "Pellagra?", "options": {"A": "B2", "B": "B3"}, "answer_idx": "B"},
}  # fmt: skip


def example_of(task: str) -> Example:
    row = Origin("rows.jsonl", "rows").row(ROWS[task], 1)
    [example] = TASKS[task].make_reader(Rows(task=task))([row])
    return example


@pytest.fixture(scope="module")
def encoder(tiny_base: Path) -> Encoder:
    located = locate_base(Base(model=str(tiny_base)), offline=True, progress=Silent())
    return Encoder(make_template("tokenizer", load_tokenizer(located)))


def prompter(encoder: Encoder, protocol: str = "top_token", path: Path | None = None) -> Prompter:
    return Prompter(encoder, load_prompts(None if path is None else str(path)), protocol)


def text(encoder: Encoder, ids: tuple[int, ...]) -> str:
    return str(encoder.tokenizer.decode(list(ids)))


@pytest.mark.parametrize("task", sorted(ROWS))
def test_medtunes_own_words_are_those_that_each_task_trains_with(encoder: Encoder, task: str):
    example = example_of(task)
    assert prompter(encoder).prompt(example) == encoder.prompt(example.prompt)


@pytest.mark.parametrize("task", sorted(ROWS))
def test_examples_are_shown_as_they_would_be_asked_and_answered(encoder: Encoder, task: str):
    example = example_of(task)
    shown = prompter(encoder).header([example], 1, 7)
    assert [(m.role, m.content) for m in shown] == [(m.role, m.content) for m in example.messages]


def write(path: Path, **wordings: object) -> Path:
    path.write_text(yaml.safe_dump({"name": "mine", **wordings}))
    return path


def test_a_file_of_ones_own_changes_the_words_the_lead_and_the_digest(
    encoder: Encoder, tmp_path: Path
):
    file = write(
        tmp_path / "mine.yaml",
        letters={
            "system": "Be exact.",
            "user": "{question} Choose {names}.\n{options}",
            "lead": "The answer is",
            "examples": [{"user": "2 + 2?", "assistant": "The answer is B"}],
        },
    )
    mine, example = prompter(encoder, path=file), example_of("medqa")
    ids = mine.prompt(example)
    assert text(encoder, ids).endswith(
        "<|system|>\nBe exact.\n<|user|>\n2 + 2?\n<|assistant|>\nThe answer is B</s>\n"
        "<|user|>\nScurvy? Choose A, B, C or D.\nA. a\nB. b\nC. c\nD. d\n"
        "<|assistant|>\nThe answer is"
    )
    # A letter behind a lead has a space before it.
    assert text(encoder, mine.option(ids, example, "C")) == " C"
    assert mine.lead(example) == "The answer is"
    assert mine.header([example], 1, 7)[1].content == "The answer is C"
    assert mine.prompts.digest != load_prompts(None).digest


def test_the_digest_of_a_file_is_that_of_its_words_and_not_of_its_name(tmp_path: Path):
    copied = tmp_path / "copy.yaml"
    copied.write_text(own_prompts_text().replace("name: medtune", "name: other"))
    assert load_prompts(str(copied)).digest == load_prompts(None).digest
    copied.write_text(own_prompts_text().replace("Think step by step", "Think"))
    assert load_prompts(str(copied)).digest != load_prompts(None).digest


def test_braces_in_a_question_are_left_as_they_are(encoder: Encoder):
    row = dict(ROWS["medqa"], question="A set {x} of {options}?")
    [example] = TASKS["medqa"].make_reader(Rows(task="medqa"))(
        [Origin("rows.jsonl", "rows").row(row, 1)]
    )
    assert "A set {x} of {options}?" in text(encoder, prompter(encoder).prompt(example))


def test_a_rotated_order_moves_the_options_and_not_the_letters(encoder: Encoder):
    example = example_of("medqa")
    found = text(encoder, prompter(encoder).prompt(example, order=[1, 2, 3, 0]))
    assert "A. b\nB. c\nC. d\nD. a" in found


@given(st.integers(2, 6))
def test_rotations_put_every_option_at_every_place_once(count: int):
    letters = tuple("ABCDEF"[:count])
    orders = rotations(make_example("q", "A", options=letters))
    assert orders[0] == list(range(count))
    for place in range(count):
        assert sorted(order[place] for order in orders) == list(range(count))


def test_options_that_are_not_shown_are_not_in_the_prompt(encoder: Encoder):
    found = text(encoder, prompter(encoder, "option_likelihood").prompt(example_of("medqa")))
    assert "Scurvy?" in found
    assert "A. a" not in found


@pytest.mark.parametrize("protocol", ["cot", "sc_cot"])
def test_reasoning_is_asked_for_in_words_of_its_own(encoder: Encoder, protocol: str):
    asked = prompter(encoder, protocol)
    assert "step by step" in text(encoder, asked.prompt(example_of("medqa")))
    assert "The answer is: yes, no or maybe" in text(encoder, asked.prompt(example_of("pubmedqa")))


@pytest.mark.parametrize(
    ("wordings", "message"),
    [
        ({"letters": {"user": "{question} {option}"}}, r"\{option\} is not known; allowed here"),
        ({"letters": {"user": "{question}"}}, r"letters.user: \{options\} is missing"),
        ({"decision": {"user": "Yes?"}}, r"decision.user: \{question\} is missing"),
        ({"letter": {"user": "{question}"}}, r"letter: unknown key. Did you mean letters\?"),
        ({"letters": {"usr": "{question}"}}, r"letters.usr: unknown key. Did you mean user\?"),
    ],
)
def test_a_fault_of_a_file_is_refused_with_its_place(
    tmp_path: Path, wordings: dict[str, object], message: str
):
    with pytest.raises(RecipeError, match=message):
        load_prompts(str(write(tmp_path / "mine.yaml", **wordings)))


def test_a_file_without_the_words_that_a_protocol_needs_is_refused_when_they_are_needed(
    encoder: Encoder, tmp_path: Path
):
    file = write(tmp_path / "mine.yaml", letters={"user": "{question}\n{options}"})
    assert prompter(encoder, path=file).prompt(example_of("medqa"))
    with pytest.raises(RecipeError, match="the prompt file mine has no cloze"):
        prompter(encoder, "option_likelihood", file).prompt(example_of("medqa"))
    with pytest.raises(RecipeError, match="there is no prompt file"):
        load_prompts(str(tmp_path / "missing.yaml"))


def test_rows_without_lettered_texts_are_not_rotated(encoder: Encoder):
    example = make_example("q", "A", options=("A", "B"))
    with pytest.raises(RecipeError, match="rotate_options needs rows"):
        prompter(encoder).prompt(example, order=[1, 0])
