"""Errors of the command, each with a remedy and an exit code.

0 done · 1 the answer is no (service, gate, ledger, audit) · 2 usage, or service or chain not reachable ·
3 accepted but not final yet: look again · 130 interrupted
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """The documented exit codes."""

    DONE = 0
    REFUSED = 1
    UNUSABLE = 2
    PENDING = 3
    INTERRUPTED = 130


class CliError(Exception):
    """What happened, what to do next, and how the process ends."""

    def __init__(
        self,
        kind: str,
        message: str,
        remedy: str = "",
        *,
        exit_code: Exit = Exit.REFUSED,
        reasons: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.remedy = remedy
        self.exit_code = exit_code
        self.reasons = tuple(reasons)

    def to_json(self) -> dict[str, Any]:
        """Give the error as JSON."""
        return {
            "error": {
                "kind": self.kind,
                "message": self.message,
                "remedy": self.remedy,
                "reasons": [dict(reason) for reason in self.reasons],
            }
        }


def usage(message: str, remedy: str = "") -> CliError:
    """Make an error for a command that cannot be meant."""
    return CliError("usage", message, remedy, exit_code=Exit.UNUSABLE)


def translate(error: Exception) -> CliError | None:
    """Give the libraries' own errors a remedy and an exit code; None for what nobody expected."""
    from ledger.errors import LedgerError
    from mesh_tools.catalogue import advice_for
    from mesh_tools.errors import MeshError, Refused
    from storage.errors import StorageError

    if isinstance(error, CliError):
        return error
    if isinstance(error, Refused):
        return CliError(error.code, error.message, advice_for(error.code))
    if isinstance(error, LedgerError | StorageError | MeshError):
        return CliError(str(error.kind), str(error), exit_code=Exit.UNUSABLE)
    from app.errors import AppError

    if isinstance(error, AppError):
        return CliError(str(error.kind), error.detail, error.remedy or "", exit_code=Exit.UNUSABLE)
    if isinstance(error, OSError):
        return CliError("system", str(error), exit_code=Exit.UNUSABLE)
    return None
