"""Keys in a TPM 2.0: made there under its storage root key, bound to it (fixedTPM, fixedParent), attested.

An address is `tpm2:TCTI?pin-source=file:FILE`, with the TCTI as the TPM tools spell it (`tpm2:` alone means
`device:/dev/tpmrm0`). What identity.json keeps of a key are its public area and its private area as the TPM
encrypted it, which only that TPM loads; nothing is stored in the TPM itself. The PIN, where there is one, is
the keys' authorisation value. Every use opens the TPM, loads one key and lets go, so agents and tools share
it; it travels over a salted session that encrypts PIN and shared points on their way (TPM 2.0 part 1, section
21). Needs the package `tpm2-pytss`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from printer_agent.keys.address import Address, split_tcti
from printer_agent.keys.base import Point, low_s, require_device_suite, require_digest
from printer_agent.keys.pin import Pin
from printer_agent.keys.tpm2_attestation import Tpm2Attestor
from printer_agent.keys.tpm2_device import Blob, Tpm
from storage.recipients import DeviceSealingKey

SCHEME = "tpm2"
_FIXED: Final = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth"
_TEMPLATES: Final = {
    "signing": ("ecc:ecdsa-sha256", f"{_FIXED}|sign"),
    "sealing": ("ecc:ecdh", f"{_FIXED}|decrypt"),
}
"""Kind and attributes of each key: one may sign, the other may agree on secrets, neither may do both."""


class Tpm2Keys:
    """Two keys of one TPM; see `PrinterKeys`."""

    def __init__(self, address: Address, blobs: Mapping[str, Blob], pin: Pin | None) -> None:
        self._address = address
        self._blobs = dict(blobs)
        self._pin = pin
        self.signing = Tpm2Signer(self._sign, blobs["signing"].point())
        self.sealing = DeviceSealingKey(blobs["sealing"].point().encode(), self._exchange)
        self.attestor = Tpm2Attestor(self._open, self._blobs)

    @property
    def uri(self) -> str:
        """The address they were made at."""
        return self._address.text

    @classmethod
    def plan(cls, uri: str, suite: str | None, pin: Pin | None) -> dict[str, Any]:
        """Look whether there is a TPM and a PIN that can be read."""
        require_device_suite(suite)
        address = split_tcti(uri)
        with Tpm.open(address, pin):
            return {"scheme": SCHEME, "planned": True, "uri": uri}

    @classmethod
    def make(cls, plan: Mapping[str, Any], pin: Pin | None) -> Self:
        """Make both keys; an earlier try left nothing in the TPM."""
        address = split_tcti(plan["uri"])
        with Tpm.open(address, pin) as tpm:
            made = {role: tpm.create(*template) for role, template in _TEMPLATES.items()}
        return cls(address, made, pin)

    @classmethod
    def read(cls, record: Mapping[str, Any], pin: Pin | None) -> Self:
        """Read what `record` gave; the TPM is not touched."""
        blobs = {role: Blob.read(record[role]) for role in _TEMPLATES}
        return cls(split_tcti(record["uri"]), blobs, pin)

    def record(self) -> dict[str, Any]:
        """Give both keys as this TPM alone can load them."""
        blobs = {role: blob.record() for role, blob in self._blobs.items()}
        return {"scheme": SCHEME, "uri": self.uri, **blobs}

    def describe(self) -> str:
        """Say where they are."""
        return f"keys of the TPM at {Tpm.tcti(self._address)}, P-256, bound to it, attested"

    def destroy(self) -> None:
        """Nothing to do: the TPM stores nothing, and what the identity file has goes with it."""

    def _open(self) -> Tpm:
        return Tpm.open(self._address, self._pin)

    def _sign(self, digest: bytes) -> bytes:
        require_digest(digest)
        with self._open() as tpm:
            return low_s(*tpm.load(self._blobs["signing"]).sign(digest))

    def _exchange(self, point: bytes) -> bytes:
        peer = Point.decode(point)
        with self._open() as tpm:
            return tpm.load(self._blobs["sealing"]).shared_x(peer.x, peer.y)

    def __repr__(self) -> str:
        return f"Tpm2Keys({Tpm.tcti(self._address)})"


class Tpm2Signer:
    """The signing key of a TPM; see `Signer`."""

    def __init__(self, sign: Callable[[bytes], bytes], point: Point) -> None:
        self._sign = sign
        self.x, self.y = point.x, point.y

    def sign(self, digest: bytes) -> bytes:
        """Have the TPM sign; another signature each time."""
        return self._sign(digest)

    def __repr__(self) -> str:
        return "Tpm2Signer(***)"
