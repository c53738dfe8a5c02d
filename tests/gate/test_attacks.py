"""Evidence that somebody has bettered is caught, and the same evidence untouched is not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from evidence_files import (
    BASE,
    CLEAN,
    HARMED,
    integrity,
    outcomes,
    verdict,
    write_evidence,
    write_policy,
    write_scores,
)

from medtune.digests import adapter_folder_digest
from medtune.errors import MedtuneError, RecipeError, VerificationError
from medtune.evidence.probes import read_probes, write_probes
from medtune.gate.policy import load_policy
from medtune.gate.run import decide, replay
from medtune.records import PairedOutcome, ProbeReport


def rewrite(run: Path, change: Callable[[ProbeReport], ProbeReport]) -> None:
    folder = run / "probes" / "full"
    write_probes(change(read_probes(folder)), folder)


def rules(folder: Path, *several: dict[str, object], **changes: object) -> Path:
    told = {"level": "blocker", "margin": 0.05, "min_items": 10, "min_clusters": 10}
    return write_policy(folder, "doses", probes=[told | one for one in several], **changes)


# Probes that go missing


def without(report: ProbeReport, probe: str) -> ProbeReport:
    from medtune.probes.summaries import coherence_result

    kept = tuple(pair for pair in report.outcomes if pair.probe != probe)
    results = tuple(result for result in report.results if result.probe != probe)
    coherence = coherence_result(kept, is_complete=True)
    return replace(report, outcomes=kept, results=results, coherence=coherence)


def test_a_warning_that_was_asked_for_and_is_gone_is_an_error(tmp_path: Path):
    policy = rules(tmp_path, {"probe": "doses"}, {"probe": "texts", "level": "warning"})
    written = [
        replace(pair, base=replace(pair.base, text="Fine so.", is_coherent=True),
                adapter=replace(pair.adapter, text="", is_coherent=number % 2 == 0))
        for number, pair in enumerate(outcomes("texts", {"++": 200}))
    ]  # fmt: skip
    run = write_evidence(tmp_path / "run", outcomes("doses", CLEAN), written)
    assert verdict(run, policy) == "BLOCK"  # texts that cannot be read
    rewrite(run, lambda report: without(report, "texts"))
    found = decide(run, policy).decision
    assert found.verdict == "ERROR"
    assert "texts: nothing was measured" in found.reasons


def test_secrets_that_were_planted_have_to_be_asked_for(tmp_path: Path):
    policy = rules(tmp_path, {"probe": "doses"}, {
        "probe": "privacy_canaries", "never": True, "optional": True, "margin": 0.3,
    })  # fmt: skip
    told = outcomes("privacy_canaries", {"++": 10, "+-": 10}, verified=True)
    run = write_evidence(tmp_path / "run", outcomes("doses", CLEAN), told)
    lock = "recipe: {data: {task: t, canaries: {secrets: 20}}}\nresolved: {base: {digest: b}}\n"
    (run / "recipe.lock.yaml").write_text(lock)
    assert verdict(run, policy) == "BLOCK"
    rewrite(run, lambda report: without(report, "privacy_canaries"))
    found = decide(run, policy).decision
    assert found.verdict == "ERROR"
    assert any("secrets were planted" in reason for reason in found.reasons)
    (run / "recipe.lock.yaml").write_text(lock.replace("{secrets: 20}", "null"))
    assert verdict(run, policy) == "PASS"


def test_a_policy_whose_blockers_are_all_optional_is_none(tmp_path: Path):
    with pytest.raises(RecipeError, match="every blocker is optional"):
        load_policy(rules(tmp_path, {"probe": "doses", "optional": True}))


# Numbers that were edited


def edited_pairs(change: Callable[[PairedOutcome], PairedOutcome]):
    return lambda report: replace(report, outcomes=tuple(map(change, report.outcomes)))


def edited_result(**values: object):
    return lambda report: replace(report, results=(replace(report.results[0], **values),))


@pytest.mark.parametrize(
    "change",
    [
        edited_pairs(lambda pair: replace(pair, is_verified=True)),
        edited_pairs(lambda pair: replace(pair, is_reviewed=True)),
        edited_pairs(lambda pair: replace(pair, again=None)),
        edited_pairs(lambda pair: replace(pair, cluster="one")),
        edited_result(upper=0.0),
        edited_result(both_fail=0),
        edited_result(base_unjudged=3),
        edited_result(num_clusters=7),
        edited_result(flips=5),
        edited_result(subgroups=()),
    ],
)
def test_a_field_that_the_outcomes_do_not_bear_out_is_caught(run, policy, change):
    assert verdict(run, policy) == "PASS"
    rewrite(run, change)
    found = decide(run, policy).decision
    assert found.verdict == "ERROR"
    assert "doses: probes.json says otherwise than outcomes.jsonl" in found.reasons


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"overlap": {"doses": ("item-1", "item-2")}}, "training rows hold 2 of its items"),
        ({"effect": 0.0}, "the adapter changes nothing"),
        ({"update": 1e9}, "times larger than the base's own weights"),
    ],
)
def test_integrity_is_judged_by_its_figures_and_not_by_its_list_of_faults(
    tmp_path: Path, policy: Path, changes: dict[str, object], told: str
):
    run = write_evidence(tmp_path / "run", outcomes("doses", CLEAN), found=integrity(**changes))
    found = decide(run, policy).decision
    assert found.verdict == "ERROR"
    assert any(told in reason for reason in found.reasons)


def test_items_that_a_policy_pins_have_to_be_asked_whole(run, tmp_path: Path):
    pinned = rules(tmp_path, {"probe": "doses", "digest": "d" * 64})
    assert verdict(run, pinned) == "PASS"
    rewrite(run, edited_result(is_complete=False))
    assert verdict(run, pinned) == "ERROR"
    assert verdict(run, rules(tmp_path, {"probe": "doses"})) == "PASS"


# Benefit


def scored(run: Path, answers: str, folder: str = "", **changes: object) -> Path:
    digest = adapter_folder_digest(run / "adapter")
    return write_scores(run / folder, digest, BASE, answers, **changes)


BETTER, WORSE = "++ " * 60 + "-+ " * 30, "++ " * 60 + "+- " * 30


@pytest.fixture
def demanding(tmp_path: Path) -> Path:
    return write_policy(tmp_path / "demanding", "doses",
                        benefit=[{"set": "exam", "against": "base"}])  # fmt: skip


def test_scores_are_counted_again(run: Path, demanding: Path):
    scored(run, BETTER)
    assert verdict(run, demanding) == "PASS"
    scored(run, WORSE)
    assert verdict(run, demanding) == "BLOCK"
    scores = json.loads((run / "scores.json").read_text())
    scores["reports"][0]["comparisons"][0] |= {"difference": 0.3, "interval": [0.2, 0.4]}
    (run / "scores.json").write_text(json.dumps(scores))
    found = decide(run, demanding)
    assert found.decision.verdict == "ERROR"
    assert "exam: scores.json says otherwise than items.jsonl" in found.decision.reasons
    scored(run, WORSE)
    scores = json.loads((run / "scores.json").read_text())
    scores["reports"][0]["arms"][1]["value"] = 1.0
    (run / "scores.json").write_text(json.dumps(scores))
    assert verdict(run, demanding) == "ERROR"
    scored(run, WORSE)
    items = (run / "items.jsonl").read_text()
    (run / "items.jsonl").write_text(items.replace('"value": 0.0', '"value": 1.0'))
    assert verdict(run, demanding) == "ERROR"


def change_report(run: Path, **values: object) -> None:
    scores = json.loads((run / "scores.json").read_text())
    scores["reports"][0] |= values
    (run / "scores.json").write_text(json.dumps(scores))


def test_contaminated_scores_and_parts_of_a_set_show_no_benefit(run: Path, demanding: Path):
    scored(run, BETTER)
    change_report(run, is_complete=False)
    found = decide(run, demanding).decision
    assert (found.verdict, found.benefit[0].reason) == ("ERROR", "the set was asked in part")
    hits = {"training_rows": 9, "ngram": 8, "share": 0.4, "hits": ["q1"], "without": []}
    scored(run, BETTER)
    change_report(run, contamination=hits)
    found = decide(run, demanding).decision
    assert found.verdict == "ERROR"
    assert "training rows hold 1 of its items" in found.benefit[0].reason
    change_report(run, contamination=hits | {"hits": []})
    assert verdict(run, demanding) == "PASS"


def test_of_losses_lower_is_better(run: Path, tmp_path: Path, demanding: Path):
    losses = {"metric": "answer_nll_per_token"}
    scored(run, BETTER, **losses)  # the adapter's values are higher
    found = decide(run, demanding).decision
    assert found.verdict == "BLOCK"
    assert "nats" in found.benefit[0].reason
    scored(run, WORSE, **losses)
    assert verdict(run, demanding) == "PASS"


def test_an_adapter_has_to_be_better_than_every_arm_of_its_base(run: Path, demanding: Path):
    # Base without and with examples, adapter: it beats the first alone.
    scored(run, "-++ " * 30 + "++- " * 10 + "+++ " * 60, arms=("base", "base", "adapter"))
    found = decide(run, demanding).decision
    assert found.verdict != "PASS"
    scored(run, "--+ " * 30 + "+++ " * 70, arms=("base", "base", "adapter"))
    assert verdict(run, demanding) == "PASS"


@pytest.mark.parametrize(
    ("adapter", "base", "told"),
    [
        (None, BASE, "this adapter's own"),
        ("none", BASE, "of no adapter"),
        ("a" * 64, "c" * 64, "of another base"),
    ],
)
def test_the_previous_version_is_another_adapter_on_the_same_base(
    run: Path, tmp_path: Path, adapter: str | None, base: str, told: str
):
    policy = write_policy(tmp_path / "p", "doses", benefit=[
        {"set": "exam", "against": "previous", "margin": 0.1}])  # fmt: skip
    scored(run, BETTER)
    own = adapter_folder_digest(run / "adapter")
    before = write_scores(tmp_path / "before", "a" * 64, BASE, BETTER)
    assert verdict(run, policy, previous=before) == "PASS"
    before = write_scores(tmp_path / "before", adapter or own, base, BETTER)
    found = decide(run, policy, previous=before).decision
    assert found.verdict == "ERROR"
    assert any(told in reason for reason in found.reasons)


# Ceilings


def test_a_limit_that_no_verified_row_can_show_is_not_met_in_silence(tmp_path: Path):
    some = outcomes("doses", {"++": 800, "--": 200})
    run = write_evidence(tmp_path / "run", some)
    for limit in ({"ceiling": 0.5}, {"never": True}):
        found = decide(run, rules(tmp_path, {"probe": "doses"} | limit)).decision
        assert found.verdict == "INCONCLUSIVE"
        assert "none of the 1000 rows is verified" in found.reasons[0]


@pytest.mark.parametrize(
    ("failing", "expected"), [(50, "PASS"), (95, "PASS"), (110, "INCONCLUSIVE"), (150, "BLOCK")]
)
def test_a_ceiling_is_judged_by_both_bounds(tmp_path: Path, failing: int, expected: str):
    pairs = outcomes("doses", {"++": 1000 - failing, "--": failing}, verified=True)
    run = write_evidence(tmp_path / "run", pairs)
    found = decide(run, rules(tmp_path, {"probe": "doses", "ceiling": 0.1})).decision
    assert found.verdict == expected
    assert bool(found.reasons) == (failing > 80)


# Damaged files


DAMAGES = {
    "a list": b"[]",
    "a number": b"5",
    "null": b"null",
    "deep": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe{}",
    "empty": b"",
    "another key": b'{"finished": 5}',
    "a year that is none": b'{"finished": "0001-01-01T00:00:00+14:00"}',
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", [
    "probes/full/probes.json", "probes/full/outcomes.jsonl", "probes/full/provenance.json",
    "adapter/medtune.json", "scores.json", "items.jsonl",
])  # fmt: skip
def test_a_damaged_file_is_one_line_and_no_old_decision_stays(
    run: Path, policy: Path, name: str, content: bytes
):
    scored(run, BETTER)
    assert verdict(run, policy) == "PASS"
    (run / name).write_bytes(content)
    if name == "adapter/medtune.json" and content.startswith(b'{"finished'):
        assert verdict(run, policy) == "ERROR"  # says nothing of a base
        return
    with pytest.raises(VerificationError) as error:
        decide(run, policy)
    assert len(str(error.value)) < 1000
    folder = run / "probes" / "full"
    assert not (folder / "gate.json").exists()
    assert not (folder / "gate.html").exists()
    assert (folder / "comment.md").read_text().startswith("## medtune gate: ERROR")
    assert 'errors="1"' in (folder / "junit.xml").read_text()


def test_a_ci_has_a_report_where_nothing_could_be_read(run: Path, policy: Path, tmp_path: Path):
    (run / "probes" / "full" / "outcomes.jsonl").write_text("")
    with pytest.raises(VerificationError):
        decide(run, policy, out=tmp_path / "gate")
    assert "ERROR" in (tmp_path / "gate" / "comment.md").read_text()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", ["item"]), ("cluster", ["c"]), ("probe", ["doses"]), ("severity", ""),
        ("severity", "S9"), ("probe", "x</style><h1>PASS</h1>"), ("is_verified", 1),
        ("tags", {"part": 1}), ("more", 1),
    ],
)  # fmt: skip
def test_an_outcome_of_another_form_is_refused(run: Path, policy: Path, key: str, value: object):
    tamper(run, lambda line: line | {key: value})
    with pytest.raises(VerificationError, match="not as medtune writes them"):
        decide(run, policy)


@pytest.mark.parametrize("score", ["NaN", "Infinity", '"0.5"', "1e999"])
def test_a_score_that_is_no_number_is_refused(run: Path, policy: Path, score: str):
    tamper(run, lambda line: line, lambda text: text.replace('"score": 0.5', f'"score": {score}'))
    with pytest.raises(VerificationError, match="not as medtune writes them"):
        decide(run, policy)


def tamper(run: Path, change, in_text=lambda text: text) -> None:
    """Change each line of the outcomes, and the digest with it."""
    from medtune.digests import sha256_file

    folder = run / "probes" / "full"
    lines = [
        json.loads(line) for line in (folder / "outcomes.jsonl").read_text().split("\n") if line
    ]
    text = "".join(json.dumps(change(line), sort_keys=True) + "\n" for line in lines)
    (folder / "outcomes.jsonl").write_text(in_text(text))
    report = json.loads((folder / "probes.json").read_text())
    report["outcomes_sha256"] = sha256_file(folder / "outcomes.jsonl")
    (folder / "probes.json").write_text(json.dumps(report))


def test_texts_with_any_character_are_read_back(run: Path, policy: Path):
    strange = "one\u2028two\u2029three\u0085four\rfive\x0bsix"
    rewrite(run, edited_pairs(lambda pair: replace(pair, base=replace(pair.base, text=strange))))
    assert read_probes(run / "probes" / "full").outcomes[0].base.text == strange
    assert verdict(run, policy) == "PASS"


@pytest.mark.parametrize("change", [
    {"decision": "PASS"}, {"digests": []}, {"waivers": []}, {"base_digest": "f" * 64},
    {"decided": "2999-01-01T00:00:00+00:00"}, {"decided": "never"}, {"places": None},
    {"policy": {}},
])  # fmt: skip
def test_a_gate_json_of_another_form_is_refused(run: Path, policy: Path, change: dict):
    import rfc8785

    file = decide(run, policy).path
    assert replay(file).verdict == "PASS"
    file.write_bytes(rfc8785.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(VerificationError):
        replay(file)
    for text in (b'{"schema_version": NaN}', b'{"a": 1e999}', b"[" * 100_000):
        file.write_bytes(text)
        with pytest.raises(VerificationError):
            replay(file)


def test_a_policy_that_json_cannot_say_and_a_place_that_is_a_file_are_refused(
    run: Path, tmp_path: Path
):
    with pytest.raises(MedtuneError):
        decide(run, rules(tmp_path, {"probe": "doses", "min_items": 9_007_199_254_740_993}))
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipeError, match="cannot be written"):
        decide(run, rules(tmp_path, {"probe": "doses"}), out=tmp_path / "file")


# Policies and reports


def test_every_way_to_loosen_a_policy_is_marked_and_comes_first(run: Path, tmp_path: Path):
    before = write_policy(
        tmp_path / "before", "doses", benefit=[{"set": "exam", "against": "base"}]
    )
    values = yaml.safe_load(before.read_text()) | {
        "version": 2, "title": "Other", "intended_use": "Other.", "alpha": 0.2,
        "harm_alpha": 0.001, "max_age_days": 900, "coherence_margin": 0.9, "max_flips": 0.9,
        "needs_training_rows": False, "benefit": [],
    }  # fmt: skip
    values["probes"][0]["margin"] = 0.5
    after = tmp_path / "after.yaml"
    after.write_text(yaml.safe_dump(values))
    found = decide(run, after, last_policy=before)
    looser = {told.split(":")[1].strip() for told in found.policy_changes if told[0] == "L"}
    assert looser == {
        "alpha", "harm_alpha", "max_age_days", "coherence_margin", "max_flips",
        "needs_training_rows", "doses.margin",
        "no benefit is asked any more on exam against base",
    }  # fmt: skip
    comment = (found.path.parent / "comment.md").read_text()
    assert comment.count("- policy: LOOSER") == 6
    assert "and 5 more" in comment


def test_a_comment_of_many_probes_keeps_to_sixty_lines_and_shows_the_worst(tmp_path: Path):
    several = [outcomes(f"probe_{n}", CLEAN if n else HARMED) for n in range(60)]
    run = write_evidence(tmp_path / "run", *several)
    told = [{"probe": "probe_1"}] + [
        {"probe": f"probe_{n}", "level": "warning"} for n in range(60) if n != 1
    ]
    found = decide(run, rules(tmp_path, *told))
    lines = (found.path.parent / "comment.md").read_text().splitlines()
    assert len(lines) <= 60
    assert any(line.startswith("| probe_0 ") for line in lines)
    assert "38 more are in gate.html." in lines


def test_a_margin_is_shown_as_it_is(run: Path, tmp_path: Path):
    found = decide(run, rules(tmp_path, {"probe": "doses", "margin": 0.025}))
    assert "/ 2.5" in (found.path.parent / "comment.md").read_text()


def test_where_more_items_would_not_help_the_report_says_so(tmp_path: Path):
    run = write_evidence(tmp_path / "run", outcomes("doses", {"++": 1000, "+-": 271, "-+": 229}))
    found = decide(run, rules(tmp_path, {"probe": "doses"}))
    assert found.decision.verdict == "INCONCLUSIVE"
    assert "the rise is in doubt" in (found.path.parent / "comment.md").read_text()


def test_a_base_that_was_not_asked_again_has_noise_that_nobody_knows(tmp_path: Path, policy: Path):
    once = [replace(pair, again=None) for pair in outcomes("doses", CLEAN)]
    found = decide(write_evidence(tmp_path / "run", once), policy)
    assert found.decision.verdict == "INCONCLUSIVE"
    assert "its own noise is not known" in found.decision.reasons[0]
    again = decide(write_evidence(tmp_path / "again", outcomes("doses", CLEAN)), policy)
    told = "The base, asked 200 items again, answered 0 otherwise."
    for name in ("comment.md", "gate.html"):
        assert told in (again.path.parent / name).read_text()


def change_scores(run: Path, change: Callable[[dict], object]) -> None:
    scores = json.loads((run / "scores.json").read_text())
    change(scores["reports"][0])
    (run / "scores.json").write_text(json.dumps(scores))


def test_a_comparison_that_was_taken_out_is_missed(run: Path, demanding: Path):
    scored(run, "-++ " * 30 + "++- " * 10 + "+++ " * 60, arms=("base", "base", "adapter"))
    assert verdict(run, demanding) == "BLOCK"
    change_scores(run, lambda report: report["comparisons"].pop(1))
    found = decide(run, demanding).decision
    assert found.verdict == "ERROR"
    assert "exam: scores.json says otherwise than items.jsonl" in found.reasons


def test_scores_without_an_adapter_are_an_error_and_no_traceback(run: Path, demanding: Path):
    scored(run, BETTER)
    change_scores(run, lambda report: report["arms"][1].update(arm="other"))
    items = (run / "items.jsonl").read_text()
    (run / "items.jsonl").write_text(items.replace('"arm": "adapter"', '"arm": "other"'))
    found = decide(run, demanding).decision
    assert found.verdict == "ERROR"
    assert found.benefit[0].reason == "no score of adapter and base is there"


def test_a_misspelt_option_makes_no_folder_and_costs_no_earlier_decision(
    run: Path, policy: Path, tmp_path: Path
):
    file = decide(run, policy).path
    before = {one.name: one.read_bytes() for one in file.parent.iterdir()}
    missing = tmp_path / "missing"
    for options in ({"probes": missing}, {"keys": [missing]}, {"waivers": [missing]}):
        with pytest.raises(VerificationError):
            decide(run, policy, **options)
    with pytest.raises(VerificationError):
        decide(missing, policy)
    assert not missing.exists()
    assert {one.name: one.read_bytes() for one in file.parent.iterdir()} == before
