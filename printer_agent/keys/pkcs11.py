"""Keys in a PKCS#11 token: made there, not extractable, used over `CKM_ECDSA` and `CKM_ECDH1_DERIVE`.

An address is a URI of RFC 7512: `pkcs11:token=LABEL;object=NAME?module-path=FILE&pin-source=file:FILE`. The
token holds two key pairs with one random CKA_ID, labelled NAME-signing (may sign, nothing else) and
NAME-sealing (may derive, nothing else). PKCS#11 attests nothing. Needs the package `python-pkcs11`.
"""

from __future__ import annotations

import base64
import importlib
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from printer_agent.errors import AgentError, IdentityError, KeysUnavailable
from printer_agent.keys.address import Address
from printer_agent.keys.base import Point, low_s, require_device_suite, require_digest
from printer_agent.keys.pin import Pin
from storage.recipients import DeviceSealingKey

SCHEME = "pkcs11"
_PATH = frozenset({"token", "serial", "object"})
_QUERY = frozenset({"module-path", "pin-source"})
_NAME = "partvault"
_ID_BYTES = 16
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so",
    "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so",
)
"""Where Debian puts modules; only looked at where the address names none."""

_ROLES: Final = ("signing", "sealing")


class Pkcs11Keys:
    """The two key pairs of one plan; see `PrinterKeys`. The token is opened when a key is first used."""

    attestor = None

    def __init__(self, token: _Token, label: str, key_id: bytes, points: Mapping[str, Point]) -> None:
        self._token = token
        self._label = label
        self._id = key_id
        self._points = dict(points)
        self.signing = Pkcs11Signer(self, points["signing"])
        self.sealing = DeviceSealingKey(points["sealing"].encode(), self._exchange)

    @property
    def uri(self) -> str:
        """The address they were made at."""
        return self._token.address.text

    @classmethod
    def plan(cls, uri: str, name: str, suite: str | None, pin: Pin | None) -> dict[str, Any]:
        """Choose label and CKA_ID; IdentityError ("object_exists") where the label is taken."""
        require_device_suite(suite)
        address = Address.read(uri, _PATH, _QUERY)
        label = address.path.get("object", _NAME) + name
        token = _Token(address, pin)
        with token.session() as session:
            taken = [role for role in _ROLES if token.find(session, f"{label}-{role}")]
        if taken:
            raise IdentityError(
                "object_exists",
                f"the token holds objects labelled {label}-{taken[0]} already",
                "choose another object= in the address, or delete what is there if no printer needs it",
            )
        key_id = secrets.token_bytes(_ID_BYTES).hex()
        return {"scheme": SCHEME, "planned": True, "uri": uri, "label": label, "id": key_id}

    @classmethod
    def make(cls, plan: Mapping[str, Any], pin: Pin | None) -> Self:
        """Make both pairs in the token; those of an earlier, interrupted try under this plan go first."""
        token = _Token(Address.read(plan["uri"], _PATH, _QUERY), pin)
        label, key_id = str(plan["label"]), bytes.fromhex(plan["id"])
        with token.session() as session:
            token.delete(session, label, key_id)
            points = {role: token.generate(session, label, role, key_id) for role in _ROLES}
        return cls(token, label, key_id, points)

    @classmethod
    def read(cls, record: Mapping[str, Any], pin: Pin | None) -> Self:
        """Read what `record` gave; the token is not touched."""
        points = {
            role: Point.decode(base64.b64decode(record["public"][role], validate=True)) for role in _ROLES
        }
        token = _Token(Address.read(record["uri"], _PATH, _QUERY), pin)
        return cls(token, str(record["label"]), bytes.fromhex(record["id"]), points)

    def record(self) -> dict[str, Any]:
        """Give where the keys are, and their public halves."""
        public = {role: base64.b64encode(point.encode()).decode() for role, point in self._points.items()}
        here = {"scheme": SCHEME, "uri": self.uri, "label": self._label, "id": self._id.hex()}
        return {**here, "public": public}

    def describe(self) -> str:
        """Say where they are."""
        return f"keys {self._label} in token {self._token.name}, P-256, not extractable, not attested"

    def destroy(self) -> None:
        """Delete both pairs from the token."""
        with self._token.session() as session:
            self._token.delete(session, self._label, self._id)

    def sign(self, digest: bytes) -> bytes:
        """Have the token sign a 32-byte digest."""
        require_digest(digest)
        with self._token.session() as session:
            key = self._token.private(session, f"{self._label}-signing", self._id)
            raw = key.sign(digest, mechanism=self._token.pkcs11.Mechanism.ECDSA)
        return low_s(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))

    def _exchange(self, point: bytes) -> bytes:
        """Have the token derive X of the shared point, and read that: it is what HPKE hashes."""
        pkcs11 = self._token.pkcs11
        with self._token.session() as session:
            shared = self._token.private(session, f"{self._label}-sealing", self._id).derive_key(
                pkcs11.KeyType.GENERIC_SECRET,
                256,
                mechanism=pkcs11.Mechanism.ECDH1_DERIVE,
                mechanism_param=(pkcs11.KDF.NULL, None, point),
                store=False,
                template={pkcs11.Attribute.SENSITIVE: False, pkcs11.Attribute.EXTRACTABLE: True},
            )
            value = bytes(shared[pkcs11.Attribute.VALUE])
            shared.destroy()
        return value

    def __repr__(self) -> str:
        return f"Pkcs11Keys({self._label})"


class Pkcs11Signer:
    """The signing key of a token; see `Signer`."""

    def __init__(self, keys: Pkcs11Keys, point: Point) -> None:
        self._keys = keys
        self.x, self.y = point.x, point.y

    def sign(self, digest: bytes) -> bytes:
        """Have the token sign; another signature each time."""
        return self._keys.sign(digest)

    def __repr__(self) -> str:
        return f"Pkcs11Signer({self._keys!r})"


