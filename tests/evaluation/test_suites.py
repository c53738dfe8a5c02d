"""Suites are strict files, and what a set is can be quoted without being mistaken."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.data import pieces as pieces_module
from medtune.data.pieces import cut_text
from medtune.digests import sha256_bytes, sha256_file
from medtune.errors import DataError, RecipeError
from medtune.evaluation.sets import SuiteSet, read_set
from medtune.evaluation.suites import FOLDER, Suite, list_suites, load_suite
from medtune.recipe.document import parse
from medtune.tasks import TASKS

UNLIKE = "NOT comparable with published figures"


@pytest.fixture
def no_data_folder(monkeypatch):
    monkeypatch.delenv("MEDTUNE_DATA", raising=False)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_rows(path: Path, *rows: dict[str, object]) -> Path:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def medqa(question: str = "Which?", **more: object) -> dict[str, object]:
    options = {letter: f"option {letter}" for letter in "ABCD"}
    return {"question": question, "options": options, "answer_idx": "A", **more}


def suite_of(folder: Path, sets: str) -> Suite:
    """A suite file whose sets are given as lines, each indented by two blanks."""
    return load_suite(write(folder / "mine.yaml", f"name: mine\ntitle: Mine\nsets:\n{sets}"))


def one_set(folder: Path, lines: str, **more: object) -> SuiteSet:
    (section,) = suite_of(folder, f"  one: {{{lines}}}\n").sets
    return read_set(section, offline=True, **more)


def refusal(folder: Path, lines: str, **more: object) -> str:
    with pytest.raises(DataError) as caught:
        one_set(folder, lines, **more)
    return str(caught.value)


def faults(folder: Path, text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_suite(write(folder / "mine.yaml", text))
    return str(caught.value).replace(f"{folder}/", "")


# Suites that come with medtune


def test_the_suites_are_those_of_the_field():
    assert list(list_suites()) == [
        "clinical_notes",
        "general",
        "medmcqa",
        "medqa",
        "medqa_5opt",
        "mmlu_medical",
        "pubmedqa",
        "truthfulqa_medical",
    ]
    for name, title in list_suites().items():
        assert load_suite(name).name == name
        assert title == load_suite(name).title
        assert (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").startswith("# ")


def subjects(name: str) -> dict[str, int | None]:
    return load_suite(name).sets[0].subjects or {}


def test_the_subjects_of_mmlu_add_up_to_the_published_test_set():
    medical, general = subjects("mmlu_medical"), subjects("general")
    # The paper's table 3 says 1,862: a row of each subject less.
    assert (len(medical), sum(medical.values())) == (9, 1862 + 9)
    # What the comment of general.yaml leaves out, with the sizes of the published files.
    others = {
        "high_school_psychology": 545,
        "human_aging": 223,
        "human_sexuality": 131,
        "professional_psychology": 612,
    }
    comment = (FOLDER / "general.yaml").read_text(encoding="utf-8").partition("name:")[0]
    assert all(name in comment for name in others)
    assert f"{len(general)} subjects" in comment
    assert f"{sum(general.values()):,} of 14,042" in comment
    assert {*medical, *general, *others} == set(TASKS["mmlu"].subjects)
    assert len(medical) + len(general) + len(others) == 57
    total = sum(medical.values()) + sum(general.values()) + sum(others.values())
    assert total == TASKS["mmlu"].official_rows["test"] == 14_042


def test_both_sets_of_truthfulqa_are_the_same_questions():
    mc1, mc2 = load_suite("truthfulqa_medical").sets
    assert (mc1.kind, mc2.kind) == ("choice", "truth")
    assert mc1.subjects == mc2.subjects
    assert sum(size or 0 for size in (mc1.subjects or {}).values()) == 99


def test_a_copied_suite_is_the_same_suite(tmp_path):
    for name in list_suites():
        copy = shutil.copy(FOLDER / f"{name}.yaml", tmp_path / "copy.yaml")
        assert load_suite(str(copy)) == load_suite(name)
        assert load_suite(Path(copy)).digest == load_suite(name).digest


# Files of suites


def test_the_digest_follows_what_is_scored_and_not_where_it_lies(tmp_path):
    def digest(lines: str) -> str:
        return suite_of(tmp_path, f"  one: {{{lines}}}\n").digest

    here = digest("kind: choice, rows: {task: mcq, path: ./a.jsonl}")
    assert digest("kind: choice, rows: {task: mcq, path: ./b.jsonl}") == here
    assert digest("kind: choice, rows: {task: medqa, path: ./a.jsonl}") != here
    anatomy = digest("kind: choice, rows: {task: mmlu}, subjects: {anatomy: 135}")
    assert digest("kind: choice, rows: {task: mmlu}, subjects: {anatomy: null}") != anatomy


def test_paths_are_relative_to_the_file(tmp_path):
    sets = (
        "  a: {kind: choice, rows: {task: mcq, path: ./a.jsonl}, shots: {task: mcq, path: ../s}}\n"
        "  b: {kind: choice, rows: {task: mcq, path: 'hub:own/er'}}\n"
        "  c: {kind: text, text: c.txt}\n"
    )
    a, b, c = suite_of(tmp_path / "deep", sets).sets
    assert a.rows.path == str(tmp_path / "deep/a.jsonl")
    assert a.shots.path == str(tmp_path / "s")
    assert b.rows.path == "hub:own/er"
    assert c.text == str(tmp_path / "deep/c.txt")


def test_every_fault_is_told_with_its_place_and_what_may_be_meant(tmp_path):
    text = (
        "name: a b\n"
        "titel: x\n"
        "sets:\n"
        "  exam:\n"
        "    kind: choice\n"
        "    rows: {taks: mcq}\n"
        "  notes:\n"
        "    kind: notes\n"
        "    rows: {task: aci_bench}\n"
        "    shuts: 3\n"
    )
    lines = faults(tmp_path, text).splitlines()
    assert lines[0] == "7 faults in the suite"
    told = "\n".join(lines)
    assert "mine.yaml:1:1 name: string should match pattern" in told
    assert "mine.yaml:2:1 titel: unknown key. Did you mean title?" in told
    assert "mine.yaml title: missing; it has no default" in told
    assert "mine.yaml:6:12 sets.exam.rows.taks: unknown key. Did you mean task?" in told
    assert "mine.yaml:6:5 sets.exam.rows.task: missing" in told
    assert "mine.yaml:8:5 sets.notes.kind: input should be 'choice', 'truth', 'note' or" in told
    assert "mine.yaml:10:5 sets.notes.shuts: unknown key. Did you mean shots?" in told


HEAD = "name: mine\ntitle: Mine\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sets: [{kind: text}]\n", "mine.yaml:3:1 sets: expected names of sets, each with its"),
        ("sets:\n  a: mmlu\n", "mine.yaml:4:3 sets.a: keys of a set are expected here"),
        ("sets:\n  a: {name: b, kind: text}\n", "mine.yaml:4:7 sets.a.name: the set is called a"),
        ("sets:\n  a: {kind: text}\n  a: {kind: text}\n", "mine.yaml:5:3 sets.a: the key is given"),
        ("sets: {}\n", "mine.yaml:3:1 sets: list should have at least 1 item"),
        ("", "mine.yaml sets: missing; it has no default"),
        ("sets:\n  a b: {kind: text}\n", "mine.yaml:4:3 sets.a b: string should match pattern"),
        (
            "sets:\n  a: {kind: choice, rows: {task: mmlu}, subjects: {anatomi: 1}}\n",
            "mine.yaml:4:52 sets.a.subjects.anatomi: not a subject of mmlu. Did you mean anatomy?",
        ),
        (
            "sets:\n  a: {kind: choice, rows: {task: truthfulqa}, subjects: {health: 1}}\n",
            "sets.a.subjects.health: not a subject of truthfulqa. Did you mean Health?",
        ),
        (
            "sets:\n  a: {kind: choice, rows: {task: mcq}, subjects: {heart: 1}}\n",
            "mine.yaml:4:51 sets.a.subjects.heart: rows of task: mcq have no subjects",
        ),
        (
            "sets:\n  a: {kind: choice, rows: {task: mmlu}, subjects: {anatomy: 0}}\n",
            "sets.a.subjects.anatomy: input should be greater than 0, found 0",
        ),
        ("sets:\n  a: {kind: choice}\n", "sets.a: kind: choice needs rows: {task: ..., path: ...}"),
        (
            "sets:\n  a: {kind: text, rows: {task: mcq}}\n",
            "sets.a: kind: text has text: ./file.txt, and no rows, subjects or shots",
        ),
        (
            "sets:\n  a: {kind: choice, rows: {task: mcq}, text: ./x.txt}\n",
            "sets.a: text belongs to kind: text; found kind: choice",
        ),
        (
            "sets:\n  a: {kind: choice, rows: {task: aci_bench}}\n",
            "sets.a: task: aci_bench has answers in free text: that is kind: note, found kind:",
        ),
        (
            "sets:\n  a: {kind: note, rows: {task: medqa}}\n",
            "sets.a: task: medqa has options: that is kind: choice, found kind: note",
        ),
        (
            "sets:\n  a: {kind: choice, rows: {task: mcq}, shots: {task: chat}}\n",
            "sets.a: task: chat has answers in free text: that is kind: note, found kind: choice",
        ),
        (
            "sets:\n  a: {kind: truth, rows: {task: medqa}}\n",
            "sets.a: kind: truth is for task: truthfulqa, found task: medqa",
        ),
        (
            "sets:\n  a: {kind: choice, rows: {task: mmlu, format: chat}}\n",
            "mine.yaml:4:21 sets.a.rows: format is for task: chat",
        ),
        ("extends: other.yaml\nsets:\n  a: {kind: text}\n", "mine.yaml:3:1 extends: unknown key."),
    ],
)
def test_what_is_no_suite_is_refused_with_its_place(tmp_path, text, told):
    assert told in faults(tmp_path, HEAD + text)


def test_faults_name_sets_by_their_names_where_those_are_numbers(tmp_path):
    sets = "  '7': {kind: text}\n  '0': {kind: txt}\n"
    assert "mine.yaml:5:9 sets.0.kind" in faults(tmp_path, f"{HEAD}sets:\n{sets}")


def test_a_suite_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(RecipeError, match=r"no suite medqua\. Did you mean medqa\? There are clin"):
        load_suite("medqua")
    for missing in ("./medqa.yaml", tmp_path / "medqa", "medqa.yml"):
        with pytest.raises(RecipeError, match=f"there is no suite file {missing}"):
            load_suite(missing)


# Rows


def write_mmlu(folder: Path, **rows: int) -> Path:
    """Test files of subjects, with five dev rows each."""
    for subject, count in rows.items():
        for split, number in (("test", count), ("dev", 5)):
            lines = (f"{subject} {split} {n}?,a,b,c,d,B\n" for n in range(number))
            write(folder / f"{split}/{subject}_{split}.csv", "".join(lines))
    return folder


ANATOMY = "kind: choice, rows: {task: mmlu}, subjects: {anatomy: 3, virology: 2}"


def test_a_whole_set_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS["aci_bench"].official_rows, "test", 2)
    head = "dataset,encounter_id,dialogue,note\n"
    folder = tmp_path / "aci"
    file = write(folder / "clinicalnlp_taskB_test1.csv", head + "aci,D1,Hi.,A.\naci,D2,Hi.,B.\n")
    lines = f"kind: note, rows: {{task: aci_bench, path: {folder}}}"
    found = one_set(tmp_path, lines)
    assert found.described() == (
        "all 2 rows of clinicalnlp_taskB_test1.csv, the size of the published test set"
    )
    assert (found.is_official, found.num_read, found.official_rows) == (True, 2, 2)
    assert found.sha256 == sha256_file(file)
    assert [example.answer for example in found.examples] == ["A.", "B."]
    write(file, head + "aci,D1,Hi.,A.\n")
    fewer = one_set(tmp_path, lines)
    assert not fewer.is_official
    assert fewer.described() == (
        "1 of the 2 rows of the published test set (clinicalnlp_taskB_test1.csv): carved or "
        f"incomplete, {UNLIKE}"
    )
    write(file, head + "".join(f"aci,D{n},Hi.,A.\n" for n in range(3)))
    more = one_set(tmp_path, lines)
    assert not more.is_official
    assert more.described() == (
        "3 rows of clinicalnlp_taskB_test1.csv, where the published test set has 2: another set or "
        f"a changed one, {UNLIKE}"
    )


def test_subjects_are_chosen_counted_and_told(tmp_path):
    folder = write_mmlu(tmp_path / "m", anatomy=3, virology=2, philosophy=4)
    found = one_set(tmp_path, ANATOMY, data_path=folder)
    assert {example.subject for example in found.examples} == {"anatomy", "virology"}
    assert found.num_read == found.official_rows == 5
    assert found.is_official
    assert {name: rows.num_read for name, rows in found.subjects.items()} == {
        "anatomy": 3,
        "virology": 2,
    }
    assert found.described() == (
        "all 5 rows of the 2 subjects in test/anatomy_test.csv and 1 more files, the size of the "
        "published test set"
    )


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"anatomy": 2, "virology": 1}, "3 of the 5 rows {}: 2 of 2 subjects are incomplete"),
        ({"anatomy": 2, "virology": 2}, "4 of the 5 rows {}: 1 of 2 subjects is incomplete"),
        ({"anatomy": 3}, "3 of the 5 rows {}: virology is missing"),
        ({"anatomy": 1}, "1 of the 5 rows {}: 1 of 2 subjects is incomplete, virology is missing"),
        (
            {"anatomy": 2, "virology": 3},
            "5 rows of the 2 subjects in {}, where the published test set has 5: 1 of 2 subjects "
            "is incomplete, virology has more rows than published",
        ),
    ],
)
def test_subjects_that_are_not_whole_are_told(tmp_path, rows, told):
    found = one_set(tmp_path, ANATOMY, data_path=write_mmlu(tmp_path / "m", **rows))
    files = "test/anatomy_test.csv" + (" and 1 more files" if len(rows) > 1 else "")
    where = f"of the published test set ({files})" if "of the 5" in told else files
    assert found.described() == f"{told.format(where)}, {UNLIKE}"
    assert not found.is_official


def test_many_missing_subjects_are_counted(tmp_path):
    (section, _) = load_suite("general").sets
    found = read_set(section, offline=True, data_path=write_mmlu(tmp_path, astronomy=152))
    assert "college_computer_science, college_mathematics and 38 more are missing" in (
        found.described()
    )


def test_a_subject_whose_size_is_not_published_makes_no_set_official(tmp_path):
    lines = "kind: choice, rows: {task: mmlu}, subjects: {anatomy: 3, virology: null}"
    folder = write_mmlu(tmp_path / "m", anatomy=3, virology=2)
    found = one_set(tmp_path, lines, data_path=folder)
    assert found.official_rows is None
    assert not found.is_official
    assert found.described().startswith("all 5 rows of the 2 subjects in test/anatomy_test.csv")
    assert found.described().endswith(": nothing is published under this name")


def test_rows_of_ones_own_are_told_as_such(tmp_path):
    file = write_rows(tmp_path / "exam.jsonl", medqa("one?"), medqa("two?"))
    found = one_set(tmp_path, "kind: choice, rows: {task: mcq, path: ./exam.jsonl}")
    assert found.described() == "all 2 rows of exam.jsonl: nothing is published under this name"
    assert (found.file, found.sha256) == ("exam.jsonl", sha256_file(file))
    assert not found.is_official
    assert found.subjects == {}
    with pytest.raises(DataError, match=r"one: no examples for prompts: .* is no folder with tra"):
        list(found.shots)


def test_a_question_that_stands_twice_in_mmlu_is_two_items(tmp_path):
    folder = write_mmlu(tmp_path / "m", anatomy=2, virology=2)
    write(folder / "test/anatomy_test.csv", "Same?,a,b,c,d,B\n" * 3)
    found = one_set(tmp_path, ANATOMY, data_path=folder)
    assert found.is_official
    assert len({example.id for example in found.examples}) == 5


def test_two_rows_of_one_id_are_refused(tmp_path):
    write_rows(tmp_path / "exam.jsonl", medqa("one?", id="x"), medqa("two?", id="x"))
    assert refusal(tmp_path, "kind: choice, rows: {task: mcq, path: ./exam.jsonl}") == (
        "one: exam.jsonl:2: the id is also that of exam.jsonl:1; answers are kept by id: give each "
        "row one of its own"
    )


def test_training_rows_are_never_scored(tmp_path):
    write_rows(tmp_path / "q/train.jsonl", medqa())
    told = refusal(tmp_path, "kind: choice, rows: {task: medqa, path: ./q}")
    assert told.startswith("one: there are train rows alone (train.jsonl), and only test rows are")
    write_rows(tmp_path / "r/anything.jsonl", medqa())
    told = refusal(tmp_path, "kind: choice, rows: {task: mcq, path: ./r}")
    assert told.startswith("one: there are train rows alone (anything.jsonl)")


def test_a_missing_set_says_where_it_was_looked_for_and_what_to_do(
    tmp_path, monkeypatch, no_data_folder
):
    told = refusal(tmp_path, "kind: choice, rows: {task: medqa}")
    assert told.startswith("one: no rows for task medqa: looked in $MEDTUNE_DATA (not set)")
    assert told.endswith("In a suite that is rows.path, or --data DIR for once.")
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path / "d"))
    assert f"looked in {tmp_path}/d/qa/medqa" in refusal(
        tmp_path, "kind: choice, rows: {task: medqa}"
    )
    assert f"there is no {tmp_path}/none" in refusal(
        tmp_path, "kind: choice, rows: {task: medqa}", data_path=tmp_path / "none"
    )


def test_data_names_the_folder_of_a_task_or_of_all_tasks(tmp_path, monkeypatch):
    write_rows(tmp_path / "all/qa/medqa/test.jsonl", medqa("all?"))
    write_rows(tmp_path / "own/test.jsonl", medqa("own?"))
    write_rows(tmp_path / "suite/test.jsonl", medqa("suite?"))
    lines = "kind: choice, rows: {task: medqa, path: ./suite}"

    def question(data_path: object) -> str:
        (example,) = one_set(tmp_path, lines, data_path=data_path).examples
        return example.question

    assert question(None) == "suite?"
    assert question(tmp_path / "all") == "all?"
    assert question(tmp_path / "own") == "own?"
    assert question(str(tmp_path / "own/test.jsonl")) == "own?"


# Examples for prompts


def test_shots_of_mmlu_are_the_dev_rows_of_the_sets_subjects(tmp_path):
    folder = write_mmlu(tmp_path / "m", anatomy=3, virology=2, philosophy=4)
    write(folder / "auxiliary_train/race.csv", "race?,a,b,c,d,B\n")
    found = one_set(tmp_path, ANATOMY, data_path=folder)
    assert found.is_shot_by_subject
    assert [example.question for example in found.shots] == [
        f"{subject} dev {n}?" for subject in ("anatomy", "virology") for n in range(5)
    ]
    assert len(list(found.shots)) == 10, "from the first each time"


def test_a_subject_without_shots_is_told(tmp_path):
    folder = write_mmlu(tmp_path / "m", anatomy=3, virology=2)
    (folder / "dev/virology_dev.csv").unlink()
    found = one_set(tmp_path, ANATOMY, data_path=folder)
    with pytest.raises(DataError, match=r"one: there is no example for prompts of virology; put d"):
        list(found.shots)


def test_shots_are_the_training_rows_or_those_that_the_suite_names(tmp_path):
    write_rows(tmp_path / "q/test.jsonl", medqa("test?"))
    write_rows(tmp_path / "q/train.jsonl", medqa("train?"))
    write_rows(tmp_path / "other.jsonl", medqa("other?"))
    lines = "kind: choice, rows: {task: mcq, path: ./q}"
    assert [shot.question for shot in one_set(tmp_path, lines).shots] == ["train?"]
    found = one_set(tmp_path, f"{lines}, shots: {{task: mcq, path: ./other.jsonl}}")
    assert [shot.question for shot in found.shots] == ["other?"]
    assert not found.is_shot_by_subject


def test_a_training_row_that_is_an_item_is_no_shot(tmp_path):
    write_rows(tmp_path / "q/test.jsonl", medqa("both?"))
    write_rows(tmp_path / "q/train.jsonl", medqa("train?"), medqa("both?"))
    found = one_set(tmp_path, "kind: choice, rows: {task: mcq, path: ./q}")
    assert [shot.question for shot in found.shots] == ["train?"]


def test_a_dev_row_of_mmlu_is_kept_where_it_is_an_item_of_another_subject(tmp_path):
    folder = write_mmlu(tmp_path / "m", anatomy=3, virology=2)
    both = "virology dev 1?,a,b,c,d,B\nvirology dev 2?,a,b,c,d,B\n"
    write(folder / "test/anatomy_test.csv", both)
    write(folder / "test/virology_test.csv", both.partition("\n")[0])
    shots = {shot.question for shot in one_set(tmp_path, ANATOMY, data_path=folder).shots}
    assert "virology dev 1?" not in shots
    assert "virology dev 2?" in shots
    assert len(shots) == 9


# TruthfulQA


def truth(question: str, **more: object) -> dict[str, object]:
    targets = {"so": 1, "yes": 1, "no": 0}
    return {"question": question, "mc1_targets": {"so": 1, "no": 0}, "mc2_targets": targets, **more}


HEALTH = "rows: {task: truthfulqa, path: ./t}, subjects: {Health: 2, Science: 1}"


def write_truthfulqa(folder: Path, *categories: str) -> None:
    names = "why", "how", "who"
    write_rows(folder / "mc_task.json", *(truth(f"{name}?") for name in names))
    head = "Category,Question,Best Answer,Correct Answers,Incorrect Answers\n"
    lines = (f"{c},{n}?,So,So; Yes,No\n" for n, c in zip(names, categories, strict=False))
    write(folder / "TruthfulQA.csv", head + "".join(lines))


def test_truthfulqa_is_chosen_by_the_categories_of_the_table_beside(tmp_path):
    write_truthfulqa(tmp_path / "t", "Health", "Law", "Science")
    for kind in ("choice", "truth"):
        found = one_set(tmp_path, f"kind: {kind}, {HEALTH}")
        assert [e.question for e in found.examples] == ["why?", "who?"]
        assert {(e.true_texts, e.false_texts) for e in found.examples} == {(("so", "yes"), ("no",))}
        assert found.described() == (
            "2 of the 3 rows of the published test set (mc_task.json): 1 of 2 subjects is "
            f"incomplete, {UNLIKE}"
        )


def test_rows_that_do_not_say_their_category_are_refused_and_not_passed_over(tmp_path):
    write_truthfulqa(tmp_path / "t", "Health", "Law")
    told = refusal(tmp_path, f"kind: choice, {HEALTH}")
    assert told == (
        "one: 1 of 3 rows of mc_task.json do not say their subject, by which Health and Science "
        "are chosen; put TruthfulQA.csv, which does, beside mc_task.json in a folder for --data"
    )
    # As the hub's multiple_choice has it: no category at all.
    (tmp_path / "t/TruthfulQA.csv").unlink()
    assert "3 of 3 rows of mc_task.json do not" in refusal(tmp_path, f"kind: choice, {HEALTH}")


def test_no_row_of_the_subjects_is_an_error(tmp_path):
    write_truthfulqa(tmp_path / "t", "Law", "Law", "Law")
    told = refusal(tmp_path, f"kind: choice, {HEALTH}")
    assert told == "one: mc_task.json has no row of Health and Science"


def test_mc2_needs_all_answers_and_none_on_both_sides(tmp_path):
    lines = "kind: truth, rows: {task: truthfulqa, path: ./t.json}"
    write_rows(tmp_path / "t.json", truth("why?"), truth("how?", mc2_targets=None))
    assert refusal(tmp_path, lines).startswith("one: t.json:2: found no list of all right and wron")
    both = {"choices": ["so", "so"], "labels": [1, 0]}
    write_rows(tmp_path / "t.json", truth("why?", mc2_targets=both))
    assert refusal(tmp_path, lines).startswith("one: t.json:1: found an answer that is both right")
    assert one_set(tmp_path, lines.replace("truth,", "choice,")).num_read == 1


def test_few_shot_is_refused_where_no_training_rows_are_published(tmp_path, monkeypatch):
    write_truthfulqa(tmp_path / "d/safety/truthfulqa", "Health", "Health", "Science")
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path / "d"))
    (section, _) = load_suite("truthfulqa_medical").sets
    found = read_set(section)
    with pytest.raises(DataError) as caught:
        list(found.shots)
    assert str(caught.value) == (
        "mc1: no examples for prompts: task truthfulqa is published without training rows. Use "
        "none, or a suite of your own whose set says shots: {task: truthfulqa, path: ...}"
    )


# Text


@given(st.text(st.sampled_from("ab é\n\t\r\u2028😀"), max_size=200), st.integers(1, 30))
def test_pieces_put_together_are_the_text_and_none_is_too_long(text, limit):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces_module, "PIECE_CHARACTERS", limit)
        pieces = cut_text(text)
    assert "".join(pieces) == (text if text.strip() else "")
    assert all(1 <= len(piece) <= limit for piece in pieces)


def test_pieces_end_where_paragraphs_do(monkeypatch):
    monkeypatch.setattr(pieces_module, "PIECE_CHARACTERS", 12)
    assert cut_text("\n one\ntwo\n\n\nthree\n \nfour five six seven") == [
        "\n one\ntwo\n\n\n",
        "three\n \n",
        "four five ",
        "six seven",
    ]
    assert cut_text("a\n\nb\n\nc") == ["a\n\nb\n\nc"]
    assert cut_text("x" * 25) == ["x" * 12, "x" * 12, "x"]


def test_a_text_is_read_to_its_bytes(tmp_path):
    raw = "Über\r\n\r\n\r\nzwei 😀\n".encode()
    (tmp_path / "own.txt").write_bytes(raw)
    found = one_set(tmp_path, "kind: text, text: ./own.txt")
    assert (found.kind, found.task, found.examples) == ("text", None, ())
    assert [text.id for text in found.texts] == ["own-1"]
    assert sum(text.num_bytes for text in found.texts) == len(raw) == 21
    assert (found.file, found.sha256) == ("own.txt", sha256_bytes(raw))
    assert found.described() == "21 bytes of own.txt in 1 pieces"
    assert not found.is_official


def test_a_text_that_is_not_there_or_not_one_is_refused(tmp_path, monkeypatch, no_data_folder):
    lines = "kind: text"
    assert "looked for $MEDTUNE_DATA (not set); put a UTF-8" in refusal(tmp_path, lines)
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path))
    file = tmp_path / "gap/replay/wikitext2_valid.txt"
    assert f"looked for {file}; put" in refusal(tmp_path, lines)
    write(file, " \n\n")
    assert refusal(tmp_path, lines) == "one: wikitext2_valid.txt holds no text"
    file.write_bytes(b"one\n\xff")
    assert refusal(tmp_path, lines).startswith("wikitext2_valid.txt:2: not UTF-8 text at byte 1")
    write(file, "here\n")
    assert one_set(tmp_path, lines).texts[0].text == "here\n"
    write(tmp_path / "other/wikitext2_valid.txt", "there\n")
    found = one_set(tmp_path, lines, data_path=tmp_path / "other")
    assert found.texts[0].text == "there\n"


# The real files

REAL = {
    ("clinical_notes", "mts_dialog"): (200, 200, "all 200 rows of test1.csv, the size of the"),
    ("clinical_notes", "aci_bench"): (40, 40, "all 40 rows of clinicalnlp_taskB_test1.csv, the"),
    ("medmcqa", "medmcqa"): (289, 4183, "289 of the 4,183 rows of the published test set (test.j"),
    ("medqa", "medqa"): (654, 1273, "654 of the 1,273 rows of the published test set (test_a.jso"),
    ("medqa_5opt", "medqa_5opt"): (654, 1273, "654 of the 1,273 rows of the published test set"),
    ("pubmedqa", "pubmedqa"): (243, 500, "243 of the 500 rows of the published test set (test_a"),
    ("truthfulqa_medical", "mc1"): (49, 99, "49 of the 99 rows of the published test set (mc_ta"),
    ("truthfulqa_medical", "mc2"): (49, 99, "49 of the 99 rows of the published test set (mc_ta"),
    ("mmlu_medical", "mmlu_medical"): (
        767,
        1871,
        "767 of the 1,871 rows of the published test set (test/anatomy_test.csv and 7 more files): "
        f"8 of 9 subjects are incomplete, high_school_biology is missing, {UNLIKE}",
    ),
    ("general", "mmlu_general"): (
        1211,
        10660,
        "1,211 of the 10,660 rows of the published test set (test/astronomy_test.csv and 9 more",
    ),
    ("general", "wikitext2"): (None, None, "1,121,681 bytes of wikitext2_valid.txt in "),
}


def test_every_suite_is_read_from_the_real_files_and_tells_what_it_is(medtune_data):
    found = {
        (name, section.name): read_set(section, offline=True)
        for name in list_suites()
        for section in load_suite(name).sets
    }
    assert found.keys() == REAL.keys()
    for key, (num_read, official, told) in REAL.items():
        one = found[key]
        assert one.described().startswith(told)
        assert one.official_rows == official
        assert num_read in (None, one.num_read)
        assert one.is_official == (official == num_read and official is not None)
        assert one.is_official or one.kind == "text" or one.described().endswith(UNLIKE)
        if one.kind == "choice":
            assert all(e.question and e.answer in e.options for e in one.examples)
            has_letters = one.task != "pubmedqa"
            assert all(len(e.choices) == has_letters * len(e.options) for e in one.examples)


def test_shots_of_the_real_files_are_none_of_the_items(medtune_data):
    for name in list_suites():
        for section in load_suite(name).sets:
            found = read_set(section, offline=True)
            if found.task in (None, "truthfulqa"):
                continue
            shots = list(found.shots)
            if found.is_shot_by_subject:
                assert Counter(shot.subject for shot in shots) == {
                    name: 5 for name, rows in found.subjects.items() if rows.num_read
                }
            else:
                items = {example.own_text for example in found.examples}
                assert len(shots) >= 67
                assert not any(shot.own_text in items for shot in shots)


def test_the_built_in_suites_are_plain_files_without_what_only_medtune_could_read():
    for path in FOLDER.glob("*.yaml"):
        assert set(parse(path).values) == {"name", "title", "sets"}
