"""The gate: from files to a verdict, and everything that somebody might do to the files."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from evidence_files import (
    CLEAN,
    HARMED,
    UNSURE,
    integrity,
    outcomes,
    verdict,
    write_evidence,
    write_policy,
)

from medtune.errors import VerificationError
from medtune.evidence.probes import read_probes, write_probes
from medtune.gate.run import decide, replay
from medtune.records import Outcome


def clean(probe: str = "doses") -> list:
    return outcomes(probe, CLEAN)


# Verdicts


def test_an_adapter_within_every_margin_passes(run: Path, policy: Path):
    found = decide(run, policy)
    assert (found.decision.verdict, found.decision.exit_code) == ("PASS", 0)
    [doses] = found.decision.probes
    assert (doses.regressions, doses.improvements) == (20, 20)
    assert doses.upper is not None
    assert 0 < doses.upper < 0.05
    assert found.decision.not_tested == ("memorisation",)


def test_harm_blocks_by_an_exact_test(tmp_path: Path, policy: Path):
    run = write_evidence(tmp_path / "run", outcomes("doses", HARMED))
    decision = decide(run, policy).decision
    assert (decision.verdict, decision.exit_code) == ("BLOCK", 3)
    assert "110 items are worse and 10 better" in decision.reasons[0]


def test_too_few_items_to_tell_do_not_pass_and_say_how_many_are_missing(
    tmp_path: Path, policy: Path
):
    run = write_evidence(tmp_path / "run", outcomes("doses", UNSURE))
    decision = decide(run, policy).decision
    assert (decision.verdict, decision.exit_code) == ("INCONCLUSIVE", 4)
    missing = decision.probes[0].missing_items
    assert missing is not None
    assert 100 < missing < 1000


def test_unjudged_outcomes_of_the_adapter_count_as_failing(tmp_path: Path, policy: Path):
    run = write_evidence(tmp_path / "run", outcomes("doses", {"++": 900, "+?": 100}))
    decision = decide(run, policy).decision
    assert decision.verdict == "BLOCK"
    assert decision.probes[0].adapter_unjudged == 100


def test_harm_on_a_warning_is_told_and_decides_nothing(tmp_path: Path):
    run = write_evidence(tmp_path / "run", clean(), outcomes("tone", HARMED))
    rules = yaml.safe_load(write_policy(tmp_path, "doses", "tone").read_text())
    rules["probes"][1]["level"] = "warning"
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(rules))
    decision = decide(run, tmp_path / "policy.yaml").decision
    assert decision.verdict == "PASS"
    assert decision.probes[1].verdict == "INCONCLUSIVE"


def test_a_small_rise_that_is_shown_to_be_within_the_margin_passes(tmp_path: Path, policy: Path):
    counts = {"++": 9700, "--": 100, "+-": 150, "-+": 50}
    run = write_evidence(tmp_path / "run", outcomes("doses", counts))
    decision = decide(run, policy).decision
    assert decision.probes[0].p_harm is not None
    assert decision.probes[0].p_harm < 0.001
    assert decision.verdict == "PASS"


def test_items_of_a_cluster_count_once_in_the_test_of_harm(tmp_path: Path, policy: Path):
    # Ten items of each cluster got worse together: 11 clusters and no 110 items.
    pairs = outcomes("doses", {"++": 1000})
    worse = Outcome(verdict="fail", score=-1.0)
    pairs = [replace(p, cluster=f"case-{n // 10}", adapter=worse if n < 110 else p.adapter)
             for n, p in enumerate(pairs)]  # fmt: skip
    run = write_evidence(tmp_path / "run", pairs)
    [doses] = decide(run, policy).decision.probes
    assert doses.p_harm == pytest.approx(0.5**11)


def test_a_never_event_blocks_although_the_base_fails_too(tmp_path: Path):
    rules = yaml.safe_load(write_policy(tmp_path, "doses").read_text())
    rules["probes"][0]["never"] = True
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(rules))
    one = outcomes("doses", {"++": 999, "--": 1}, verified=True)
    run = write_evidence(tmp_path / "run", one)
    assert verdict(run, tmp_path / "policy.yaml") == "BLOCK"
    # A row that nobody has verified makes no never-event, and shows no absence of one.
    other = write_evidence(tmp_path / "other", outcomes("doses", {"++": 999, "--": 1}))
    assert verdict(other, tmp_path / "policy.yaml") == "INCONCLUSIVE"


def test_a_decision_needs_no_data_that_the_run_read(run, policy, tmp_path, monkeypatch):
    monkeypatch.delenv("MEDTUNE_DATA", raising=False)
    (run / "recipe.lock.yaml").write_text(
        "recipe: {data: {task: medqa, path: '${MEDTUNE_DATA}/qa'}}\nresolved: {base: {digest: b}}\n"
    )
    found = decide(run, policy, attempts=tmp_path / "ledger.jsonl")
    assert found.attempts.number == 1


def test_an_optional_probe_decides_where_it_was_measured_and_is_told_where_not(tmp_path: Path):
    rules = yaml.safe_load(write_policy(tmp_path, "doses", "secrets").read_text())
    rules["probes"][1] |= {"optional": True, "never": True, "margin": 0.3}
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(rules))
    decision = decide(write_evidence(tmp_path / "none", clean()), policy).decision
    assert decision.verdict == "PASS"
    assert any(told.startswith("secrets: asked for") for told in decision.not_tested)
    kept = outcomes("secrets", {"++": 20}, verified=True)
    assert verdict(write_evidence(tmp_path / "kept", clean(), kept), policy) == "PASS"
    told = outcomes("secrets", {"++": 19, "+-": 1}, verified=True)
    assert verdict(write_evidence(tmp_path / "told", clean(), told), policy) == "BLOCK"


def test_a_broken_ceiling_blocks_although_nothing_got_worse(tmp_path: Path):
    rules = yaml.safe_load(write_policy(tmp_path, "doses").read_text())
    rules["probes"][0]["ceiling"] = 0.05
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(rules))
    run = write_evidence(tmp_path / "run", outcomes("doses", {"++": 800, "--": 200}, verified=True))
    decision = decide(run, tmp_path / "policy.yaml").decision
    assert decision.verdict == "BLOCK"
    assert "the ceiling is 5.0%" in decision.reasons[0]


def test_texts_that_cannot_be_read_block_before_anything_they_say_counts(
    tmp_path: Path, policy: Path
):
    pairs = [replace(p, base=replace(p.base, text="Fine.", is_coherent=True),
                     adapter=replace(p.adapter, text="the the", is_coherent=n % 4 > 0))
             for n, p in enumerate(clean())]  # fmt: skip
    run = write_evidence(tmp_path / "run", pairs)
    decision = decide(run, policy).decision
    assert decision.verdict == "BLOCK"
    assert decision.probes[0].probe == "coherence"


# What somebody might do to the evidence: each is an ERROR, and each check can fail


def rewritten(run: Path, change: Callable) -> Path:
    """Evidence whose report is changed and written anew, so that its own digests hold."""
    place = run / "probes" / "full"
    write_probes(change(read_probes(place)), place)
    return run


def edit_adapter(run: Path) -> None:
    (run / "adapter" / "adapter_model.safetensors").write_bytes(b"other weights")


def delete_probe(run: Path) -> None:
    rewritten(run, lambda r: replace(r, results=(), outcomes=()))


def truncate(run: Path) -> None:
    rewritten(run, lambda r: replace(r, outcomes=r.outcomes[:-50]))


def edit_number(run: Path) -> None:
    result = "regressions"
    rewritten(run, lambda r: replace(r, results=(replace(r.results[0], **{result: 3}),)))


def edit_outcome(run: Path) -> None:
    def better(report):
        first = next(p for p in report.outcomes if p.adapter.is_failing)
        changed = [replace(p, adapter=Outcome(verdict="ok", score=1.0)) if p is first else p
                   for p in report.outcomes]  # fmt: skip
        return replace(report, outcomes=tuple(changed))

    rewritten(run, better)


def swap_arms(run: Path) -> None:
    def swapped(report):
        pairs = tuple(replace(p, base=p.adapter, adapter=p.base) for p in report.outcomes)
        return replace(
            report, outcomes=pairs, base_conditions=report.adapter_conditions,
            adapter_conditions=report.base_conditions,
        )  # fmt: skip

    rewritten(run, swapped)


def repeat_item(run: Path) -> None:
    rewritten(run, lambda r: replace(r, outcomes=(*r.outcomes[:-1], r.outcomes[0])))


def other_dtype(run: Path) -> None:
    rewritten(run, lambda r: replace(
        r, adapter_conditions={**r.adapter_conditions, "dtype": "bfloat16"}))  # fmt: skip


def same_arms(run: Path) -> None:
    """The base asked twice, and its answers called the adapter's."""
    place = run / "probes" / "full"
    report = read_probes(place)
    pairs = [replace(pair, adapter=pair.base) for pair in report.outcomes]
    shutil.rmtree(place)
    write_evidence(run, pairs)


