"""Which driver the settings make, and which settings make none."""

from __future__ import annotations

from pathlib import Path

import pytest

from printer_agent.drivers.choice import open_driver
from printer_agent.errors import SettingsError
from printer_agent.settings import Settings

OPCUA = {"PARTVAULT_PRINTER_DRIVER": "opcua", "PARTVAULT_PRINTER_HOST_URL": "opc.tcp://machine.example:4840"}
THUMBPRINT = "AB:" * 31 + "ab"


def settings(home: Path, **variables: str) -> Settings:
    named = {f"PARTVAULT_PRINTER_{name}": value for name, value in variables.items()}
    return Settings.read({**OPCUA, **named}, home=home)


class TestOpenDriver:
    @pytest.mark.parametrize("name", ["folder", "octoprint", "moonraker", "opcua"])
    def test_makes_the_driver_named_without_asking_its_host(self, tmp_path: Path, name: str) -> None:
        url = OPCUA["PARTVAULT_PRINTER_HOST_URL"] if name == "opcua" else "https://printer.example"
        driver = open_driver(settings(tmp_path, DRIVER=name, HOST_URL=url))
        assert driver.name == name
        driver.close()

    @pytest.mark.parametrize("url", ["https://machine.example", "opc.tcp://user:word@machine.example", ""])
    def test_refuses_another_address_for_a_machine(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(SettingsError, match=r"opc\.tcp address"):
            open_driver(settings(tmp_path, HOST_URL=url))

    def test_goes_without_security_on_loopback_alone(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="not loopback"):
            open_driver(settings(tmp_path, HOST_INSECURE="loopback"))
        with pytest.raises(SettingsError, match="HOST_INSECURE"):
            settings(tmp_path, HOST_INSECURE="yes")


class TestThumbprint:
    def test_is_taken_with_colons_and_capitals(self, tmp_path: Path) -> None:
        assert settings(tmp_path, HOST_CERTIFICATE=THUMBPRINT).host_certificate == "ab" * 32

    @pytest.mark.parametrize("text", ["ab" * 31, "ab" * 20, "zz" * 32])
    def test_is_nothing_else(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(SettingsError, match="64 hexadecimal"):
            settings(tmp_path, HOST_CERTIFICATE=text)
