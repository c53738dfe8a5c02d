"""``medtune registry``: versions of adapters with their evidence, and who let them in."""

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from medtune.errors import RecipeError

if TYPE_CHECKING:
    from medtune.registry.registry import Registry
    from medtune.registry.verify import Verified

PIPED_WIDTH = 160
registry = typer.Typer(
    no_args_is_help=True,
    help="Keep adapters with their evidence, and promote what has enough of it.",
    epilog="A version is NAME:VERSION, NAME:production, NAME:staging or NAME@sha256:…. The "
    "registry is --registry, $MEDTUNE_REGISTRY, or the nearest folder adapters that is one.",
)
PlaceOption = Annotated[
    str | None,
    typer.Option("--registry", help="A folder, s3://BUCKET/PREFIX, or a bundle (.tar)."),
]
TrustOption = Annotated[
    Path | None,
    typer.Option(help="Your own trust root; by default $MEDTUNE_TRUST, or the folder's own."),
]
KeyOption = Annotated[Path, typer.Option(help="Your private key (.key).")]
Reference = Annotated[str, typer.Argument(metavar="VERSION", help="NAME:VERSION or NAME:STATE.")]
Keys = list[Path] | None


def _open(place: str | None, trust: Path | None) -> "Registry":
    from medtune.registry.registry import open_registry

    return open_registry(place, trust)


def _console() -> Console:
    return Console(highlight=False, markup=False)


def _say(text: str) -> None:
    _console().print(text, soft_wrap=True)


