"""What somebody might do to a registry that they can write, each refused by verify and by pull."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from registry_runs import (
    blob,
    edit_index,
    evidence_files,
    make_base,
    make_run,
    rewrite,
    trust_of,
)

from medtune.digests import base_digest, sha256_bytes, sha256_file
from medtune.errors import VerificationError
from medtune.evidence.probes import read_probes, write_probes
from medtune.gate.run import decide
from medtune.registry.bundle import write_bundle
from medtune.registry.layout import SUBJECT
from medtune.registry.log import head
from medtune.registry.manifest import descriptor, write_attachment
from medtune.registry.manifest import read_version as parse_version
from medtune.registry.promote import promote, rollback
from medtune.registry.pull import pull
from medtune.registry.push import push
from medtune.registry.registry import open_registry
from medtune.registry.verify import verify


def refused(registry, match, label="v1", **options):
    """Verify and pull refuse with exit code 5."""
    for check in (
        lambda: verify(registry, "demo", label, **options),
        lambda: pull(registry, f"demo:{label}", **options),
    ):
        with pytest.raises(VerificationError, match=match) as error:
            check()
        assert error.value.exit_code == 5


def test_the_untouched_version_is_verified_and_pulled(registry, promoted):
    assert verify(registry, "demo", "production").decided is not None
    assert pull(registry, "demo:production").path.is_dir()


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "tokenizer_config.json"])
def test_one_byte_in_a_file_is_refused_and_the_file_named(registry, promoted, name):
    version = registry.layout.version(promoted.manifest)
    [file] = [file for file in version.files if file.name == name]
    path = blob(registry, file.sha256)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    rewrite(path, bytes(data))
    refused(registry, name)


def test_one_byte_in_the_manifest_is_refused(registry, promoted):
    path = blob(registry, promoted.manifest)
    rewrite(path, path.read_bytes().replace(b"CC0", b"CC1"))
    refused(registry, "other bytes")


def test_one_byte_in_what_is_attached_is_refused(registry, promoted):
    for one in registry.layout.attachments(promoted.manifest):
        path = blob(registry, one.digest)
        before = path.read_bytes()
        rewrite(path, before.replace(b'"size":', b'"size": '))
        refused(registry, "other bytes")
        rewrite(path, before)
        file = blob(registry, one.files[0].sha256)
        whole = file.read_bytes()
        rewrite(file, whole[:-1] + bytes([whole[-1] ^ 1]))
        refused(registry, "other bytes")
        rewrite(file, whole)
    verify(registry, "demo", "v1")


def attach_all(registry, source, target):
    """Attach what one version has to another, as who can write would."""
    data = blob(registry, target).read_bytes()
    for one in list(registry.layout.attachments(source)):
        if one.kind == "run":
            continue
        made = write_attachment(one.kind, target, len(data), one.files)
        registry.layout.write_blob(made.data, made.digest)
        registry.layout.add({made.data: target})


def test_the_gate_of_another_adapter_is_refused(registry, promoted, other_run, site):
    other = push(registry, other_run, site.base_files, key=site.key("trainer"))
    attach_all(registry, promoted.manifest, other.manifest)
    with pytest.raises(VerificationError, match="another"):
        promote(registry, "demo", other.version, "production", site.key("board"))
    refused(registry, "another|not over", other.version)


def test_a_referrer_that_only_the_index_moves_is_refused(registry, promoted, other_run, site):
    other = push(registry, other_run, site.base_files, key=site.key("trainer"))
    gate = next(one for one in registry.layout.attachments(promoted.manifest) if one.kind == "gate")

    def move(index):
        for one in index["manifests"]:
            if one["digest"] == f"sha256:{gate.digest}":
                one["annotations"][SUBJECT] = other.manifest

    edit_index(registry, move)
    refused(registry, "belongs to another version", other.version)


def test_the_gate_under_another_policy_does_not_promote(registry, site, tmp_path):
    run = make_run(tmp_path / "run", site, seed=5, gate=False)
    loose = evidence_files.write_policy(tmp_path / "loose", "doses", max_age_days=99)
    decide(run, loose)
    pushed = push(registry, run, site.base_files, key=site.key("trainer"), gate_key=site.key("ci"))
    with pytest.raises(VerificationError, match=r"under the policy ours .*only under ours"):
        promote(registry, "demo", pushed.version, "production", site.key("board"))


def test_an_edited_outcome_with_all_digests_made_anew_is_refused(registry, pushed, site, tmp_path):
    """The files agree with each other; the signature is over the decision before."""
    layout = registry.layout
    gate = next(one for one in layout.attachments(pushed.manifest) if one.kind == "gate")
    folder = tmp_path / "edited"
    for file in gate.files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(layout.read_blob(file.sha256))
    report = read_probes(folder / "probes")
    write_probes(report, folder / "probes")
    text = (folder / "probes" / "outcomes.jsonl").read_text()
    edited = text.replace('"verdict": "fail"', '"verdict": "ok"', 1)
    assert edited != text
    (folder / "probes" / "outcomes.jsonl").write_text(edited)
    values = json.loads((folder / "probes" / "probes.json").read_text())
    values["outcomes_sha256"] = sha256_bytes(edited.encode())
    (folder / "probes" / "probes.json").write_text(json.dumps(values))
    recorded = json.loads((folder / "gate.json").read_text())
    recorded["digests"] |= {
        f"probes/{name}": sha256_file(folder / "probes" / name)
        for name in ("probes.json", "outcomes.jsonl")
    }
    import rfc8785

    (folder / "gate.json").write_bytes(rfc8785.dumps(recorded))
    from medtune.registry.manifest import File

    files = []
    for file in gate.files:
        data = (folder / file.name).read_bytes()
        layout.write_blob(data, sha256_bytes(data))
        files.append(File(file.name, sha256_bytes(data), len(data)))
    size = len(blob(registry, pushed.manifest).read_bytes())
    made = write_attachment("gate", pushed.manifest, size, files)
    layout.write_blob(made.data, made.digest)
    new = descriptor(made, **{SUBJECT: pushed.manifest})

    def swap(index):
        index["manifests"] = [
            new if one["digest"] == f"sha256:{gate.digest}" else one for one in index["manifests"]
        ]

    edit_index(registry, swap)
    with pytest.raises(VerificationError, match="its evidence gives"):
        promote(registry, "demo", "v1", "production", site.key("board"))
    refused(registry, "its evidence gives")


@pytest.mark.parametrize(
    ("key", "gate_key", "promoter", "match"),
    [
        ("ci", "ci", "board", "may gate, not sign"),
        ("trainer", "trainer", "board", "may sign, not gate"),
        ("trainer", "ci", "trainer", "may sign, not promote"),
        ("trainer", "ci", "stranger", "no trusted key"),
        ("stranger", "ci", "board", "no trusted key"),
    ],
)
def test_a_key_without_the_role_is_refused(registry, run, site, key, gate_key, promoter, match):
    def whole():
        push(registry, run, site.base_files, key=site.key(key), gate_key=site.key(gate_key))
        promote(registry, "demo", "v1", "production", site.key(promoter))

    with pytest.raises(VerificationError, match=match):
        whole()
    if promoter == "board":
        assert registry.layout.names() == []


def test_who_made_a_version_does_not_approve_it(registry, run, site, change_trust):
    def all_roles(values):
        for key in values["keys"]:
            key["roles"] = ["sign", "gate", "promote"]

    registry = change_trust(all_roles)
    push(registry, run, site.base_files, key=site.key("trainer"), gate_key=site.key("trainer"))
    with pytest.raises(VerificationError, match="separate duties"):
        promote(registry, "demo", "v1", "production", site.key("board"))
    push(registry, run, site.base_files, gate_key=site.key("ci"))
    for maker in ("trainer", "ci"):
        with pytest.raises(VerificationError, match="cannot approve it"):
            promote(registry, "demo", "v1", "production", site.key(maker))
    assert promote(registry, "demo", "v1", "production", site.key("board")).version == "v1"


def test_an_expired_key_is_refused(registry, promoted, site, change_trust):
    def end(values):
        for key in values["keys"]:
            if key["name"] == "trainer":
                key["valid_from"], key["valid_until"] = "2020-01-01", "2020-12-31"

    refused(change_trust(end), "valid from 2020-01-01 until 2020-12-31")


def test_what_a_compromised_key_signed_does_not_count(registry, promoted, site, change_trust):
    def compromise(values):
        for key in values["keys"]:
            if key["name"] == "trainer":
                key["compromised"] = key["valid_until"]

    refused(change_trust(compromise), "compromised")


def test_a_line_by_a_compromised_key_needs_anothers_earlier_line(registry, promoted, change_trust):
    def compromise(values):
        for key in values["keys"]:
            if key["name"] == "board":
                key["compromised"] = key["valid_until"]

    refused(change_trust(compromise), "compromised since")


def test_a_swapped_base_is_refused(registry, promoted, tmp_path):
    make_base(tmp_path / "other", seed=9)
    refused(registry, "the base here", base_digest=base_digest(tmp_path / "other"))


def test_a_truncated_log_and_an_old_head_are_refused_against_an_anchor(registry, promoted, site):
    log = Path(registry.place) / "log" / "demo.jsonl"
    index = Path(registry.place) / "index.json"
    before = log.read_bytes(), index.read_bytes()
    promote_again = head(registry.entries("demo"))
    rollback_point = before[0].splitlines(keepends=True)
    rewrite(log, b"".join(rollback_point[:-1]))
    refused(registry, "it was cut", anchor=promote_again)
    refused(registry, "it was cut|had", anchor=None)  # the index tells it too
    # All of the registry set back: only an anchor, or a pull before, can tell.
    rewrite(log, before[0])
    pull(registry, "demo:v1")
    rewrite(log, b"".join(rollback_point[:-1]))
    edit_index(registry, lambda index: index.pop("annotations"))
    edit_index(registry, lambda index: [one.pop("annotations") for one in index["manifests"]
                                        if "ref.name" in str(one)])  # fmt: skip
    with pytest.raises(VerificationError, match="it was cut"):
        pull(registry, "demo:v1")


@pytest.mark.parametrize("how", ["edit", "reorder", "gap", "half"])
def test_a_log_that_was_written_in_is_refused(registry, promoted, site, how):
    log = Path(registry.place) / "log" / "demo.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    changed = {
        "edit": [lines[0].replace(b"payload", b"Payload", 1), *lines[1:]],
        "reorder": lines[::-1],
        "gap": lines[1:],
        "half": [*lines[:-1], lines[-1][:-10]],
    }[how]
    log.write_bytes(b"".join(changed))
    refused(registry, "log of demo")


def test_a_pointer_moved_by_hand_is_refused(registry, promoted, other_run, site):
    other = push(registry, other_run, site.base_files, key=site.key("trainer"))

    def move(index):
        for one in index["manifests"]:
            if (one.get("annotations") or {}).get("org.opencontainers.image.ref.name") == (
                "demo:production"
            ):
                one["digest"] = f"sha256:{other.manifest}"

    edit_index(registry, move)
    refused(registry, "moved it by hand", "production")


def test_a_bundle_with_a_foreign_root_is_refused(registry, promoted, site, tmp_path):
    bundle = tmp_path / "demo.tar"
    write_bundle(registry, "demo", "production", bundle)
    own = Path(registry.place) / "trust.yaml"
    assert verify(open_registry(bundle, own), "demo", "production").decided is not None
    foreign = tmp_path / "foreign.yaml"
    foreign.write_text(trust_of(site, approvals=2))
    with pytest.raises(VerificationError, match="another trust root"):
        open_registry(bundle, foreign)


def test_a_bundle_that_was_changed_is_refused(registry, promoted, tmp_path):
    bundle = tmp_path / "demo.tar"
    write_bundle(registry, "demo", "production", bundle)
    data = bytearray(bundle.read_bytes())
    place = data.find(b"doses")
    data[place] ^= 1
    bundle.write_bytes(bytes(data))
    opened = open_registry(bundle, Path(registry.place) / "trust.yaml")
    with pytest.raises(VerificationError):
        verify(opened, "demo", "production")


def test_a_symlink_out_of_the_layout_is_refused(registry, promoted, tmp_path):
    version = registry.layout.version(promoted.manifest)
    path = blob(registry, version.files[0].sha256)
    outside = tmp_path / "outside"
    shutil.move(path, outside)
    path.symlink_to(outside)
    refused(registry, "symbolic link")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\b", "./a", ""])
def test_a_title_that_leads_out_is_refused(registry, promoted, name):
    data = json.loads(blob(registry, promoted.manifest).read_bytes())
    data["layers"][0]["annotations"]["org.opencontainers.image.title"] = name
    with pytest.raises(VerificationError, match="is called"):
        parse_version(json.dumps(data).encode())


def test_the_command_exits_with_5(registry, promoted):
    path = blob(registry, registry.layout.version(promoted.manifest).files[0].sha256)
    rewrite(path, b"other")
    done = subprocess.run(
        [sys.executable, "-m", "medtune", "registry", "verify", "demo:production",
         "--registry", registry.place],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 5
    assert "adapter_config.json was changed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_roll_back_to_what_never_was_production_is_refused(registry, promoted, other_run, site):
    push(registry, other_run, site.base_files, key=site.key("trainer"))
    with pytest.raises(VerificationError, match="was not in production"):
        rollback(registry, "demo", site.key("board"), to="v2", reason="a try")
