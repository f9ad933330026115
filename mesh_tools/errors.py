"""What `mesh_tools` raises. A bad file is never an exception of the public face: it is a refusing finding."""

from __future__ import annotations


class MeshError(Exception):
    """Base of the package's errors; `kind` is a stable word for the caller's own mapping."""

    kind = "mesh"


class Refused(MeshError):  # noqa: N818 - it is a verdict, raised to unwind a reader
    """A reader or check met something that ends the inspection with a refusal.

    `code` is the finding's stable code (docs/findings.md), `sample` a point in mm where it helps.
    """

    kind = "refused"

    def __init__(self, code: str, message: str, *, sample: tuple[float, float, float] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.sample = sample


class PolicyInvalid(MeshError):  # noqa: N818
    """A policy or a machine holds what it must not; `field` names where, `remedy` what it may hold."""

    kind = "policy_invalid"

    def __init__(self, message: str, *, field: str | None = None, remedy: str | None = None) -> None:
        super().__init__(f"{message}: {remedy}" if remedy else message)
        self.message = message
        self.field = field
        self.remedy = remedy


class SandboxUnavailable(MeshError):  # noqa: N818
    """The process server could not be started: nothing can be inspected, so nothing may pass."""

    kind = "sandbox_unavailable"
