"""No plaintext of an uploaded file and no data key in anything the service wrote."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx2

from storage.recipients import open_sealed
from tests.e2e.conftest import Market
from tests.e2e.parts import torus
from tests.e2e.service_process import ServiceProcess


def written(folders: list[Path]) -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield str(path), path.read_bytes()


def chain_state(service: ServiceProcess) -> bytes:
    """Everything the chain process holds: its state, and every block with its transactions."""
    (port,) = [c.laddr.port for c in service.chain_process().net_connections() if c.status == "LISTEN"][:1]
    url = f"http://127.0.0.1:{port}"
    body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_dumpState", "params": []}
    parts = [httpx2.post(url, json=body, timeout=30).content]
    head = int(httpx2.post(url, json={**body, "method": "eth_blockNumber"}, timeout=30).json()["result"], 16)
    for number in range(head + 1):
        call = {**body, "method": "eth_getBlockByNumber", "params": [hex(number), True]}
        parts.append(httpx2.post(url, json=call, timeout=30).content)
    return b"\n".join(parts)


def spellings(secret: bytes) -> list[bytes]:
    """The secret as bytes, hex and base64 at each alignment."""
    texts = [base64.b64encode(secret[shift:])[4:-4] for shift in range(3)]
    return [
        secret,
        secret.hex().encode(),
        secret.hex().upper().encode(),
        *texts,
        *(t.replace(b"+", b"-").replace(b"/", b"_") for t in texts),
    ]


class TestCanary:
    def test_no_plaintext_and_no_data_key_anywhere(self, tmp_path: Path) -> None:
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        canary = b"CANARY-" + secrets.token_hex(16).encode()
        content = b"".join(torus(24, 30, header=canary))
        service = ServiceProcess(tmp_path / "data")
        service.environment["TMPDIR"] = str(scratch)
        with service:
            market = Market.open(service)
            licence = market.owner.license(market.published(content), market.provider)
            printer = market.provider.new_printer()
            token = market.provider.authorise(licence, printer)["token"]
            release = printer.redeem(token).json()
            assert printer.open(release, printer.download(release).content) == content
            blob = base64.b64decode(release["sealed_key"]["blob"])
            data_key = bytes(open_sealed(blob, printer.sealing, release["info"].encode()).reveal())
            everything = [*written([tmp_path]), ("chain", chain_state(service))]
        everything += written([tmp_path])

        assert len(everything) > 10
        window = content[2000:2048]
        needles = {
            "header": [canary, canary.hex().encode()],
            "geometry": spellings(window),
            "data key": spellings(data_key),
            "print token": [token.encode()],
            "api key": [market.owner.api_key.encode()],
            "account key": spellings(bytes(market.owner.account.reveal())),
        }
        found = [
            f"{what} in {where}"
            for where, text in everything
            for what, forms in needles.items()
            if any(form in text for form in forms)
        ]
        assert found == []

    def test_the_search_finds_what_is_there(self, tmp_path: Path) -> None:
        secret = secrets.token_bytes(48)
        (tmp_path / "log").write_bytes(b"key=" + base64.b64encode(b"x" + secret) + b"\n")
        (found,) = [text for _, text in written([tmp_path])]
        assert any(form in found for form in spellings(secret))