class _Token:
    """One token, opened when first needed; a lock serialises its session."""

    def __init__(self, address: Address, pin: Pin | None) -> None:
        self.address = address
        self._pin = pin
        self._lock = threading.Lock()
        self._session: Any = None
        self._package: Any = None

    @property
    def name(self) -> str:
        """Label or serial number, as the address has it."""
        return self.address.path.get("token") or self.address.path.get("serial") or "?"

    @property
    def pkcs11(self) -> Any:
        """The package, loaded once."""
        if self._package is None:
            try:
                self._package = importlib.import_module("pkcs11")
            except ModuleNotFoundError:
                raise KeysUnavailable(
                    "keys_library",
                    "keys in a token need the package python-pkcs11, which is not installed",
                    "install partvault[pkcs11]",
                ) from None
        return self._package

    @contextmanager
    def session(self) -> Iterator[Any]:
        """Hold the session; a refusal becomes KeysUnavailable, and the next use opens it anew."""
        with self._lock:
            pkcs11 = self.pkcs11
            try:
                if self._session is None:
                    self._session = self._open()
                yield self._session
            except AgentError:
                raise
            except pkcs11.PKCS11Error as error:
                self._session = None
                raise _failed(self.name, type(error).__name__) from None

    def find(self, session: Any, label: str, key_id: bytes | None = None) -> list[Any]:
        """Give the objects with a label, and a CKA_ID where one is given."""
        wanted: dict[Any, Any] = {self.pkcs11.Attribute.LABEL: label}
        if key_id is not None:
            wanted[self.pkcs11.Attribute.ID] = key_id
        return list(session.get_objects(wanted))

    def private(self, session: Any, label: str, key_id: bytes) -> Any:
        """Give one private key; KeysUnavailable where the token does not hold it."""
        kind = self.pkcs11.ObjectClass.PRIVATE_KEY
        found = [key for key in self.find(session, label, key_id) if key.object_class == kind]
        if not found:
            raise KeysUnavailable(
                "key_missing",
                f"token {self.name} holds no key {label}",
                "plug in the token this printer was enrolled with, or enrol anew with another --home",
            )
        return found[0]

    def generate(self, session: Any, label: str, role: str, key_id: bytes) -> Point:
        """Make one pair in the token: sensitive, not extractable, for its role alone."""
        pkcs11 = self.pkcs11
        curves = importlib.import_module("pkcs11.util.ec")
        flags = pkcs11.MechanismFlag
        capabilities = flags.SIGN | flags.VERIFY if role == "signing" else flags.DERIVE
        curve = {pkcs11.Attribute.EC_PARAMS: curves.encode_named_curve_parameters("secp256r1")}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        public, _ = parameters.generate_keypair(
            store=True,
            id=key_id,
            label=f"{label}-{role}",
            capabilities=capabilities,
            private_template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
        )
        return _point(public, pkcs11)

    def delete(self, session: Any, label: str, key_id: bytes) -> None:
        """Delete both pairs, where they are there."""
        for role in _ROLES:
            for key in self.find(session, f"{label}-{role}", key_id):
                key.destroy()

    def _open(self) -> Any:
        """Find the token and log in; the login is the process's, so a second one must not ask again."""
        pkcs11, path = self.pkcs11, self.address.path
        pin = self.address.pin(self._pin)
        if pin is None:
            raise KeysUnavailable(
                "pin_missing",
                f"token {self.name} needs its PIN",
                "write it into HOME/keys.pin (chmod 600), or set PARTVAULT_PRINTER_KEYS_PIN_FILE",
            )
        try:
            token = pkcs11.lib(self._module()).get_token(
                token_label=path.get("token"), token_serial=_serial(path)
            )
        except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned):
            raise KeysUnavailable(
                "no_token",
                f"there is no token {self.name}, or more than one",
                "plug it in, and compare token= with `pkcs11-tool --list-slots`",
            ) from None
        try:
            return token.open(rw=True, user_pin=pin.reveal())
        except pkcs11.UserAlreadyLoggedIn:
            return token.open(rw=True)

    def _module(self) -> str:
        """Give the module's file; KeysUnavailable where it does not load."""
        named = self.address.query.get("module-path")
        module = named or next((path for path in _MODULES if Path(path).exists()), None)
        if module is None:
            raise KeysUnavailable(
                "keys_library", "no PKCS#11 module is named or found", "add ?module-path=/path/to/module.so"
            )
        try:
            self.pkcs11.lib(module)
        except self.pkcs11.PKCS11Error as error:
            raise KeysUnavailable(
                "keys_library",
                f"the PKCS#11 module {module} does not load: {error}",
                "name the token maker's library: ?module-path=/path/to/module.so",
            ) from None
        return module


def _serial(path: Mapping[str, str]) -> bytes | None:
    serial = path.get("serial")
    return None if serial is None else serial.encode()


def _point(public: Any, pkcs11: Any) -> Point:
    """Read CKA_EC_POINT, a DER OCTET STRING around the uncompressed point (PKCS#11 v2.40, section 2.3.3)."""
    encoded = bytes(public[pkcs11.Attribute.EC_POINT])
    return Point.decode(encoded[-65:])


def _failed(token: str, name: str) -> KeysUnavailable:
    if name.startswith("Pin"):
        return KeysUnavailable(
            "wrong_pin",
            f"token {token} refuses the PIN ({name})",
            "correct the PIN; a token locks itself after some wrong ones",
        )
    return KeysUnavailable(
        "device_failed", f"token {token} failed ({name})", "check that it is plugged in, then run it again"
    )
