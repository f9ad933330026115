"""How values look in requests and answers: 0x-hex for what the chain knows, RFC 3339 for times, base64 for
blobs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from app.clock import rfc3339
from app.errors import Invalid
from ledger.commitment import canonical_json
from ledger.errors import TypedDataError

JSON_DEPTH_MAX = 32


def _unicode(text: str) -> str:
    """Refuse half of a surrogate pair, which JSON can escape but nothing can store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


def _canonical(value: Any) -> Any:
    """Refuse JSON that is nested too deep or has no canonical form (RFC 8785)."""
    level, depth = [value], 0
    while level:
        if depth == JSON_DEPTH_MAX:
            raise ValueError(f"must not be nested more than {JSON_DEPTH_MAX} deep")
        level, depth = [inner for outer in level for inner in _inside(outer)], depth + 1
    try:
        canonical_json(value)
    except TypedDataError as error:
        raise ValueError(error.problem) from None
    return value


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


_Unicode = AfterValidator(_unicode)
Hex32 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$")]
HexSignature = Annotated[str, StringConstraints(pattern=r"^0x([0-9a-fA-F]{2}){64,4096}$")]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f]+$"),
    _Unicode,
]
Prose = Annotated[str, StringConstraints(max_length=5000, pattern=r"^[^\x00]*$"), _Unicode]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[ -~]+$")]
RowId = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}_[0-9a-z]{26}$")]
JsonObject = dict[str, Any]
JsonInput = Annotated[dict[str, Any], AfterValidator(_canonical)]
JsonValue = Annotated[Any, AfterValidator(_canonical)]


def _to_seconds(value: AwareDatetime) -> AwareDatetime:
    if value.timestamp() < 0:
        raise ValueError("must not lie before 1970")
    return value.replace(microsecond=0)


Time = Annotated[AwareDatetime, AfterValidator(_to_seconds)]


class Body(BaseModel):
    """A request body: unknown members are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid", str_max_length=20_000)


SIGNATURE = "by an external account: r ‖ s ‖ v, or what its contract accepts (ERC-1271)"


class SignedBody(Body):
    """A request that an organisation with an external account signs itself."""

    signature: HexSignature | None = Field(default=None, description=SIGNATURE)

    def signature_bytes(self) -> bytes | None:
        """Give the signature, None where the service's managed account is to sign."""
        return from_hex(self.signature) if self.signature else None


class DomainView(BaseModel):
    """The EIP-712 domain's variable members."""

    chain_id: int
    contract: str


class Receipt(BaseModel):
    """Where the chain recorded an operation."""

    transaction: str
    block_number: int
    block_hash: str
    block_time: int
    log_index: int


def to_hex(value: bytes) -> str:
    """Write bytes as 0x-hex."""
    return "0x" + value.hex()


def maybe_hex(value: bytes | None) -> str | None:
    """Write bytes as 0x-hex, None as None."""
    return None if value is None else to_hex(value)


def from_hex(text: str) -> bytes:
    """Read 0x-hex that a pattern has checked."""
    return bytes.fromhex(text[2:])


def maybe_time(seconds: int | None) -> str | None:
    """Write a time, None as None."""
    return None if seconds is None else rfc3339(seconds)


def to_base64(value: bytes) -> str:
    """Write bytes as standard base64."""
    return base64.b64encode(value).decode()


def from_base64(text: str, field: str) -> bytes:
    """Read standard base64; Invalid names `field`."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(
            f"{field} is not base64", field=field, remedy="encode the bytes as standard base64"
        ) from None
