"""The few calls of the hub's API that a mirror makes, answered from memory, one repository each."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_not-a-real-token"


class Hub:
    """Repositories as lists of commits; a commit maps paths to bytes.

    ``*.safetensors`` are stored as large files, as the hub does by default.
    """

    def __init__(self) -> None:
        self.commits: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.large: dict[str, bytes] = {}
        self.gated: set[str] = set()
        self.uploads: list[str] = []
        """Paths of what was sent to be committed."""

    def create(self, repository: str) -> None:
        self.commits[repository] = []
        self.add(repository, {".gitattributes": b"*.safetensors filter=lfs\n"})

    def add(self, repository: str, files: dict[str, bytes]) -> str:
        number = len(self.commits[repository])
        commit = hashlib.sha1(f"{repository} {number}".encode()).hexdigest()
        self.commits[repository].append((commit, files))
        return commit

    def files(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        for commit, files in reversed(self.commits.get(repository, [])):
            if revision == "main" or commit.startswith(revision):
                return commit, files
        return None

    def commit(self, repository: str, lines: list[dict]) -> str | None:
        commit, files = self.files(repository, "main")
        files = dict(files)
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header" if value.get("parentCommit", commit) != commit:
                    return None
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                    self.uploads.append(value["path"])
                case "lfsFile":
                    files[value["path"]] = self.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        return self.add(repository, files)


def oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_) -> None:
        pass

    def answer(self, status: int, body: object = None, **headers: str) -> None:
        value = {} if body is None else body
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def found(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The files of a commit; what keeps one from them is answered."""
        if repository not in self.hub.commits:
            self.refuse(404, "RepoNotFound")
            return None
        if repository in self.hub.gated:
            self.refuse(403, "GatedRepo")
            return None
        found = self.hub.files(repository, unquote(revision))
        if found is None:
            self.refuse(404, "RevisionNotFound")
        return found

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if part := re.fullmatch(r"/api/models/(\w+/\w+)(?:/revision/([^/]+))?", path):
            if found := self.found(part[1], part[2] or "main"):
                self.answer(200, {"id": part[1], "sha": found[0], "siblings": []})
        elif part := re.fullmatch(r"/api/models/(\w+/\w+)/tree/([^/]+)", path):
            if found := self.found(part[1], part[2]):
                self.answer(200, [self.entry(*one) for one in found[1].items()])
        elif part := re.fullmatch(r"/(\w+/\w+)/resolve/([^/]+)/(.+)", path):
            self.file(part[1], part[2], unquote(part[3]))
        else:
            self.answer(404)

    do_HEAD = do_GET

    def entry(self, path: str, data: bytes) -> dict:
        entry = {"type": "file", "path": path, "size": len(data), "oid": oid(data)}
        if path.endswith(".safetensors"):
            digest = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 130}
        return entry

    def file(self, repository: str, revision: str, path: str) -> None:
        if not (found := self.found(repository, revision)):
            return
        commit, files = found
        if path not in files:
            self.refuse(404, "EntryNotFound")
            return
        data, tag = files[path], oid(files[path])
        if path.endswith(".safetensors"):
            tag = hashlib.sha256(data).hexdigest()
        marks = {"X_Repo_Commit": commit, "ETag": f'"{tag}"', "Accept_Ranges": "bytes"}
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(asked[1])
            said = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.answer(206, data[start:], Content_Range=said, **marks)
        else:
            self.answer(200, data, **marks)

    def do_POST(self) -> None:
        path, body = urlsplit(self.path).path, self.body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer(401)
        elif path.endswith("/objects/batch"):
            host = self.headers["Host"]
            self.answer(200, {"transfer": "basic", "objects": [
                one | ({} if one["oid"] in self.hub.large else
                       {"actions": {"upload": {"href": f"http://{host}/large/{one['oid']}"}}})
                for one in json.loads(body)["objects"]
            ]})  # fmt: skip
        elif part := re.fullmatch(r"/api/models/(\w+/\w+)/preupload/main", path):
            files = self.hub.files(part[1], "main")[1]
            self.answer(200, {"files": [
                {"path": one["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                 "oid": oid(files[one["path"]]) if one["path"] in files else None}
                for one in json.loads(body)["files"]
            ]})  # fmt: skip
        elif part := re.fullmatch(r"/api/models/(\w+/\w+)/paths-info/([^/]+)", path):
            files = self.hub.files(part[1], part[2])[1]
            asked = parse_qs(body.decode())["paths"]
            self.answer(200, [self.entry(one, files[one]) for one in asked if one in files])
        elif part := re.fullmatch(r"/api/models/(\w+/\w+)/commit/main", path):
            commit = self.hub.commit(part[1], [json.loads(line) for line in body.splitlines()])
            self.answer(412 if commit is None else 200, {
                "success": True, "commitOid": commit, "commitUrl": f"http://{self.headers['Host']}/{part[1]}/commit/{commit}",
                "error": "moved",
            })  # fmt: skip
        else:
            self.answer(404)

    def do_PUT(self) -> None:
        data = self.body()
        self.hub.large[hashlib.sha256(data).hexdigest()] = data
        self.hub.uploads.append("large")
        self.answer(200)


@contextmanager
def hub_server() -> Iterator[tuple[str, Hub]]:
    hub = Hub()
    handler = type("HubHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
