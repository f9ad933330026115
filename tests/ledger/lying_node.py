"""A JSON-RPC server in front of a real node that passes everything on, until a test has it lie."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Lie = Callable[[str, list[Any], Any], Any]
"""Takes method, parameters and the true result, and returns what is said instead."""


class LyingNode:
    """Serves `upstream` on a port of its own. `lie` changes results while it is set; while `held` is set,
    answers wait, and while `dead` is, connections are closed without one.
    """

    def __init__(self, upstream: str) -> None:
        self.lie: Lie | None = None
        self.told = 0
        self.dead = False
        self._released = threading.Event()
        self._released.set()
        node, where = self, urlsplit(upstream)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one segment

            def do_POST(self) -> None:
                asked = self.rfile.read(int(self.headers["Content-Length"]))
                node._released.wait()
                if node.dead:
                    self.close_connection = True
                    return
                upstream = http.client.HTTPConnection(str(where.hostname), where.port)
                try:
                    upstream.request("POST", "/", asked, {"Content-Type": "application/json"})
                    answer = upstream.getresponse().read()
                finally:
                    upstream.close()
                answer = node._answer(json.loads(asked), answer)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.name = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.name}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def hold(self) -> None:
        """Answer nobody from now on."""
        self._released.clear()

    def release(self) -> None:
        """Answer again, the questions that wait first."""
        self._released.set()

    def honest(self) -> None:
        self.lie = None

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, asked: Any, answer: bytes) -> bytes:
        if self.lie is None:
            return answer
        said = json.loads(answer)
        many = isinstance(asked, list)
        by_id = {each["id"]: each for each in (asked if many else [asked])}
        for each in said if many else [said]:
            question = by_id[each["id"]]
            each.update(self._lied(question, each))
        return json.dumps(said).encode()

    def _lied(self, question: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        lie = self.lie
        if lie is None or "result" not in said:
            return {}
        changed = lie(question["method"], question.get("params", []), said["result"])
        self.told += changed != said["result"]
        return {"result": changed}
