"""One conversation with a TPM 2.0 over the enhanced system API (`tpm2-pytss`): open, load a key, use it, let
go.

The storage root key is made anew from the owner seed each time with TCG's P-256 template, so it is the same
each time and takes no room in the TPM.
"""

from __future__ import annotations

import base64
import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from printer_agent.errors import AgentError, KeysUnavailable
from printer_agent.keys.address import Address
from printer_agent.keys.base import Point
from printer_agent.keys.pin import Pin

DEFAULT_TCTI = "device:/dev/tpmrm0"
_STORAGE = "ecc256:aes128cfb"
_LAYER_MASK, _FORMAT_ONE, _NUMBER_MASK = 0xFF0000, 0x80, 0x3F
_AUTH_FAIL, _BAD_AUTH, _LOCKOUT = 0x0E, 0x22, 0x921
_INTEGRITY, _POLICY = 0x1F, 0x1D


@dataclass(frozen=True)
class Blob:
    """One key as the TPM gave it out: TPM2B_PUBLIC and the encrypted TPM2B_PRIVATE."""

    public: bytes
    private: bytes = field(repr=False)

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Blob:
        """Read it from the identity file."""
        return cls(*(base64.b64decode(record[part], validate=True) for part in ("public", "private")))

    def record(self) -> dict[str, str]:
        """Give it for the identity file."""
        parts = {"public": self.public, "private": self.private}
        return {name: base64.b64encode(value).decode() for name, value in parts.items()}

    def point(self) -> Point:
        """Give the public point, which ends the public area of a P-256 key as two sized values."""
        x_at = len(self.public) - 2 * (2 + 32)
        sized = self.public[x_at:]
        if x_at < 0 or sized[:2] != b"\x00\x20" or sized[34:36] != b"\x00\x20":
            raise ValueError("that is no public area of a P-256 key")
        return Point(sized[2:34], sized[36:])


class Tpm:
    """An open TPM; use it as a context manager. KeysUnavailable for whatever it refuses."""

    def __init__(self, package: Any, api: Any, where: str, pin: Pin | None) -> None:
        self.package = package
        self.api = api
        self.where = where
        self.pin = b"" if pin is None else pin.reveal().encode()
        self._held: list[Any] = []
        try:
            with self.reported():
                self.root = self.hold(api.create_primary(package.TPM2B_SENSITIVE_CREATE(), _STORAGE)[0])
                self.session = self.hold(self._salted_session())
        except KeysUnavailable:
            self.close()
            raise

    @staticmethod
    def tcti(address: Address) -> str:
        """Give the TCTI of an address."""
        return address.path["tcti"] or DEFAULT_TCTI

    @classmethod
    def open(cls, address: Address, pin: Pin | None) -> Self:
        """Reach the TPM of an address."""
        package, where = _package(), cls.tcti(address)
        name, _, configuration = where.partition(":")
        try:
            api = package.ESAPI(package.TCTILdr(name, configuration))
        except (package.TSS2_Exception, RuntimeError, OSError) as error:
            raise KeysUnavailable(
                "no_token",
                f"there is no TPM at {where}: {error}",
                "check the address (tpm2:device:/dev/tpmrm0), and that this user may use the device",
            ) from None
        return cls(package, api, where, address.pin(pin))

    def hold(self, handle: Any) -> Any:
        """Keep a handle to be flushed at the end."""
        self._held.append(handle)
        return handle

    def release(self, handle: Any) -> None:
        """Flush a handle before the end: a TPM has room for three keys."""
        self._held.remove(handle)
        with self.reported():
            self.api.flush_context(handle)

    @property
    def tools(self) -> Any:
        """The package's own helpers, for the endorsement key's templates."""
        return importlib.import_module("tpm2_pytss.utils")

    def create(self, kind: str, attributes: str) -> Blob:
        """Make a key under the storage root."""
        package = self.package
        template = package.TPM2B_PUBLIC.parse(kind, objectAttributes=attributes)
        secret = package.TPMS_SENSITIVE_CREATE(userAuth=package.TPM2B_AUTH(self.pin))
        sensitive = package.TPM2B_SENSITIVE_CREATE(secret)
        with self.reported():
            private, public, *_ = self.api.create(self.root, sensitive, template, session1=self.session)
        return Blob(bytes(public.marshal()), bytes(private.marshal()))

    def load(self, blob: Blob) -> Loaded:
        """Load a key that `create` made on this TPM."""
        package = self.package
        area, _ = package.TPM2B_PUBLIC.unmarshal(blob.public)
        secret, _ = package.TPM2B_PRIVATE.unmarshal(blob.private)
        with self.reported():
            handle = self.hold(self.api.load(self.root, secret, area, session1=self.session))
            self.api.tr_set_auth(handle, self.pin)
        return Loaded(self, handle)

    def close(self) -> None:
        """Flush what was loaded and let the TPM go."""
        while self._held:
            with suppress(self.package.TSS2_Exception):
                self.api.flush_context(self._held.pop())
        self.api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Turn the TPM's response codes into errors with remedies."""
        try:
            yield
        except AgentError:
            raise
        except self.package.TSS2_Exception as error:
            raise _failed(self.where, int(error.rc), str(error)) from None

    def _salted_session(self) -> Any:
        """Start an HMAC session salted with the storage root, which encrypts first parameters both ways."""
        package = self.package
        cipher = package.TPMT_SYM_DEF(
            algorithm=package.TPM2_ALG.AES,
            keyBits=package.TPMU_SYM_KEY_BITS(sym=128),
            mode=package.TPMU_SYM_MODE(sym=package.TPM2_ALG.CFB),
        )
        nobody, hmac = package.ESYS_TR.NONE, package.TPM2_SE.HMAC
        session = self.api.start_auth_session(self.root, nobody, hmac, cipher, package.TPM2_ALG.SHA256)
        wanted = package.TPMA_SESSION
        self.api.trsess_set_attributes(session, wanted.CONTINUESESSION | wanted.DECRYPT | wanted.ENCRYPT)
        return session


