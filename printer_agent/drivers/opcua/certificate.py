"""The agent's application instance certificate (OPC 10000-6, 6.2.2), made on the device and kept in its home.

The operator has the machine trust it, by its thumbprint; the same certificate vouches for the agent as user
where no user name is set.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from printer_agent.errors import IdentityError
from printer_agent.private_files import read_private, write_private

_KEY, _CERTIFICATE = "opcua.key", "opcua.der"
_KEY_BITS = 2048
_DAYS = 5 * 365


@dataclass(frozen=True)
class ApplicationCertificate:
    """Who the agent is to an OPC UA server.

    uri: the application's URI, also in the certificate
    der: the certificate
    key_pem: its private key, PKCS #8; never shown
    """

    uri: str
    der: bytes
    key_pem: bytes

    @property
    def thumbprint(self) -> str:
        """SHA-256 of the certificate, hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    def __repr__(self) -> str:
        return f"ApplicationCertificate({self.thumbprint})"


def load_or_make(home: Path) -> ApplicationCertificate:
    """Read the certificate of this home; make one, of five years, where there is none.

    Raises IdentityError where others can read it or it is damaged.
    """
    key, certificate = home / _KEY, home / _CERTIFICATE
    if not certificate.exists():
        made = _make()
        write_private(key, made.key_pem)
        write_private(certificate, made.der)
        return made
    try:
        der = read_private(certificate)
        names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        (uri,) = names.value.get_values_for_type(x509.UniformResourceIdentifier)
        return ApplicationCertificate(uri, der, read_private(key))
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise IdentityError(
            "opcua_certificate",
            f"{certificate} or {key} cannot be used: {error}",
            "delete both; the next start makes others, which the machine has to trust",
        ) from error


def _make() -> ApplicationCertificate:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    uri = f"urn:partvault:printer-agent:{secrets.token_hex(8)}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PartVault printer agent")])
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return ApplicationCertificate(uri, certificate.public_bytes(serialization.Encoding.DER), pem)