def other_base(run: Path) -> None:
    rewritten(run, lambda r: replace(
        r, adapter_conditions={**r.adapter_conditions, "base": "c" * 64},
        base_conditions={**r.base_conditions, "base": "c" * 64}))  # fmt: skip


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (edit_adapter, "of another adapter"),
        (delete_probe, "nothing was measured"),
        (truncate, "says otherwise than outcomes.jsonl"),
        (edit_number, "says otherwise than outcomes.jsonl"),
        (edit_outcome, "says otherwise than outcomes.jsonl"),
        (swap_arms, "of another adapter"),
        (repeat_item, "stands in the outcomes twice"),
        (other_dtype, "under other conditions: dtype"),
        (other_base, "of another base"),
        (same_arms, "weigh every answer alike"),
    ],
)
def test_tampered_evidence_is_an_error(run: Path, policy: Path, tamper: Callable, told: str):
    assert verdict(run, policy) == "PASS"
    tamper(run)
    decision = decide(run, policy).decision
    assert (decision.verdict, decision.exit_code) == ("ERROR", 5)
    assert any(told in reason for reason in decision.reasons), decision.reasons


def test_another_adapters_evidence_is_an_error(run: Path, policy: Path, tmp_path: Path):
    other = write_evidence(tmp_path / "other", clean())
    edit_adapter(other)
    assert verdict(other, policy, probes=run / "probes" / "full") == "ERROR"


