"""Signed statements: DSSE envelopes with ECDSA P-256, which any tool for in-toto can read.

The encoding before signing is DSSE's (github.com/secure-systems-lab/dsse, protocol v1.0.2): what is
signed names the payload's type and lengths, so that no part can be taken for another.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from medtune.digests import write_bytes, write_secret
from medtune.errors import VerificationError

PRIVATE, PUBLIC = ".key", ".pub"
_CURVE = ec.SECP256R1()


def generate_key(name: Path) -> str:
    """Write ``NAME.key`` (for its owner alone) and ``NAME.pub``; the key's id.

    Raises:
        VerificationError: One of the files is there already.
    """
    private, public = name.with_name(name.name + PRIVATE), name.with_name(name.name + PUBLIC)
    for file in (private, public):
        if file.exists():
            raise VerificationError(f"{file} is there already; a key is never overwritten")
    key = ec.generate_private_key(_CURVE)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_secret(private, secret)
    write_bytes(public, _public_bytes(key.public_key()))
    return key_id(key.public_key())


def read_private(file: Path) -> ec.EllipticCurvePrivateKey:
    """A private key in PEM.

    Raises:
        VerificationError: It cannot be read, others can read it, or it is no key on P-256.
    """
    try:
        if file.stat().st_mode & 0o077:
            raise VerificationError(f"{file} can be read by others: chmod 600 it")
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise VerificationError(f"{file} is no private key ({type(error).__name__})") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != _CURVE.name:
        raise VerificationError(f"{file} is no key on the curve P-256")
    return key


def read_public(file: Path) -> ec.EllipticCurvePublicKey:
    """A public key in PEM.

    Raises:
        VerificationError: It cannot be read, or is no key on P-256.
    """
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise VerificationError(f"{file} is no public key ({type(error).__name__})") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _CURVE.name:
        raise VerificationError(f"{file} is no key on the curve P-256")
    return key


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """sha256 of the key in PEM: what statements and lists of trusted keys call it."""
    return hashlib.sha256(_public_bytes(key)).hexdigest()


def sign(
    payload: Mapping[str, Any], payload_type: str, key: ec.EllipticCurvePrivateKey
) -> dict[str, Any]:
    """A DSSE envelope around a JSON value."""
    body = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = key.sign(_encoded(payload_type, body), ec.ECDSA(hashes.SHA256()))
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(body).decode(),
        "signatures": [
            {"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}
        ],
    }


def verify(
    envelope: Mapping[str, Any], payload_type: str, keys: Sequence[ec.EllipticCurvePublicKey]
) -> tuple[dict[str, Any], list[str]]:
    """The payload, and the ids of those of the given keys that have signed it.

    Raises:
        VerificationError: It is no envelope of that type, or none of the keys has signed it.
    """
    try:
        found_type, body = envelope["payloadType"], base64.b64decode(envelope["payload"])
        signatures = [
            (str(one["keyid"]), base64.b64decode(one["sig"])) for one in envelope["signatures"]
        ]
        payload = json.loads(body)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise VerificationError(f"this is no signed statement ({type(error).__name__})") from None
    if found_type != payload_type or not isinstance(payload, dict):
        raise VerificationError(f"this is a statement of type {found_type}, not {payload_type}")
    message = _encoded(payload_type, body)
    known = {key_id(key): key for key in keys}
    signers = [name for name, signature in signatures
               if name in known and _is_signed(known[name], signature, message)]  # fmt: skip
    if not signers:
        raise VerificationError("the statement is not signed by any of the trusted keys")
    return payload, signers


def _is_signed(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _encoded(payload_type: str, body: bytes) -> bytes:
    kind = payload_type.encode()
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind, str(len(body)).encode(), body))


def _public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
