"""Tests of the addresses of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from printer_agent.errors import IdentityError
from printer_agent.keys import Pin, plan_keys
from printer_agent.keys.address import Address, split_tcti

PATH, QUERY = frozenset({"token", "object"}), frozenset({"module-path", "pin-source"})


class TestAddress:
    def test_reads_what_rfc_7512_writes(self) -> None:
        text = "pkcs11:token=My%20token;object=a%3Bb?module-path=/usr/lib/m.so&pin-source=file:/etc/pin"
        found = Address.read(text, PATH, QUERY)
        assert found.path == {"token": "My token", "object": "a;b"}
        assert found.query == {"module-path": "/usr/lib/m.so", "pin-source": "file:/etc/pin"}

    @pytest.mark.parametrize(
        "text",
        [
            "pkcs11:slot-id=1",
            "pkcs11:token",
            "pkcs11:token=",
            "pkcs11:token=a;token=b",
            "pkcs11:token=a?pin=1",
            "pkcs11:token=a?module-path=a&module-path=b",
        ],
    )
    def test_refuses_what_it_does_not_know(self, text: str) -> None:
        with pytest.raises(IdentityError) as caught:
            Address.read(text, PATH, QUERY)
        assert caught.value.kind == "unknown_keys"

    def test_takes_no_pin(self) -> None:
        with pytest.raises(IdentityError) as caught:
            Address.read("pkcs11:token=a?pin-value=4711", PATH, QUERY)
        assert caught.value.kind == "pin_in_address"
        assert "4711" not in f"{caught.value} {caught.value.remedy}"

    def test_prefers_the_file_it_names(self, tmp_path: Path) -> None:
        (tmp_path / "pin").write_text("1\n")
        (tmp_path / "pin").chmod(0o600)
        named = Address.read(f"pkcs11:token=a?pin-source=file:{tmp_path / 'pin'}", PATH, QUERY)
        assert named.pin(Pin("2")) == Pin("1")
        assert Address.read("pkcs11:token=a", PATH, QUERY).pin(Pin("2")) == Pin("2")


class TestSplitTcti:
    @pytest.mark.parametrize(
        ("text", "tcti"),
        [
            ("tpm2:", ""),
            ("tpm2:device:/dev/tpm0", "device:/dev/tpm0"),
            ("tpm2:swtpm:host=127.0.0.1,port=2321?pin-source=file:/p", "swtpm:host=127.0.0.1,port=2321"),
        ],
    )
    def test_leaves_the_tcti_as_the_tools_write_it(self, text: str, tcti: str) -> None:
        assert split_tcti(text).path["tcti"] == tcti


class TestPlanKeys:
    @pytest.mark.parametrize("uri", ["", "floppy:", "file:/etc/keys", "http://a"])
    def test_says_which_back_ends_there_are(self, uri: str) -> None:
        with pytest.raises(IdentityError, match="not understood") as caught:
            plan_keys(uri, name="")
        assert "pkcs11:" in caught.value.remedy
