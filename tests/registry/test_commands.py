"""``medtune registry`` as a user sees it, and what two versions differ in."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from registry_runs import MODULES, adapter_tensors, make_run
from typer.testing import CliRunner

from medtune.cli import app
from medtune.errors import RecipeError, VerificationError
from medtune.registry.comparing import compare
from medtune.registry.pull import pull
from medtune.registry.push import push
from medtune.registry.requirements import check_evidence
from medtune.registry.statements import STATEMENT_FILE, open_statement, parse_json


@pytest.fixture
def medtune(registry):
    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["registry", *words, "--registry", registry.place])
        assert (done.exit_code, done.exception if done.exit_code == 1 else None) == (code, None)
        return done.output

    return run


def test_versions_are_listed_shown_and_logged(medtune, registry, promoted):
    listed = medtune("list")
    assert "demo:v1" in listed
    assert "production" in listed
    shown = medtune("show", "demo:v1")
    assert "signed by trainer" in shown
    assert "gate: PASS under ours" in shown
    assert medtune("show", "demo:production", "--card").startswith("---\nbase_model:")
    lines = medtune("log", "demo").splitlines()
    assert [line.split()[2] for line in lines[:2]] == ["push", "promote"]
    assert lines[-1].startswith("2 lines, whole; head 1:")
    anchor = lines[-1].split()[-1]
    assert medtune("log", "demo", "--verify", "--anchor", anchor).startswith("2 lines")


def test_audit_gc_and_bundle_say_what_they_did(medtune, promoted, tmp_path):
    assert medtune("audit") == "0 promoted versions would not be promoted today\n"
    assert medtune("gc") == "0 blobs could go\n"
    out = tmp_path / "demo.tar"
    assert "verify it there" in medtune("bundle", "demo:production", "--out", str(out))
    assert out.is_file()


def test_keys_and_a_registry_are_made_and_a_role_without_a_key_is_refused(tmp_path, site):
    runner = CliRunner()
    done = runner.invoke(app, ["registry", "keygen", str(tmp_path / "mine")])
    assert done.exit_code == 0
    assert stat.S_IMODE((tmp_path / "mine.key").stat().st_mode) == 0o600
    place = str(tmp_path / "made")
    words = ["registry", "init", place, "--policy", str(site.policy), "--sign",
             str(tmp_path / "mine.pub")]  # fmt: skip
    refused = runner.invoke(app, words)
    assert "name a public key for the role gate" in str(refused.exception)
    others = ["--gate", str(site.public("ci")), "--promote", str(site.public("board"))]
    assert runner.invoke(app, [*words, *others]).exit_code == 0
    assert (Path(place) / "oci-layout").read_text() == '{"imageLayoutVersion":"1.0.0"}'


def test_a_registry_is_founded_beside_a_readme_and_nothing_else(tmp_path, site):
    place = tmp_path / "adapters"
    place.mkdir()
    (place / "README.md").write_text("Ours.")
    words = ["registry", "init", str(place), "--policy", str(site.policy)]
    for role, key in (("sign", "trainer"), ("gate", "ci"), ("promote", "board")):
        words += [f"--{role}", str(site.public(key))]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert (place / "README.md").read_text() == "Ours."
    again = CliRunner().invoke(app, words)
    assert "not empty" in str(again.exception)


def test_the_difference_of_two_versions_is_that_of_their_whole_updates(
    registry, pushed, other_run, site
):
    push(registry, other_run, site.base_files, key=site.key("trainer"))
    found = compare(registry, "demo", "v1", "v2")
    assert ("recipe.seed", "1", "2") in found.settings
    one, other = adapter_tensors(1), adapter_tensors(2)
    expected = {}
    for module in MODULES:
        a, b = (
            tensors[f"base_model.model.{module}.lora_B.weight"].astype(float)
            @ tensors[f"base_model.model.{module}.lora_A.weight"].astype(float)
            for tensors in (one, other)
        )
        expected[module] = np.linalg.norm(b - a) / np.linalg.norm(a)
    assert dict(found.modules) == pytest.approx(expected)


def test_where_a_version_is_from_is_signed(registry, pushed):
    [one] = [one for one in registry.layout.attachments(pushed.manifest)
             if one.kind == "provenance"]  # fmt: skip
    envelope = parse_json(registry.layout.read_file(one.files[0]), STATEMENT_FILE)
    subject, said, [signer] = open_statement(
        envelope, registry.trust, "https://slsa.dev/provenance/v1"
    )
    assert subject == pushed.manifest
    assert registry.trust.holder(signer).name == "trainer"
    names = {one["name"] for one in said["buildDefinition"]["resolvedDependencies"]}
    assert names == {"base", "data/test", "data/train"}


def test_a_version_is_found_by_its_name_wherever_an_adapter_is_named(
    registry, promoted, monkeypatch, tmp_path
):
    from medtune.registry.pull import find_adapter

    monkeypatch.setenv("MEDTUNE_REGISTRY", registry.place)
    for name in ("demo", "demo:v1", "demo:production", f"demo@sha256:{promoted.manifest}"):
        assert find_adapter(f"registry:{name}").name == promoted.manifest
    monkeypatch.delenv("MEDTUNE_REGISTRY")
    below = tmp_path / "some" / "where"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_adapter("registry:demo").name == promoted.manifest
    assert os.environ.get("MEDTUNE_REGISTRY") is None


def test_a_trust_root_that_is_not_there_is_one_line_and_makes_nothing(tmp_path):
    words = ["registry", "init", str(tmp_path / "made"), "--trust", str(tmp_path / "none.yaml")]
    done = CliRunner().invoke(app, words)
    assert "there is no trust root" in str(done.exception)
    assert not (tmp_path / "made").exists()


def test_a_run_that_lost_a_file_is_named(registry, site, tmp_path):
    for name in ("data.json", "train.json"):
        run = make_run(tmp_path / name, site)
        (run / name).unlink()
        with pytest.raises(RecipeError, match=name):
            push(registry, run, site.base_files, key=site.key("trainer"))
    assert registry.layout.names() == []


def test_torn_memory_of_heads_is_told_and_not_forgotten(registry, promoted, tmp_path):
    pull(registry, "demo")
    (tmp_path / "cache" / "registry-heads.json").write_text("{")
    with pytest.raises(VerificationError, match="was torn"):
        pull(registry, "demo")


def test_a_version_that_is_signed_again_counts_by_the_day_of_that_signature(registry, pushed):
    """A key that was replaced after the first push can be replaced by one that came later."""
    long_ago = datetime(2024, 1, 1, tzinfo=UTC)
    checked = check_evidence(registry.layout, pushed.manifest, registry.trust, long_ago)
    assert checked.signer is not None
    assert checked.signer.name == "trainer"
