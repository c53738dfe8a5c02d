"""Servers that registries are tested against: real ones on loopback, and a line that is cut."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

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


class CutLine:
    """Passes connections on to a server, and cuts answers as it is told.

    ``cuts`` holds, for each of the next answers, after how many bytes its connection is cut.
    """

    def __init__(self, host: str, port: int) -> None:
        self.cuts: list[int] = []
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
