"""Settings of the agent: the one reader of PARTVAULT_PRINTER_* variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from printer_agent.errors import SettingsError

_PREFIX = "PARTVAULT_PRINTER_"


@dataclass(frozen=True)
class Settings:
    """Where the agent lives and how long it waits.

    home: folder of identity, machine description and journal, mode 0700
    watch: folder the printer watches; `home`/watch where it is not set
    connect_timeout_s, read_timeout_s: one HTTP exchange
    redeem_timeout_s: how long a redemption is retried, waits for the chain included
    report_timeout_s: how long an outcome is retried before it waits in the queue
    retry_pause_s: first pause between two tries, doubled up to `retry_pause_max_s`
    file_bytes_max: largest part the agent takes into memory
    poll_interval_s: pause of `run` between two looks into its inbox
    """

    home: Path
    watch: Path
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    redeem_timeout_s: float = 120.0
    report_timeout_s: float = 15.0
    retry_pause_s: float = 0.2
    retry_pause_max_s: float = 5.0
    file_bytes_max: int = 2 * 1024**3
    poll_interval_s: float = 2.0

    @classmethod
    def read(
        cls, environ: Mapping[str, str] | None = None, *, home: Path | None = None, watch: Path | None = None
    ) -> Settings:
        """Read the variables; `home` and `watch` from the command line win over them.

        Raises SettingsError for a value that is not a positive number.
        """
        variables = os.environ if environ is None else environ
        home = home or Path(variables.get(_PREFIX + "HOME") or Path.home() / ".partvault-printer")
        named = variables.get(_PREFIX + "WATCH")
        return cls(
            home=home.expanduser().absolute(),
            watch=(watch or (Path(named) if named else home / "watch")).expanduser().absolute(),
            connect_timeout_s=_positive(variables, "CONNECT_TIMEOUT_S", cls.connect_timeout_s),
            read_timeout_s=_positive(variables, "READ_TIMEOUT_S", cls.read_timeout_s),
            redeem_timeout_s=_positive(variables, "REDEEM_TIMEOUT_S", cls.redeem_timeout_s),
            report_timeout_s=_positive(variables, "REPORT_TIMEOUT_S", cls.report_timeout_s),
            retry_pause_s=_positive(variables, "RETRY_PAUSE_S", cls.retry_pause_s),
            retry_pause_max_s=_positive(variables, "RETRY_PAUSE_MAX_S", cls.retry_pause_max_s),
            file_bytes_max=int(_positive(variables, "FILE_BYTES_MAX", cls.file_bytes_max)),
            poll_interval_s=_positive(variables, "POLL_INTERVAL_S", cls.poll_interval_s),
        )


def _positive(variables: Mapping[str, str], name: str, default: float) -> float:
    text = variables.get(_PREFIX + name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SettingsError("invalid_setting", f"{_PREFIX}{name} is {text!r}, not a positive number")
    return value
