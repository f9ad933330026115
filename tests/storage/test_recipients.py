from __future__ import annotations

import copy
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import RecipientInvalid, SealInvalid
from storage.recipients import (
    DEFAULT_SUITE,
    SUITES,
    DeviceSealingKey,
    SealingKey,
    open_sealed,
    seal,
    validate_public,
)
from storage.secret import DataKey
from tests.storage.hpke_reference import encapsulate, key_schedule, open_base, seal_base, shared_secret

INFO = b'{"format":"partvault/release/v1","release":"rel_1"}'
SIZES = {"MLKEM768-X25519": (1216, 1168), "X25519": (32, 80), "P-256": (65, 113)}

# draft-connolly-cfrg-xwing-kem (the hybrid's older name), RFC 9180 appendices A.1.1 and A.3.1
PUBLISHED = [
    (
        "MLKEM768-X25519",
        "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
        "e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5",
        "859edb06eff389b27dce59844570216223593d4ba32d9abac8cd049040ef6534",
    ),
    (
        "X25519",
        "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736",
        "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
        "",
    ),
    (
        "P-256",
        "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
        "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a",
        "826a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0",
    ),
]

suites = pytest.mark.parametrize("suite", SUITES)


class TestSuites:
    def test_default_is_post_quantum(self) -> None:
        assert SUITES[0] == DEFAULT_SUITE == "MLKEM768-X25519"
        assert set(SUITES) == set(SIZES)


class TestSeal:
    @suites
    def test_opens_for_its_recipient(self, suite: str, key: DataKey) -> None:
        private = SealingKey.generate(suite)
        blob = seal(key, suite, private.public, INFO)
        assert (len(private.public), len(blob)) == SIZES[suite]
        assert open_sealed(blob, private, INFO) == key

    @suites
    @pytest.mark.parametrize("info", [b"", INFO])
    def test_is_rfc_9180_base_mode(self, suite: str, info: bytes, key: DataKey) -> None:
        private = SealingKey.generate(suite)
        blob = seal(key, suite, private.public, info)
        assert open_base(suite, private.to_bytes(), blob, info) == key.reveal()

    @suites
    def test_never_repeats(self, suite: str, key: DataKey) -> None:
        public = SealingKey.generate(suite).public
        assert seal(key, suite, public, INFO) != seal(key, suite, public, INFO)

    @suites
    @pytest.mark.parametrize("change", [-1, 1])
    def test_refuses_a_public_key_of_another_length(self, suite: str, change: int, key: DataKey) -> None:
        public = bytes(SIZES[suite][0] + change)
        with pytest.raises(RecipientInvalid, match=f"{SIZES[suite][0]} bytes"):
            seal(key, suite, public, INFO)

    def test_refuses_an_unknown_suite(self, key: DataKey) -> None:
        with pytest.raises(RecipientInvalid, match="unknown"):
            seal(key, "RSA", bytes(32), INFO)


class TestOpenSealed:
    @suites
    def test_refuses_another_recipient(self, suite: str, key: DataKey) -> None:
        blob = seal(key, suite, SealingKey.generate(suite).public, INFO)
        with pytest.raises(SealInvalid):
            open_sealed(blob, SealingKey.generate(suite), INFO)

    @suites
    @pytest.mark.parametrize("info", [b"", INFO[:-1], INFO + b" "])
    def test_refuses_another_info(self, suite: str, info: bytes, key: DataKey) -> None:
        private = SealingKey.generate(suite)
        with pytest.raises(SealInvalid):
            open_sealed(seal(key, suite, private.public, INFO), private, info)

    @suites
    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def test_refuses_every_flipped_bit(self, suite: str, data: st.DataObject) -> None:
        private = SealingKey(suite, bytes(range(1, 33)))
        blob = bytearray(seal(DataKey(bytes(32)), suite, private.public, INFO))
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises(SealInvalid):
            open_sealed(bytes(blob), private, INFO)

    @suites
    def test_refuses_another_length(self, suite: str, key: DataKey) -> None:
        private = SealingKey.generate(suite)
        blob = seal(key, suite, private.public, INFO)
        for other in (b"", blob[:-1], blob + b"\0"):
            with pytest.raises(SealInvalid, match="length"):
                open_sealed(other, private, INFO)


class TestSealingKey:
    @suites
    def test_survives_storage(self, suite: str, key: DataKey) -> None:
        private = SealingKey.generate(suite)
        assert len(private.to_bytes()) == 32
        again = SealingKey.from_bytes(suite, private.to_bytes())
        assert (again.suite, again.public) == (suite, private.public)
        assert open_sealed(seal(key, suite, private.public, INFO), again, INFO) == key

    @pytest.mark.parametrize(("suite", "private", "start", "end"), PUBLISHED, ids=SUITES)
    def test_derives_published_keys(self, suite: str, private: str, start: str, end: str) -> None:
        public = SealingKey.from_bytes(suite, bytes.fromhex(private)).public.hex()
        assert public.startswith(start)
        assert public.endswith(end)

    @pytest.mark.parametrize("length", [0, 31, 33, 64, 96])
    @suites
    def test_refuses_another_length(self, suite: str, length: int) -> None:
        with pytest.raises(RecipientInvalid, match=f"not {length}"):
            SealingKey.from_bytes(suite, bytes(length))

    @pytest.mark.parametrize("scalar", [bytes(32), b"\xff" * 32])
    def test_refuses_what_is_no_p256_scalar(self, scalar: bytes) -> None:
        with pytest.raises(RecipientInvalid, match="P-256"):
            SealingKey.from_bytes("P-256", scalar)

    def test_refuses_an_unknown_suite(self) -> None:
        with pytest.raises(RecipientInvalid, match="MLKEM768-X25519"):
            SealingKey.generate("X448")

    @suites
    def test_never_shows_its_bytes(self, suite: str) -> None:
        private = SealingKey.generate(suite)
        assert repr(private) == f"SealingKey({suite}, ***)"
        assert str(private) == repr(private)
        for copier in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="pickled"):
                copier(private)

    def test_wipes_its_copy(self) -> None:
        private = SealingKey.generate()
        private.wipe()
        assert not any(private.to_bytes())


