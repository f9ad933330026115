"""Keys and packages the tests share; making RSA keys takes longer than most tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mesh_tools.limits import Limits
from mesh_tools.secure_content.binding import Product
from mesh_tools.secure_content.framing import Framing, read_framing
from mesh_tools.secure_content.keys import ConsumerKey, SigningKey
from mesh_tools.secure_content.sealing import Recipient
from tests.mesh_tools.secure_content.workshop import Workshop


@pytest.fixture(scope="session")
def key() -> ConsumerKey:
    return ConsumerKey(rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def other_key() -> ConsumerKey:
    return ConsumerKey(rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def signer() -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def stranger() -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def workshop(key: ConsumerKey, other_key: ConsumerKey, signer: SigningKey) -> Workshop:
    recipients = [Recipient("printer-1", key.public), Recipient("printer-2", other_key.public)]
    return Workshop(recipients, signer, Product("Bracket", "3"))


@pytest.fixture(scope="session")
def framing() -> Callable[[memoryview], Framing]:
    """Reads framings in this process."""
    return lambda data: read_framing(data, Limits())
