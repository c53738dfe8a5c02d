"""Signatures and logs: as others read them, and never otherwise than they were written."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import model_signing
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_runs import Site, trust_of

from medtune.errors import VerificationError
from medtune.registry.log import Event, head, read_log, require_head, write_line
from medtune.registry.manifest import File, canonical
from medtune.registry.registry import new_event
from medtune.registry.statements import open_signature, sign_files
from medtune.registry.states import standings
from medtune.registry.trust import Trust


@pytest.fixture(scope="module")
def root(site: Site) -> Trust:
    return Trust.model_validate(yaml.safe_load(trust_of(site)))


def files_of(folder: Path) -> list[File]:
    from medtune.digests import sha256_file

    return [File(path.name, sha256_file(path), path.stat().st_size) for path in folder.iterdir()]


def test_model_signing_verifies_what_we_sign(site, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("b.safetensors", "a.json"):
        (folder / name).write_bytes(name.encode())
    bundle = tmp_path / "model.sig"
    bundle.write_text(json.dumps(sign_files("model", files_of(folder), site.key("trainer"))))
    checker = model_signing.verifying.Config().use_elliptic_key_verifier(
        public_key=site.public("trainer")
    )
    checker.verify(folder, bundle)
    (folder / "a.json").write_text("other")
    with pytest.raises(ValueError, match="mismatch"):
        checker.verify(folder, bundle)


def test_we_verify_what_model_signing_signs(site, root, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.json").write_text("{}")
    (folder / "b.json").write_text("[]")
    bundle = tmp_path / "model.sig"
    model_signing.signing.Config().use_elliptic_key_signer(private_key=site.key("trainer")).sign(
        folder, bundle
    )
    read = json.loads(bundle.read_text())
    assert [root.holder(one).name for one in open_signature(read, files_of(folder), root)] == [
        "trainer"
    ]
    (folder / "a.json").write_text("other")
    with pytest.raises(VerificationError, match=r"not over this a\.json"):
        open_signature(read, files_of(folder), root)
    (folder / "a.json").unlink()
    with pytest.raises(VerificationError, match=r"over a\.json, which is not here"):
        open_signature(read, files_of(folder), root)


def make_log(site: Site, kinds: list[str]) -> bytes:
    """A log of pushes and moves of them."""
    data, previous, versions = b"", "0" * 64, []
    for number, kind in enumerate(kinds):
        if kind == "push" or not versions:
            versions.append(f"v{number}")
            kind = "push"
        version = versions[number % len(versions)] if kind != "push" else versions[-1]
        event = new_event(
            name="demo", kind=kind, version=version, manifest=f"{int(version[1:]):064x}",
            adapter_digest="a" * 64, state=None if kind == "push" else "production",
        ).model_copy(update={"sequence": number, "previous": previous})  # fmt: skip
        line = write_line(event, site.key("trainer" if kind == "push" else "board"))
        from medtune.digests import sha256_bytes

        data, previous = data + line, sha256_bytes(line)
    return data


EVENTS = st.lists(st.sampled_from(["push", "promote"]), min_size=2, max_size=6)


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.data())
def test_no_edit_of_a_log_is_read(site, root, kinds, data):
    log = make_log(site, kinds)
    assert len(read_log("demo", log, root)) == len(kinds)
    place = data.draw(st.integers(0, len(log) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != log[place]))
    edited = log[:place] + bytes([byte]) + log[place + 1 :]
    with pytest.raises(VerificationError):
        read_log("demo", edited, root)


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.data())
def test_no_reorder_or_gap_is_read_and_an_anchor_tells_a_cut(site, root, kinds, data):
    log = make_log(site, kinds)
    lines = log.splitlines(keepends=True)
    whole = read_log("demo", log, root)
    anchor = head(whole)
    require_head("demo", whole, anchor)
    kept = data.draw(st.lists(st.sampled_from(range(len(lines))), max_size=len(lines)))
    if kept == list(range(len(kept))):
        cut = read_log("demo", b"".join(lines[: len(kept)]), root)
        if len(kept) < len(lines):
            with pytest.raises(VerificationError, match="it was cut"):
                require_head("demo", cut, anchor)
    else:
        with pytest.raises(VerificationError):
            read_log("demo", b"".join(lines[place] for place in kept), root)


def test_a_log_of_another_with_the_same_length_is_not_the_anchored_one(site, root):
    one, other = (read_log("demo", make_log(site, ["push", "promote"]), root) for _ in range(2))
    with pytest.raises(VerificationError, match="was another one before"):
        require_head("demo", other, head(one))


def test_a_line_that_is_dated_back_is_refused(site, root):
    log = make_log(site, ["push"])
    [first] = read_log("demo", log, root)
    early = (datetime.now(UTC) - timedelta(days=2)).isoformat(timespec="seconds")
    event = Event.model_validate(
        first.event.model_dump()
        | {"sequence": 1, "previous": first.digest, "kind": "promote", "state": "production",
           "time": early}
    )  # fmt: skip
    with pytest.raises(VerificationError, match="dated before"):
        read_log("demo", log + write_line(event, site.key("board")), root)


@pytest.mark.parametrize(
    "line",
    [
        {"signatures": []},
        {"signatures": [], "payload": 7},
        {"signatures": [], "payload": "bm90IGpzb24="},
        {"signatures": [], "payload": "W10="},
        {"signatures": 3},
    ],
)
def test_a_line_of_junk_is_refused_with_its_number(root, line):
    with pytest.raises(VerificationError, match="line 1 of the log of demo"):
        read_log("demo", canonical(line) + b"\n", root)


def test_a_line_without_a_time_is_refused(site, root):
    [first] = read_log("demo", make_log(site, ["push"]), root)
    event = first.event.model_copy(update={"time": "yesterday"})
    with pytest.raises(VerificationError, match="no event that medtune wrote"):
        read_log("demo", write_line(event, None), root)


def test_a_key_that_was_replaced_counts_for_its_own_days_and_no_others(root):
    values = root.model_dump(mode="json")
    values["keys"][0] |= {"valid_from": "2025-01-01", "valid_until": "2025-12-31"}
    rotated = Trust.model_validate(values)
    identity = rotated.keys[0].id
    within = datetime(2025, 6, 1, tzinfo=UTC)
    assert rotated.require(identity, "sign", within).name == "trainer"
    for outside in (datetime(2024, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)):
        with pytest.raises(VerificationError, match="is valid from"):
            rotated.require(identity, "sign", outside)


def test_a_move_that_nobody_signed_is_refused(site, root):
    log = make_log(site, ["push"])
    [first] = read_log("demo", log, root)
    event = first.event.model_copy(
        update={"sequence": 1, "previous": first.digest, "kind": "promote", "state": "production"}
    )
    with pytest.raises(VerificationError, match="nobody signed this promote"):
        read_log("demo", log + write_line(event, None), root)


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_at_most_one_version_is_in_production(site, root, kinds):
    found = standings("demo", read_log("demo", make_log(site, kinds), root))
    held = [version for version, one in found.versions.items() if one.state == "production"]
    assert held == ([found.holders["production"]] if "production" in found.holders else [])
