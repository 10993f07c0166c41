"""A small Zenodo on this machine that misbehaves as a test asks."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

Misdeed = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the server's script says, and as Zenodo would where it says nothing."""

    server: Zenodo

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))
        body = self.server.bodies.get(self.path)
        script = self.server.script.get(self.path)
        if script:
            script.popleft()(self, body or b"")
        elif body is None:
            self.send(404)
        else:
            self.serve(body)

    def serve(self, body: bytes) -> None:
        """Send all, or the range that is asked for."""
        start = self.start()
        if not start:
            return self.send(200, body)
        said = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self.send(206, body[start:], {"Content-Range": said})

    def start(self) -> int:
        """Return the first byte that is asked for."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def send(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        said = {"Content-Length": str(len(body)), **(headers or {})}
        self.send_response(status)
        for name, value in said.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Zenodo(ThreadingHTTPServer):
    """Records of archives; ``script`` gives, path by path, what to do instead of serving.

    Attributes:
        requests: path and Range header of each request.
        bodies: what is at a path.
        script: misdeeds at a path, one for each request, then it is served well.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.requests: list[tuple[str, str | None]] = []
        self.bodies: dict[str, bytes] = {}
        self.script: dict[str, deque[Misdeed]] = {}

    def publish(self, record: int, archives: Mapping[str, bytes]) -> None:
        """Make a record of archives, with the links that Zenodo itself would give."""
        files = []
        for key, body in archives.items():
            self.bodies[self.path(record, key)] = body
            files.append(
                {
                    "key": key,
                    "size": len(body),
                    "checksum": f"md5:{hashlib.md5(body).hexdigest()}",
                    "links": {"self": f"https://zenodo.org{self.path(record, key)}"},
                }
            )
        self.bodies[f"/api/records/{record}"] = json.dumps({"files": files}).encode()

    def misbehave(self, path: str, *misdeeds: Misdeed) -> None:
        self.script[path] = deque(misdeeds)

    def ranges(self, path: str) -> list[str | None]:
        """Return the Range header of each request for a path."""
        return [asked for where, asked in self.requests if where == path]

    @staticmethod
    def path(record: int, key: str) -> str:
        return f"/api/records/{record}/files/{key}/content"


@pytest.fixture
def zenodo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zenodo]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Zenodo() as server:
        thread = Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def zipped() -> Callable[[Mapping[str, bytes]], bytes]:
    def make(files: Mapping[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as package:  # stored: sizes are what the test says
            for name, data in files.items():
                package.writestr(name, data)
        return buffer.getvalue()

    return make
