"""Versions in a model repository of the Hugging Face hub.

A commit holds one version: the adapter's files at the root, where every loader looks for them, and
below ``.medtune/`` its manifest, its config, and what refers to it. So a commit is all that has to
be named to get one version with its evidence, and older versions stay under older commits. What
refers to a version may be sent before it and after it; another version takes the place of both.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from medtune.cache import cache_folder
from medtune.digests import sha256_bytes, sha256_file, sha256_stream
from medtune.errors import RegistryError, VerificationError
from medtune.registry.addresses import require_package
from medtune.registry.checked import check_bytes, other_bytes
from medtune.registry.layout import REF_NAME, SUBJECT
from medtune.registry.manifest import INDEX, MANIFEST, canonical
from medtune.registry.mirrors import bare_digest, read_content, require_manifest_size
from medtune.registry.store import inner_key

if TYPE_CHECKING:
    from huggingface_hub import (
        CommitOperationAdd,
        CommitOperationCopy,
        CommitOperationDelete,
        HfApi,
    )

    Operation = CommitOperationAdd | CommitOperationCopy | CommitOperationDelete

OURS = ".medtune/"
INDEX_FILE = f"{OURS}index.json"
_ADDRESS = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<commit>[0-9a-f]{7,40}))?")


class HubMirror:
    """Versions in ``hf://OWNER/NAME``, or the one in ``hf://OWNER/NAME@COMMIT``.

    Logins are the hub's own: HF_TOKEN, or `hf auth login`; HF_ENDPOINT names another hub.
    """

    def __init__(self, url: str) -> None:
        found = _ADDRESS.fullmatch(url)
        if found is None:
            raise RegistryError(f"{url!r} is no repository of the hub; say hf://OWNER/NAME or "
                                "hf://OWNER/NAME@COMMIT")  # fmt: skip
        require_package("huggingface_hub", url, "train")
        self._url = url
        self._repository = found["repository"]
        self._is_pinned = found["commit"] is not None
        with self._telling():
            self._api = _new_api()
            self._commit = self._api.model_info(self._repository, revision=found["commit"]).sha
        self._files = self._list_files()
        self._sources: dict[str, IO[bytes]] = {}
        self._manifests: dict[str, bytes] = {}
        self._tags: dict[str, list[str]] = {}

    @property
    def place(self) -> str:
        """The address, as it was given."""
        return self._url

    @property
    def commit(self) -> str:
        """The commit that is read, in full."""
        return str(self._commit)

    def resolve(self, reference: str) -> str:
        """Digest of the manifest that a tag, or ``sha256:…``, names at this commit."""
        for one in self._index():
            named = one.get("annotations", {})
            if reference in (one["digest"], named.get(REF_NAME)) and SUBJECT not in named:
                return _hex(one)
        raise RegistryError(f"{self.place} has nothing that is called {reference} at commit "
                            f"{self.commit[:12]}; a commit holds one version")  # fmt: skip

    def manifest(self, digest: str) -> bytes:
        """A manifest, its bytes checked."""
        what = f"{self.place}: manifest {digest[:16]}…"
        data = self._read(_blob_path(digest))
        if data is None:
            raise RegistryError(f"{what} is not there")
        check_bytes(data, digest, what)
        return data

    def referrers(self, digest: str) -> list[str]:
        """Digests of the manifests that are listed as referring to this one."""
        return [
            _hex(one) for one in self._index() if one.get("annotations", {}).get(SUBJECT) == digest
        ]

    def has_blob(self, digest: str) -> bool:
        """Whether this commit has a blob, by the hub's sha256 of it or, if it is small, by ours."""
        path = self._path_of(digest)
        return path is not None and self._holds(path, digest)

    def fetch_blob(self, digest: str, size: int, target: Path) -> None:
        """Download a blob; goes on where an earlier download of it to the same file ended."""
        path = self._path_of(digest)
        if path is None:
            raise RegistryError(f"{self.place} has no blob {digest[:16]}…")
        if self._files[path] != size:
            raise VerificationError(f"{self.place}: {path} has {self._files[path]} bytes, and "
                                    f"{size} are expected")  # fmt: skip
        parts = target.with_name(f"{target.name}.hub")
        with self._telling():
            came = self._api.hf_hub_download(
                self._repository, path, revision=self._commit, local_dir=parts
            )
        Path(came).replace(target)
        shutil.rmtree(parts)
        if (found := sha256_file(target)) != digest:
            target.unlink()
            raise VerificationError(other_bytes(f"{self.place}: {path}", found, digest))

    def send_blob(self, digest: str, size: int, source: IO[bytes]) -> None:
        """Take a blob for the commit that ``finish`` makes."""
        found = sha256_stream(source)
        if found != digest or source.tell() != size:
            raise VerificationError(other_bytes(f"blob {digest[:16]}…", found, digest))
        source.seek(0)
        self._sources[digest] = source

    def send_manifest(self, data: bytes, tag: str | None) -> None:
        """Take a manifest for the commit that ``finish`` makes."""
        digest = sha256_bytes(data)
        self._manifests[digest] = data
        if tag is not None:
            self._tags.setdefault(digest, []).append(tag)

    def finish(self) -> str:
        """Make one commit of what was sent; another version replaces the one before."""
        if self._is_pinned:
            raise RegistryError(f"{self.place} is one commit, which stays as it is; send to "
                                f"hf://{self._repository}")  # fmt: skip
        operations = list(self._operations())
        if operations:
            with self._telling():
                done = self._api.create_commit(
                    self._repository, operations, parent_commit=self._commit,
                    commit_message=f"medtune: {', '.join(self._names()) or 'a version'}",
                )  # fmt: skip
            self._commit = done.oid
            self._files = self._list_files()
        self._sources, self._manifests, self._tags = {}, {}, {}
        return self.commit

    def _operations(self) -> Iterator[Any]:
        """What turns the commit that is there into the one that is wanted."""
        from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete

        kept, new = self._kept(), _layout(self._manifests.values(), self.place)
        for path, digest in new.items():
            if self._holds(path, digest):
                continue
            if digest in self._manifests:
                yield CommitOperationAdd(path, self._manifests[digest])
            elif digest in self._sources:
                yield CommitOperationAdd(path, self._sources[digest])
            else:
                yield CommitOperationCopy(self._path_of(digest), path, src_revision=self._commit)
        index = self._new_index(kept)
        if self._read(INDEX_FILE) != index:
            yield CommitOperationAdd(INDEX_FILE, index)
        stays = new | _layout((self.manifest(_hex(one)) for one in kept), self.place)
        for path in sorted(self._claimed()):
            if path not in stays and path in self._files:
                yield CommitOperationDelete(path)

    def _kept(self) -> list[dict[str, Any]]:
        """What this commit lists and the next one lists too, as it is.

        Of another version than the one that was sent, if one was, nothing is kept.
        """
        versions = {digest for digest, data in self._manifests.items()
                    if read_content(data, self.place).subject is None}  # fmt: skip
        return [
            one for one in self._index()
            if _hex(one) not in self._manifests
            and (not versions or one.get("annotations", {}).get(SUBJECT) in versions)
        ]  # fmt: skip

    def _new_index(self, kept: list[dict[str, Any]]) -> bytes:
        entries = list(kept)
        for digest, data in self._manifests.items():
            subject = read_content(data, self.place).subject
            bare = {"mediaType": MANIFEST, "digest": f"sha256:{digest}", "size": len(data)}
            if subject is not None:
                entries.append(bare | {"annotations": {SUBJECT: subject}})
            else:
                names = self._tags.get(digest, [])
                entries += [bare | {"annotations": {REF_NAME: name}} for name in names] or [bare]
        entries.sort(key=lambda one: one["digest"])  # what is sent again changes nothing
        return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})

    def _names(self) -> list[str]:
        return [name for names in self._tags.values() for name in names]

    def _index(self) -> list[dict[str, Any]]:
        data = self._read(INDEX_FILE)
        try:
            listed = json.loads(data)["manifests"] if data is not None else []
            for one in listed:
                bare_digest(one["digest"])
        except (ValueError, TypeError, KeyError):
            raise VerificationError(f"{self.place}: {INDEX_FILE} is no list of manifests") from None
        found: list[dict[str, Any]] = listed
        return found

    def _claimed(self) -> dict[str, str]:
        """Where this commit says that its blobs lie: path -> digest; not believed."""
        return _layout((self.manifest(_hex(one)) for one in self._index()), self.place)

    def _path_of(self, digest: str) -> str | None:
        for path, claimed in self._claimed().items():
            if claimed == digest and path in self._files:
                return path
        return None

    def _holds(self, path: str, digest: str) -> bool:
        if path not in self._files:
            return False
        known = self._large.get(path)
        return (sha256_file(self._bring(path)) if known is None else known) == digest

    def _list_files(self) -> Mapping[str, int]:
        """Files of the commit with their bytes; of large ones the hub knows the sha256."""
        with self._telling():
            tree = [one for one in self._api.list_repo_tree(
                self._repository, recursive=True, revision=self._commit
            ) if hasattr(one, "size")]  # fmt: skip
        self._large: dict[str, str] = {
            one.path: one.lfs.sha256 for one in tree if one.lfs is not None
        }
        return {one.path: one.size for one in tree}

    def _read(self, path: str) -> bytes | None:
        """A manifest or index of the commit."""
        if path not in self._files:
            return None
        require_manifest_size(self._files[path], f"{self.place}: {path}")
        return self._bring(path).read_bytes()

    def _bring(self, path: str) -> Path:
        """A small file of the commit, in medtune's cache."""
        with self._telling():
            came = self._api.hf_hub_download(
                self._repository, path, revision=self._commit, cache_dir=cache_folder() / "hub"
            )
        return Path(came)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """One line for what the hub refuses."""
        from huggingface_hub import errors

        try:
            yield
        except errors.GatedRepoError:
            reason = "is gated; ask for access on its page, and set HF_TOKEN"
        except errors.RepositoryNotFoundError:
            reason = "is not there, or not for this login; make it first, or set HF_TOKEN"
        except errors.RevisionNotFoundError:
            reason = "has no such commit"
        except errors.OfflineModeIsEnabled:
            reason = "cannot be asked: HF_HUB_OFFLINE is set"
        except errors.HfHubHTTPError as error:
            status = error.response.status_code if error.response is not None else "nothing"
            reason = (
                "was written by another meanwhile; send again" if status == 412
                else f"answered {status}" + ("; set HF_TOKEN" if status in (401, 403) else "")
            )  # fmt: skip
        except (errors.LocalEntryNotFoundError, errors.HTTPError, RuntimeError, OSError) as error:
            reason = f"cannot be reached, or cut the connection ({type(error).__name__})"
        else:
            return
        raise RegistryError(f"{self._url} {reason}; nothing was changed")


def _new_api() -> "HfApi":
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"))


def _blob_path(digest: str) -> str:
    return f"{OURS}blobs/sha256/{digest}"


def _hex(descriptor: Mapping[str, Any]) -> str:
    return bare_digest(descriptor["digest"])


def _layout(manifests: Iterable[bytes], place: str) -> dict[str, str]:
    """Where all of some manifests lies: path -> digest."""
    return {path: digest for data in manifests for path, digest in _paths(data, place).items()}


def _paths(data: bytes, place: str) -> dict[str, str]:
    """Where a manifest and what it names lie: path -> digest.

    Raises:
        VerificationError: A title would lie outside of the repository, or among our own files.
    """
    content = read_content(data, place)
    paths = {_blob_path(sha256_bytes(data)): sha256_bytes(data)}
    for blob in content.blobs:
        path = _blob_path(blob.sha256)
        if content.subject is None and blob.title is not None:
            path = str(inner_key(blob.title, place))
            if path.startswith(".") or path == "README.md":
                raise VerificationError(f"{place}: no file of an adapter is called {blob.title!r}")
        paths[path] = blob.sha256
    return paths
