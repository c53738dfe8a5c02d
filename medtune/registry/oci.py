"""Versions in an OCI registry (Harbor, Artifactory, Distribution, the clouds' own).

After the OCI distribution specification 1.1. Registries that do not list referrers get the list
that it describes for them: an image index under the tag ``sha256-<digest>``, kept by clients.
"""

import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from medtune.digests import sha256_bytes, sha256_file
from medtune.errors import RegistryError, VerificationError
from medtune.registry.addresses import require_package
from medtune.registry.checked import CheckedReader, check_bytes, other_bytes
from medtune.registry.manifest import INDEX, MANIFEST
from medtune.registry.mirrors import bare_digest, read_content, require_manifest_size
from medtune.registry.oci_session import OciSession

if TYPE_CHECKING:
    from requests import Response

DOWNLOAD_PIECE = 1 << 16
"""Bytes; of a piece that is cut nothing comes."""
RESUMES = 5
"""Times that a download which is cut goes on, as long as each brings something."""
WRITES = 20
"""Times that a list of referrers is written again because others wrote it meanwhile."""
_ADDRESS = re.compile(
    r"oci://(?P<host>[A-Za-z0-9.-]+(:\d+)?|\[[0-9a-f:]+\](:\d+)?)/"
    r"(?P<name>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class OciMirror:
    """Versions in one repository, ``oci://HOST[:PORT]/REPOSITORY``.

    Logins come from MEDTUNE_OCI_USER and MEDTUNE_OCI_PASSWORD, or docker's config.json; a private
    authority from MEDTUNE_OCI_CA. Only registries on this machine are spoken to without TLS.
    """

    def __init__(self, url: str) -> None:
        found = _ADDRESS.fullmatch(url)
        if found is None:
            raise RegistryError(f"{url!r} is no repository of an OCI registry; say "
                                "oci://HOST/REPOSITORY, in lower case, without tag")  # fmt: skip
        require_package("oras", url, "registry")
        self._url = url
        self._session = OciSession(found["host"], url)
        self._base = f"{self._session.base}/v2/{found['name']}"
        self._unlisted: dict[str, list[dict[str, Any]]] = defaultdict(list)

    @property
    def place(self) -> str:
        """The address, as it was given."""
        return self._url

    def resolve(self, reference: str) -> str:
        """Digest of the manifest that a tag, or ``sha256:…``, names."""
        if reference.startswith("sha256:"):
            try:
                return bare_digest(reference)
            except ValueError as error:
                raise RegistryError(f"{self.place}: {error}") from None
        data = self._manifest_at(_require_tag(reference))
        if data is None:
            raise RegistryError(f"{self.place} has nothing that is called {reference}")
        return sha256_bytes(data)

    def manifest(self, digest: str) -> bytes:
        """A manifest, its bytes checked."""
        data = self._manifest_at(f"sha256:{digest}")
        if data is None:
            raise RegistryError(f"{self.place} has no manifest sha256:{digest[:16]}…")
        check_bytes(data, digest, f"{self.place}: manifest {digest[:16]}…")
        return data

    def referrers(self, digest: str) -> list[str]:
        """Digests of the manifests that are listed as referring to this one."""
        url: str | None = f"{self._base}/referrers/sha256:{digest}"
        found: list[str] = []
        while url is not None:
            answer = self._session.ask("GET", url, headers={"Accept": INDEX}, stream=True)
            with answer:
                if answer.status_code in (404, 405):
                    return [bare_digest(one["digest"]) for one in self._listed_by_tag(digest)]
                self._require(answer, 200)
                listed = self._parse_index(self._bounded(answer, "a list of referrers"))
                found += [bare_digest(one["digest"]) for one in listed]
                following = answer.links.get("next", {}).get("url")
                url = urljoin(self._base, following) if following else None
        return found

    def has_blob(self, digest: str) -> bool:
        """Whether the repository has a blob."""
        answer = self._session.ask("HEAD", f"{self._base}/blobs/sha256:{digest}")
        if answer.status_code == 404:
            return False
        self._require(answer, 200)
        return True

    def fetch_blob(self, digest: str, size: int, target: Path) -> None:
        """Download a blob; goes on where an earlier download of it to the same file ended."""
        for _ in range(RESUMES):
            before = target.stat().st_size if target.exists() else 0
            if before >= size and target.exists():
                break
            self._download(digest, size, target, before)
            if target.stat().st_size == before:
                break
        there = target.stat().st_size
        if there < size:
            raise RegistryError(f"{self.place} cut the download of {digest[:16]}… at {there} of "
                                f"{size} bytes; try again: it goes on from there")  # fmt: skip
        if there > size or (found := sha256_file(target)) != digest:
            found = f"of {there} bytes" if there > size else found
            target.unlink()
            raise VerificationError(other_bytes(f"{self.place}: {digest[:16]}…", found, digest))

    def send_blob(self, digest: str, size: int, source: IO[bytes]) -> None:
        """Upload a blob in one request; the last piece is held back until all were the right."""
        answer = self._session.ask("POST", f"{self._base}/blobs/uploads/")
        self._require(answer, 202)
        what = f"blob {digest[:16]}…"
        reader = CheckedReader(source, digest, size, what)
        answer = self._session.ask(
            "PUT", self._upload_address(answer, digest),
            # An empty one could not be told from one of unknown length.
            body=reader if size else reader.read(),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
        )  # fmt: skip
        self._require(answer, 201)

    def send_manifest(self, data: bytes, tag: str | None) -> None:
        """Upload a manifest under its digest or a tag."""
        digest = sha256_bytes(data)
        name = f"sha256:{digest}" if tag is None else _require_tag(tag)
        media_type = json.loads(data).get("mediaType", MANIFEST)
        answer = self._put_manifest(name, data, media_type)
        subject = read_content(data, self.place).subject
        if subject is not None and "OCI-Subject" not in answer.headers:
            self._unlisted[subject].append(_listing(data))

    def finish(self) -> None:
        """List referrers where the registry does not do so itself; it has no commits."""
        for subject, listings in self._unlisted.items():
            self._list_by_tag(subject, listings)
        self._unlisted.clear()

    def _manifest_at(self, name: str) -> bytes | None:
        accepted = {"Accept": f"{MANIFEST}, {INDEX}"}
        answer = self._session.ask(
            "GET", f"{self._base}/manifests/{name}", headers=accepted, stream=True
        )
        with answer:
            if answer.status_code == 404:
                return None
            self._require(answer, 200)
            return self._bounded(answer, f"{self.place}: {name}")

    def _bounded(self, answer: "Response", what: str) -> bytes:
        data = b""
        for piece in self._pieces(answer):
            data += piece
            require_manifest_size(len(data), what)
        return data

    def _pieces(self, answer: "Response") -> Iterator[bytes]:
        from requests.exceptions import RequestException

        try:
            yield from answer.iter_content(DOWNLOAD_PIECE)
        except RequestException as error:
            raise RegistryError(f"{self.place} cut the connection ({type(error).__name__}); try "
                                "again; nothing was changed") from None  # fmt: skip

    def _download(self, digest: str, size: int, target: Path, start: int) -> None:
        """Bring what is missing of a blob, as far as it comes; at most one piece too much."""
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        url = f"{self._base}/blobs/sha256:{digest}"
        with self._session.ask("GET", url, headers=headers, stream=True) as answer:
            if answer.status_code == 404:
                raise RegistryError(f"{self.place} has no blob {digest[:16]}…")
            self._require(answer, 200, 206)
            goes_on = answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            with target.open("ab" if answer.status_code == 206 and goes_on else "wb") as file:
                self._write(answer, file, size)

    def _write(self, answer: "Response", file: IO[bytes], size: int) -> None:
        from requests.exceptions import RequestException

        try:
            for piece in answer.iter_content(DOWNLOAD_PIECE):
                file.write(piece)
                if file.tell() > size:
                    return
        except RequestException:
            return  # what came is kept; the caller asks for the rest

    def _upload_address(self, answer: "Response", digest: str) -> str:
        parts = urlsplit(urljoin(f"{self._base}/", answer.headers.get("Location", "")))
        query = urlencode([*parse_qsl(parts.query), ("digest", f"sha256:{digest}")])
        return urlunsplit(parts._replace(query=query))

    def _put_manifest(self, name: str, data: bytes, media_type: str) -> "Response":
        answer = self._session.ask(
            "PUT", f"{self._base}/manifests/{name}", body=data,
            headers={"Content-Type": media_type},
        )  # fmt: skip
        self._require(answer, 201)
        return answer

    def _listed_by_tag(self, subject: str) -> list[dict[str, Any]]:
        data = self._manifest_at(f"sha256-{subject}")
        return [] if data is None else self._parse_index(data)

    def _list_by_tag(self, subject: str, listings: list[dict[str, Any]]) -> None:
        """Add manifests to the list of what refers to a subject, beside others who do the same.

        The protocol has no conditional write. So whoever wrote looks again, after a random time,
        until nothing is missing in two looks; a list that another has overwritten is written anew.
        """
        looks = 0
        for _ in range(WRITES):
            listed = self._listed_by_tag(subject)
            there = {one["digest"] for one in listed}
            missing = [one for one in listings if one["digest"] not in there]
            if not missing:
                looks += 1
                if looks == 2:
                    return
            else:
                looks = 0
                index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*listed, *missing]}
                data = json.dumps(index, sort_keys=True).encode()
                self._put_manifest(f"sha256-{subject}", data, INDEX)
            time.sleep(random.uniform(0.05, 0.3))
        raise RegistryError(f"{self.place}: the list sha256-{subject[:16]}… is written by too many "
                            "others; try again")  # fmt: skip

    def _parse_index(self, data: bytes) -> list[dict[str, Any]]:
        try:
            listed = json.loads(data)["manifests"] or []
            for one in listed:
                bare_digest(one["digest"])
        except (ValueError, TypeError, KeyError):
            raise VerificationError(f"{self.place}: a list of referrers is none") from None
        found: list[dict[str, Any]] = listed
        return found

    def _require(self, answer: "Response", *expected: int) -> None:
        if answer.status_code not in expected:
            raise RegistryError(f"{self.place} answered {answer.status_code}{_codes(answer)} to "
                                f"{answer.request.method}; nothing was changed")  # fmt: skip


def _require_tag(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise RegistryError(f"{tag!r} can be no tag in an OCI registry: letters, digits, '.', '_' "
                            "and '-', at most 128")  # fmt: skip
    return tag


def _listing(data: bytes) -> dict[str, Any]:
    """A manifest as lists of referrers describe it."""
    manifest = json.loads(data)
    listing = {
        "mediaType": manifest.get("mediaType", MANIFEST),
        "digest": f"sha256:{sha256_bytes(data)}",
        "size": len(data),
        "artifactType": manifest.get("artifactType") or manifest["config"].get("mediaType"),
        "annotations": manifest.get("annotations"),
    }
    return {key: value for key, value in listing.items() if value}


def _codes(answer: "Response") -> str:
    """The registry's own error codes, such as ``BLOB_UNKNOWN``; never its prose."""
    try:
        codes = [str(one["code"])[:40] for one in answer.json()["errors"]]
    except (ValueError, TypeError, KeyError):
        return ""
    return f" ({', '.join(codes)})" if codes else ""
