"""`partvault serve`: the API with its worker, ledger and sandbox in one process group."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from app.accounts.service import OPERATOR_FILE
from app.cli.failures import CliError, Exit
from app.cli.output import console, emit_line, plain
from app.client_settings import ANNOUNCEMENT
from app.main import create_app
from app.settings import Settings
from app.wiring import write_private
from ledger.quorum import endpoint_names

if TYPE_CHECKING:
    from fastapi import FastAPI

_STOP_S = 15
_OBJECTS_BETWEEN_SEARCHES = 50_000
"""How many objects come before cycles among them are looked for; Python's 700 are a few requests."""


class _Service(uvicorn.Server):
    """Announces itself once it is ready, and takes the announcement back when it stops."""

    def __init__(self, app: FastAPI, settings: Settings, listener: socket.socket, *, as_json: bool) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=settings.public_url is not None,
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_graceful_shutdown=_STOP_S,
            lifespan="on",
        )
        super().__init__(config)
        self._settings = settings
        self._listener = listener
        self._as_json = as_json
        self._began = time.monotonic()
        self._announcement = settings.data_dir / ANNOUNCEMENT

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then write DATA_DIR/service.json and tell whoever looks."""
        await super().startup(sockets)
        if not self.started:
            return
        _spare_searches()
        said = announcement(self._settings, self._listener)
        write_private(self._announcement, json.dumps(said) + "\n")
        if self._as_json:
            emit_line(said)
        else:
            _banner(self._settings, said, time.monotonic() - self._began)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take one's own announcement back, end what is under way, stop."""
        if announced_pid(self._announcement) == os.getpid():
            self._announcement.unlink(missing_ok=True)
        await super().shutdown(sockets)


def _spare_searches() -> None:
    """Have Python look for garbage less often, and not among what the start has made: all of it stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_SEARCHES, *gc.get_threshold()[1:])


def serve(settings: Settings, *, as_json: bool) -> None:
    """Run the service until SIGTERM or Ctrl-C; requests under way are finished first.

    Raises CliError (exit 2) where the port is taken or the service does not come up.
    """
    listener = _listen(settings.host, settings.port)
    with listener:
        server = _Service(create_app(settings), settings, listener, as_json=as_json)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn passes the signal on when it has stopped
        server.run(sockets=[listener])
    if not server.started:
        raise CliError(
            "start_failed", "the service did not come up; its log above says why", exit_code=Exit.UNUSABLE
        )


def announcement(settings: Settings, listener: socket.socket) -> dict[str, Any]:
    """Say where the service listens: url, pid, data folder."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  # compared, not bound
    return {
        "url": settings.public_url or f"http://{shown}:{port}",
        "pid": os.getpid(),
        "data_dir": str(settings.data_dir.absolute()),
    }


def announced_pid(path: Path) -> int | None:
    """Read whose announcement lies there."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CliError(
            "address_taken",
            f"{host}:{port} cannot be listened on: {error.strerror}",
            "choose another --port; 0 takes a free one",
            exit_code=Exit.UNUSABLE,
        ) from None
    return listener


def _banner(settings: Settings, said: dict[str, Any], seconds: float) -> None:
    places = ", ".join(endpoint_names(settings.rpc_urls))
    chain = "embedded chain" if settings.embedded_chain else f"chain at {places}"
    screen = console(error=True)
    screen.print(f"[bold green]PartVault[/] is ready after {seconds:.1f} s at [bold]{plain(said['url'])}[/]")
    lines = {
        "docs": f"{said['url']}/docs",
        "data": said["data_dir"],
        "ledger": chain,
        "operator": f"key in {Path(said['data_dir']) / OPERATOR_FILE}",
        "stop": "Ctrl-C",
    }
    for name, value in lines.items():
        screen.print(f"  {name:<9}{plain(value)}", soft_wrap=True)
