"""The composition root: builds every adapter from the settings, once, and starts and stops them in order."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.auth.nonces import Nonces
from app.clock import Clock, SystemClock
from app.custody import wraps
from app.database import Database, open_database, upgrade
from app.identifiers import Entropy
from app.observability.metrics import Metrics
from app.settings import Settings, UnsafeSettings
from app.signal import Signal
from ledger import runtime
from ledger.errors import SignatureError
from ledger.runtime import LedgerRuntime
from ledger.signer import AccountKey
from mesh_tools.limits import Limits
from mesh_tools.sandbox import Sandbox
from storage.backends import ObjectStore, open_objects
from storage.envelope import ObjectContext
from storage.keys import KeyBackend, open_keys
from storage.secret import DataKey
from storage.vault import Vault

SERVICE_TENANT = "service"
_RELAY = "relay-account"


@dataclass(frozen=True)
class Services:
    """Everything a handler or a worker step may use."""

    settings: Settings
    clock: Clock
    entropy: Entropy
    database: Database
    objects: ObjectStore
    keys: KeyBackend
    vault: Vault
    ledger: LedgerRuntime
    sandbox: Sandbox
    metrics: Metrics
    inspections: Signal
    nonces: Nonces


def build(settings: Settings, clock: Clock | None = None, entropy: Entropy = secrets.token_bytes) -> Services:
    """Build the adapters and bring the schema up to date; nothing runs yet.

    Raises UnsafeSettings where production would run on development settings.
    """
    settings.require_safe()
    clock = clock or SystemClock()
    prepare_data_dir(settings.data_dir)
    database = open_database(settings.database_location, settings.database_connections_max)
    upgrade(database)
    objects, keys = open_objects(settings.objects_location), open_keys(settings.keys_location)
    relay = relay_account(settings, database, keys, clock)
    return Services(
        settings=settings,
        clock=clock,
        entropy=entropy,
        database=database,
        objects=objects,
        keys=keys,
        vault=Vault(objects, keys),
        ledger=_ledger(settings, database, relay, clock),
        sandbox=Sandbox(Limits(wall_base_s=settings.inspect_seconds_max)),
        metrics=Metrics(),
        inspections=Signal(),
        nonces=Nonces(relay.reveal()),
    )


@contextmanager
def running(services: Services, *, ledger: bool = True) -> Iterator[Services]:
    """Run the ledger (unless told not to) and the sandbox while the block lasts."""
    with ExitStack() as stack:
        stack.callback(services.database.close)
        if ledger:
            stack.callback(services.ledger.stop)
            services.ledger.start()
        stack.callback(services.sandbox.close)
        services.sandbox.start()
        yield services


def prepare_data_dir(folder: Path) -> None:
    """Make the data folder, for this user only."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)


def relay_account(settings: Settings, database: Database, keys: KeyBackend, clock: Clock) -> AccountKey:
    """Give the account that pays gas: the one set, the one stored, or a new one that is stored wrapped."""
    if settings.relay_key is not None:
        return _given_relay(settings.relay_key.get_secret_value())
    context = ObjectContext(tenant=SERVICE_TENANT, object_id=_RELAY, version=1, kind="account")
    with database.founding() as session:
        wrapped = wraps.find(session, context)
        if wrapped is None:
            with DataKey(AccountKey.generate().reveal()) as secret:
                wrapped = keys.wrap(secret, context)
            wraps.keep(session, keys, context, wrapped, clock.now())
        with keys.unwrap(wrapped, context) as secret:
            return AccountKey.from_bytes(secret.reveal())


def _given_relay(text: str) -> AccountKey:
    try:
        return AccountKey.from_bytes(bytes.fromhex(text.removeprefix("0x")))
    except (ValueError, SignatureError):
        raise UnsafeSettings(
            "PARTVAULT_RELAY_KEY is no account key",
            remedy="set 32 bytes in hex, or leave it out to have one made",
        ) from None


def _ledger(settings: Settings, database: Database, relay: AccountKey, clock: Clock) -> LedgerRuntime:
    if settings.embedded_chain or settings.contract is None:
        directory = settings.data_dir / "chain"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return runtime.embedded(database.engine, directory, relay, settings.anvil_program(), clock.time)
    return runtime.remote(
        database.engine,
        settings.rpc_urls,
        settings.contract,
        relay,
        settings.confirmations,
        clock.time,
        agreement=settings.rpc_agreement,
    )


def write_private(path: Path, text: str) -> None:
    """Write a new file that only this user may read, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
