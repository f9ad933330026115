"""The embedded chain: anvil kept alive beside the service, and made the same again whenever it died.

Its truth is the database. Every transaction was stored, with the time of its block, before anvil saw it;
anvil's own memory is a cache that a kill may empty at any moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ledger import anvil as child
from ledger import tables
from ledger.chain import Chain, ChainError
from ledger.errors import LedgerError
from ledger.identity import ChainIdentity, keep_code_hash, load
from ledger.replay import replay, verify
from ledger.web3_chain import Web3Chain

_BALANCE_WEI: Final = 10**30
_PAUSE_MAX_S: Final = 5.0
_PAUSE_S: Final = 0.1


class ChainInUse(LedgerError):  # noqa: N818 - it names what was found
    """Another process serves this directory's chain."""

    kind = "chain_in_use"


class EmbeddedChain:
    """Serves the chain that a database holds.

    `start` returns when the chain is restored and verified; from then on a thread watches the child and does
    the same again when it dies. `chain` refuses every question with ChainError while there is nothing
    verified to ask. `restored` is called after each restoration, from the watching thread. One process at a
    time serves a directory.
    """

    def __init__(
        self,
        directory: Path,
        engine: Engine,
        relay_address: str,
        anvil: Path,
        *,
        history: bool = False,
        restored: Callable[[], None] = lambda: None,
    ) -> None:
        self._directory = directory.absolute()  # the child runs in it, so a relative name would lead astray
        self._engine = engine
        self._reading = tables.reading(engine)
        self._relay_address = relay_address
        self._anvil = anvil
        self._history = history
        self._restored = restored
        self._serving: child.AnvilProcess | None = None
        self._running: child.AnvilProcess | None = None
        self._settled = threading.Event()
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._lock: int | None = None
        self.failure: LedgerError | None = None
        self.restarts = 0
        self.chain: Chain = Web3Chain.local(self._socket_path)

    @property
    def rpc_url(self) -> str:
        """The HTTP address of the chain; ChainError while it is not served."""
        return self._current().rpc_url

    @property
    def pid(self) -> int:
        """The process id of the child that serves; ChainError while none does."""
        return self._current().pid

    @property
    def serving(self) -> bool:
        """Whether a verified chain answers."""
        return self._serving is not None

    def start(self) -> str:
        """Restore and verify the chain, keep it alive from now on, and return its RPC URL.

        Raises ChainInUse if another process serves it, ReplayMismatch if it is not the chain the database
        describes, ChainError if anvil cannot run or the database holds no embedded chain.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        self._stopping.clear()
        self._settled.clear()
        self.failure = None
        try:
            binary = child.native_binary(self._anvil)
            identity = self._identity()
            port = child.end_stale(self._directory)
            self._thread = threading.Thread(
                target=self._watch, args=(binary, identity, port), name="partvault-anvil", daemon=True
            )
            self._thread.start()
            self._settled.wait()
            if self.failure is not None:
                raise self.failure
            return self.rpc_url
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the child and release the directory; harmless when not started."""
        self._stopping.set()
        with self._guard:
            if self._running is not None:
                self._running.kill()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _watch(self, binary: Path, identity: ChainIdentity, port: int | None) -> None:
        """Run children one after the other until told to stop; the thread each is bound to."""
        pause = _PAUSE_S
        while not self._stopping.is_set():
            try:
                running = self._restore(binary, identity, port)
            except (LedgerError, SQLAlchemyError, OSError) as problem:
                self.failure = problem if isinstance(problem, LedgerError) else ChainError(str(problem))
                if not self._settled.is_set():
                    self._settled.set()
                    return
                self._stopping.wait(pause)
                pause = min(pause * 2, _PAUSE_MAX_S)
                continue
            pause = _PAUSE_S
            port = int(running.rpc_url.rpartition(":")[2])
            running.wait()
            self._serving = None
            self._retire(running)
            self.restarts += not self._stopping.is_set()

    def _restore(self, binary: Path, identity: ChainIdentity, port: int | None) -> child.AnvilProcess:
        options = child.AnvilOptions(identity.chain_id, identity.genesis_time or 0, history=self._history)
        running = child.spawn(binary, self._directory, options, port=port)
        with self._guard:
            self._running = running
            if self._stopping.is_set():
                running.kill()
        try:
            node = Web3Chain.local(lambda: running.socket_path)
            node.tell("anvil_setBalance", self._relay_address, hex(_BALANCE_WEI))
            code = verify(node, self._engine, identity, replay(node, self._engine))
            if identity.code_hash is None:
                keep_code_hash(self._engine, code)
        except BaseException:
            self._retire(running)
            raise
        self.failure = None
        self._serving = running
        self._settled.set()
        self._restored()
        return running

    def _retire(self, running: child.AnvilProcess) -> None:
        with self._guard:
            self._running = None
        running.kill()
        child.forget(self._directory, running)

    def _identity(self) -> ChainIdentity:
        with self._reading.connect() as connection:
            identity = load(connection)
        if identity is None or not identity.embedded:
            raise ChainError("this database holds no embedded chain yet; start the service once to found it")
        return identity

    def _take_lock(self) -> None:
        handle = os.open(self._directory / "anvil.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            with contextlib.suppress(OSError):
                os.close(handle)
            where = child.noted_url(self._directory) or "an address it has not written down yet"
            raise ChainInUse(
                f"another process serves the chain of {self._directory}, at {where}; use that one or stop it"
            ) from taken
        self._lock = handle

    def _socket_path(self) -> Path:
        return self._current().socket_path

    def _current(self) -> child.AnvilProcess:
        serving = self._serving
        if serving is None:
            reason = f": {self.failure}" if self.failure is not None else ""
            raise ChainError(f"the embedded chain is being restored{reason}")
        return serving
