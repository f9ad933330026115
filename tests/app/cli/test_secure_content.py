"""Encrypting and opening 3MF packages from the command line."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.cli import main
from mesh_tools.model import Body, Model
from mesh_tools.secure_content.binding import Product
from mesh_tools.secure_content.geometry_part import geometry_part
from mesh_tools.secure_content.keys import ConsumerPublicKey, SigningKey
from mesh_tools.secure_content.sealing import Recipient, seal_package
from tests.mesh_tools import shapes

_PRIVATE = serialization.PrivateFormat.PKCS8
_PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
_PEM = serialization.Encoding.PEM


def keep(folder: Path, name: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    plain = serialization.NoEncryption()
    (folder / f"{name}.pem").write_bytes(key.private_bytes(_PEM, _PRIVATE, plain))
    (folder / f"{name}.pub.pem").write_bytes(key.public_key().public_bytes(_PEM, _PUBLIC))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("printer", "other"):
        keep(folder, name, rsa.generate_private_key(65537, 2048))
    for name in ("owner", "stranger"):
        keep(folder, name, ec.generate_private_key(ec.SECP256R1()))
    return folder


class Shop:
    """A folder with a part and keys, and the command run in it."""

    def __init__(self, folder: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.keys, self._capsys = folder, keys, capsys
        self.part, self.package = folder / "torus.stl", folder / "torus.3mf"
        self.part.write_bytes(shapes.stl_binary(shapes.corners(shapes.torus())))

    def run(self, *words: object) -> tuple[int, Any]:
        """Exit code and JSON answer of `partvault mesh …`."""
        with pytest.raises(SystemExit) as ended:
            main(["mesh", *map(str, words), "--json"])
        code = ended.value.code
        assert isinstance(code, int)
        return code, json.loads(self._capsys.readouterr().out)

    def secure(self, *more: object) -> tuple[int, Any]:
        consumer = f"printer-1={self.keys / 'printer.pub.pem'}"
        words = ("--for", consumer, "--product", "Torus", "--part-version", "2", "--out", self.package)
        return self.run("secure", self.part, *words, *(more or ("--sign", self.keys / "owner.pem")))

    def have(self, signer: str | None) -> None:
        """Put a package here that `signer` signed."""
        part = geometry_part(Model("stl-binary", [Body(shapes.corners(shapes.torus()))]), 1.0)
        consumer = Recipient("p", ConsumerPublicKey.from_pem((self.keys / "printer.pub.pem").read_bytes()))
        pem = None if signer is None else (self.keys / f"{signer}.pem").read_bytes()
        signing = None if pem is None else SigningKey.from_pem(pem)
        product = Product("Torus", "2")
        self.package.write_bytes(seal_package(part, product, [consumer], signer=signing))

    def open(self, *more: object, key: str = "printer") -> tuple[int, Any]:
        whom = more or ("--signer", self.keys / "owner.pub.pem")
        return self.run("open", self.package, "--key", self.keys / f"{key}.pem", *whom)


@pytest.fixture
def shop(tmp_path: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    return Shop(tmp_path, keys, capsys)


class TestSecure:
    def test_writes_what_open_opens(self, shop: Shop) -> None:
        code, sealed = shop.secure()
        assert code == 0
        assert sealed["consumers"] == ["printer-1"]
        code, opened = shop.open()
        assert code == 0
        assert (opened["product"], opened["version"]) == ("Torus", "2")
        assert opened["signer"] == sealed["signer"]
        assert opened["inspection"]["verdict"] == "pass"
        assert opened["inspection"]["geometry"]["facets"] == 288

    def test_refuses_what_the_gate_refuses(self, shop: Shop) -> None:
        shop.part.write_bytes(shapes.stl_binary(shapes.corners(shapes.torus())[1:]))
        code, answer = shop.secure()
        assert code == 1
        assert "mesh.open_edges" in {reason["code"] for reason in answer["error"]["reasons"]}
        assert not shop.package.exists()

    def test_wants_a_signature_or_the_word_that_there_is_none(self, shop: Shop) -> None:
        code, answer = shop.secure("--process", "MEX")
        assert code == 2
        assert "--unsigned" in answer["error"]["message"]

    def test_refuses_a_key_of_the_wrong_kind(self, shop: Shop) -> None:
        code, answer = shop.secure("--sign", shop.keys / "printer.pem")
        assert code == 1
        assert answer["error"]["kind"] == "package.key"


class TestOpen:
    def test_refuses_a_foreign_signature(self, shop: Shop) -> None:
        shop.have("stranger")
        code, answer = shop.open()
        assert code == 1
        assert answer["error"]["kind"] == "package.signature"

    def test_refuses_another_consumers_key(self, shop: Shop) -> None:
        shop.have("owner")
        code, answer = shop.open(key="other")
        assert code == 1
        assert answer["error"]["kind"] == "package.key"

    def test_refuses_another_version(self, shop: Shop) -> None:
        shop.have("owner")
        trust = ("--signer", shop.keys / "owner.pub.pem")
        code, answer = shop.open(*trust, "--product", "Torus", "--part-version", "1")
        assert code == 1
        assert answer["error"]["kind"] == "package.binding"

    def test_wants_a_signer_or_the_word_that_there_is_none(self, shop: Shop) -> None:
        shop.have("owner")
        code, answer = shop.open("--process", "MEX")
        assert code == 2
        assert "--foreign" in answer["error"]["message"]

    def test_writes_the_plain_package_for_its_owner_alone(self, shop: Shop) -> None:
        shop.have("owner")
        out = shop.folder / "plain.3mf"
        code, _ = shop.open("--signer", shop.keys / "owner.pub.pem", "--out", out)
        assert code == 0
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        code, (checked,) = shop.run("check", out)
        assert (code, checked["verdict"]) == (0, "pass")

    def test_writes_nothing_that_the_gate_refuses(self, shop: Shop) -> None:
        shop.have("owner")
        out = shop.folder / "plain.3mf"
        trust = ("--signer", shop.keys / "owner.pub.pem")
        code, opened = shop.open(*trust, "--build-volume", "5x5x5", "--out", out)
        assert code == 1
        assert opened["inspection"]["verdict"] == "refuse"
        assert not out.exists()

    def test_takes_an_unsigned_one_as_foreign_and_says_so(
        self, shop: Shop, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shop.have(None)
        with pytest.raises(SystemExit) as ended:
            main(["mesh", "open", str(shop.package), "--key", str(shop.keys / "printer.pem"), "--foreign"])
        said = capsys.readouterr().out
        assert ended.value.code == 0
        assert "nobody vouches" in said
        assert "nobody" in said.partition("signer")[2].partition("\n")[0]