class Device:
    """A P-256 key that answers one question: X of the point it shares with another (RFC 9180, A.3.1)."""

    scalar = bytes.fromhex("f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2")

    def __init__(self) -> None:
        self.private = ec.derive_private_key(int.from_bytes(self.scalar, "big"), ec.SECP256R1())
        self.asked: list[bytes] = []

    @property
    def public(self) -> bytes:
        return SealingKey("P-256", self.scalar).public

    def exchange(self, point: bytes) -> bytes:
        self.asked.append(point)
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        return self.private.exchange(ec.ECDH(), peer)

    def key(self) -> DeviceSealingKey:
        return DeviceSealingKey(self.public, self.exchange)


class DeviceGoneError(Exception):
    pass


class TestDeviceSealingKey:
    def test_opens_what_is_sealed_to_it(self, key: DataKey) -> None:
        device = Device()
        blob = seal(key, "P-256", device.public, INFO)
        assert open_sealed(blob, device.key(), INFO) == key
        assert device.asked == [blob[:65]], "the device saw the encapsulated point alone"

    def test_is_rfc_9180_base_mode(self, key: DataKey) -> None:
        device = Device()
        blob = seal_base(device.public, key.reveal(), INFO)
        assert open_sealed(blob, device.key(), INFO) == key

    def test_has_the_published_vectors_beside_it(self) -> None:
        """The reference that seals to it is held against RFC 9180, appendix A.3.1 (AES-128-GCM there)."""
        ephemeral = bytes.fromhex("4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb")
        secret, enc = encapsulate(Device().public, ephemeral)
        assert enc.hex().startswith("04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325a")
        assert secret.hex() == "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8"
        assert shared_secret("P-256", Device.scalar, enc) == secret
        key, nonce = key_schedule(
            0x0010, 0x0001, 16, secret, bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
        )
        assert key.hex() == "868c066ef58aae6dc589b6cfdd18f97e"
        assert nonce.hex() == "4e0bc5018beba4bf004cca59"

    def test_refuses_what_is_for_another(self, key: DataKey) -> None:
        blob = seal(key, "P-256", SealingKey.generate("P-256").public, INFO)
        with pytest.raises(SealInvalid):
            Device().key().open(blob, INFO)

    @pytest.mark.parametrize("point", [b"\x04" + bytes(64), b"\x04" + b"\xff" * 64, b"\x02" * 65])
    def test_shows_its_device_no_point_off_the_curve(self, key: DataKey, point: bytes) -> None:
        device = Device()
        blob = point + seal(key, "P-256", device.public, INFO)[65:]
        with pytest.raises(SealInvalid):
            device.key().open(blob, INFO)
        assert device.asked == []

    def test_lets_the_devices_failure_through(self, key: DataKey) -> None:
        def gone(_: bytes) -> bytes:
            raise DeviceGoneError

        public = Device().public
        with pytest.raises(DeviceGoneError):
            DeviceSealingKey(public, gone).open(seal(key, "P-256", public, INFO), INFO)

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_refuses_a_shared_value_of_another_length(self, key: DataKey, size: int) -> None:
        public = Device().public
        with pytest.raises(RecipientInvalid, match=f"{size} bytes"):
            DeviceSealingKey(public, lambda _: bytes(size)).open(seal(key, "P-256", public, INFO), INFO)

    def test_is_not_made_of_what_is_no_point(self) -> None:
        with pytest.raises(RecipientInvalid):
            DeviceSealingKey(b"\x04" + bytes(64), Device().exchange)


class TestValidatePublic:
    @suites
    def test_returns_a_usable_key(self, suite: str) -> None:
        public = SealingKey.generate(suite).public
        assert validate_public(suite, public) == public

    @pytest.mark.parametrize(
        ("suite", "public"),
        [
            ("X25519", bytes(32)),
            ("X25519", (1).to_bytes(32, "little")),
            ("P-256", b"\x04" + bytes(64)),
            ("P-256", b"\x02" + bytes(64)),
            ("MLKEM768-X25519", SealingKey.generate().public[:1184] + bytes(32)),
            ("MLKEM768-X25519", b"\xff" * 1184 + SealingKey.generate("X25519").public),
        ],
        ids=["zero point", "low order", "off the curve", "compressed", "hybrid low order", "hybrid lattice"],
    )
    def test_refuses_a_key_nobody_holds(self, suite: str, public: bytes) -> None:
        with pytest.raises(RecipientInvalid, match="usable"):
            validate_public(suite, public)