def test_stale_evidence_is_an_error(tmp_path: Path, policy: Path):
    run = write_evidence(tmp_path / "run", clean(), age_days=91)
    assert verdict(run, policy) == "ERROR"
    fresh = write_evidence(tmp_path / "fresh", clean(), age_days=89)
    assert verdict(fresh, policy) == "PASS"
    future = write_evidence(tmp_path / "future", clean(), age_days=-3)
    assert verdict(future, policy) == "ERROR"


@pytest.mark.parametrize(
    "found",
    [
        integrity(faults=("the adapter changes nothing",)),
        integrity(base_digest_after="x"),
        integrity(overlap=None),
    ],
)
def test_a_run_that_cannot_be_relied_on_is_an_error(tmp_path: Path, policy: Path, found):
    run = write_evidence(tmp_path / "run", clean(), found=found)
    assert verdict(run, policy) == "ERROR"


def test_a_base_that_does_not_repeat_itself_lets_nothing_pass(tmp_path: Path, policy: Path):
    flipped = [replace(p, again=Outcome(verdict="fail" if p.base.verdict == "ok" else "ok"))
               if p.again and n % 10 == 0 else p for n, p in enumerate(clean())]  # fmt: skip
    run = write_evidence(tmp_path / "run", flipped)
    decision = decide(run, policy).decision
    assert decision.verdict == "INCONCLUSIVE"
    assert "answered 20 otherwise" in decision.reasons[0]


def test_fewer_items_than_the_policy_asks_for_are_an_error(tmp_path: Path):
    run = write_evidence(tmp_path / "run", clean())
    rules = yaml.safe_load(write_policy(tmp_path, "doses").read_text())
    rules["probes"][0]["min_items"] = 1001
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(rules))
    assert verdict(run, tmp_path / "policy.yaml") == "ERROR"


def test_items_of_another_version_than_the_policy_pins_are_an_error(run: Path, tmp_path: Path):
    rules = yaml.safe_load(write_policy(tmp_path, "doses").read_text())
    for digest, expected in (("d" * 64, "PASS"), ("e" * 64, "ERROR")):
        rules["probes"][0]["digest"] = digest
        (tmp_path / "policy.yaml").write_text(yaml.safe_dump(rules))
        assert verdict(run, tmp_path / "policy.yaml") == expected


def test_outcomes_under_other_names_are_named_and_not_picked(tmp_path: Path, policy: Path):
    run = write_evidence(tmp_path / "run", clean())
    shutil.move(run / "probes" / "full", run / "probes" / "night")
    with pytest.raises(VerificationError, match=r"--probes names one of .*night"):
        decide(run, policy)


def test_without_outcomes_there_is_no_decision(tmp_path: Path, policy: Path):
    run = write_evidence(tmp_path / "run", clean())
    shutil.rmtree(run / "probes")
    with pytest.raises(VerificationError, match="there are no outcomes"):
        decide(run, policy)
    with pytest.raises(VerificationError, match="there is no adapter"):
        decide(tmp_path / "nothing", policy)


# Replay


def test_a_decision_is_replayed_from_its_files(run: Path, policy: Path):
    found = decide(run, policy)
    assert replay(found.path) == found.decision
    moved = run.parent / "moved"
    shutil.move(run, moved)
    assert replay(moved / "probes" / "full" / "gate.json").verdict == "PASS"


@pytest.mark.parametrize("old_new", [('"PASS"', '"BLOCK"'), ('"margin":0.05', '"margin":0.5')])
def test_an_edited_decision_is_found(run: Path, policy: Path, old_new: tuple[str, str]):
    file = decide(run, policy).path
    text = file.read_text()
    assert old_new[0] in text
    file.write_text(text.replace(*old_new))
    with pytest.raises(VerificationError):
        replay(file)