class Loaded:
    """A key loaded into an open TPM."""

    def __init__(self, tpm: Tpm, handle: Any) -> None:
        self.tpm = tpm
        self.handle = handle

    def sign(self, digest: bytes) -> tuple[int, int]:
        """Sign a 32-byte digest (TPM2_Sign, ECDSA); give r and s."""
        package = self.tpm.package
        details = package.TPMU_SIG_SCHEME(any=package.TPMS_SCHEME_HASH(hashAlg=package.TPM2_ALG.SHA256))
        scheme = package.TPMT_SIG_SCHEME(scheme=package.TPM2_ALG.ECDSA, details=details)
        ticket = package.TPMT_TK_HASHCHECK(tag=package.TPM2_ST.HASHCHECK, hierarchy=package.TPM2_RH.NULL)
        with self.tpm.reported():
            signed = self.tpm.api.sign(self.handle, digest, scheme, ticket, session1=self.tpm.session)
        parts = (signed.signature.ecdsa.signatureR, signed.signature.ecdsa.signatureS)
        r, s = (int.from_bytes(bytes(part), "big") for part in parts)
        return r, s

    def shared_x(self, x: bytes, y: bytes) -> bytes:
        """Agree with a point (TPM2_ECDH_ZGen); give X of the shared point, 32 bytes."""
        package = self.tpm.package
        point = package.TPM2B_ECC_POINT(package.TPMS_ECC_POINT(x=x, y=y))
        with self.tpm.reported():
            shared = self.tpm.api.ecdh_zgen(self.handle, point, session1=self.tpm.session)
        return bytes(shared.point.x).rjust(32, b"\x00")


def _package() -> Any:
    os.putenv("TSS2_LOG", "all+none")  # the stack would write of each refusal to standard error
    try:
        return importlib.import_module("tpm2_pytss")
    except (ImportError, RuntimeError) as error:
        raise KeysUnavailable(
            "keys_library",
            f"keys in a TPM need the package tpm2-pytss and the TPM software stack: {error}",
            "install partvault[tpm] and Debian's libtss2-esys, libtss2-tcti-device",
        ) from None


def _failed(where: str, code: int, words: str) -> KeysUnavailable:
    """Name what a response code says (TPM 2.0 part 2, section 6.6)."""
    number = code & _NUMBER_MASK if code & _FORMAT_ONE else 0
    if number in (_AUTH_FAIL, _BAD_AUTH) and not code & _LAYER_MASK:
        return KeysUnavailable(
            "wrong_pin",
            f"the TPM at {where} refuses the PIN",
            "correct the PIN; a TPM locks itself after some wrong ones",
        )
    if code == _LOCKOUT:
        return KeysUnavailable(
            "locked",
            f"the TPM at {where} is locked after wrong PINs",
            "wait, or clear it: tpm2_dictionarylockout -c",
        )
    if number in (_INTEGRITY, _POLICY) and not code & _LAYER_MASK:
        return KeysUnavailable(
            "key_missing",
            f"the TPM at {where} cannot load the enrolled keys: it is another TPM, or it was cleared",
            "plug in the device this printer was enrolled with, or enrol anew with another --home",
        )
    return KeysUnavailable(
        "device_failed", f"the TPM at {where} failed: {words}", "check the device, then run it again"
    )
