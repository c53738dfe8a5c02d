"""``medtune registry``: versions of adapters with their evidence, and who let them in."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import typer

from medtune.cli import registry_views  # noqa: F401 - its commands join these
from medtune.cli.registry_options import (
    KeyOption,
    Keys,
    PlaceOption,
    Reference,
    TrustOption,
    digest_of,
    open_it,
    registry,
    say,
    tell,
)
from medtune.cli.start import require_training_extra
from medtune.errors import RecipeError

__all__ = ["registry"]


@registry.command()
def keygen(
    name: Annotated[Path, typer.Argument(help="NAME.key and NAME.pub are written.")],
) -> None:
    """Make a pair of keys for signing (ECDSA P-256)."""
    from medtune.signing import PRIVATE, PUBLIC, generate_key

    identity = generate_key(name)
    say(f"{name}{PRIVATE} is yours alone; {name}{PUBLIC} is for the trust root (id "
         f"{identity[:16]}…)")  # fmt: skip


@registry.command()
def init(
    place: Annotated[
        str, typer.Argument(help="A folder that is not there or empty, or s3://BUCKET/PREFIX.")
    ] = "adapters",
    policy: Annotated[
        str, typer.Option(help="Policy of the gate for both states: a name or a file.")
    ] = "default",
    sign: Annotated[Keys, typer.Option(help="Public key that may sign versions.")] = None,
    gate: Annotated[Keys, typer.Option(help="Public key that may sign decisions.")] = None,
    promote: Annotated[Keys, typer.Option(help="Public key that may approve and revoke.")] = None,
    waive: Annotated[Keys, typer.Option(help="Public key that may sign waivers.")] = None,
    approvals: Annotated[int, typer.Option(min=1, help="Keys that production asks for.")] = 1,
    staging: Annotated[bool, typer.Option(help="Versions pass through staging.")] = True,
    trust: Annotated[
        Path | None, typer.Option(help="A trust root that you have already, instead of keys.")
    ] = None,
) -> None:
    """Make a registry, with a trust root by the keys that you name."""
    from medtune.registry.founding import new_trust
    from medtune.registry.registry import create_in_store, create_registry
    from medtune.registry.trust import Role, load_trust

    files: dict[Role, list[Path]] = {
        "sign": sign or [], "gate": gate or [], "promote": promote or [], "waive": waive or [],
    }  # fmt: skip
    if trust is not None and any(files.values()):
        raise RecipeError("give either --trust or keys by role: a trust root names its keys")
    if place.startswith("s3://"):
        from medtune.registry.s3 import S3Store

        if trust is None:
            raise RecipeError("in an object store a registry is read by a trust root that you "
                              "keep yourself: give --trust FILE")  # fmt: skip
        made = create_in_store(S3Store(place), load_trust(trust))
    else:
        if trust is not None:
            load_trust(trust)
            text = trust.read_text(encoding="utf-8")
        else:
            text = new_trust(files, policy, approvals=approvals, staging=staging)
        made = create_registry(Path(place), text)
    say(f"{place} is a registry; its trust root has the digest {made.trust.digest}")


@registry.command()
def push(
    source: Annotated[
        str, typer.Argument(metavar="RUN|VERSION", help="A finished run; with --to, a version.")
    ],
    name: Annotated[
        str | None, typer.Option("--as", help="NAME or NAME:VERSION; by default the run's name.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Private key with the role sign: signs the version.")
    ] = None,
    gate_key: Annotated[
        Path | None,
        typer.Option(help="Private key with the role gate: signs the run's decision."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="The base, where the run does not tell where it is.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="A mirror that a version goes to: oci://HOST/REPOSITORY, hf://OWNER/NAME."
        ),
    ] = None,
    place: PlaceOption = None,
    trust: TrustOption = None,
    offline: Annotated[bool, typer.Option(help="Reach for no network for the base.")] = False,
) -> None:
    """Put a run's adapter and evidence into the registry; again, to add evidence to it."""
    opened = open_it(place, trust)
    if to is not None:
        from medtune.registry.mirroring import send_version

        sent = send_version(opened, source, to)
        say(f"{sent.place}@sha256:{sent.manifest}: {sent.num_blobs} blobs, {sent.num_bytes} bytes "
             f"sent; named {', '.join(sent.tags)}")  # fmt: skip
        return
    require_training_extra(offline=offline)
    from medtune.pushing import push as push_run

    label, _, version = (name or "").partition(":")
    done = push_run(
        opened, Path(source), name=label or None, version=version or None, key=key,
        gate_key=gate_key, base=base, offline=offline,
    )  # fmt: skip
    what = "pushed" if done.is_new else "there already"
    say(f"{done.name}:{done.version} {what}: sha256:{done.manifest}")
    for line in done.attached:
        say(f"  attached: {line}")
    for line in done.withheld:
        say(f"  left out: {line}")


