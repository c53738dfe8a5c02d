"""`medtune data rehearse`: the base's own answers as rows for replay."""

import json
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest
from fixtures import write_jsonl, write_questions
from tiny_models import make_tiny_base

import medtune
from medtune import models
from medtune.assess import RESPONSES
from medtune.cli import main
from medtune.data import Encoder
from medtune.errors import DataError, RecipeError
from medtune.models import LocatedBase
from medtune.models.cache import cache_folder
from medtune.probes.coherence import incoherence, repeated_share
from medtune.records import Message, Silent
from medtune.rehearsing import MAX_REPEATED
from medtune.scoring import Decoding, Forgotten, generate
from medtune.subject import find_subject
from medtune.tasks import read_prompts, read_task

TOKENS = 40
ENDED = "What is the capital of France?"
FEW_LETTERS = "What is 2+2? Answer with the number only."
STORY = "Write a long story about a nurse."
PROMPTS = [ENDED, FEW_LETTERS, STORY, ENDED, "Answer with one letter: A or B?"]


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"asked": text, "group": f"patient {number}"} for number, text in enumerate(PROMPTS)]
    return write_jsonl(tmp_path_factory.mktemp("prompts") / "prompts.jsonl", rows)


@pytest.fixture(scope="module")
def found(prompts: Path, smollm2: LocatedBase) -> medtune.Rehearsal:
    return medtune.rehearse(
        "smollm2-135m", prompts, prompt="asked", out=prompts.with_name("rows.jsonl"),
        max_new_tokens=TOKENS, template="chatml", dtype="float32",
    )  # fmt: skip


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def written_alone(prompt: str) -> tuple[str, bool]:
    """What the base writes behind a prompt, and whether it comes to an end."""
    subject = find_subject(
        "smollm2-135m", dtype="float32", template="chatml", progress=Silent()
    )  # fmt: skip
    base = models.load_model(subject.located, subject.base, subject.tokenizer)
    encoder = Encoder(subject.template)
    stops = {subject.template.stop_token_id, subject.tokenizer.eos_token_id} - {None}
    [[text]] = generate(
        base.model, [encoder.prompt([Message(role="user", content=prompt)])],
        Decoding(max_new_tokens=TOKENS, stop_ids=frozenset(stops)),
        batch_size=1, pad_id=subject.pad_id, kept=Forgotten(), progress=Silent(),
    )  # fmt: skip
    return encoder.decode(text.ids), text.is_complete


def test_answers_are_those_that_the_base_gives_to_each_prompt_alone(found: medtune.Rehearsal):
    answers = {row["messages"][0]["content"]: row["messages"][1] for row in rows_of(found.path)}
    text, is_complete = written_alone(ENDED)
    assert is_complete
    assert answers[ENDED] == {"role": "assistant", "content": text}


def test_what_is_left_out_is_counted_with_its_reason(found: medtune.Rehearsal):
    kept = [row["messages"][0]["content"] for row in rows_of(found.path)]
    assert kept == [ENDED, PROMPTS[4]]
    assert not written_alone(STORY)[1]
    text, is_complete = written_alone(FEW_LETTERS)
    assert is_complete
    assert incoherence(text) == "the text has no letter"
    assert (found.num_prompts, found.num_rows) == (5, 2)
    assert (found.num_repeated, found.num_unended, found.num_looping) == (1, 1, 1)


def test_rows_say_which_prompt_patient_and_base_they_are_of(
    found: medtune.Rehearsal, smollm2: LocatedBase
):
    assert [row["id"] for row in rows_of(found.path)] == ["prompts-1", "prompts-5"]
    assert [row["group"] for row in rows_of(found.path)] == ["patient 0", "patient 4"]
    assert {row["source"] for row in rows_of(found.path)} == {
        f"answered by base {smollm2.digest[:12]}"
    }


def test_rows_are_read_as_a_source_of_a_recipe(found: medtune.Rehearsal):
    section = medtune.recipe.Rows(task="chat", path=str(found.path))
    [example, _] = read_task(section, offline=True).splits["train"]
    assert [message.role for message in example.messages] == ["user", "assistant"]
    assert example.messages[1].supervised


def test_patients_prompts_leave_no_answer_in_the_cache(prompts: Path, tmp_path: Path):
    # A base that no earlier run of this test has put into the cache.
    base = make_tiny_base(tmp_path / "base", seed=secrets.randbelow(2**31))
    digest = find_subject(str(base), offline=True, progress=Silent()).located.digest

    def num_kept() -> int:
        files = (cache_folder() / RESPONSES).glob("*.jsonl")
        return sum(digest in file.read_text("utf-8") for file in files)

    def ask(*, private: bool) -> None:
        with pytest.raises(DataError, match="no answer is left of 4"):
            medtune.rehearse(
                str(base), prompts, prompt="asked", out=tmp_path / "rows.jsonl", max_new_tokens=2,
                private=private,
            )  # fmt: skip

    ask(private=True)
    assert num_kept() == 0
    ask(private=False)
    assert num_kept() == 1


