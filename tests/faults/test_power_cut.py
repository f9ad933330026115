"""A power cut takes what no sync had reached: what was answered before is answered alike after it, once."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import pytest

from ledger.log_sync import sync_data
from ledger.typed_data import PrintClaim
from tests.app.parties import Printer, new_party, problem
from tests.app.service import Service, running_service
from tests.ledger.disks import have_synced

DATABASE = "partvault.sqlite"
RETRY = "the-same-retry"


@dataclass
class Disk:
    """What of a data folder survives a power cut: all files, and the database as of the last sync."""

    data: Path
    saved: Path
    images: list[tuple[bytes, bytes]] = field(default_factory=list)

    def begin(self) -> None:
        """Put the log into the database, and note that."""
        with closing(sqlite3.connect(self.data / DATABASE, timeout=20)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.images = [self._image()]

    def sync(self, descriptor: int) -> None:
        """Sync a log, and note what so is on the disk."""
        image = self._image()
        sync_data(descriptor)
        self.images.append(image)

    def _image(self) -> tuple[bytes, bytes]:
        log = self.data / f"{DATABASE}-wal"
        return (self.data / DATABASE).read_bytes(), log.read_bytes() if log.exists() else b""

    def save(self) -> list[tuple[bytes, bytes]]:
        """Keep the files as they are now; gives the database's images until now."""
        shutil.copytree(self.data, self.saved, ignore=shutil.ignore_patterns(f"{DATABASE}*", "*.ipc"))
        return list(self.images)

    def restored(self, image: tuple[bytes, bytes], folder: Path) -> Path:
        """Give a folder as it was after a power cut."""
        shutil.copytree(self.saved, folder / "data")
        for name, content in zip((DATABASE, f"{DATABASE}-wal"), image, strict=True):
            (folder / "data" / name).write_bytes(content)
        return folder


@dataclass
class Scene:
    """A redemption that was answered, and the disk before it and after each of its syncs."""

    disk: Disk
    images: list[tuple[bytes, bytes]]
    printer: Printer
    token: str
    claim: PrintClaim
    proof: str
    answer: httpx2.Response

    def at(self, service: Service) -> Printer:
        return replace(self.printer, service=service)

    def redeem(self, service: Service, key: str = RETRY) -> httpx2.Response:
        return self.at(service).redeem_claim(self.token, self.claim, key)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("power")
    with pytest.MonkeyPatch.context() as patched, running_service(folder) as service:
        owner, provider = new_party(service, "owner"), new_party(service, "provider")
        printer = provider.printer()
        licence = owner.license(owner.published(), provider)
        token = provider.authorise(licence, printer)["token"]
        claim = PrintClaim.from_json(printer.claim(token).json()["claim"])
        disk = Disk(service.data_dir, folder / "saved")
        disk.begin()
        have_synced(patched, disk.data, disk.sync)
        path = "/v1/prints/redeem"
        proof = printer.proof("POST", path, token)
        body = {"claim": claim.to_json(), "signature": printer.sign(claim)}
        headers = {"Idempotency-Key": RETRY}
        answer = printer.call("POST", path, token, json=body, headers=headers, proof=proof)
        images = disk.save()
        assert answer.status_code == 200, answer.text
    return Scene(disk, images, printer, token, claim, proof, answer)


def counted(service: Service) -> int:
    """How many prints the chain has counted, of the only licence there is."""
    prints: int = service.column("select count(*) from ledger_events where fact like 'record_print:%'")
    return prints


class TestPowerCut:
    def test_leaves_one_count_and_one_release(self, scene: Scene, tmp_path: Path) -> None:
        assert len(scene.images) >= len({"before", "relay", "index", "answer"})
        for at, image in enumerate(scene.images):
            with running_service(scene.disk.restored(image, tmp_path / str(at))) as restarted:
                again = scene.redeem(restarted)
                assert again.status_code == 200, again.text
                assert counted(restarted) == 1
                assert scene.redeem(restarted).content == again.content
                problem(scene.redeem(restarted, "another-retry"), "token-spent")
        assert again.content == scene.answer.content

    def test_leaves_what_was_sent_to_the_chain(self, scene: Scene, tmp_path: Path) -> None:
        """Whatever the chain may have counted, the disk knew of before: the relay's sync is the first."""
        folder = scene.disk.restored(scene.images[1], tmp_path)
        with closing(sqlite3.connect(folder / "data" / DATABASE)) as connection:
            (row,) = connection.execute("select state, redeem_key from prints").fetchall()
            sent = "select count(*) from ledger_operations where kind = 'record_print' and nonce is not null"
            assert (row, connection.execute(sent).fetchone()) == (("redeeming", RETRY), (1,))

    def test_gives_a_proof_no_second_chance(self, scene: Scene, tmp_path: Path) -> None:
        """It was committed without waiting for the disk; the answer's sync was its too."""
        with running_service(scene.disk.restored(scene.images[-1], tmp_path)) as restarted:
            options = {"headers": {"Idempotency-Key": RETRY}, "proof": scene.proof}
            body = {"claim": scene.claim.to_json(), "signature": scene.at(restarted).sign(scene.claim)}
            replayed = scene.at(restarted).call(
                "POST", "/v1/prints/redeem", scene.token, json=body, **options
            )
            problem(replayed, "invalid-proof")