@registry.command()
def keygen(
    name: Annotated[Path, typer.Argument(help="NAME.key and NAME.pub are written.")],
) -> None:
    """Make a pair of keys for signing (ECDSA P-256)."""
    from medtune.signing import PRIVATE, PUBLIC, generate_key

    identity = generate_key(name)
    _say(f"{name}{PRIVATE} is yours alone; {name}{PUBLIC} is for the trust root (id "
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
        text = (
            trust.read_text(encoding="utf-8")
            if trust
            else new_trust(files, policy, approvals=approvals, staging=staging)
        )
        made = create_registry(Path(place), text)
    _say(f"{place} is a registry; its trust root has the digest {made.trust.digest}")


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
    opened = _open(place, trust)
    if to is not None:
        from medtune.registry.mirroring import send_version

        sent = send_version(opened, source, to)
        _say(f"{sent.place}@sha256:{sent.manifest}: {sent.num_blobs} blobs, {sent.num_bytes} bytes "
             f"sent; named {', '.join(sent.tags)}")  # fmt: skip
        return
    from medtune.pushing import push_run

    label, _, version = (name or "").partition(":")
    done = push_run(
        opened, Path(source), name=label or None, version=version or None, key=key,
        gate_key=gate_key, base=base, offline=offline,
    )  # fmt: skip
    what = "pushed" if done.is_new else "there already"
    _say(f"{done.name}:{done.version} {what}: sha256:{done.manifest}")
    for line in done.attached:
        _say(f"  attached: {line}")
    for line in done.withheld:
        _say(f"  left out: {line}")


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
        opened = _open(place, trust)
    done = pull_version(
        opened, reference, out=out, base_digest=_base_digest(base), anchor=anchor,
        allow_unsigned=allow_unsigned,
    )  # fmt: skip
    _tell(done.verified)
    _say(f"the adapter is in {done.path}")


@registry.command(name="list")
def list_versions(place: PlaceOption = None, trust: TrustOption = None) -> None:
    """List all versions and their states."""
    from medtune.registry.describing import override_lines

    opened = _open(place, trust)
    table = Table(box=None, pad_edge=False)
    for column in ("version", "state", "signed by", "pushed", "digest", ""):
        table.add_column(column, no_wrap=True)
    for name in opened.layout.names():
        for one in opened.standings(name).versions.values():
            signer = opened.trust.holder(one.signer).name if one.signer else "UNSIGNED"
            table.add_row(f"{name}:{one.version}", one.state, signer, one.pushed[:10],
                          f"sha256:{one.manifest[:16]}…", " ".join(override_lines(one)))  # fmt: skip
    console = _console()
    console.print(table, width=None if console.is_terminal else PIPED_WIDTH)


@registry.command()
def show(
    reference: Reference,
    card: Annotated[bool, typer.Option(help="The whole model card, as Markdown.")] = False,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Show a version: identity, state, evidence. Also without its weights."""
    from medtune.registry.describing import identity_lines, write_card

    opened, verified = _verify(reference, place, trust)
    if card:
        sys.stdout.write(write_card(verified, opened.layout))
        return
    _tell(verified)
    for line in identity_lines(verified.checked.version):
        _say(f"  {line}")
    for one in verified.checked.decisions:
        _say(f"  gate: {one.decision.verdict} under {one.policy}, decided {one.decided:%Y-%m-%d}, "
             f"{'signed' if one.signers else 'UNSIGNED'}")  # fmt: skip


@registry.command()
def diff(
    name: Annotated[str, typer.Argument(help="NAME.")],
    first: Annotated[str, typer.Argument(help="A version, state or digest.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Compare two versions: recipe, data, scores, and weights module by module."""
    from medtune.registry.comparing import compare

    found = compare(_open(place, trust), name, first, second)
    for key, before, after in found.settings:
        _say(f"{key}: {before} -> {after}")
    for title, arm, one, other in found.scores:
        _say(f"{title}, {arm}: {_figure(one)} -> {_figure(other)}")
    for module, change in found.modules:
        _say(f"{module}: weights moved by {100 * change:.1f} %")


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


@registry.command()
def verify(
    reference: Reference,
    base: Annotated[
        Path | None, typer.Option(help="The base's folder or .gguf: its digest has to fit.")
    ] = None,
    evidence: Annotated[bool, typer.Option(help="Do without weights that are not here.")] = False,
    allow_unsigned: Annotated[bool, typer.Option(help="Also a draft without signature.")] = False,
    anchor: Annotated[
        str | None, typer.Option(help="A head of the log that you saw earlier.")
    ] = None,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Verify a version from its bytes up. Exit code 5: something is not as it should be."""
    from medtune.registry.pull import parse_reference
    from medtune.registry.verify import verify as verify_version

    name, label = parse_reference(reference)
    verified = verify_version(
        _open(place, trust), name, label, base_digest=_base_digest(base), evidence_only=evidence,
        allow_unsigned=allow_unsigned, anchor=anchor,
    )  # fmt: skip
    _tell(verified)
    _say(f"verified; head of the log {verified.head}")


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
        _open(place, trust), name, label, to, key, override=override, until=_day(until)
    )
    before = f", in place of {moved.before}" if moved.before else ""
    _say(f"{moved.name}:{moved.version} is in {moved.state}{before}")
    if moved.override is not None:
        _say(f"OVERRIDE until {moved.override.until}: {moved.override.reason}")


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

    moved = roll_back(_open(place, trust), name, key, to=to, reason=reason)
    _say(f"{moved.name}:{moved.version} is in production again, in place of {moved.before}")


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
    moved = revoke_version(_open(place, trust), name, label, key, reason=reason)
    _say(f"{moved.name}:{moved.version} is revoked; it was {moved.before}")


@registry.command()
def log(
    name: Annotated[str, typer.Argument(help="NAME.")],
    verify_it: Annotated[
        bool, typer.Option("--verify", help="Only verify; the index as well.")
    ] = False,
    anchor: Annotated[
        str | None, typer.Option(help="A head that you saw earlier, SEQUENCE:DIGEST.")
    ] = None,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Show the log of a name, verified: an edit, a move or a gap in it is exit code 5."""
    from medtune.registry.log import head, require_head
    from medtune.registry.verify import require_pointers

    opened = _open(place, trust)
    opened.standings(name)
    entries = opened.entries(name)
    if anchor is not None:
        require_head(name, entries, anchor)
    require_pointers(opened, name, entries)
    for entry in entries if not verify_it else []:
        event = entry.event
        who = opened.trust.holder(entry.signer).name if entry.signer else "UNSIGNED"
        told = [event.time, who, event.kind, event.version, event.state or "", event.reason or ""]
        if event.override:
            told.append(f"OVERRIDE until {event.override.until}: {event.override.reason}")
        _say("  ".join(word for word in told if word))
    _say(f"{len(entries)} lines, whole; head {head(entries)}")


@registry.command()
def gc(
    delete: Annotated[bool, typer.Option(help="Remove them; without it they are listed.")] = False,
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """List blobs that nothing names, as stopped pushes leave them. Run it when nobody pushes."""
    from medtune.registry.keeping import collect, unreferenced

    opened = _open(place, trust)
    found = collect(opened) if delete else list(unreferenced(opened))
    for digest in found:
        _say(f"sha256:{digest}")
    _say(f"{len(found)} blobs {'removed' if delete else 'could go'}")


@registry.command()
def audit(place: PlaceOption = None, trust: TrustOption = None) -> None:
    """List promoted versions whose evidence does not suffice any more; exit code 5 if any."""
    from medtune.registry.keeping import audit as audit_registry

    found = audit_registry(_open(place, trust))
    for one in found:
        _say(f"{one.name}:{one.version} in {one.state}: {one.reason}")
    _say(f"{len(found)} promoted versions would not be promoted today")
    if found:
        raise typer.Exit(5)


@registry.command()
def bundle(
    reference: Reference,
    out: Annotated[Path, typer.Option(help="The file (.tar).")],
    place: PlaceOption = None,
    trust: TrustOption = None,
) -> None:
    """Write one file with a version and all that verifying it needs, for a place without network."""
    from medtune.registry.bundle import write_bundle
    from medtune.registry.pull import parse_reference

    opened = _open(place, trust)
    name, label = parse_reference(reference)
    verified = write_bundle(opened, name, label, out)
    _tell(verified)
    _say(f"{out}: verify it there with medtune registry verify {reference} --registry {out} "
         f"--trust FILE; your trust root has the digest {opened.trust.digest}")  # fmt: skip


def _verify(reference: str, place: str | None, trust: Path | None) -> tuple["Registry", "Verified"]:
    from medtune.registry.pull import parse_reference
    from medtune.registry.verify import verify as verify_version

    opened = _open(place, trust)
    name, label = parse_reference(reference)
    return opened, verify_version(opened, name, label, evidence_only=True, allow_unsigned=True)


def _tell(verified: "Verified") -> None:
    from medtune.registry.describing import state_lines

    _say(f"{verified.name}:{verified.standing.version}")
    for line in state_lines(verified):
        _say(f"  {line}")


def _base_digest(base: Path | None) -> str | None:
    if base is None:
        return None
    from medtune.digests import base_digest

    return base_digest(base)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise RecipeError(f"--until: {text} is no day; write 2027-01-31") from None
