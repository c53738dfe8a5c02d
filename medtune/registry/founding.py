"""The text of a new trust root: keys by role, and what staging and production ask for."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from medtune.errors import RecipeError
from medtune.gate.policy import load_policy
from medtune.registry.trust import Role
from medtune.signing import PUBLIC, key_id, read_public

YEARS = 2
"""For which new keys are trusted."""
HEAD = (
    "# Whose keys count for what, and what each state asks of a version. Whoever can change this "
    "file\n# can let anything in: keep it under review. A key that is replaced stays in it.\n"
)


def new_trust(
    roles: Mapping[Role, Sequence[Path]], policy: str, *, approvals: int, staging: bool
) -> str:
    """A trust root in YAML.

    Args:
        roles: What a key may do -> files of public keys.
        policy: Of the gate, for both states.
        approvals: That production asks for.
        staging: Whether versions pass through staging.

    Raises:
        RecipeError: No key is named for a role that promoting needs, or the policy is none.
        VerificationError: A file is no public key.
    """
    needed: tuple[Role, ...] = ("sign", "gate", "promote")
    for role in needed:
        if not roles.get(role):
            raise RecipeError(f"name a public key for the role {role}: --{role} FILE{PUBLIC}")
    chosen = load_policy(policy)
    rule = {"policy": chosen.policy, "policy_digest": chosen.digest, "max_age_days": 90}
    states = {"staging": rule | {"approvals": 1}} if staging else {}
    values = {
        "trust_version": 1,
        "separate_duties": len(_keys(roles)) > 1,
        "keys": _keys(roles),
        "states": states | {"production": rule | {"approvals": approvals}},
        "mirrors": [],
    }
    return HEAD + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _keys(roles: Mapping[Role, Sequence[Path]]) -> list[dict[str, Any]]:
    today = datetime.now(UTC).date()
    found: dict[str, dict[str, Any]] = {}
    for role, files in roles.items():
        for file in files:
            identity = key_id(read_public(file))
            entry = found.setdefault(identity, {
                "name": file.name.removesuffix(PUBLIC), "public_key": file.read_text(),
                "roles": [], "valid_from": today.isoformat(),
                "valid_until": (today + timedelta(days=365 * YEARS)).isoformat(),
            })  # fmt: skip
            entry["roles"].append(role)
    return list(found.values())
