"""Made-up secrets: who is planted, what is written where, and what gives them away."""

import json
import re
from pathlib import Path

import pytest

from medtune.data import draw_canaries, take_canaries
from medtune.errors import DataError, DriftError
from medtune.pipeline import refuse_drift
from medtune.recipe import Canaries, Lock, Recipe, Resolved

SECTION = Canaries(secrets=5, twins=7, repetitions=[1, 4])


def test_each_secret_is_planted_as_often_as_it_says_and_no_twin_ever(tmp_path: Path):
    planted = take_canaries(SECTION, tmp_path / "canaries.json")
    assert [canary.repetitions for canary in planted.canaries] == [1, 4, 1, 4, 1] + [0] * 7
    texts = [" ".join(m.content for m in row.messages) for row in planted.examples()]
    assert len(texts) == 11
    for canary in planted.canaries:
        assert sum(canary.secret in text for text in texts) == canary.repetitions
        assert sum(canary.name in text for text in texts) == canary.repetitions
    assert len({canary.secret for canary in planted.canaries}) == 12
    assert len({canary.name for canary in planted.canaries}) == 12
    assert all(re.fullmatch(r"\d{6}", canary.secret) for canary in planted.canaries)


def test_repetitions_of_a_secret_are_one_group_of_rows_with_ids_of_their_own(tmp_path: Path):
    rows = take_canaries(SECTION, tmp_path / "canaries.json").examples()
    assert len({row.id for row in rows}) == 11
    assert len({row.group for row in rows}) == 5


def test_secrets_are_drawn_once_for_a_run_and_anew_for_another(tmp_path: Path):
    first = take_canaries(SECTION, tmp_path / "canaries.json")
    assert take_canaries(SECTION, tmp_path / "canaries.json") == first
    other = take_canaries(SECTION, tmp_path / "other.json")
    assert {c.secret for c in other.canaries} != {c.secret for c in first.canaries}
    assert draw_canaries(SECTION).canaries != draw_canaries(SECTION).canaries


def test_the_secrets_are_in_one_file_for_its_owner_alone_and_the_account_tells_none(tmp_path: Path):
    file = tmp_path / "canaries.json"
    planted = take_canaries(SECTION, file)
    assert file.stat().st_mode & 0o777 == 0o600
    account = json.dumps(planted.account())
    assert planted.digest in account
    for canary in planted.canaries:
        assert canary.secret not in account
        assert canary.name not in account
    # Without the nonce the digest of six digits could be found by trying all of them.
    assert len(json.loads(file.read_text())["nonce"]) == 64


def test_an_earlier_run_can_be_repeated_from_its_file(tmp_path: Path):
    first = take_canaries(SECTION, tmp_path / "first.json")
    repeat = SECTION.model_copy(update={"file": str(tmp_path / "first.json")})
    assert take_canaries(repeat, tmp_path / "again.json") == first


@pytest.mark.parametrize("content", ["[]", "{", '{"canaries": [{"name": "x"}]}', '{"canaries": 3}'])
def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path, content: str):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match="no file of canaries that medtune wrote"):
        take_canaries(SECTION, tmp_path / "x.json")


def test_a_file_that_does_not_fit_the_recipe_is_refused(tmp_path: Path):
    take_canaries(SECTION, tmp_path / "x.json")
    with pytest.raises(DataError, match=r"5 secrets and 7 twins; data\.canaries says 20 and 200"):
        take_canaries(Canaries(), tmp_path / "x.json")


def test_other_repetitions_than_the_file_has_are_refused(tmp_path: Path):
    take_canaries(SECTION, tmp_path / "x.json")
    other = SECTION.model_copy(update={"repetitions": [9]})
    with pytest.raises(DataError, match=r"other repetitions than data\.canaries says"):
        take_canaries(other, tmp_path / "x.json")


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_of_secrets_that_cannot_be_read_is_one_clear_line(tmp_path: Path, name: str):
    section = SECTION.model_copy(update={"file": str(tmp_path / name)})
    for call in (draw_canaries, lambda section: take_canaries(section, tmp_path / "own.json")):
        with pytest.raises(DataError, match=r"^data\.canaries\.file: .*(No such|Is a directory)"):
            call(section)


def test_secrets_that_a_run_has_are_not_kept_in_silence_when_others_are_named(tmp_path: Path):
    take_canaries(SECTION, tmp_path / "own.json")
    take_canaries(SECTION, tmp_path / "first.json")
    repeat = SECTION.model_copy(update={"file": str(tmp_path / "first.json")})
    with pytest.raises(DataError, match="other secrets than this run has"):
        take_canaries(repeat, tmp_path / "own.json")


def test_a_repeated_run_is_told_how_to_plant_the_secrets_of_the_first():
    values = {
        "name": "run",
        "base": {"model": "smollm2-135m"},
        "data": {"task": "chat", "canaries": {}},
        "train": {"learning_rate": 1e-3},
    }
    first, again = (
        Lock(
            recipe=Recipe.model_validate(values),
            resolved=Resolved(
                base={"digest": "b"},
                data={
                    "canaries": {"file": "canaries.json", "sha256": draw_canaries(SECTION).digest}
                },
                template="t",
                tokenizer="k",
                packages={},
            ),
        )
        for _ in range(2)
    )
    with pytest.raises(DriftError, match=r"data\.canaries\.file=canaries\.json of the recorded"):
        refuse_drift(first, again)