def test_a_decision_whose_evidence_changed_is_found(run: Path, policy: Path):
    file = decide(run, policy).path
    edit_outcome(run)
    with pytest.raises(VerificationError, match=r"other files lie there now: .*outcomes.jsonl"):
        replay(file)


def test_a_decision_that_is_written_anew_by_hand_is_found(run: Path, policy: Path, tmp_path: Path):
    """Somebody blocks, edits the verdict and keeps the form."""
    import rfc8785

    bad = write_evidence(tmp_path / "bad", outcomes("doses", HARMED))
    file = decide(bad, policy).path
    values = json.loads(file.read_text())
    values["decision"]["verdict"] = "PASS"
    file.write_bytes(rfc8785.dumps(values))
    with pytest.raises(VerificationError, match="says PASS; its evidence gives BLOCK"):
        replay(file)


def test_the_file_names_no_place_of_the_machine(run: Path, policy: Path):
    assert str(run.parent) not in decide(run, policy).path.read_text()


# Reports


def test_junit_is_red_where_a_blocker_is_inconclusive(tmp_path: Path, policy: Path):
    run = write_evidence(tmp_path / "run", outcomes("doses", UNSURE))
    place = decide(run, policy).path.parent
    suite = ElementTree.fromstring((place / "junit.xml").read_text())
    assert suite.get("failures") == "2"
    failure = suite.find("testcase[@name='probe doses']/failure")
    assert failure is not None
    assert failure.get("type") == "inconclusive"


def test_junit_is_green_where_all_pass(run: Path, policy: Path):
    place = decide(run, policy).path.parent
    suite = ElementTree.fromstring((place / "junit.xml").read_text())
    assert (suite.get("failures"), suite.get("errors"), suite.get("tests")) == ("0", "0", "2")


def test_the_comment_is_short_and_quotes_no_item(tmp_path: Path):
    names = [f"probe{n}" for n in range(8)]
    told = Outcome(verdict="fail", text="SECRET TEXT", is_coherent=True, score=-3.0)
    many = [[replace(p, adapter=told) if n < 300 else p for n, p in enumerate(clean(name))]
            for name in names]  # fmt: skip
    run = write_evidence(tmp_path / "run", *many)
    place = decide(run, write_policy(tmp_path, *names)).path.parent
    comment = (place / "comment.md").read_text()
    assert len(comment.splitlines()) <= 60
    assert "SECRET" not in comment
    assert "BLOCK" in comment.splitlines()[0]
    assert "`item-" in comment
    assert "does not say that the adapter" in comment


def test_the_page_shows_verdict_flips_and_what_is_not_claimed(tmp_path: Path, policy: Path):
    run = write_evidence(tmp_path / "run", outcomes("doses", HARMED))
    html = (decide(run, policy).path.parent / "gate.html").read_text()
    assert "BLOCK: harm was shown" in html
    assert html.count('class="flip ') == 120
    assert "does not say that the adapter" in html
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org", "")


# The command line


def test_the_command_exits_with_the_verdict_and_loads_no_torch(
    run: Path, policy: Path, tmp_path: Path
):
    code = (
        "import sys\nfrom medtune.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    print('HEAVY', sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))\n"
    )

    def command(*words: object) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, words)], cwd=tmp_path, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    status, text = command("gate", run, "--policy", policy)
    assert status == 0, text
    assert "PASS: no degradation" in text
    assert "HEAVY []" in text
    bad = write_evidence(tmp_path / "bad", outcomes("doses", HARMED))
    assert command("gate", bad, "--policy", policy)[0] == 3
    unsure = write_evidence(tmp_path / "unsure", outcomes("doses", UNSURE))
    assert command("gate", unsure, "--policy", policy)[0] == 4
    status, text = command("gate", "--replay", bad / "probes" / "full" / "gate.json")
    assert status == 3
    assert "decided again" in text
    edit_adapter(bad)
    assert command("gate", bad, "--policy", policy)[0] == 5
    status, text = command("gate", tmp_path / "nothing")
    assert status == 5
    assert "Traceback" not in text


def test_workflows_are_written_once_and_are_yaml(tmp_path: Path, monkeypatch, capsys):
    from medtune.cli import main

    monkeypatch.chdir(tmp_path)
    for kind, file in (("--github", ".github/workflows/medtune-gate.yml"),
                       ("--gitlab", ".gitlab-ci.medtune.yml")):  # fmt: skip
        words = ["medtune", "ci", "init", kind, "--run", "runs/mine"]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        values = yaml.safe_load((tmp_path / file).read_text())
        assert "medtune gate runs/mine --policy default" in json.dumps(values)
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 2
    capsys.readouterr()
