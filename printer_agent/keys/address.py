"""Addresses of keys in devices: RFC 7512 for PKCS#11, the same query attributes for a TPM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from printer_agent.errors import IdentityError
from printer_agent.keys.pin import Pin, read_pin

_FORBIDDEN = "pin-value"


@dataclass(frozen=True)
class Address:
    """One address taken apart: `path` and `query` attributes, percent-decoded.

    RFC 7512 section 2.3: path attributes stand between `;`, query attributes between `&`.
    """

    text: str
    path: dict[str, str]
    query: dict[str, str]

    @classmethod
    def read(cls, text: str, path: frozenset[str], query: frozenset[str]) -> Address:
        """Take a `pkcs11:` address apart; IdentityError ("unknown_keys") for what is not allowed."""
        body, _, rest = text.partition(":")[2].partition("?")
        return cls(text, _attributes(text, body, ";", path), _attributes(text, rest, "&", query))

    def pin(self, given: Pin | None) -> Pin | None:
        """Read the PIN: from the file that `pin-source` names, else the one `given`."""
        source = self.query.get("pin-source")
        return given if source is None else read_pin(Path(source.removeprefix("file:")))


def split_tcti(text: str) -> Address:
    """Take a `tpm2:` address apart: a TCTI's configuration as the TPM tools spell it, then the query."""
    body, _, rest = text.partition(":")[2].partition("?")
    query = _attributes(text, rest, "&", frozenset({"pin-source"}))
    return Address(text, {"tcti": unquote(body)}, query)


def _attributes(text: str, body: str, separator: str, allowed: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, body.split(separator)):
        name, sign, value = part.partition("=")
        if name == _FORBIDDEN:
            raise IdentityError(
                "pin_in_address",
                "the address of the keys holds a PIN, which process lists and logs would show",
                "write the PIN into a file of mode 0600 and name it: pin-source=file:/path",
            )
        if name not in allowed or not sign or not value or name in found:
            raise IdentityError(
                "unknown_keys",
                f"{part!r} in {text!r} is not understood",
                f"attributes are {', '.join(sorted(allowed))}, each once and with a value",
            )
        found[name] = unquote(value)
    return found
