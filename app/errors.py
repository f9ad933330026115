# ruff: noqa: N818 - errors are named as the thing that is so: NotFound, Conflict
"""What can go wrong in the service, as domain errors that carry a kind; `app/problems.py` turns kinds into
HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """The kinds of error the service itself raises; each is one problem type."""

    NOT_FOUND = "not-found"
    UNAUTHENTICATED = "unauthenticated"
    INVALID_PROOF = "invalid-proof"
    USE_DPOP_NONCE = "use-dpop-nonce"
    FORBIDDEN = "forbidden"
    INVALID = "invalid-request"
    CONFLICT = "conflict"
    PRECONDITION_FAILED = "precondition-failed"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"
    NOT_PERMITTED = "print-not-permitted"
    TOKEN_SPENT = "token-spent"  # noqa: S105  # a problem's name
    INVALID_SIGNATURE = "invalid-signature"
    LEDGER_REJECTED = "ledger-rejected"
    INTEGRITY = "integrity"
    UPLOAD_INCOMPLETE = "upload-incomplete"
    DIGEST_MISMATCH = "digest-mismatch"
    UNAVAILABLE = "unavailable"
    CONFIGURATION = "configuration"


@dataclass(frozen=True)
class Reason:
    """One reason of a decision: a stable code, a sentence, and who decided (`policy` or `contract`)."""

    code: str
    message: str
    source: str = "policy"

    def to_json(self) -> dict[str, str]:
        """Give the reason as JSON."""
        return {"code": self.code, "message": self.message, "source": self.source}


class AppError(Exception):
    """Base of the service's own errors: what happened, the field at fault, what to do next, and why.

    `remedy` is a sentence for the reader; `reasons` are there where policy or the contract decided.
    """

    kind: ClassVar[Kind]

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        remedy: str | None = None,
        reasons: Sequence[Reason] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.remedy = remedy
        self.reasons = tuple(reasons)

    def __str__(self) -> str:
        return f"{self.detail}; {self.remedy}" if self.remedy else self.detail


class NotFound(AppError):
    """There is no such row, or it is not the caller's: both are answered alike."""

    kind = Kind.NOT_FOUND

    def __init__(self, what: str, row_id: str) -> None:
        super().__init__(
            f"there is no {what} {row_id} that you may see", remedy="check the id and the API key"
        )


class Unauthenticated(AppError):
    """No credentials, or wrong ones."""

    kind = Kind.UNAUTHENTICATED


class InvalidProof(AppError):
    """The printer's DPoP credentials do not prove what they must (RFC 9449)."""

    kind = Kind.INVALID_PROOF


class Unproven(InvalidProof):
    """Nothing shows that the enrolled key made the proof; answered as an unknown token is."""


class Replayed(InvalidProof):
    """The enrolled key made the proof, but it was used before."""


class NonceWanted(InvalidProof):
    """The printer's key signed the proof, but its time does not hold; one with the answer's nonce would."""

    kind = Kind.USE_DPOP_NONCE


class Forbidden(AppError):
    """The caller is known but its key has not the role."""

    kind = Kind.FORBIDDEN


class Invalid(AppError):
    """The request contradicts itself or the rows it names."""

    kind = Kind.INVALID


class Conflict(AppError):
    """The row is in a state that does not allow this."""

    kind = Kind.CONFLICT


class PreconditionFailed(AppError):
    """The resource is no longer what the client read, as its If-Match tells."""

    kind = Kind.PRECONDITION_FAILED


class IdempotencyKeyReused(AppError):
    """An Idempotency-Key came a second time with another request."""

    kind = Kind.IDEMPOTENCY_KEY_REUSED


class NotPermitted(AppError):
    """Policy refuses the print; `reasons` say why."""

    kind = Kind.NOT_PERMITTED


class TokenSpent(AppError):
    """The print token was redeemed, refused or has expired."""

    kind = Kind.TOKEN_SPENT


class InvalidSignature(AppError):
    """A signature over a statement is not by the account or key it must be by."""

    kind = Kind.INVALID_SIGNATURE


class LedgerRejected(AppError):
    """The contract refuses the operation; `reasons` hold its error."""

    kind = Kind.LEDGER_REJECTED


class IntegrityBroken(AppError):
    """What is stored is not what was published."""

    kind = Kind.INTEGRITY


class UploadIncomplete(AppError):
    """The upload ended before it was whole; nothing is kept."""

    kind = Kind.UPLOAD_INCOMPLETE


class DigestMismatch(AppError):
    """The bytes that came are not the bytes announced; nothing is kept."""

    kind = Kind.DIGEST_MISMATCH


class Unavailable(AppError):
    """A part the service needs does not answer now."""

    kind = Kind.UNAVAILABLE
