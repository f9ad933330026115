"""The embedded chain of a data folder, without the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.cli.data_folder import require_database
from app.cli.failures import CliError, Exit
from app.clock import SystemClock
from app.database import open_database
from app.settings import Settings
from app.wiring import relay_account
from ledger.embedded import EmbeddedChain
from ledger.identity import ChainIdentity, load
from ledger.quorum import endpoint_names
from storage.keys import open_keys


@contextmanager
def embedded_chain(settings: Settings) -> Iterator[tuple[str, ChainIdentity]]:
    """Restore the chain the database holds and serve it while the block lasts; gives its RPC URL and
    identity.

    Raises CliError where there is no embedded chain, ChainInUse where the running service serves it.
    """
    require_database(settings)
    require_embedded(settings)
    database = open_database(settings.database_location)
    try:
        relay = relay_account(settings, database, open_keys(settings.keys_location), SystemClock())
        chain = EmbeddedChain(settings.data_dir / "chain", database.engine, relay, settings.anvil_program())
        rpc_url = chain.start()
        try:
            yield rpc_url, identity_of(settings)
        finally:
            chain.stop()
    finally:
        database.close()


def require_embedded(settings: Settings) -> None:
    """Refuse the settings of a service whose chain is a network."""
    if not settings.embedded_chain:
        raise CliError(
            "no_embedded_chain",
            f"the chain of this service is at {', '.join(endpoint_names(settings.rpc_urls))}, not embedded",
            "audit it there: --rpc and --contract",
            exit_code=Exit.UNUSABLE,
        )


def identity_of(settings: Settings) -> ChainIdentity:
    """Read which chain and contract a data folder belongs to; CliError before the service founded it."""
    require_database(settings)
    database = open_database(settings.database_location)
    try:
        with database.engine.connect() as connection:
            identity = load(connection)
    finally:
        database.close()
    if identity is None:
        raise CliError(
            "no_ledger",
            "this database knows no ledger yet",
            "start the service once",
            exit_code=Exit.UNUSABLE,
        )
    return identity
