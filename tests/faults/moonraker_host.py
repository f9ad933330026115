"""A printer host in memory behind the part of Moonraker's HTTP API that the driver speaks.

It outlives every agent, prints what was uploaded whole and counts how often it started; a real Moonraker
stands in `tests/printer_agent/hosts`, too slow to be asked hundreds of times.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LOOKS = 2
_NAME = re.compile(rb'name="file"; filename="([^"]+)"')


@dataclass
class MoonrakerHost:
    """Files, the history, and the job that runs until it was looked at so often."""

    files: dict[str, int] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)
    history: dict[str, str] = field(default_factory=dict)
    current: str = ""
    looks: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def upload(self, body: bytes) -> dict[str, Any]:
        found = _NAME.search(body)
        assert found is not None
        name = found[1].decode()
        self.files[name] = len(body)
        self.starts[name] += 1
        self.current, self.looks = name, LOOKS
        return {"print_started": True}

    def status(self) -> dict[str, Any]:
        state = "standby"
        if self.current:
            self.looks -= 1
            state = "printing" if self.looks > 0 else "complete"
        if state == "complete":
            self.history[self.current] = "completed"
        stats = {"filename": self.current, "state": state}
        return {"print_stats": stats, "virtual_sdcard": {"progress": 0.5}, "webhooks": {"state": "ready"}}

    def jobs(self) -> list[dict[str, str]]:
        return [{"job_id": name, "filename": name, "status": end} for name, end in self.history.items()]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: MoonrakerHost

    def do_HEAD(self) -> None:
        with self.host.guard:
            self._answer(200 if self._file() in self.host.files else 404, None)

    def do_GET(self) -> None:
        with self.host.guard:
            if self.path.startswith("/server/info"):
                self._answer(200, {"klippy_state": "ready"})
            elif self.path.startswith("/server/history/list"):
                self._answer(200, {"jobs": self.host.jobs()})
            else:
                self._answer(200, {"status": self.host.status()})

    def do_POST(self) -> None:
        wanted = int(self.headers["Content-Length"])
        body = self.rfile.read(wanted)
        with self.host.guard:
            if len(body) < wanted:
                self.close_connection = True
            elif self.path.startswith("/server/files/upload"):
                self._answer(201, self.host.upload(body))
            else:
                self.host.current = ""
                self._answer(200, "ok")

    def do_DELETE(self) -> None:
        with self.host.guard:
            if self.path.startswith("/server/history/job"):
                self.host.history.pop(parse_qs(urlsplit(self.path).query)["uid"][0], None)
            else:
                self.host.files.pop(self._file(), None)
            self._answer(200, {})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def _file(self) -> str:
        return unquote(self.path.rpartition("/")[2])

    def _answer(self, status: int, result: Any) -> None:
        body = b"" if result is None else json.dumps({"result": result}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_moonraker() -> Iterator[tuple[MoonrakerHost, str]]:
    """Run a host of its own; gives it with its URL."""
    host = MoonrakerHost()

    class Handler(_Handler):
        """Serves that host."""

    Handler.host = host

    class Server(ThreadingHTTPServer):
        """Says nothing of agents that died in the middle of a request."""

        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield host, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
