"""Promotion is the only way to a state, and looks at everything itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from registry_runs import evidence_files, make_run, trust_of

from medtune.errors import RecipeError, UnapprovedError, VerificationError
from medtune.registry.describing import write_card
from medtune.registry.keeping import audit
from medtune.registry.promote import promote, revoke, rollback
from medtune.registry.pull import pull
from medtune.registry.push import push
from medtune.registry.registry import create_registry
from medtune.registry.requirements import GateRefusedError
from medtune.registry.verify import verify


def put(registry, site, run, **options):
    return push(registry, run, site.base_files, key=site.key("trainer"),
                gate_key=site.key("ci"), **options)  # fmt: skip


def states(registry) -> dict[str, str]:
    return {v.version: v.state for v in registry.standings("demo").versions.values()}


def test_an_adapter_without_a_decision_is_not_promoted(registry, site, tmp_path):
    run = make_run(tmp_path / "run", site, gate=False)
    push(registry, run, site.base_files, key=site.key("trainer"))
    with pytest.raises(VerificationError, match="there is none"):
        promote(registry, "demo", "v1", "production", site.key("board"))
    assert states(registry) == {"v1": "draft"}


@pytest.mark.parametrize(
    ("counts", "verdict", "exit_code"),
    [(evidence_files.HARMED, "BLOCK", 3), (evidence_files.UNSURE, "INCONCLUSIVE", 4)],
)
def test_what_the_gate_did_not_pass_exits_as_the_gate_does(
    registry, site, tmp_path, counts, verdict, exit_code
):
    run = make_run(tmp_path / "run", site, counts=counts)
    put(registry, site, run)
    with pytest.raises(GateRefusedError, match=f"the gate says {verdict}") as error:
        promote(registry, "demo", "v1", "production", site.key("board"))
    assert error.value.exit_code == exit_code
    assert states(registry) == {"v1": "draft"}


def test_a_decision_that_nobody_signed_does_not_count(registry, site, run):
    push(registry, run, site.base_files, key=site.key("trainer"))
    with pytest.raises(VerificationError, match="decision is UNSIGNED"):
        promote(registry, "demo", "v1", "production", site.key("board"))


def test_an_unsigned_version_never_reads_as_valid(registry, site, run):
    push(registry, run, site.base_files, gate_key=site.key("ci"))
    with pytest.raises(VerificationError, match="UNSIGNED"):
        promote(registry, "demo", "v1", "production", site.key("board"))
    for check in (verify, lambda r, n, v: pull(r, f"{n}:{v}")):
        with pytest.raises(VerificationError, match="UNSIGNED"):
            check(registry, "demo", "v1")
    loose = verify(registry, "demo", "v1", allow_unsigned=True)
    assert "UNSIGNED" in write_card(loose, registry.layout)


def test_stale_evidence_is_refused_and_told_by_an_audit_later(registry, site, run, change_trust):
    put(registry, site, run)
    promote(registry, "demo", "v1", "production", site.key("board"))
    assert audit(registry) == []

    def other_policy(values):
        for rule in values["states"].values():
            rule["policy_digest"] = "0" * 64

    strict = change_trust(other_policy)
    [found] = audit(strict)
    assert (found.version, found.state) == ("v1", "production")
    assert "under the policy" in found.reason


def test_old_evidence_does_not_promote(registry, site, tmp_path):
    run = make_run(tmp_path / "run", site, age_days=100)
    put(registry, site, run)
    with pytest.raises(GateRefusedError, match="days old") as error:
        promote(registry, "demo", "v1", "production", site.key("board"))
    assert error.value.exit_code == 5


def test_production_takes_as_many_approvals_as_the_root_asks_for(tmp_path, site, run):
    registry = create_registry(tmp_path / "two", trust_of(site, approvals=2))
    put(registry, site, run)
    with pytest.raises(UnapprovedError, match="approved by board, 2 have to") as error:
        promote(registry, "demo", "v1", "production", site.key("board"))
    assert error.value.exit_code == 4
    with pytest.raises(UnapprovedError):
        promote(registry, "demo", "v1", "production", site.key("board"))
    assert states(registry) == {"v1": "draft"}
    promote(registry, "demo", "v1", "production", site.key("chief"))
    assert states(registry) == {"v1": "production"}
    assert len(verify(registry, "demo", "production").standing.backers) == 2


def test_an_approval_is_for_one_decision_and_not_for_the_next(tmp_path, site):
    registry = create_registry(tmp_path / "two", trust_of(site, approvals=2))
    run = make_run(tmp_path / "run", site)
    put(registry, site, run)
    with pytest.raises(UnapprovedError):
        promote(registry, "demo", "v1", "production", site.key("board"))
    from medtune.gate.run import decide

    # Decided again, with other evidence.
    for file in ("probes.json", "outcomes.jsonl"):
        (run / "probes" / "full" / file).unlink()
    pairs = evidence_files.outcomes("doses", {"++": 900, "--": 100})
    from medtune.digests import base_digest

    evidence_files.write_evidence(run, pairs, base=base_digest(site.base))
    decide(run, site.policy)
    put(registry, site, run)
    with pytest.raises(UnapprovedError, match="approved by"):
        promote(registry, "demo", "v1", "production", site.key("chief"))


def test_staging_comes_before_production(tmp_path, site, run):
    registry = create_registry(tmp_path / "both", trust_of(site, staging=True))
    put(registry, site, run)
    with pytest.raises(VerificationError, match="in staging first"):
        promote(registry, "demo", "v1", "production", site.key("board"))
    promote(registry, "demo", "v1", "staging", site.key("board"))
    promote(registry, "demo", "staging", "production", site.key("board"))
    assert states(registry) == {"v1": "production"}


def test_one_version_is_production_and_the_one_before_is_retired(registry, site, run, other_run):
    put(registry, site, run)
    put(registry, site, other_run)
    promote(registry, "demo", "v1", "production", site.key("board"))
    moved = promote(registry, "demo", "v2", "production", site.key("board"))
    assert moved.before == "v1"
    assert states(registry) == {"v1": "retired", "v2": "production"}
    back = rollback(registry, "demo", site.key("chief"), reason="wrong doses were seen")
    assert (back.version, back.before) == ("v1", "v2")
    assert states(registry) == {"v1": "production", "v2": "retired"}
    kinds = [entry.event.kind for entry in registry.entries("demo")]
    assert kinds == ["push", "push", "promote", "promote", "rollback"]
    assert pull(registry, "demo").verified.standing.version == "v1"


def test_a_revoked_version_is_neither_pulled_nor_promoted_nor_rolled_back_to(
    registry, site, run, other_run
):
    put(registry, site, run)
    put(registry, site, other_run)
    promote(registry, "demo", "v1", "production", site.key("board"))
    promote(registry, "demo", "v2", "production", site.key("board"))
    revoke(registry, "demo", "v1", site.key("board"), reason="trained on the wrong rows")
    with pytest.raises(VerificationError, match="no earlier version"):
        rollback(registry, "demo", site.key("board"), reason="a try")
    with pytest.raises(VerificationError, match="REVOKED: trained on the wrong rows"):
        pull(registry, "demo:v1")
    with pytest.raises(VerificationError, match="revoked"):
        promote(registry, "demo", "v1", "production", site.key("board"))
    revoke(registry, "demo", "production", site.key("board"), reason="and this one too")
    with pytest.raises(VerificationError, match="no version of demo is in production"):
        pull(registry, "demo:production")


def test_an_override_is_signed_logged_shown_everywhere_and_ends(registry, site, tmp_path):
    run = make_run(tmp_path / "run", site, counts=evidence_files.HARMED)
    put(registry, site, run)
    today = datetime.now(UTC).date()
    reason = "the only adapter for this ward, watched by two people"
    for wrong in (None, today - timedelta(days=1), today + timedelta(days=31)):
        with pytest.raises(RecipeError):
            promote(registry, "demo", "v1", "production", site.key("board"),
                    override=reason, until=wrong)  # fmt: skip
    until = today + timedelta(days=3)
    promote(registry, "demo", "v1", "production", site.key("board"), override=reason, until=until)
    verified = verify(registry, "demo", "production")
    assert f"OVERRIDE until {until}" in write_card(verified, registry.layout)
    assert reason in (pull(registry, "demo:production").path / "README.md").read_text()
    standing = registry.standings("demo").find("production")
    assert not standing.expired(until)
    assert standing.expired(until + timedelta(days=1))


def test_an_override_that_is_over_is_refused(registry, site, run, monkeypatch):
    put(registry, site, run)
    today = datetime.now(UTC).date()
    promote(registry, "demo", "v1", "production", site.key("board"),
            override="until the gate is measured again", until=today)  # fmt: skip
    from medtune.registry import verify as module

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=1)

    verify(registry, "demo", "v1")
    monkeypatch.setattr(module, "datetime", Tomorrow)
    with pytest.raises(VerificationError, match="by an override that is over"):
        verify(registry, "demo", "v1")


def test_a_version_cannot_be_pushed_twice_with_other_bytes(registry, site, run, other_run):
    put(registry, site, run, version="2026.1")
    with pytest.raises(VerificationError, match="a version never changes"):
        put(registry, site, other_run, version="2026.1")
    again = put(registry, site, run)
    assert (again.version, again.is_new, again.attached) == ("2026.1", False, ())
    with pytest.raises(VerificationError, match=r"there already, as 2026\.1"):
        put(registry, site, run, version="2026.2")


def test_a_promotion_that_skips_approvals_in_the_log_is_refused_by_readers(tmp_path, site, run):
    """Somebody with one key writes the line himself instead of asking a second."""
    registry = create_registry(tmp_path / "two", trust_of(site, approvals=2))
    put(registry, site, run)
    from medtune.registry.registry import new_event
    from medtune.registry.requirements import check_evidence

    standing = registry.standings("demo").find("v1")
    pushed_at = datetime.fromisoformat(standing.pushed)
    [decided] = check_evidence(
        registry.layout, standing.manifest, registry.trust, pushed_at
    ).decisions
    event = new_event(name="demo", kind="promote", version="v1", manifest=standing.manifest,
                      adapter_digest=standing.adapter_digest, state="production",
                      gate=decided.attachment)  # fmt: skip
    registry.record("demo", lambda _: (event, site.key("board")))
    with pytest.raises(VerificationError, match="1 of 2 approvals"):
        pull(registry, "demo:production")


def test_the_folder_that_is_pulled_cannot_be_written_and_is_checked_each_time(
    registry, promoted, tmp_path
):
    pulled = pull(registry, "demo:production")
    assert pulled.path.name == promoted.manifest
    assert pulled.path.stat().st_mode & 0o222 == 0
    weights = pulled.path / "adapter_model.safetensors"
    assert weights.stat().st_mode & 0o222 == 0
    weights.chmod(0o644)
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(VerificationError, match="changed after it was pulled"):
        pull(registry, "demo:production")
    copy = pull(registry, f"registry:demo@sha256:{promoted.manifest}", out=tmp_path / "copy")
    assert sorted(path.name for path in Path(copy.path).iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "medtune.json",
        "tokenizer_config.json",
    ]  # fmt: skip
