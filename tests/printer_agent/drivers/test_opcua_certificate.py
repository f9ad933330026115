"""The agent's application certificate: made once, private, and refused where it is not."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509

from printer_agent.drivers.opcua.certificate import load_or_make
from printer_agent.errors import IdentityError


class TestLoadOrMake:
    def test_makes_one_and_keeps_it(self, tmp_path: Path) -> None:
        made = load_or_make(tmp_path)
        assert load_or_make(tmp_path) == made
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == {"opcua.key": 0o600, "opcua.der": 0o600}

    def test_names_the_application_and_what_the_key_is_for(self, tmp_path: Path) -> None:
        made = load_or_make(tmp_path)
        certificate = x509.load_der_x509_certificate(made.der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [made.uri]
        assert usage.digital_signature
        assert usage.data_encipherment
        assert made.key_pem.decode() not in repr(made)

    def test_differs_between_homes(self, tmp_path: Path) -> None:
        homes = [tmp_path / "a", tmp_path / "b"]
        for home in homes:
            home.mkdir()
        one, other = (load_or_make(home) for home in homes)
        assert (one.uri == other.uri, one.der == other.der) == (False, False)

    @pytest.mark.parametrize("damage", [b"", b"no certificate"])
    def test_refuses_a_damaged_one(self, tmp_path: Path, damage: bytes) -> None:
        load_or_make(tmp_path)
        (tmp_path / "opcua.der").write_bytes(damage)
        with pytest.raises(IdentityError) as caught:
            load_or_make(tmp_path)
        assert caught.value.kind == "opcua_certificate"

    def test_refuses_a_key_that_is_gone(self, tmp_path: Path) -> None:
        load_or_make(tmp_path)
        (tmp_path / "opcua.key").unlink()
        with pytest.raises(IdentityError):
            load_or_make(tmp_path)

    def test_refuses_a_key_that_others_may_read(self, tmp_path: Path) -> None:
        load_or_make(tmp_path)
        (tmp_path / "opcua.key").chmod(0o644)
        with pytest.raises(IdentityError) as caught:
            load_or_make(tmp_path)
        assert caught.value.kind == "loose_permissions"
