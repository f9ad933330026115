"""Why the contract refused a call: its custom errors as names, values and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from ledger.address import address_of_bytes
from ledger.artifact import artifact, signature_of
from ledger.errors import TypedDataError

_PREFIX: Final = "PrintLedger_"

_SENTENCES: Final[Mapping[str, str]] = {
    "InvalidSignature": (
        "The signature is not {signer}'s for this statement; sign the exact typed data "
        "with that account's key, for this chain and contract."
    ),
    "InvalidPrinterSignature": (
        "The signature is not by the key of printer {printer}; sign this digest with the "
        "enrolled key, s in the lower half of the order."
    ),
    "AlreadyPublished": "Revision {revision} is on record already; nothing is left to do.",
    "UnknownRevision": "Revision {revision} is not on record; publish it first.",
    "NotRevisionOwner": "Revision {revision} is not {owner}'s to license; only its owner can.",
    "AlreadyGranted": "Licence {licence} is granted already; choose another salt for another licence.",
    "EmptyLicence": "The licence permits no prints or names no provider; give both.",
    "InvalidWindow": (
        "The licence's window from {startsAt} to {expiresAt} is empty or ends beyond 2^40 - 1 seconds; "
        "choose an end after its start."
    ),
    "UnknownLicence": "Licence {licence} is not granted on this ledger; have its owner grant it first.",
    "LicenceRevoked": "Licence {licence} was revoked by its owner; ask the owner for another.",
    "LicenceNotStarted": "Licence {licence} starts at {startsAt} (Unix time); wait until then.",
    "LicenceExpired": "Licence {licence} expired at {expiresAt} (Unix time); ask its owner for another.",
    "NotTransferable": (
        "Licence {licence} has {transferable} prints left above its highest number printed; "
        "transfer 1 to that many, not {prints}."
    ),
    "AlreadyEnrolled": "Printer {printer} is enrolled already or was retired for good; make it a new key.",
    "UnknownPrinter": (
        "Printer {printer} is not enrolled by this provider; have the provider enrol its key first."
    ),
    "PrinterRetired": "Printer {printer} was retired; enrol it anew with another key.",
    "PrinterNotAllowed": "Licence {licence} does not list printer {printer}; use a listed one.",
    "ClaimExpired": "The printer's claim expired at {deadline} (Unix time); redeem with a fresh one.",
    "CountExhausted": (
        "Licence {licence} permits {allowed} prints, reprints credited so far included; number "
        "{sequence} is beyond them. Ask its owner for another licence."
    ),
    "SequenceOutOfWindow": (
        "Number {sequence} of licence {licence} is not within 128 of the lowest unused one; "
        "use a lower number first."
    ),
    "SequenceUsed": "Number {sequence} of licence {licence} is recorded already; a number prints once.",
    "InvalidPlate": (
        "The plate has {claims} claims and {proofs} proofs; it takes 1 to 16, with one proof for each."
    ),
    "AnotherPrinter": (
        "Licence {licence} knows this printer as {printer}, not as the plate's other licences do; "
        "put only one provider's licences on a plate."
    ),
    "NotPrinted": "No print number {sequence} of licence {licence} is recorded; report recorded prints only.",
    "InvalidResult": "{result} is no result of a print; report 1 completed, 2 failed or 3 cancelled.",
    "OutcomeRecorded": "The outcome of print number {sequence} of licence {licence} is recorded already.",
    "MalformedBatch": (
        "Item {index} of the batch is malformed and nothing of it was recorded; pack it as the contract says."
    ),
    "NestedBatch": "A batch may not hold another batch; list its calls directly.",
    "Error": "The contract refused: {message}",
    "Panic": "The contract stopped with panic code {code}; report this, it must not happen.",
    "BatchGasTooLow": (
        "The batch ran out of guaranteed gas at item {index} and recorded nothing; "
        "send it with a higher gas limit."
    ),
}


@dataclass(frozen=True)
class ContractError:
    """A refusal: the error's name without the contract's prefix, its arguments by name, a sentence for
    people.

    Arguments are JSON values under their Solidity names: 0x-hex, EIP-55 addresses, numbers.
    """

    name: str
    args: Mapping[str, Any]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return name, args and sentence."""
        return {"name": self.name, "args": dict(self.args), "sentence": self.sentence}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ContractError:
        """Read what `to_json` wrote."""
        try:
            return cls(name=str(data["name"]), args=dict(data["args"]), sentence=str(data["sentence"]))
        except (KeyError, TypeError, ValueError) as error:
            raise TypedDataError("reason", f"is no contract error: {error!r}") from error


def decode_error(revert_data: bytes | str) -> ContractError:
    """Explain revert data, raw or 0x-hex. Never raises for unknown data: it is then named `Unknown` and
    quoted.
    """
    data = bytes.fromhex(revert_data.removeprefix("0x")) if isinstance(revert_data, str) else revert_data
    if not data:
        return ContractError(
            "Reverted", {}, "The contract gave no reason: it does not know this call, or gas ran out."
        )
    entry = _errors().get(data[:4])
    if entry is None:
        return _unknown(data)
    try:
        values = decode([part["type"] for part in entry["inputs"]], data[4:])
    except DecodingError:
        return _unknown(data)
    name = entry["name"].removeprefix(_PREFIX)
    args = {
        part["name"]: _plain(part["type"], value) for part, value in zip(entry["inputs"], values, strict=True)
    }
    return ContractError(name, args, _sentence(name, args))


def _sentence(name: str, args: Mapping[str, Any]) -> str:
    return _SENTENCES[name].format(**args) if name in _SENTENCES else f"The contract refused: {name}."


def _unknown(data: bytes) -> ContractError:
    quoted = "0x" + data[:64].hex()
    return ContractError(
        "Unknown", {"data": quoted}, f"The call reverted with {quoted}, no error of the ledger."
    )


_SOLIDITY_ERRORS: Final[tuple[Mapping[str, Any], ...]] = (
    {"name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


@cache
def _errors() -> dict[bytes, Mapping[str, Any]]:
    entries = [entry for entry in artifact().abi if entry["type"] == "error"]
    return {keccak(signature_of(entry).encode())[:4]: entry for entry in (*entries, *_SOLIDITY_ERRORS)}


def _plain(kind: str, value: Any) -> Any:
    if kind == "address":
        return address_of_bytes(bytes.fromhex(value[2:]))
    return "0x" + value.hex() if isinstance(value, bytes) else value
