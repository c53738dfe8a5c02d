"""Signed statements about versions: in-toto Statements in DSSE, and OpenSSF model signatures.

A model signature (github.com/sigstore/model-transparency) is a statement over names and digests of
a version's files in a Sigstore bundle: the tools of that project verify it, and it is verified here
without them, offline.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medtune import __version__
from medtune.errors import VerificationError
from medtune.registry.manifest import File, Pins
from medtune.registry.trust import Trust
from medtune.signing import key_id, read_private, sign, verify

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
MODEL_SIGNATURE = "https://model_signing/signature/v1.0"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
GATE = "urn:medtune:gate:v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
TRAINING = "urn:medtune:training:v1"
EVENT = "urn:medtune:registry-event:v1"
SIGNATURE_FILE, STATEMENT_FILE = "model.sig", "statement.json"


def make_statement(
    name: str, manifest: str, predicate_type: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """An in-toto Statement about a version's manifest."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": manifest}}],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def sign_statement(statement: Mapping[str, Any], key: Path) -> dict[str, Any]:
    """The statement in an envelope, signed."""
    return sign(statement, PAYLOAD, read_private(key))


def open_statement(
    envelope: object, trust: Trust, predicate_type: str
) -> tuple[str, dict[str, Any], list[str]]:
    """Digest of the manifest that a statement is about, its predicate, and who signed it.

    Raises:
        VerificationError: It is none of that type, or no trusted key signed it.
    """
    if not isinstance(envelope, Mapping):
        raise VerificationError("this is no signed statement")
    payload, signers = verify(envelope, PAYLOAD, trust.public_keys)
    manifest, predicate = read_statement(payload, predicate_type)
    return manifest, predicate, signers


def read_statement(payload: Mapping[str, Any], predicate_type: str) -> tuple[str, dict[str, Any]]:
    """Digest of the manifest that a statement is about, and its predicate.

    Raises:
        VerificationError: It is none of that type.
    """
    try:
        found, [subject] = payload["predicateType"], payload["subject"]
        manifest, predicate = subject["digest"]["sha256"], payload["predicate"]
    except (KeyError, TypeError, ValueError):
        raise VerificationError("this is no statement about one version") from None
    if payload.get("_type") != STATEMENT or found != predicate_type:
        raise VerificationError(f"this is a statement of type {found}, not {predicate_type}")
    if not isinstance(predicate, dict) or not isinstance(manifest, str):
        raise VerificationError("this is no statement about one version")
    return manifest, predicate


def provenance(pins: Pins, signed: str) -> dict[str, Any]:
    """SLSA's predicate of a training run: from which recipe, base and rows an adapter was made.

    Args:
        pins: What the version is tied to.
        signed: When this is signed, ISO 8601: model signatures themselves say no time.

    Source: slsa.dev/spec/v1.0/provenance.
    """
    sources = {"base": pins.base_digest} | {f"data/{k}": v for k, v in pins.data.items()}
    return {
        "buildDefinition": {
            "buildType": TRAINING,
            "externalParameters": {"recipe.lock.yaml": {"sha256": pins.lock_digest}},
            "resolvedDependencies": [
                {"name": name, "digest": {"sha256": digest}}
                for name, digest in sorted(sources.items())
            ],
        },
        "runDetails": {
            "builder": {"id": f"urn:medtune:{__version__}"},
            "metadata": {"medtune_signedOn": signed},
        },
    }


def sign_files(name: str, files: Sequence[File], key: Path) -> dict[str, Any]:
    """An OpenSSF model signature over a version's files."""
    private = read_private(key)
    ordered = sorted(files, key=lambda file: file.name)
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": _root(file.sha256 for file in ordered)}}],
        "predicateType": MODEL_SIGNATURE,
        "predicate": {
            "serialization": {
                "method": "files", "hash_type": "sha256", "allow_symlinks": False,
                "ignore_paths": [],
            },
            "resources": [
                {"name": file.name, "algorithm": "sha256", "digest": file.sha256}
                for file in ordered
            ],
        },
    }  # fmt: skip
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "publicKey": {"hint": key_id(private.public_key())}, "tlogEntries": [],
        },
        "dsseEnvelope": sign(statement, PAYLOAD, private),
    }  # fmt: skip


def open_signature(bundle: object, files: Sequence[File], trust: Trust) -> list[str]:
    """Ids of the keys that signed exactly these files.

    Raises:
        VerificationError: It is no model signature, of other files, or of no trusted key.
    """
    try:
        envelope = bundle["dsseEnvelope"]  # type: ignore[index]
        hint = bundle["verificationMaterial"]["publicKey"]["hint"]  # type: ignore[index]
        # OpenSSF's signer names the key in the bundle and leaves the envelope's id empty.
        named = [one | {"keyid": one["keyid"] or hint} for one in envelope["signatures"]]
        envelope = envelope | {"signatures": named}
    except (KeyError, TypeError):
        raise VerificationError("this is no model signature") from None
    payload, signers = verify(envelope, PAYLOAD, trust.public_keys)
    try:
        resources = payload["predicate"]["resources"]
        found = {one["name"]: one["digest"] for one in resources}
        is_whole = payload["subject"][0]["digest"]["sha256"] == _root(found.values())
    except (KeyError, TypeError, IndexError, ValueError):
        raise VerificationError("this is no model signature") from None
    if payload.get("predicateType") != MODEL_SIGNATURE:
        raise VerificationError("this is no model signature")
    if not is_whole:
        raise VerificationError("the model signature contradicts itself")
    for file in files:
        if found.pop(file.name, None) != file.sha256:
            raise VerificationError(f"the model signature is not over this {file.name}")
    if found:
        raise VerificationError(f"the model signature is over {min(found)}, which is not here")
    return signers


def parse_json(data: bytes, what: str) -> Any:  # noqa: ANN401 - JSON of any kind
    """A JSON value.

    Raises:
        VerificationError: It is none.
    """
    try:
        return json.loads(data)
    except ValueError:
        raise VerificationError(f"{what} is no JSON") from None


def _root(digests: Any) -> str:  # noqa: ANN401 - an iterator of hex digests
    """sha256 over the digests' bytes in the order of the names."""
    return hashlib.sha256(b"".join(bytes.fromhex(one) for one in digests)).hexdigest()
