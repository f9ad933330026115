"""The embedded chain: anvil kept alive beside the service, and made the same again whenever it died.

Its truth is the database. Every transaction was stored, with the time of its block, before anvil saw it;
anvil's own memory is a cache that a kill may empty at any moment, and so are the snapshots that shorten the
next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from ledger import anvil as child
from ledger import tables
from ledger.berth import Berth
from ledger.capacity import ChainLoad, move_on
from ledger.chain import Chain, ChainError
from ledger.errors import LedgerError
from ledger.identity import ChainIdentity, keep_code_hash, load
from ledger.replay import stored_blocks
from ledger.restoration import Restoration, Restored
from ledger.signer import AccountKey
from ledger.snapshot import Shelf
from ledger.snapshot_taker import NICENESS, SnapshotPolicy, SnapshotTaker
from ledger.web3_chain import Web3Chain

_PAUSE_MAX_S: Final = 5.0
_PAUSE_S: Final = 0.1
_SNAPSHOT_PAUSE_S: Final = 60.0
_LAST_START: Final = "last_start.json"
_SCRIBE: Final = "scribe"
SNAPSHOTS: Final = "snapshots"
"""The folder of the snapshots in the chain's directory."""
_log = logging.getLogger(__name__)


class ChainInUse(LedgerError):  # noqa: N818 - it names what was found
    """Another process serves this directory's chain."""

    kind = "chain_in_use"