@registry.command()
def pull(
    reference: Annotated[
        str,
        typer.Argument(metavar="VERSION", help="NAME:VERSION, NAME:STATE, or in a mirror: oci://…"),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to be made; by default one in medtune's cache.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="The base's folder or .gguf: its digest has to fit.")
    ] = None,
    anchor: Annotated[
        str | None, typer.Option(help="A head of the log that you saw earlier.")
    ] = None,
    allow_unsigned: Annotated[bool, typer.Option(help="Also a draft without signature.")] = False,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Verify a version and give it as a folder that cannot be written."""
    from medtune.registry.mirroring import is_mirror, open_mirrored
    from medtune.registry.pull import pull as pull_version

    if is_mirror(reference):
        opened, reference = open_mirrored(reference, trust)
    else:
        opened = open_it(place, trust)
    done = pull_version(
        opened, reference, out=out, base_digest=digest_of(base), anchor=anchor,
        allow_unsigned=allow_unsigned,
    )  # fmt: skip
    tell(done.verified)
    say(f"the adapter is in {done.path}")


@registry.command()
def promote(
    reference: Reference,
    to: Annotated[Literal["staging", "production"], typer.Option(help="The state.")],
    key: KeyOption,
    override: Annotated[
        str | None, typer.Option(help="Go without the gate's PASS, for this reason.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last day of the override.")] = None,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Approve a version for a state, and move it once enough have. All is computed anew.

    Exit codes: 3 or 4 as the gate decided; 4 also while approvals are missing; 5 for whatever
    else stands against it.
    """
    from medtune.registry.promote import promote as promote_version
    from medtune.registry.pull import parse_reference

    name, label = parse_reference(reference)
    moved = promote_version(
        open_it(place, trust), name, label, to, key, override=override, until=_day(until)
    )
    before = f", in place of {moved.before}" if moved.before else ""
    say(f"{moved.name}:{moved.version} is in {moved.state}{before}")
    if moved.override is not None:
        say(f"OVERRIDE until {moved.override.until}: {moved.override.reason}")


@registry.command()
def rollback(
    name: Annotated[str, typer.Argument(help="NAME.")],
    key: KeyOption,
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    to: Annotated[str | None, typer.Option(help="A version; by default the one before.")] = None,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Put the version before this one back into production."""
    from medtune.registry.promote import rollback as roll_back

    moved = roll_back(open_it(place, trust), name, key, to=to, reason=reason)
    say(f"{moved.name}:{moved.version} is in production again, in place of {moved.before}")


@registry.command()
def revoke(
    reference: Reference,
    key: KeyOption,
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Withdraw a version for good."""
    from medtune.registry.promote import revoke as revoke_version
    from medtune.registry.pull import parse_reference

    name, label = parse_reference(reference)
    moved = revoke_version(open_it(place, trust), name, label, key, reason=reason)
    say(f"{moved.name}:{moved.version} is revoked; it was {moved.before}")


@registry.command()
def gc(
    delete: Annotated[bool, typer.Option(help="Remove them; without it they are listed.")] = False,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """List blobs that nothing names, as stopped pushes leave them. Run it when nobody pushes."""
    from medtune.registry.keeping import collect, unreferenced

    opened = open_it(place, trust)
    found = collect(opened) if delete else list(unreferenced(opened))
    for digest in found:
        say(f"sha256:{digest}")
    say(f"{len(found)} blobs {'removed' if delete else 'could go'}")


@registry.command()
def bundle(
    reference: Reference,
    out: Annotated[Path, typer.Option(help="The file (.tar).")],
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Write a version and all that verifying it needs as one file, for a place without network."""
    from medtune.registry.bundle import write_bundle
    from medtune.registry.pull import parse_reference

    opened = open_it(place, trust)
    name, label = parse_reference(reference)
    verified = write_bundle(opened, name, label, out)
    tell(verified)
    say(f"{out}: verify it there with medtune registry verify {reference} --registry {out} "
         f"--trust FILE; your trust root has the digest {opened.trust.digest}")  # fmt: skip


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise RecipeError(f"--until: {text} is no day; write 2027-01-31") from None
