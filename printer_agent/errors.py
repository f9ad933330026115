"""What can go wrong beside a printer, each error with its kind and a remedy.

Every error carries a `kind` that programs may rely on, a sentence that says what happened and with which
value, and, where there is one, the next step for the person at the machine. No message ever holds a token, a
key or a byte of a part.
"""

from __future__ import annotations

from dataclasses import dataclass


class AgentError(Exception):
    """The base of every error the agent raises on purpose.

    `kind` is stable; `remedy` is what to do next, or empty.
    """

    def __init__(self, kind: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.remedy = remedy


class SettingsError(AgentError):
    """A variable of the environment cannot be used."""


class IdentityError(AgentError):
    """The identity of this printer is missing, damaged, open to others or not what the service says it is."""


class JournalError(AgentError):
    """The journal refuses: a release was started before, an outcome was given, the file is damaged."""


class ReleaseRefused(AgentError):  # noqa: N818 - it names the verdict
    """What the service sent does not hold; nothing is printed.

    `kind` names the step of the checklist in `printer_agent.release` that failed.
    """


class GateRefused(AgentError):  # noqa: N818 - it names the verdict
    """The gate beside the printer refused the part; nothing is printed."""


class DriverError(AgentError):
    """The printer, or the folder it watches, did not take the job."""


class NotReady(AgentError):  # noqa: N818 - it names the state
    """The machine would not take this job now; nothing was consumed, and the same token serves later."""


class KeysUnavailable(NotReady):
    """The device that holds this printer's keys does not work now: unplugged, locked, another one.

    What was begun stays as it is; the same token or command serves later.
    """


class Detached(AgentError):  # noqa: N818 - it names the state
    """The agent was told to stop while the machine prints; its next start follows the print again."""


class Unreachable(AgentError):  # noqa: N818 - it names the state
    """No answer from the service after every retry; the same command may be run again."""


@dataclass(frozen=True)
class Reason:
    """One reason of a policy decision: a stable code and a sentence."""

    code: str
    message: str


class ServiceProblem(AgentError):  # noqa: N818 - RFC 9457's word
    """The service answered with a problem document (RFC 9457).

    `kind` is the last part of the problem's type, `status` the HTTP status, `reasons` what policy or contract
    said.
    """

    def __init__(
        self, kind: str, message: str, remedy: str = "", *, status: int, reasons: tuple[Reason, ...] = ()
    ) -> None:
        super().__init__(kind, message, remedy)
        self.status = status
        self.reasons = reasons