def test_rows_of_patients_are_for_their_owner_alone(
    prompts: Path, smollm2: LocatedBase, tmp_path: Path
):
    found = medtune.rehearse(
        "smollm2-135m", prompts, prompt="asked", out=tmp_path / "rows.jsonl", limit=1,
        max_new_tokens=TOKENS, dtype="float32", private=True,
    )  # fmt: skip
    assert found.num_rows == 1
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o600


def test_a_column_that_is_not_there_is_told_before_a_model_is_loaded(prompts: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"the column askd \(is it asked\?\)"):
        medtune.rehearse("smollm2-135m", prompts, prompt="askd", out=tmp_path / "rows.jsonl")
    assert not list(tmp_path.iterdir())


def test_a_prompt_that_leaves_no_room_for_its_answer_is_told_by_its_number(
    prompts: Path, tmp_path: Path
):
    base = make_tiny_base(tmp_path / "base", context_tokens=40)
    with pytest.raises(DataError, match=r"prompt 1 has \d+ tokens .* up to 30; this base reads 40"):
        medtune.rehearse(
            str(base), prompts, prompt="asked", out=tmp_path / "rows.jsonl", max_new_tokens=30
        )
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("none.jsonl", None, "no training rows are there"),
        ("empty.csv", "asked\n", "there is no row"),
        ("torn.jsonl", '{"asked": "Why?"}\n{"asked": "W', "torn.jsonl:2: not JSON"),
    ],
)
def test_a_file_without_whole_rows_is_told_before_a_model_is_loaded(
    name: str, content: str | None, expected: str, tmp_path: Path
):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=expected):
        medtune.rehearse(
            "smollm2-135m", tmp_path / name, prompt="asked", out=tmp_path / "rows.jsonl"
        )
    assert not (tmp_path / "rows.jsonl").exists()


def test_nothing_is_overwritten(prompts: Path, tmp_path: Path):
    there = write_jsonl(tmp_path / "rows.jsonl", [{"a": "b"}])
    with pytest.raises(RecipeError, match="there already"):
        medtune.rehearse("smollm2-135m", prompts, prompt="asked", out=there)
    assert rows_of(there) == [{"a": "b"}]


def test_prompts_of_a_folder_are_of_its_training_rows_alone(tmp_path: Path):
    rows = write_questions(tmp_path / "rows", train=3, validation=2, test=2)
    found = list(read_prompts(str(rows), ["Why? {question}"]))
    assert [one.id for one in found] == ["train-1", "train-2", "train-3"]
    assert all(one.text.startswith("Why? Patient ") for one in found)


def test_each_row_is_asked_in_each_wording(tmp_path: Path):
    rows = write_jsonl(tmp_path / "rows.jsonl", [{"about": "gout"}, {"about": "scurvy", "id": "s"}])
    found = list(read_prompts(str(rows), ["about", "Explain {about}."]))
    assert [one.text for one in found] == ["gout", "Explain gout.", "scurvy", "Explain scurvy."]
    assert len({one.id for one in found}) == 4
    assert [one.group for one in found] == [found[0].id, found[0].id, "s", "s"]


def test_the_command_says_what_it_wrote_and_left_out(
    prompts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    arguments = ["smollm2-135m", str(prompts), "--prompt", "asked", "--prompt", "{asked}"]
    arguments += ["--template", "chatml"]
    arguments += ["--max-new-tokens", str(TOKENS), "--dtype", "float32"]
    arguments += ["--out", str(tmp_path / "rows.jsonl")]
    monkeypatch.setattr("sys.argv", ["medtune", "data", "rehearse", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "2 rows from 10 prompts" in told
    assert f"6 repeated prompts, 1 answers that do not end within {TOKENS} tokens, 1 that" in told


def test_what_is_learned_from_loops_less_than_what_can_still_be_read(found: medtune.Rehearsal):
    text = "The dose is one tablet daily. Ask a nurse, or a doctor. The dose is one tablet daily."
    assert incoherence(text) is None
    assert repeated_share(text) > MAX_REPEATED
    for row in rows_of(found.path):
        assert repeated_share(row["messages"][1]["content"]) <= MAX_REPEATED
