"""The printer's keys behind one port, chosen by address: `file:`, `pkcs11:` (RFC 7512) and `tpm2:`.

Each back end's library is loaded only where it is asked for. Addresses hold no secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from printer_agent.errors import IdentityError
from printer_agent.keys.base import Point, PrinterKeys, Signer, base64url, thumbprint
from printer_agent.keys.file import FileKeys, SigningKey
from printer_agent.keys.pin import Pin
from printer_agent.keys.proving import prove

__all__ = [
    "FileKeys",
    "Pin",
    "Point",
    "PrinterKeys",
    "Signer",
    "SigningKey",
    "base64url",
    "is_planned",
    "make_keys",
    "plan_keys",
    "prove",
    "read_keys",
    "thumbprint",
]

_SCHEMES = "file:, pkcs11:token=…;object=… or tpm2:"


def plan_keys(uri: str, *, name: str, suite: str | None = None, pin: Pin | None = None) -> dict[str, Any]:
    """Say what `make_keys` is to make; nothing is made yet, and the caller keeps the plan first.

    `name` tells keys of one home apart where a device keeps them under names. Raises IdentityError where the
    address is not understood, the suite is none of the back end's or the name is taken, KeysUnavailable where
    the device cannot be opened.
    """
    scheme = uri.partition(":")[0]
    if scheme == "file" and uri in ("file", "file:"):
        return {"scheme": "file", "planned": True, "suite": suite}
    if scheme == "pkcs11":
        from printer_agent.keys.pkcs11 import Pkcs11Keys

        return Pkcs11Keys.plan(uri, name, suite, pin)
    if scheme == "tpm2":
        from printer_agent.keys.tpm2 import Tpm2Keys

        return Tpm2Keys.plan(uri, suite, pin)
    raise IdentityError("unknown_keys", f"keys at {uri!r} are not understood", f"use {_SCHEMES}")


def make_keys(plan: Mapping[str, Any], pin: Pin | None = None) -> PrinterKeys:
    """Make the keys of a plan; what a run that was cut off left of it is replaced."""
    if plan["scheme"] == "pkcs11":
        from printer_agent.keys.pkcs11 import Pkcs11Keys

        return Pkcs11Keys.make(plan, pin)
    if plan["scheme"] == "tpm2":
        from printer_agent.keys.tpm2 import Tpm2Keys

        return Tpm2Keys.make(plan, pin)
    return FileKeys.generate(plan.get("suite"))


def read_keys(record: Mapping[str, Any], pin: Pin | None = None) -> PrinterKeys:
    """Read a record of keys; a device is reached for only when a key is used.

    Raises KeyError, ValueError or RecipientInvalid where the record is damaged.
    """
    scheme = record["scheme"]
    if scheme == "file":
        return FileKeys.read(record)
    if scheme == "pkcs11":
        from printer_agent.keys.pkcs11 import Pkcs11Keys

        return Pkcs11Keys.read(record, pin)
    if scheme == "tpm2":
        from printer_agent.keys.tpm2 import Tpm2Keys

        return Tpm2Keys.read(record, pin)
    raise ValueError(f"keys of scheme {scheme!r} are not understood")


def is_planned(record: Mapping[str, Any]) -> bool:
    """Tell whether a record says what to make, rather than what there is."""
    return record.get("planned") is True
