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
        return FolderDriver(settings.watch)
    host = Host(settings.host_url, _key(settings), timeout_s=settings.read_timeout_s)
    return OctoPrintDriver(host) if settings.driver == "octoprint" else MoonrakerDriver(host)


def _key(settings: Settings) -> HostKey | None:
    path = settings.host_key_file or settings.home / "host.key"
    if not path.exists():
        if settings.host_key_file is None:
            return None
        raise SettingsError(
            "no_host_key", f"{path} is missing", "write the host's API key into it, mode 0600"
        )
    return HostKey(read_private(path).decode("ascii", "replace"))
