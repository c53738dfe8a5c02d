"""``trust.yaml``: whose keys count for what, and what each state asks of a version.

It is the root of all verification. That of a registry in a folder is its own, under the review of
whoever reviews that folder; for anything from elsewhere (object stores, mirrors, bundles) it has to
be one's own copy.
"""

from collections.abc import Iterable
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field, model_validator

from medtune.digests import sha256_value
from medtune.errors import RecipeError, VerificationError
from medtune.recipe.document import parse
from medtune.recipe.loader import check
from medtune.recipe.section import Positive, Section
from medtune.signing import key_id

FILE_NAME = "trust.yaml"
Role = Literal["sign", "gate", "promote", "waive"]
State = Literal["staging", "production"]
STATES: tuple[State, ...] = ("staging", "production")
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class TrustedKey(Section):
    """A key, and what its holder may do."""

    name: str = Field(min_length=1)
    """Of the holder, as people and messages call it."""
    public_key: str = Field(min_length=1)
    """In PEM, on the curve P-256."""
    roles: Annotated[list[Role], Field(min_length=1)]
    """sign: push versions. gate: sign decisions. promote: move, roll back and revoke. waive: sign
    waivers of the gate."""
    valid_from: Day
    valid_until: Day
    """Last day. A key that is replaced stays in the list, so that what it signed can be read."""
    compromised: Day | None = None
    """First day on which others may have had it. Nothing that it signed for a version counts any
    more; lines of the log do, where another's line of an earlier day seals them."""

    @model_validator(mode="after")
    def _it_is_a_key_of_a_span(self) -> Self:
        _ = self.key
        for day in (self.valid_from, self.valid_until, self.compromised):
            date.fromisoformat(day or self.valid_from)
        if self.valid_until < self.valid_from:
            raise ValueError(f"{self.name}: valid_until is before valid_from")
        return self

    @cached_property
    def key(self) -> ec.EllipticCurvePublicKey:
        """The key itself.

        Raises:
            ValueError: It is none.
        """
        try:
            key = serialization.load_pem_public_key(self.public_key.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError(f"{self.name}: public_key is no key in PEM") from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise ValueError(f"{self.name}: public_key is not on the curve P-256")
        return key

    @cached_property
    def id(self) -> str:
        """By which signatures name it."""
        return key_id(self.key)


class StateRule(Section):
    """What a version has to show for a state."""

    policy: str = Field(min_length=1)
    """Of the gate, as people call it."""
    policy_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the gate: a decision under exactly this one is asked for."""
    max_age_days: Positive = 90
    """Of the decision."""
    approvals: Positive = 1
    """Holders of different keys with the role promote who have to agree."""


class Trust(Section):
    """A trust root."""

    trust_version: Literal[1] = 1
    keys: list[TrustedKey]
    states: dict[State, StateRule]
    """A registry without staging promotes to production at once."""
    separate_duties: bool = True
    """Whether who signed a version or its decision may not approve it."""
    mirrors: list[str] = Field(default=[])
    """Where files are fetched from that are not here: oci:// or hf:// places."""

    @model_validator(mode="after")
    def _keys_and_names_are_single(self) -> Self:
        for names in ([key.name for key in self.keys], [key.id for key in self.keys]):
            if len(set(names)) < len(names):
                raise ValueError("keys names a holder or a key twice")
        if "production" not in self.states:
            raise ValueError("states needs production")
        return self

    @property
    def digest(self) -> str:
        """sha256 of all that it says."""
        return sha256_value(self.model_dump(mode="json"))

    @cached_property
    def public_keys(self) -> list[ec.EllipticCurvePublicKey]:
        """All keys, whatever they may do."""
        return [key.key for key in self.keys]

    @property
    def waiver_keys(self) -> list[ec.EllipticCurvePublicKey]:
        """Keys that may waive, and that nobody else has had."""
        return [key.key for key in self.keys if "waive" in key.roles and key.compromised is None]

    def holder(self, identity: str) -> TrustedKey:
        """Who holds the key of an id.

        Raises:
            VerificationError: Nobody in this list.
        """
        found = next((key for key in self.keys if key.id == identity), None)
        if found is None:
            raise VerificationError(f"no trusted key has the id {identity[:16]}…")
        return found

    def require(self, identity: str, role: Role, when: datetime) -> TrustedKey:
        """The holder of a key that may do something on a day.

        Raises:
            VerificationError: The key is unknown, has not the role, or was not valid on that day.
        """
        holder = self.holder(identity)
        if role not in holder.roles:
            raise VerificationError(
                f"the key of {holder.name} may {' and '.join(holder.roles)}, not {role}"
            )
        day = when.date().isoformat()
        if not holder.valid_from <= day <= holder.valid_until:
            raise VerificationError(
                f"the key of {holder.name} is valid from {holder.valid_from} until "
                f"{holder.valid_until}; this was signed on {day}"
            )
        return holder

    def require_evidence(
        self, signatures: Iterable[tuple[str, datetime]], role: Role
    ) -> TrustedKey:
        """Who signed evidence of a version: the first signer who may.

        Args:
            signatures: Ids of keys, each with the time of its own signature.
            role: That is asked for.

        Raises:
            VerificationError: None of them may, or the key of who may is compromised.
        """
        failed: VerificationError | None = None
        for signer, when in signatures:
            try:
                holder = self.require(signer, role, when)
                if holder.compromised is not None:
                    raise VerificationError(
                        f"the key of {holder.name} is compromised: nothing that it signed counts; "
                        "sign again with another"
                    )
            except VerificationError as error:
                failed = failed or error
            else:
                return holder
        raise failed or VerificationError("nobody has signed this")


def load_trust(file: Path) -> Trust:
    """Read and check a trust root.

    Raises:
        RecipeError: There is none, or it is none; every fault is told with its place.
    """
    if not file.is_file():
        raise RecipeError(f"there is no trust root {file}")
    return check(parse(file), Trust, "trust root")
