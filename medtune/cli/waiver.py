"""``medtune waiver``: signed statements that a gate's verdict is tolerated, for a while."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from medtune.digests import write_json
from medtune.errors import RecipeError

waiver = typer.Typer(
    no_args_is_help=True, help="Signed statements that a gate's verdict is tolerated."
)


@waiver.command()
def keygen(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Of NAME.key and NAME.pub.")],
) -> None:
    """Make a pair of keys (ECDSA P-256); NAME.key is readable by its owner alone."""
    from medtune.signing import generate_key

    sys.stdout.write(f"{name}.key signs, {name}.pub is given to others; id {generate_key(name)}\n")


@waiver.command()
def sign(
    place: Annotated[Path, typer.Argument(metavar="RUN|ADAPTER", help="For which adapter.")],
    probe: Annotated[str, typer.Option(help="Whose verdict is tolerated.")],
    reason: Annotated[str, typer.Option(help="Why, and what makes up for it.")],
    signer: Annotated[str, typer.Option(help="Name and role of who signs.")],
    key: Annotated[Path, typer.Option(help="The signer's NAME.key.")],
    out: Annotated[Path, typer.Option(help="File that is written.")],
    policy: Annotated[str, typer.Option(help="Under which policy.")] = "default",
    verdict: Annotated[
        list[str] | None,
        typer.Option(help="BLOCK or INCONCLUSIVE; may be repeated; by default INCONCLUSIVE."),
    ] = None,
    days: Annotated[int, typer.Option(help="For how many days.", min=1, max=90)] = 30,
) -> None:
    """Sign a waiver for one adapter, one policy and one probe."""
    from pydantic import ValidationError

    from medtune.digests import adapter_folder_digest
    from medtune.gate.evidence import find_adapter
    from medtune.gate.policy import load_policy
    from medtune.gate.waivers import Waiver, sign_waiver

    under = load_policy(policy)
    if probe not in (known := [rule.probe for rule in under.probes]):
        raise RecipeError(f"the policy {policy} does not ask for {probe}; it asks for "
                          f"{', '.join(known)}")  # fmt: skip
    today = datetime.now(UTC).date()
    verdicts: Any = list(verdict or ["INCONCLUSIVE"])  # pydantic checks what they are
    try:
        made = Waiver(
            adapter_digest=adapter_folder_digest(find_adapter(place)),
            policy_digest=under.digest,
            probe=probe,
            verdicts=verdicts,
            reason=reason,
            signer=signer,
            signed=today.isoformat(),
            expires=(today + timedelta(days=days)).isoformat(),
        )
    except ValidationError as error:
        faults = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise RecipeError(faults) from None
    write_json(out, sign_waiver(made, key))
    sys.stdout.write(f"{out}: {json.dumps(made.model_dump(mode='json'))}\n")
