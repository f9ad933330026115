"""What a printer pins at enrolment, and believes for ever after instead of what the service says that day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ledger.errors import TypedDataError
from ledger.typed_data import Domain
from printer_agent.errors import IdentityError


@dataclass(frozen=True)
class Pins:
    """The service, the provider, the ledger and this printer's own name on it.

    url: base URL of the service, without a trailing slash
    printer_id: the service's id of this printer (prt_…)
    provider: EIP-55 address of the provider that enrolled it
    domain: EIP-712 domain of the ledger every statement is signed for
    printer_hash: struct hash of the enrolment, the printer's name on chain
    """

    url: str
    printer_id: str
    provider: str
    domain: Domain
    printer_hash: bytes

    def to_json(self) -> dict[str, Any]:
        """Give the pins as JSON."""
        return {
            "url": self.url,
            "printer_id": self.printer_id,
            "provider": self.provider,
            "domain": {"chain_id": self.domain.chain_id, "contract": self.domain.contract},
            "printer_hash": "0x" + self.printer_hash.hex(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read pins; IdentityError ("damaged") where a field is missing or wrong."""
        try:
            domain = value["domain"]
            return cls(
                url=str(value["url"]),
                printer_id=str(value["printer_id"]),
                provider=str(value["provider"]),
                domain=Domain(chain_id=int(domain["chain_id"]), contract=str(domain["contract"])),
                printer_hash=bytes.fromhex(str(value["printer_hash"]).removeprefix("0x")),
            )
        except (KeyError, TypeError, ValueError, TypedDataError) as error:
            raise IdentityError(
                "damaged", f"the enrolment in the identity file is wrong: {error!r}"
            ) from error
