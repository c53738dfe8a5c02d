"""A registry: a layout, its logs, and the trust root that they are read with."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medtune.digests import write_text
from medtune.errors import RecipeError, RegistryError
from medtune.registry.layout import LAYOUT_FILE, Layout, log_key
from medtune.registry.log import NO_LINE, Entry, Event, head, read_log, write_line
from medtune.registry.states import Standings, standings
from medtune.registry.store import FolderStore, Store
from medtune.registry.trust import FILE_NAME, Trust, load_trust

PLACE_VARIABLE, TRUST_VARIABLE = "MEDTUNE_REGISTRY", "MEDTUNE_TRUST"
NEAREST = "adapters"
README = "README.md"
BUNDLE = ".tar"
TRIES = 400
"""Of an event that others' events keep coming before."""
IGNORED = "# Weights are fetched by medtune registry pull; all else is kept here.\n"
Make = Callable[[Standings], tuple[Event, Path | None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A registry that can be read, and written where its store can."""

    layout: Layout
    trust: Trust

    @property
    def place(self) -> str:
        """What a user calls it."""
        return self.layout.store.place

    def entries(self, name: str) -> list[Entry]:
        """The verified log of a name.

        Raises:
            VerificationError: Its chain or a signature is broken.
        """
        return read_log(name, self.layout.store.read(log_key(name)), self.trust)

    def standings(self, name: str) -> Standings:
        """All versions of a name.

        Raises:
            RegistryError: There is none of that name.
            VerificationError: Its log is broken.
        """
        entries = self.entries(name)
        if not entries:
            known = ", ".join(self.layout.names()) or "nothing"
            raise RegistryError(f"{self.place} has no {name}; it has {known}")
        return standings(name, entries)

    def record(self, name: str, make: Make) -> Event | None:
        """Add an event to the log of a name, decided anew whenever another came first.

        Args:
            name: Of the log.
            make: From the standings before the event: the event, whose place in the log is filled
                in here, and the key that signs it. None: nothing is to be added.

        Returns:
            The event as it was written.
        """
        for _ in range(TRIES):
            seen = self.layout.store.read(log_key(name))
            entries = read_log(name, seen, self.trust)
            made = make(standings(name, entries))
            if made is None:
                self.follow(name)
                return None
            event, key = made
            last = entries[-1] if entries else None
            placed = event.model_copy(update={
                "sequence": len(entries), "previous": last.digest if last else NO_LINE,
            })  # fmt: skip
            line = write_line(placed, key)
            # Whoever may not write this line learns it now, and not from the next reader.
            read_log(name, (seen or b"") + line, self.trust)
            if self.layout.append(name, seen, line):
                self.follow(name)
                return placed
        raise RegistryError(f"{self.place} is written by too many others; try again")

    def follow(self, name: str) -> None:
        """Let the index name versions as the log has them."""
        entries = self.entries(name)
        found = standings(name, entries)
        labels = {label: one.manifest for label, one in found.versions.items()}
        labels |= {state: found.versions[held].manifest for state, held in found.holders.items()}
        self.layout.name_versions(name, labels, head(entries))


def new_event(**values: object) -> Event:
    """An event of now; its place in the log comes later."""
    time = datetime.now(UTC).isoformat(timespec="seconds")
    return Event.model_validate({"sequence": 0, "previous": NO_LINE, "time": time} | values)


def create_registry(place: Path, trust: str) -> Registry:
    """Make a registry in a folder.

    Args:
        place: The folder, which may be there, with nothing in it but a README.
        trust: The text of its trust root.

    Raises:
        RecipeError: The trust root is none.
        RegistryError: The folder holds something already.
    """
    if place.exists() and not place.is_dir():
        raise RegistryError(f"{place} is there and no folder")
    if place.exists() and {file.name for file in place.iterdir()} - {README}:
        raise RegistryError(f"{place} is there and not empty")
    try:
        place.mkdir(parents=True, exist_ok=True)
        write_text(place / FILE_NAME, trust)
        write_text(place / ".gitignore", f"{IGNORED}.lock\n*.partial\n")
    except OSError as error:
        raise RegistryError(f"{place} cannot be written: {error.strerror}") from error
    try:
        root = load_trust(place / FILE_NAME)
    except RecipeError:
        (place / FILE_NAME).unlink()
        raise
    layout = Layout(FolderStore(place))
    layout.create()
    return Registry(layout=layout, trust=root)


def open_registry(place: str | Path | None = None, trust: Path | None = None) -> Registry:
    """Open a registry.

    Args:
        place: A folder, ``s3://bucket/prefix``, or a bundle (.tar); None: that of
            $MEDTUNE_REGISTRY, or the nearest folder ``adapters`` that is one.
        trust: One's own trust root; None: that of $MEDTUNE_TRUST, or of the folder itself.

    Raises:
        RegistryError: There is none.
        RecipeError: The trust root is missing, or is none.
    """
    found = str(place or os.environ.get(PLACE_VARIABLE) or _nearest())
    own = own_root(trust)
    if own is None and (found.startswith("s3://") or found.endswith(BUNDLE)):
        raise RecipeError(
            f"{found} comes from elsewhere and cannot vouch for itself: give your own trust root, "
            f"--trust FILE or ${TRUST_VARIABLE}"
        )
    root = load_trust(own or Path(found) / FILE_NAME) if own or Path(found).is_dir() else None
    store = _store(found, root)
    layout = Layout(store)
    if root is None or not layout.exists():
        raise RegistryError(f"{found} is no registry; medtune registry init makes one")
    return Registry(layout=layout, trust=root)


def own_root(given: Path | None) -> Path | None:
    """The file of one's own trust root: as it was given, or $MEDTUNE_TRUST; None: neither."""
    variable = os.environ.get(TRUST_VARIABLE)
    return given or (Path(variable) if variable else None)


def create_in_store(store: Store, trust: Trust) -> Registry:
    """Make a registry in an object store, whose trust root its users keep themselves.

    Raises:
        RegistryError: There is one already.
    """
    layout = Layout(store)
    layout.create()
    return Registry(layout=layout, trust=trust)


def _store(place: str, trust: Trust | None) -> Store:
    if place.startswith("s3://"):
        from medtune.registry.s3 import S3Store

        return S3Store(place)
    if place.startswith(("oci://", "hf://")):
        raise RecipeError(
            f"{place} is a mirror: it holds no states. Push a version to it with `registry push "
            "NAME:VERSION --to`, pull from it with `registry pull`"
        )
    if place.endswith(BUNDLE) and trust is not None:
        from medtune.registry.bundle import open_bundle

        return open_bundle(Path(place), trust)
    return FolderStore(Path(place))


def _nearest() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / NEAREST / LAYOUT_FILE).is_file():
            return folder / NEAREST
    raise RegistryError(
        f"there is no folder {NEAREST} with a registry here or above; give --registry, set "
        f"${PLACE_VARIABLE}, or make one with medtune registry init"
    )
