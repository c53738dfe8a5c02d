"""Bases by hub id, against a hub of our own on loopback: the hub's client is the real one."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMIT = "c" * 40
FIND = """
import sys
from medtune.errors import MedtuneError
from medtune.models import locate_base
from medtune.recipe import Base
from medtune.records import Silent
class Notes(Silent):
    def say(self, message):
        print("NOTE", message)
try:
    base = locate_base(
        Base(model=sys.argv[1], revision=sys.argv[2] or None),
        offline=sys.argv[3] == "offline", progress=Notes(),
    )
    print("FOUND", base.reference, base.revision, base.digest)
except MedtuneError as error:
    print(type(error).__name__, error)
"""


class Hub(BaseHTTPRequestHandler):
    """Answers for three repositories: ours/tiny (files of a folder), ours/gated, and no other."""

    folder: Path
    requests: list[str]

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.requests.append(path)
        if "ours/gated" in path:
            return self._send(403, b"{}", {"X-Error-Code": "GatedRepo"}, with_body=with_body)
        if "ours/tiny" not in path:
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, with_body=with_body)
        if path.startswith("/api/") and "/tree/" in path:
            entries = [
                {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": _etag(f)}
                for f in sorted(self.folder.iterdir())
            ]
            return self._send(200, json.dumps(entries).encode(), {}, with_body=with_body)
        if path.startswith("/api/"):
            revision = path.partition("/revision/")[2] or "main"
            if revision not in ("main", "v1", COMMIT):
                code = {"X-Error-Code": "RevisionNotFound"}
                return self._send(404, b"{}", code, with_body=with_body)
            siblings = [{"rfilename": file.name} for file in sorted(self.folder.iterdir())]
            info = {"id": "ours/tiny", "sha": COMMIT, "siblings": siblings}
            return self._send(200, json.dumps(info).encode(), {}, with_body=with_body)
        file = self.folder / path.rpartition("/")[2]
        if not file.is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body=with_body)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_etag(file)}"'}
        return self._send(200, file.read_bytes(), headers, with_body=with_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def hub(tiny_base: Path) -> Iterator[str]:
    Hub.folder, Hub.requests = tiny_base, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def find(hub: str, home: Path, model: str, revision: str = "", mode: str = "online") -> str:
    """What a fresh process says of a base; the hub's client reads its address at import."""
    done = subprocess.run(
        [sys.executable, "-c", FIND, model, revision, mode],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_TOKEN": ""},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_hub_id_is_resolved_to_a_commit_fetched_once_and_found_offline(
    hub: str, tmp_path: Path, tiny_base: Path
):
    from medtune.models.locate import weights_digest

    found = find(hub, tmp_path, "ours/tiny", "v1")
    digest = weights_digest(tiny_base)
    assert f"NOTE fetching ours/tiny at {COMMIT[:12]} from the hub" in found
    assert f"FOUND ours/tiny {COMMIT} {digest}" in found
    Hub.requests.clear()
    offline = find(hub, tmp_path, "ours/tiny", COMMIT, "offline")
    assert offline == f"FOUND ours/tiny {COMMIT} {digest}\n"
    assert Hub.requests == []


def test_a_gated_base_says_how_to_get_in(hub: str, tmp_path: Path):
    said = find(hub, tmp_path, "ours/gated")
    assert said.startswith("BaseError ours/gated is gated: accept its licence")
    assert "hf auth login" in said


def test_a_base_that_the_hub_does_not_have_is_told_from_a_missing_revision(
    hub: str, tmp_path: Path
):
    assert "the hub has no model ours/other" in find(hub, tmp_path, "ours/other")
    assert "ours/tiny has no revision 'v9'" in find(hub, tmp_path, "ours/tiny", "v9")


def test_a_hub_that_cannot_be_reached_is_one_clear_message(tmp_path: Path):
    said = find("http://127.0.0.1:9", tmp_path, "ours/tiny")
    assert said.startswith("BaseError ours/tiny could not be fetched from the hub")
    assert "set base.model to a folder" in said
