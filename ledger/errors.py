"""What can go wrong in the ledger: one base class whose `kind` says what sort of failure it is.

Nothing here knows HTTP; the application turns kinds into problem documents.
"""

from __future__ import annotations

from typing import ClassVar


class LedgerError(Exception):
    """Base of every error the ledger raises. `kind` is stable; the text is for people."""

    kind: ClassVar[str] = "ledger"


class TypedDataError(LedgerError):
    """A field of a statement, an operation or a domain is outside what the contract's types hold.

    `field` is the name the caller used: `starts_at` on construction, `startsAt` in JSON.
    """

    kind = "typed_data_invalid"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class SignatureError(LedgerError):
    """A signature is malformed or malleable, so no signer can be told from it."""

    kind = "signature_invalid"


class ArtifactError(LedgerError):
    """The compiled contract is missing from the installation or is not the one this code was written for."""

    kind = "artifact_invalid"
