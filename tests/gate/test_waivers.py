"""Waivers count for one adapter, policy, probe and verdict, and attempts are counted."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from evidence_files import CLEAN, HARMED, UNSURE, outcomes, write_evidence, write_policy

from medtune.digests import adapter_folder_digest
from medtune.errors import VerificationError
from medtune.gate import attempts
from medtune.gate.policy import load_policy
from medtune.gate.run import decide, replay
from medtune.gate.waivers import TYPE, Waiver, sign_waiver
from medtune.signing import generate_key, key_id, read_private, read_public, sign


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("officer", "stranger", "trainer"):
        generate_key(folder / name)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_evidence(tmp_path / "run", outcomes("doses", UNSURE))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write_policy(tmp_path, "doses", max_flips=0.1)


def statement(run: Path, policy: Path, **changes: object) -> Waiver:
    today = datetime.now(UTC).date()
    values = {
        "adapter_digest": adapter_folder_digest(run / "adapter"),
        "policy_digest": load_policy(policy).digest,
        "probe": "doses",
        "verdicts": ["INCONCLUSIVE"],
        "reason": "An output filter checks every dose.",
        "signer": "J. Doe, clinical safety officer",
        "signed": today.isoformat(),
        "expires": (today + timedelta(days=30)).isoformat(),
    }
    return Waiver(**values | changes)


def waived(run: Path, policy: Path, keys: Path, made: Waiver, key: str = "officer", **more):
    file = run.parent / "waiver.json"
    file.write_text(json.dumps(sign_waiver(made, keys / f"{key}.key")))
    more.setdefault("author", key_id(read_public(keys / "trainer.pub")))
    return decide(run, policy, waivers=[file], keys=[keys / "officer.pub"], **more)


def test_a_waiver_that_counts_lets_pass_and_is_shown(run: Path, policy: Path, keys: Path):
    assert decide(run, policy).decision.verdict == "INCONCLUSIVE"
    found = waived(run, policy, keys, statement(run, policy))
    assert found.decision.verdict == "PASS"
    assert "J. Doe, clinical safety officer, until" in str(found.decision.probes[0].waiver)
    for name in ("comment.md", "gate.html"):
        assert "clinical safety officer" in (found.path.parent / name).read_text()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"adapter_digest": "a" * 64}, "for another adapter"),
        ({"policy_digest": "a" * 64}, "for another policy"),
        ({"probe": "tone"}, "does not ask for tone"),
        ({"signed": "2020-01-01", "expires": "2020-01-31"}, "valid from 2020-01-01"),
    ],
)
def test_a_waiver_for_something_else_does_not_count_and_says_why(
    run: Path, policy: Path, keys: Path, changes: dict[str, object], told: str
):
    decision = waived(run, policy, keys, statement(run, policy, **changes)).decision
    assert decision.verdict == "INCONCLUSIVE"
    assert told in decision.waivers[0]


def test_a_waiver_for_inconclusive_does_not_cover_a_block(tmp_path: Path, policy: Path, keys: Path):
    bad = write_evidence(tmp_path / "bad", outcomes("doses", HARMED))
    assert waived(bad, policy, keys, statement(bad, policy)).decision.verdict == "BLOCK"
    both = statement(bad, policy, verdicts=["BLOCK"])
    assert waived(bad, policy, keys, both).decision.verdict == "PASS"


def test_a_strangers_or_the_authors_signature_does_not_count(run: Path, policy: Path, keys: Path):
    made = statement(run, policy)
    stranger = waived(run, policy, keys, made, key="stranger").decision
    assert "not signed by any of the trusted keys" in stranger.waivers[0]
    author = key_id(read_public(keys / "officer.pub"))
    decision = waived(run, policy, keys, made, author=author).decision
    assert decision.verdict == "INCONCLUSIVE"
    assert "its signer made the adapter" in decision.waivers[0]
    decision = waived(run, policy, keys, made, author=None).decision
    assert decision.verdict == "INCONCLUSIVE"
    assert "who made the adapter is not known" in decision.waivers[0]


def test_two_files_of_one_name_are_two_waivers(tmp_path: Path, keys: Path):
    policy = write_policy(tmp_path, "doses", "tone", max_flips=0.1)
    run = write_evidence(tmp_path / "run", outcomes("doses", UNSURE), outcomes("tone", UNSURE))
    files = []
    for probe in ("doses", "tone"):
        made = sign_waiver(statement(run, policy, probe=probe), keys / "officer.key")
        (tmp_path / probe).mkdir()
        files.append(tmp_path / probe / "waiver.json")
        files[-1].write_text(json.dumps(made))
    author = key_id(read_public(keys / "trainer.pub"))
    found = decide(run, policy, waivers=files, keys=[keys / "officer.pub"], author=author)
    assert found.decision.verdict == "PASS"
    assert [note.split(": ")[0] for note in found.decision.waivers] == [
        "waiver.json", "waiver.json #2",
    ]  # fmt: skip


@pytest.mark.parametrize("changes", [{"signed": "2026-02-30"}, {"expires": "2026-13-01"}])
def test_a_waiver_of_no_day_does_not_count_and_stops_nothing(run, policy, keys, changes):
    made = statement(run, policy, **changes)
    signed = sign(made.model_dump(mode="json"), TYPE, read_private(keys / "officer.key"))
    file = run.parent / "waiver.json"
    file.write_text(json.dumps(signed))
    author = key_id(read_public(keys / "trainer.pub"))
    found = decide(run, policy, waivers=[file], keys=[keys / "officer.pub"], author=author)
    assert "is no day" in found.decision.waivers[0]
    signed["signatures"][0]["keyid"] = [1]
    file.write_text(json.dumps(signed))
    found = decide(run, policy, waivers=[file], keys=[keys / "officer.pub"], author=author)
    assert "not signed by any" in found.decision.waivers[0]


def test_a_never_event_and_faults_of_the_evidence_cannot_be_waived(tmp_path: Path, keys: Path):
    rules = yaml.safe_load(write_policy(tmp_path, "doses", max_flips=0.1).read_text())
    rules["probes"][0]["never"] = True
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(rules))
    run = write_evidence(tmp_path / "run", outcomes("doses", {"++": 999, "--": 1}, verified=True))
    made = statement(run, policy, verdicts=["BLOCK", "INCONCLUSIVE"])
    decision = waived(run, policy, keys, made).decision
    assert decision.verdict == "BLOCK"
    assert "cannot be waived" in decision.waivers[0]


def test_a_waiver_lasts_at_most_ninety_days(run: Path, policy: Path, keys: Path):
    made = statement(run, policy, expires="2099-01-01")
    with pytest.raises(VerificationError, match="lasts 1 to 90 days"):
        sign_waiver(made, keys / "officer.key")


def test_a_replay_verifies_waivers_again(run: Path, policy: Path, keys: Path):
    file = waived(run, policy, keys, statement(run, policy)).path
    assert replay(file, [keys / "officer.pub"]).verdict == "PASS"
    with pytest.raises(VerificationError, match="its evidence gives INCONCLUSIVE"):
        replay(file)


def test_the_command_signs_a_waiver_that_counts(
    run: Path, policy: Path, keys: Path, tmp_path: Path, monkeypatch, capsys
):
    from medtune.cli import main

    def command(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["medtune", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code or 0

    file = tmp_path / "signed.json"
    assert command("waiver", "sign", run, "--policy", policy, "--probe", "doses", "--reason",
                   "An output filter checks every dose.", "--signer", "J. Doe", "--key",
                   keys / "officer.key", "--out", file) == 0  # fmt: skip
    words = ("gate", run, "--policy", policy, "--waiver", file, "--key", keys / "officer.pub")
    assert command(*words, "--author", keys / "trainer.pub") == 0
    assert "waived by J. Doe" in capsys.readouterr().out
    assert command(*words, "--author", keys / "officer.pub") == 4
    assert command(*words) == 4
    capsys.readouterr()
    for more in (("--probe", "tone"), ("--probe", "doses", "--days", 9_999_999)):
        assert command("waiver", "sign", run, "--policy", policy, *more, "--reason",
                       "An output filter checks every dose.", "--signer", "J. Doe", "--key",
                       keys / "officer.key", "--out", tmp_path / "no.json") == 2  # fmt: skip
    assert not (tmp_path / "no.json").exists()


def test_one_adapter_under_several_policies_is_told(tmp_path: Path):
    run = write_evidence(tmp_path / "run", outcomes("doses", HARMED))
    (run / "recipe.lock.yaml").write_text(
        "recipe: {data: {task: medqa}}\nresolved: {base: {digest: b}}\n"
    )
    ledger = tmp_path / "ledger.jsonl"
    told = []
    for number, margin in enumerate((0.05, 0.5)):
        rules = [{"probe": "doses", "level": "blocker", "margin": margin, "min_items": 10,
                  "min_clusters": 10}]  # fmt: skip
        policy = write_policy(tmp_path / str(number), "doses", probes=rules)
        found = decide(run, policy, attempts=ledger)
        told.append((found.decision.verdict, found.attempts.own, found.attempts.number))
    assert told[0] == ("BLOCK", (), 1)
    assert told[1][0] == "PASS"
    assert told[1][1][0].startswith("BLOCK (policy ")
    assert "decided on before: BLOCK" in found.attempts.told()


def test_attempts_that_are_written_at_once_are_all_kept(tmp_path: Path):
    ledger = tmp_path / "ledger.jsonl"
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(attempts.record, ledger, "l", f"a{n}", "p", "BLOCK") for n in range(40)]
    assert [one.result() for one in done] == [None] * 40
    assert attempts.count(ledger, "l", "new").number == 41
    whole = ledger.read_text()
    for torn in (whole + '{"torn', whole.removesuffix("\n")):
        ledger.write_text(torn)
        with pytest.raises(VerificationError, match="no ledger"):
            attempts.count(ledger, "l", "new")
    with pytest.raises(VerificationError, match="cannot be written"):
        attempts.record(tmp_path / "none" / "ledger", "l", "a", "p", "PASS")


def test_attempts_of_a_lineage_are_counted_by_adapter(tmp_path: Path):
    ledger = tmp_path / "attempts.jsonl"
    assert attempts.count(ledger, None, "a").told() == "attempts of this lineage: unknown"
    assert attempts.count(None, "line", "a").number is None
    assert attempts.count(ledger, "line", "a").number == 1
    attempts.record(ledger, "line", "a", "p", "BLOCK")
    attempts.record(ledger, "line", "a", "p", "BLOCK")
    attempts.record(ledger, "other", "z", "p", "PASS")
    assert attempts.count(ledger, "line", "a").number == 1
    second = attempts.count(ledger, "line", "b")
    assert second.told() == "attempt 2 of this lineage, after BLOCK"
    ledger.write_text("x\n")
    with pytest.raises(VerificationError, match="no ledger"):
        attempts.count(ledger, "line", "b")


def test_an_adapter_outside_its_run_has_unknown_attempts(tmp_path: Path, policy: Path):
    run = write_evidence(tmp_path / "clean", outcomes("doses", CLEAN))
    found = decide(run, policy, attempts=tmp_path / "ledger.jsonl")
    assert found.attempts.number is None
    assert "unknown" in (found.path.parent / "comment.md").read_text().lower()
