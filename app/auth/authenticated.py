"""A note on a request that its credential is good, for whoever has to know it when the answer goes out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Scope

_STATE = "authenticated"


def mark(request: Request) -> None:
    """Say that the request's credential was verified, whatever it may then do."""
    setattr(request.state, _STATE, True)


def is_marked(scope: Scope) -> bool:
    """Tell whether it was."""
    return _STATE in scope.get("state", ())
