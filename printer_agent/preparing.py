"""The steps from a release to a file that its machine may have, alike for one print and for a plate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from printer_agent.drivers.base import Delivery, UncertainStart
from printer_agent.errors import DriverError, NotReady
from printer_agent.job import Job
from printer_agent.memory_file import MemoryFile
from printer_agent.release import decrypt
from printer_agent.remote_job import RemoteJob
from printer_agent.slicing.preparation import turns
from printer_agent.tools import Tools, Watcher
from storage.secret import DataKey
from storage.stream import Piece, decrypt_views


@dataclass(frozen=True)
class Preparing:
    """What is done for a job before its machine has the file."""

    tools: Tools
    watcher: Watcher

    def require_ready(self) -> None:
        """Raise NotReady, while nothing is consumed, where the machine would not take a job."""
        try:
            self.tools.driver.check()
        except DriverError as error:
            raise NotReady(error.kind, error.message, error.remedy) from error

    def fill(self, plaintext: MemoryFile, job: Job) -> None:
        """Verify a release, open its key and decrypt its file into memory alone."""
        tools = self.tools
        with job.verify(tools.identity.sealing, tools.file_bytes_max) as key:
            self.watcher.stage(job.state, "claim, licence, manifest and commitment agree; key opened")
            plaintext.fill(self._plaintext(job, key))
        job.decrypted(plaintext.sha256, plaintext.size)
        self.watcher.stage(job.state, f"{plaintext.size} bytes in memory, digest as in the manifest")

    def gate(self, job: Job, plaintext: MemoryFile) -> None:
        """Have the gate judge the file for this machine; what its recipe turns is held to the room later."""
        policy = self.tools.machine.policy(job.file.recipe)
        if turns(job.file):
            policy = replace(policy, build_volume_mm=None)
        seen = self.tools.sandbox.inspect(
            plaintext.pieces(), filename=job.file.filename, policy=policy, pictures=False
        )
        reasons = tuple(f"{found.code}: {found.message}" for found in seen.reasons)
        job.gated(seen.verdict, seen.sha256, reasons)
        self.watcher.stage(job.state, f"the gate passed it for {self.tools.machine.model}")

    def start(self, delivery: Delivery, content: MemoryFile) -> tuple[RemoteJob, str]:
        """Hand the file to the machine; give how its life there begins, and a word about it."""
        remote = RemoteJob(self.tools.patience)
        try:
            detail = self.tools.driver.start(replace(delivery, size=content.size), content.pieces())
            remote.taken()
        except UncertainStart as error:
            detail = error.message
        return remote, detail

    def not_before(self, job: Job) -> int:
        """Now, and not before the block that counted the print, whatever this machine's clock says."""
        return max(self.tools.clock.seconds(), int(job.released.receipt.get("block_time", 0)))

    def _plaintext(self, job: Job, key: DataKey) -> Iterator[Piece]:
        target = job.released.object
        pieces = self._watched(self.tools.client.download(target.url, target.size), target.size)
        return decrypt(pieces, target, partial(decrypt_views, key=key, context=target.context))

    def _watched(self, pieces: Iterator[bytes], total: int) -> Iterator[bytes]:
        done = 0
        for piece in pieces:
            done += len(piece)
            self.watcher.downloaded(done, total)
            yield piece