class EmbeddedChain:
    """Serves the chain that a database holds.

    `start` returns when the chain is restored and verified; from then on a thread watches the child and does
    the same again when it dies, and another takes snapshots when `snapshots` says (None: never). `chain`
    refuses every question with ChainError while there is nothing verified to ask. `restored` is called after
    each restoration, from the watching thread. One process at a time serves a directory.
    """

    def __init__(
        self,
        directory: Path,
        engine: Engine,
        relay: AccountKey,
        anvil: Path,
        *,
        snapshots: SnapshotPolicy | None = SnapshotPolicy(),  # noqa: B008 - it is frozen
        restored: Callable[[], None] = lambda: None,
    ) -> None:
        self._directory = directory.absolute()  # the child runs in it, so a relative name would lead astray
        self._engine = engine
        self._reading = tables.reading(engine)
        self._relay_address = relay.address
        self._shelf = Shelf(self._directory / SNAPSHOTS, relay)
        self._anvil = anvil
        self._policy = snapshots
        self._restored = restored
        self._serving: child.AnvilProcess | None = None
        self._settled = threading.Event()
        self._stopping = threading.Event()
        self._berths: list[Berth] = []
        self._threads: list[threading.Thread] = []
        self._lock: int | None = None
        self.failure: LedgerError | None = None
        self.restarts = 0
        self.chain: Chain = Web3Chain.local(self._socket_path)

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return self._directory

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
            identity = self._identity()
            serving, scribe = self._berths = [self._berth(identity), self._scribe(identity, NICENESS)]
            scribe.clear()
            self._launch("partvault-anvil", lambda: self._watch(serving, serving.clear()))
            self._settled.wait()
            if self.failure is not None:
                raise self.failure
            if self._policy is not None:
                taker = self._taker(scribe, self._policy)
                self._launch("partvault-snapshots", lambda: self._take_snapshots(taker))
            return self.rpc_url
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """End the children, leave a snapshot where that is worth it, and release the directory; harmless when
        not started.
        """
        served = self.serving
        self._end(release=False)
        try:
            if served and self._policy is not None:
                self._take_last(self._policy)
        finally:
            self._release()

    def _end(self, *, release: bool = True) -> None:
        self._stopping.set()
        for berth in self._berths:
            berth.close()
        for thread in self._threads:
            thread.join()
        self._threads, self._berths, self._serving = [], [], None
        if release:
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _launch(self, name: str, task: Callable[[], None]) -> None:
        thread = threading.Thread(target=task, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _berth(self, identity: ChainIdentity) -> Berth:
        """Open the place of the child that serves."""
        options = child.AnvilOptions(identity.chain_id, identity.genesis_time or 0)
        return Berth(child.native_binary(self._anvil), self._directory, options)

    def _scribe(self, identity: ChainIdentity, niceness: int) -> Berth:
        """Open the place of the child that takes snapshots."""
        options = child.AnvilOptions(identity.chain_id, identity.genesis_time or 0, niceness=niceness)
        return Berth(child.native_binary(self._anvil), self._directory / _SCRIBE, options)

    def _watch(self, berth: Berth, port: int | None) -> None:
        """Run children one after the other until told to stop; the thread each is bound to."""
        pause = _PAUSE_S
        while not self._stopping.is_set():
            try:
                running = self._restore(berth, port)
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
            berth.retire()
            self.restarts += not self._stopping.is_set()

    def _restore(self, berth: Berth, port: int | None) -> child.AnvilProcess:
        identity = self._identity()
        done = self._restoration(identity).run(berth, stored_blocks(self._engine), port=port)
        try:
            if identity.code_hash is None:
                keep_code_hash(self._engine, done.code)
            self._note_start(done)
        except BaseException:
            berth.retire()
            raise
        self.failure = None
        self._serving = done.process
        self._settled.set()
        self._restored()
        return done.process

    def _restoration(self, identity: ChainIdentity) -> Restoration:
        shelf = None if self._policy is None else self._shelf
        return Restoration(self._engine, identity, self._relay_address, shelf)

    def _note_start(self, done: Restored) -> None:
        """Write down how the chain came back, for `ledger status`, and say it when it has outgrown its
        place.
        """
        said = {"seconds": round(done.seconds, 3), "blocks": done.head, "snapshot": done.snapshot}
        draft = self._directory / f"{_LAST_START}.new"
        draft.write_text(json.dumps({**said, "at": int(time.time())}))
        draft.replace(self._directory / _LAST_START)
        way = f"snapshot {done.snapshot}" if done.snapshot else "a full replay"
        _log.info("chain of %d blocks restored in %.1f s by %s", done.head, done.seconds, way)
        self._warn(done.process.memory_bytes, done.seconds)

    def _warn(self, memory_bytes: int | None, start_s: float | None = None) -> None:
        sentence = move_on(ChainLoad(stored_events(self._engine), memory_bytes, start_s))
        if sentence is not None:
            _log.warning("%s", sentence)

    def _taker(self, berth: Berth, policy: SnapshotPolicy) -> SnapshotTaker:
        identity = self._identity()
        restoration = self._restoration(identity)
        return SnapshotTaker(self._engine, identity, restoration, self._shelf, berth, policy)

    def _take_snapshots(self, taker: SnapshotTaker) -> None:
        """Look now and then whether a snapshot is due; a failure is no reason to stop serving."""
        assert self._policy is not None  # noqa: S101 - this thread runs only with one
        pause = self._policy.look_every_s
        while not self._stopping.wait(pause):
            pause = self._policy.look_every_s
            try:
                block = taker.due() if self.serving else None
                if block is not None:
                    taker.take(block)
                    serving = self._serving
                    self._warn(None if serving is None else serving.memory_bytes)
            except (LedgerError, SQLAlchemyError, OSError) as problem:
                if not self._stopping.is_set():
                    _log.warning("no snapshot was taken: %s", problem)
                pause = max(pause, _SNAPSHOT_PAUSE_S)

    def _take_last(self, policy: SnapshotPolicy) -> None:
        """Take a snapshot of where the chain stopped, if the next start gains enough by it."""
        try:
            taker = self._taker(self._scribe(self._identity(), niceness=0), policy)
            block = taker.due(stopping=True)
            if block is not None:
                taker.take(block)
        except (LedgerError, SQLAlchemyError, OSError) as problem:
            _log.warning("no snapshot was taken at the stop: %s", problem)

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


def stored_events(engine: Engine) -> int:
    """Return how many events of the contract the index holds."""
    with tables.reading(engine).connect() as connection:
        return int(connection.execute(select(func.count()).select_from(tables.events)).scalar_one())


def last_start(directory: Path) -> dict[str, Any] | None:
    """Return what the last start of a directory's chain wrote down: `seconds`, `blocks`, `snapshot` (the
    block of the one used, None without) and `at`.
    """
    try:
        noted: dict[str, Any] = json.loads((directory / _LAST_START).read_text())
        return {"seconds": float(noted["seconds"]), **{n: noted[n] for n in ("blocks", "snapshot", "at")}}
    except (OSError, ValueError, KeyError, TypeError):
        return None
