"""`partvault serve` and `partvault worker`: the processes of the service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import DataDir, Json

if TYPE_CHECKING:
    from app.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [PARTVAULT_HOST, 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one [PARTVAULT_PORT, 8000]")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Run the service: API, worker, ledger and sandbox. Settings: PARTVAULT_*; stop with Ctrl-C."""
    from app.cli.serve import serve as run

    run(service_settings(host=host, port=port, data_dir=data_dir), as_json=as_json)


def worker(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Run a further worker on the same data: inspections, and on a network of its own whatever no request
    waits for; stop with Ctrl-C.
    """
    import os
    import signal
    import threading

    from app.cli.output import emit_line, plain, say
    from app.worker import run

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = service_settings(data_dir=data_dir)
    said = {"pid": os.getpid(), "data_dir": str(settings.data_dir), "inspects_only": settings.embedded_chain}
    if as_json:
        emit_line(said)
    else:
        duty = "inspections" if settings.embedded_chain else "inspections and what no request waits for"
        say(f"A worker for {duty} on {plain(settings.data_dir)}; stop with Ctrl-C")
    run(settings, stop)


def service_settings(
    *, host: str | None = None, port: int | None = None, data_dir: Path | None = None
) -> Settings:
    """Read the service's settings; the command line wins. A CliError names a setting that is wrong."""
    from pydantic import ValidationError

    from app.cli.failures import usage
    from app.settings import Settings

    said: dict[str, Any] = {"host": host, "port": port, "data_dir": data_dir}
    try:
        return Settings(**{name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        faults = "; ".join(
            f"PARTVAULT_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors()
        )
        raise usage(f"a setting is wrong: {faults}", "correct the variable") from None
