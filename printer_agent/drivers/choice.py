"""Which driver the settings name, built."""

from __future__ import annotations

from printer_agent.drivers.base import Driver
from printer_agent.drivers.folder import FolderDriver
from printer_agent.drivers.host import Host, HostKey
from printer_agent.drivers.moonraker import MoonrakerDriver
from printer_agent.drivers.octoprint import OctoPrintDriver
from printer_agent.errors import SettingsError
from printer_agent.private_files import read_private
from printer_agent.settings import Settings


def open_driver(settings: Settings) -> Driver:
    """Build the driver; close it at the end.

    Raises SettingsError where address or key cannot be used, IdentityError where others can read the key.
    """
    if settings.driver == "folder":
        return FolderDriver(settings.watch, settings.home / "delivered")
    if settings.driver == "opcua":
        return _opcua(settings)
    secret = _secret(settings)
    host = Host(
        settings.host_url, None if secret is None else HostKey(secret), timeout_s=settings.read_timeout_s
    )
    return OctoPrintDriver(host) if settings.driver == "octoprint" else MoonrakerDriver(host)


def _opcua(settings: Settings) -> Driver:
    """Build the driver of an industrial machine; its library is an extra, and loaded here alone."""
    try:
        from printer_agent.drivers.opcua.certificate import load_or_make
        from printer_agent.drivers.opcua.channel import Access, Login
        from printer_agent.drivers.opcua.driver import OpcUaDriver
    except ModuleNotFoundError as error:
        raise SettingsError(
            "no_opcua", f"the opcua driver needs {error.name}", "install partvault[opcua]"
        ) from error
    secret = _secret(settings)
    user, _, password = (secret or "").strip().partition(":")
    access = Access(
        settings.host_url,
        settings.host_certificate,
        load_or_make(settings.home),
        login=None if secret is None else Login(user, password),
        insecure=settings.host_insecure,
        connect_timeout_s=settings.connect_timeout_s,
        call_timeout_s=settings.read_timeout_s,
    )
    return OpcUaDriver(access, settings.host_node)


def _secret(settings: Settings) -> str | None:
    """Read what the host wants to know; None where there is no such file and none is named."""
    path = settings.host_key_file or settings.home / "host.key"
    if not path.exists():
        if settings.host_key_file is None:
            return None
        raise SettingsError(
            "no_host_key", f"{path} is missing", "write the host's API key into it, mode 0600"
        )
    return read_private(path).decode("utf-8", "replace")
