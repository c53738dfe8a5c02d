"""Signed statements: what is signed holds, and nothing else does."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import VerificationError
from medtune.signing import generate_key, key_id, read_private, read_public, sign, verify

TYPE = "application/vnd.medtune.test+json"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "bea"):
        generate_key(folder / name)
    return folder


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=4))
def test_what_was_signed_is_read_back_with_its_signer(keys: Path, payload: dict[str, object]):
    public = read_public(keys / "ada.pub")
    envelope = json.loads(json.dumps(sign(payload, TYPE, read_private(keys / "ada.key"))))
    assert verify(envelope, TYPE, [public]) == (payload, [key_id(public)])


def test_a_changed_payload_type_or_signature_does_not_hold(keys: Path):
    public = read_public(keys / "ada.pub")
    good = sign({"what": "one"}, TYPE, read_private(keys / "ada.key"))
    other = base64.b64encode(b'{"what":"two"}').decode()
    for bad in (
        good | {"payload": other},
        good | {"signatures": []},
        good | {"signatures": [{"keyid": key_id(public), "sig": "AAAA"}]},
    ):
        with pytest.raises(VerificationError, match="not signed by any of the trusted keys"):
            verify(bad, TYPE, [public])
    with pytest.raises(VerificationError, match="of type"):
        verify(good | {"payloadType": "text/plain"}, TYPE, [public])
    with pytest.raises(VerificationError, match="no signed statement"):
        verify({"payload": "x"}, TYPE, [public])


def test_a_strangers_key_is_not_trusted_although_it_stands_in_the_envelope(keys: Path):
    envelope = sign({"what": "one"}, TYPE, read_private(keys / "bea.key"))
    with pytest.raises(VerificationError, match="not signed by any"):
        verify(envelope, TYPE, [read_public(keys / "ada.pub")])
    claimed = envelope["signatures"][0] | {"keyid": key_id(read_public(keys / "ada.pub"))}
    forged = envelope | {"signatures": [claimed]}
    with pytest.raises(VerificationError, match="not signed by any"):
        verify(forged, TYPE, [read_public(keys / "ada.pub")])


def test_keys_are_never_overwritten_and_private_ones_are_private(keys: Path, tmp_path: Path):
    with pytest.raises(VerificationError, match="never overwritten"):
        generate_key(keys / "ada")
    assert (keys / "ada.key").stat().st_mode & 0o077 == 0
    shared = tmp_path / "shared.key"
    shared.write_bytes((keys / "ada.key").read_bytes())
    shared.chmod(0o644)
    with pytest.raises(VerificationError, match="chmod 600"):
        read_private(shared)
    with pytest.raises(VerificationError, match="is no private key"):
        read_private(keys / "none.key")
    with pytest.raises(VerificationError, match="is no public key"):
        read_public(keys / "ada.key")


def test_the_signature_is_one_that_openssl_accepts(keys: Path, tmp_path: Path):
    import shutil
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    envelope = sign({"what": "one"}, TYPE, read_private(keys / "ada.key"))
    body = base64.b64decode(envelope["payload"])
    message = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(body), body)
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", keys / "ada.pub", "-signature", "sig", "message"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "Verified OK"
