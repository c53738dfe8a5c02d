"""From the name of a base to a folder of safetensors and the digest that is its identity."""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medtune.digests import (
    CONFIG_FILES,
    INDEX_FILE,
    TOKENIZER_FILES,
    base_files,
    sha256_named,
)
from medtune.errors import BaseError, RecipeError
from medtune.models.cache import file_digests
from medtune.models.catalogue import CATALOGUE
from medtune.models.convert import check_index, convert_bin, convert_gguf
from medtune.models.fetch import fetch_gguf
from medtune.recipe import Base
from medtune.records import Progress

HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedBase:
    """A base on this machine, and what it is called elsewhere."""

    reference: str
    """Alias, hub id, or the name of the folder or GGUF: what an adapter records."""
    revision: str | None
    """Commit on the hub, where it came from there."""
    folder: Path
    """Config, tokenizer and safetensors."""
    digest: str
    """Weights digest of the folder; of a GGUF, the sha256 of its file."""
    tokenizer_digest: str
    context_tokens: int | None
    """Positions that the base reads, where its config says it."""


def locate_base(base: Base, *, offline: bool, progress: Progress) -> LocatedBase:
    """Find a base, fetching and converting it where that is needed.

    Raises:
        BaseError: It is nowhere, cannot be fetched, or is incomplete.
        RecipeError: The name is neither alias, hub id nor path, or a revision is given for a base
            that has none.
    """
    entry = CATALOGUE.get(base.model, base.model)
    if not isinstance(entry, str):
        _no_revision(base, "a base of the catalogue")
        file = fetch_gguf(base.model, entry, offline=offline, progress=progress)
        return _located(base.model, None, convert_gguf(file, entry.gguf_sha256, progress),
                        digest=entry.gguf_sha256)  # fmt: skip
    path = Path(entry)
    if path.is_absolute():
        _no_revision(base, "a base on disk")
        return _from_path(path, progress)
    if not HUB_ID.match(entry):
        raise RecipeError(
            f"base.model {entry!r} is neither an alias ({', '.join(CATALOGUE)}), nor a hub id "
            "(owner/name), nor a path (write ./name for a folder beside the recipe)"
        )
    folder, commit = _from_hub(entry, base.revision, offline=offline, progress=progress)
    return _located(entry, commit, _with_safetensors(folder, progress))


def weights_digest(folder: Path) -> str:
    """sha256 over the sorted (name, sha256) of all files that decide what a base answers.

    These are config, generation_config, tokenizer and template files, safetensors and their
    index. README, licence and other formats of the same weights do not count.
    """
    return _digest(base_files(folder))


def tokenizer_digest(folder: Path) -> str:
    """sha256 over the sorted (name, sha256) of the tokenizer's files."""
    return _digest(folder / name for name in TOKENIZER_FILES if (folder / name).is_file())


def _digest(files: Iterable[Path]) -> str:
    digests = file_digests().of(files)
    return sha256_named({path.name: digest for path, digest in digests.items()})


def _from_path(path: Path, progress: Progress) -> LocatedBase:
    if path.is_file() and path.suffix == ".gguf":
        digest = file_digests().of([path])[path]
        return _located(path.name, None, convert_gguf(path, digest, progress), digest=digest)
    if not path.is_dir():
        raise BaseError(
            f"there is no base at {path}; base.model takes an alias ({', '.join(CATALOGUE)}), a "
            "hub id (owner/name), a folder, or a .gguf file"
        )
    return _located(path.name, None, _with_safetensors(path, progress))


def _with_safetensors(folder: Path, progress: Progress) -> Path:
    """The folder, or its converted copy, checked to be complete."""
    config = folder / "config.json"
    try:
        json.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaseError(f"{folder} is no base: it has no config.json") from None
    except ValueError as error:
        raise BaseError(f"{config} is not JSON: {error}") from error
    if not any(folder.glob("*.safetensors")):
        if not any(folder.glob("pytorch_model*.bin")):
            raise BaseError(f"{folder} has neither .safetensors nor pytorch_model*.bin files")
        folder = convert_bin(folder, progress)
    check_index(folder)
    return folder


def _located(
    reference: str, revision: str | None, folder: Path, *, digest: str | None = None
) -> LocatedBase:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return LocatedBase(
        reference=reference,
        revision=revision,
        folder=folder,
        digest=digest or weights_digest(folder),
        tokenizer_digest=tokenizer_digest(folder),
        context_tokens=config.get("max_position_embeddings"),
    )


def _no_revision(base: Base, what: str) -> None:
    if base.revision is not None:
        raise RecipeError(f"base.revision is for hub ids; {base.model} is {what}")


def _from_hub(
    repository: str, revision: str | None, *, offline: bool, progress: Progress
) -> tuple[Path, str]:
    """Snapshot of a hub repository at one commit."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
        RevisionResolutionError,
    )

    asleep = offline or os.environ.get("HF_HUB_OFFLINE") == "1"
    patterns = [*CONFIG_FILES, *TOKENIZER_FILES, INDEX_FILE, "*.safetensors"]
    by_hand = f"or set base.model to a folder that holds a copy of {repository}"
    try:
        if asleep:
            folder = snapshot_download(repository, revision=revision, local_files_only=True)
            return Path(folder), Path(folder).name  # the hub's cache names snapshots by commit
        info = HfApi().model_info(repository, revision=revision)
        commit = str(info.sha)
        names = [sibling.rfilename for sibling in info.siblings or []]
        if not any(name.endswith(".safetensors") for name in names):
            patterns += ["pytorch_model*.bin", "pytorch_model.bin.index.json"]
        progress.say(f"fetching {repository} at {commit[:12]} from the hub")
        folder = snapshot_download(repository, revision=commit, allow_patterns=patterns)
    except GatedRepoError as error:
        raise BaseError(
            f"{repository} is gated: accept its licence on its page on the hub, then run "
            f"`hf auth login` with a token of that account; {by_hand}"
        ) from error
    except RevisionNotFoundError as error:
        raise BaseError(f"{repository} has no revision {revision!r} on the hub") from error
    except RepositoryNotFoundError as error:
        raise BaseError(
            f"the hub has no model {repository}, or it is private and you are not logged in "
            f"(`hf auth login`); {by_hand}"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, RevisionResolutionError) as error:
        raise BaseError(
            f"{repository} is not in the hub's cache on this machine, and medtune is offline. Run "
            f"`hf download {repository}` where there is a network and copy the cache; {by_hand}"
        ) from error
    except (HTTPError, OSError) as error:
        raise BaseError(
            f"{repository} could not be fetched from the hub: {type(error).__name__}; check the "
            f"network; {by_hand}"
        ) from error
    return Path(folder), commit
