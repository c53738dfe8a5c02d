"""Servers that registries are tested against: real ones on loopback, and a line that is cut."""

import base64
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

DATA = os.environ.get("MEDTUNE_DATA")
TOOL = Path(DATA or ".").resolve().parent / "tools" / "oci-registry"
needs_oci_registry = pytest.mark.skipif(
    not (DATA and TOOL.is_file()),
    reason="needs ../tools/oci-registry beside the folder that MEDTUNE_DATA names",
)


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def s3_server() -> Iterator[str]:
    """moto's S3, which answers one request at a time: it has no locks of its own."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_):
            pass

    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), request_handler=Quiet
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def oci_registry(folder: Path, login: str = "", *, tls: bool = False) -> Iterator[str]:
    """The Distribution server; yields its host and port."""
    port = free_port()
    environment = os.environ | ({"TLS": "1"} if tls else {})
    subprocess.run(
        [TOOL, "up", folder, str(port), login], check=True, env=environment,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"localhost:{port}"
    finally:
        subprocess.run([TOOL, "down", folder], check=True)


@contextmanager
def token_registry(folder: Path, login: str) -> Iterator[tuple[str, list[str]]]:
    """Distribution that takes tokens from a server of ours; its address, the scopes asked for."""
    authority = TokenServer(login)
    port = free_port()
    (folder / "authority.crt").write_bytes(authority.certificate)
    (folder / "config.yml").write_text(
        f"""version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{token: {{realm: "http://127.0.0.1:{authority.port}/token", service: tests, issuer: us,
  rootcertbundle: {folder}/authority.crt}}}}
"""
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log
        )
    try:
        while server.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"localhost:{port}", authority.scopes
    finally:
        server.terminate()
        server.wait()
        authority.close()


class TokenServer:
    """Gives whoever knows the login a token for the scope that is asked for, and only for it."""

    def __init__(self, login: str) -> None:
        self.scopes: list[str] = []
        self._login = "Basic " + base64.b64encode(login.encode()).decode()
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        now = datetime.now(UTC)
        signed = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(self._key.public_key()).serial_number(1)
            .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )  # fmt: skip
        self._der = signed.public_bytes(serialization.Encoding.DER)
        self.certificate = signed.public_bytes(serialization.Encoding.PEM)
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                authority.answer(self)

            def log_message(self, *_) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        is_known = request.headers.get("Authorization") == self._login
        scope = parse_qs(urlsplit(request.path).query).get("scope", [""])[0]
        self.scopes.append(scope)
        body = json.dumps({"token": self._token(scope)} if is_known else {}).encode()
        request.send_response(200 if is_known else 401)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _token(self, scope: str) -> str:
        now = int(time.time())
        access = []
        if scope:
            kind, name, actions = scope.split(":")
            access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        claims = {"iss": "us", "sub": "x", "aud": "tests", "exp": now + 300, "nbf": now - 60,
                  "iat": now - 60, "jti": str(now), "access": access}  # fmt: skip
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(self._der).decode()]}
        signed = ".".join(_url64(json.dumps(one).encode()) for one in (head, claims))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_url64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class CutLine:
    """Passes connections on to a server, and cuts answers as it is told.

    ``cuts`` holds, for each of the next answers, after how many bytes its connection is cut;
    ``swaps`` what is put in place of what in all answers.
    """

    def __init__(self, host: str, port: int) -> None:
        self.cuts: list[int] = []
        self.swaps: dict[bytes, bytes] = {}
        self.requests: list[bytes] = []
        self._there = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._there)
                threading.Thread(target=self._ask, args=(near, far), daemon=True).start()
                threading.Thread(target=self._answer, args=(far, near), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(1 << 16):
                self.requests.append(data)
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError), far, near:
            while data := far.recv(1 << 16):
                for old, new in self.swaps.items():
                    data = data.replace(old, new)
                if not self.cuts:
                    near.sendall(data)
                    continue
                near.sendall(data[: self.cuts[0]])
                self.cuts[0] -= len(data)
                if self.cuts[0] <= 0:
                    self.cuts.pop(0)
                    near.shutdown(socket.SHUT_RDWR)
                    return


@contextmanager
def cut_line(address: str) -> Iterator[CutLine]:
    host, _, port = address.rpartition(":")
    line = CutLine(host.removeprefix("http://"), int(port))
    try:
        yield line
    finally:
        line.close()
