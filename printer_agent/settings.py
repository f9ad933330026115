"""Settings of the agent: the one reader of PARTVAULT_PRINTER_* variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from printer_agent.errors import SettingsError
from printer_agent.keys.pin import Pin, read_pin

DRIVERS = ("folder", "octoprint", "moonraker", "opcua")
_PREFIX = "PARTVAULT_PRINTER_"
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
    driver: folder, octoprint, moonraker or opcua
    host_url: address of the printer host; HTTPS or loopback, or opc.tcp
    host_key_file: file (0600) with the host's API key, or user:password; `home`/host.key where it is not set
    host_certificate: SHA-256 of an OPC UA server's certificate, hexadecimal
    host_node: node id of the machine on an OPC UA server of several
    host_insecure: whether an OPC UA server on loopback may do without security, for development
    host_folder: where the host keeps uploads, if it is on this machine, for `doctor`
    host_poll_s: pause between two looks at a running print
    keys_pin: PIN of the device that holds the printer's keys, from the variable KEYS_PIN or the file that
        KEYS_PIN_FILE names (0600); the keys' address or `home`/keys.pin may give it instead
    host_silence_s_max: how long a silent host is waited for before a print's result counts as unknown
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
    driver: str = "folder"
    host_url: str = ""
    host_key_file: Path | None = None
    host_certificate: str = ""
    host_node: str = ""
    host_insecure: bool = False
    host_folder: Path | None = None
    host_poll_s: float = 2.0
    host_silence_s_max: float = 3600.0
    keys_pin: Pin | None = None

    @classmethod
    def read(
        cls, environ: Mapping[str, str] | None = None, *, home: Path | None = None, watch: Path | None = None
    ) -> Settings:
        """Read the variables; `home` and `watch` from the command line win over them.

        Raises SettingsError for a value that is not a positive number, and for an unknown driver.
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
            driver=_one_of(variables, "DRIVER", DRIVERS),
            host_url=variables.get(_PREFIX + "HOST_URL", ""),
            host_key_file=_path(variables, "HOST_KEY_FILE"),
            host_certificate=_thumbprint(variables, "HOST_CERTIFICATE"),
            host_node=variables.get(_PREFIX + "HOST_NODE", ""),
            host_insecure=_one_of(variables, "HOST_INSECURE", ("no", "loopback")) == "loopback",
            host_folder=_path(variables, "HOST_FOLDER"),
            host_poll_s=_positive(variables, "HOST_POLL_S", cls.host_poll_s),
            host_silence_s_max=_positive(variables, "HOST_SILENCE_S_MAX", cls.host_silence_s_max),
            keys_pin=_pin(variables),
        )


def _one_of(variables: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """Read a word; the first is the default."""
    word = variables.get(_PREFIX + name, words[0])
    if word not in words:
        raise SettingsError("invalid_setting", f"{_PREFIX}{name} is {word!r}, not one of {', '.join(words)}")
    return word


def _thumbprint(variables: Mapping[str, str], name: str) -> str:
    """Read a SHA-256 thumbprint, with or without colons or spaces; empty where it is not set."""
    text = variables.get(_PREFIX + name, "")
    digits = text.replace(":", "").replace(" ", "").lower()
    if text and not _SHA256.fullmatch(digits):
        raise SettingsError("invalid_setting", f"{_PREFIX}{name} is {text!r}, not 64 hexadecimal digits")
    return digits


def _path(variables: Mapping[str, str], name: str) -> Path | None:
    named = variables.get(_PREFIX + name)
    return Path(named).expanduser().absolute() if named else None


def _pin(variables: Mapping[str, str]) -> Pin | None:
    """Read the PIN itself or the file that holds it; not both."""
    text, path = variables.get(_PREFIX + "KEYS_PIN"), _path(variables, "KEYS_PIN_FILE")
    if text and path is not None:
        raise SettingsError("invalid_setting", f"{_PREFIX}KEYS_PIN and {_PREFIX}KEYS_PIN_FILE are both set")
    return read_pin(path) if path is not None else Pin(text) if text else None


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
