"""A secured session with one OPC UA server, used from synchronous code.

Policy Basic256Sha256 in mode SignAndEncrypt and nothing less; the server is the one whose certificate was
pinned. `Access.insecure` allows policy None and an anonymous user, on loopback alone, for machines under
development. The library's event loop runs in a thread of its own; after a failure the next call connects
anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from printer_agent.drivers.host import is_loopback
from printer_agent.drivers.opcua.certificate import ApplicationCertificate
from printer_agent.drivers.opcua.private_loop import PrivateLoop
from printer_agent.errors import DriverError, SettingsError

_T = TypeVar("_T")
_SECURE = ua.MessageSecurityMode.SignAndEncrypt
_GOODBYE_S = 5.0
_BROKEN = ("BadSession", "BadSecureChannel", "BadConnection", "BadCommunication", "BadServer", "BadTimeout")
"""Statuses after which nobody knows whether the request was served."""
_UNTRUSTED = ("BadSecurityChecksFailed", "BadCertificate")
_NO_USER = ("BadUserAccessDenied", "BadIdentityToken", "BadUserSignature")


@dataclass(frozen=True)
class Login:
    """A user of the machine; the password's text form is `***`."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Access:
    """How to reach a server, and who it has to be.

    url: opc.tcp://host:port/path
    pinned: SHA-256 of the server's certificate, hexadecimal; empty while it is not yet known
    application: the agent's certificate
    login: user name and password; None signs in by the agent's certificate
    insecure: whether loopback may do without security and user
    connect_timeout_s: connecting, signing in
    call_timeout_s: one service call
    apply_timeout_s: how long a machine may take to apply a file that it has
    session_timeout_s: how long the server keeps a session whose agent is gone
    """

    url: str
    pinned: str
    application: ApplicationCertificate
    login: Login | None = None
    insecure: bool = False
    connect_timeout_s: float = 10.0
    call_timeout_s: float = 30.0
    apply_timeout_s: float = 600.0
    session_timeout_s: float = 120.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "opc.tcp" or not parts.hostname or parts.username is not None:
            raise SettingsError(
                "invalid_host_url",
                f"{self.url!r} is no opc.tcp address without user",
                "set PARTVAULT_PRINTER_HOST_URL to opc.tcp://machine:4840",
            )
        if self.insecure and not is_loopback(parts.hostname):
            raise SettingsError(
                "invalid_host_url",
                f"{self.url!r} is not loopback, and decrypted parts travel there",
                "unset PARTVAULT_PRINTER_HOST_INSECURE",
            )


class LostAnswer(DriverError):  # noqa: N818 - it names the state
    """The connection broke, or time ran out, after the request may have arrived."""


class Channel:
    """A session that is opened when needed; for one thread. Close it at the end."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._client: Client | None = None
        self._loop: PrivateLoop | None = None
        # The library's debug lines quote whole requests, and with them parts.
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)

    def run(self, work: Callable[[Client], Coroutine[Any, Any, _T]], timeout_s: float | None = None) -> _T:
        """Do `work` in the session, for `timeout_s`, or for one call's time.

        DriverError where the server cannot be reached, is not the pinned one, does not let the agent in, or
        answers with a bad status; LostAnswer where it broke off in the middle.
        """
        client = self._client or self._connect()
        try:
            return self._wait(work(client), timeout_s or self.access.call_timeout_s)
        except UaStatusCodeError as error:
            if not _name(error).startswith(_BROKEN):
                raise self._refused(error) from error
            self._drop()
            raise self._lost(error) from error
        except (OSError, TimeoutError, UaError) as error:
            self._drop()
            raise self._lost(error) from error

    def close(self) -> None:
        """Close session and thread."""
        self._drop()
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _connect(self) -> Client:
        client = Client(self.access.url, timeout=self.access.call_timeout_s)
        client.application_uri = self.access.application.uri
        client.name = client.description = "PartVault printer agent"
        client.session_timeout = int(self.access.session_timeout_s * 1000)
        try:
            self._wait(_open(client, self.access), self.access.connect_timeout_s)
            self._client = client
        except UaStatusCodeError as error:
            raise self._refused(error) from error
        except (OSError, TimeoutError, UaError) as error:
            raise DriverError(
                "host_silent", f"no session with {self.access.url}: {error!r}", "check that the machine runs"
            ) from error
        finally:
            if self._client is None:
                self._wait(_hang_up(client, politely=False), _GOODBYE_S)
        return client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._wait(_hang_up(client, politely=True), 2 * _GOODBYE_S)

    def _wait(self, work: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
        self._loop = self._loop or PrivateLoop("opcua")
        return self._loop.run(work, timeout_s)

    def _lost(self, error: Exception) -> LostAnswer:
        return LostAnswer("host_silent", f"{self.access.url} broke off: {error!r}", "the agent looks again")

    def _refused(self, error: UaStatusCodeError) -> DriverError:
        name = _name(error)
        if name.startswith(_UNTRUSTED):
            thumbprint = self.access.application.thumbprint
            return DriverError(
                "host_certificate",
                f"{self.access.url} does not trust this agent ({name})",
                f"have the machine trust certificate {thumbprint} (HOME/opcua.der)",
            )
        if name.startswith(_NO_USER):
            return DriverError(
                "host_key", f"{self.access.url} refuses the user ({name})", "see the machine's users"
            )
        return DriverError("host_refused", f"{self.access.url} answered {name}", "see the machine's own log")


async def _open(client: Client, access: Access) -> None:
    """Open the session.

    0. Only loopback, and only where the settings say so, goes without security.
    1. The server offers Basic256Sha256 with signatures and encryption.
    2. Its certificate is the pinned one; the channel is sealed to it, so nobody else can answer.
    3. The agent signs in by name and password, sealed too, or by its certificate; never as nobody.
    """
    # (0) development
    if access.insecure:
        await client.connect()
        return
    # (1) security
    offered = [
        endpoint.ServerCertificate
        for endpoint in await client.connect_and_get_server_endpoints()
        if endpoint.SecurityMode == _SECURE and endpoint.SecurityPolicyUri == SecurityPolicyBasic256Sha256.URI
    ]
    if not offered:
        raise DriverError(
            "host_insecure",
            f"{access.url} does not offer Basic256Sha256 with SignAndEncrypt",
            "switch it on at the machine; decrypted parts travel there",
        )
    # (2) the pinned server
    server = _pinned(offered, access)
    mine = access.application
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        CertProperties(mine.der, extension="der"),
        CertProperties(mine.key_pem, extension="pem"),
        server_certificate=CertProperties(server, extension="der"),
        mode=_SECURE,
    )
    # (3) the user
    if access.login is None:
        client.user_certificate = x509.load_der_x509_certificate(mine.der)
        client.user_private_key = load_pem_private_key(mine.key_pem, None)
    else:
        client.set_user(access.login.user)
        client.set_password(access.login.password)
    await client.connect()


async def _hang_up(client: Client, *, politely: bool) -> None:
    """End the session where it can be ended; close the socket, whatever the library thinks of its state."""
    protocol = client.uaclient.protocol
    if politely:
        with suppress(OSError, TimeoutError, UaError):  # the server forgets the session by itself
            await asyncio.wait_for(client.disconnect(), _GOODBYE_S)
    client.disconnect_socket()
    if protocol is not None and protocol.transport is not None:
        protocol.transport.abort()


def _pinned(offered: list[bytes], access: Access) -> bytes:
    found = {hashlib.sha256(leaf).hexdigest(): leaf for leaf in map(_leaf, offered)}
    for thumbprint, leaf in found.items():
        if hmac.compare_digest(thumbprint, access.pinned):
            return leaf
    shown = ", ".join(sorted(found))
    raise DriverError(
        "host_certificate",
        f"{access.url} shows certificate {shown}, pinned is {access.pinned or 'none'}",
        "compare it with the machine's display; set PARTVAULT_PRINTER_HOST_CERTIFICATE only if they agree",
    )


def _leaf(chain: bytes) -> bytes:
    """Take the server's own certificate, the first of a chain; its DER length stands in bytes 2 and 3."""
    return chain[: 4 + int.from_bytes(chain[2:4], "big")]


def _name(error: UaStatusCodeError) -> str:
    return str(ua.StatusCode(error.code).name)
