"""A printer host on the network: its address, its key, and requests whose failures are DriverErrors.

The plaintext travels over this connection, so the address must be HTTPS or loopback.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable, Iterator
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx2

from printer_agent.drivers.base import Delivery, UncertainStart
from printer_agent.errors import DriverError, SettingsError

_ANSWER_BYTES_MAX = 1 << 22
_BOUNDARY = "partvault-5f3c1d9a7e2b4c60"


class HostKey:
    """The API key of a printer host; its text form is `***`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        text = text.strip()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise SettingsError("invalid_host_key", "the host's key is not one word of ASCII", "copy it anew")
        self._text = text

    def reveal(self) -> str:
        """Give the key, for the request's header alone."""
        return self._text

    def __repr__(self) -> str:
        return "HostKey(***)"


class Host:
    """Requests to one printer host; close it at the end.

    url: base URL; SettingsError ("invalid_host_url") unless HTTPS or loopback
    key: sent as X-Api-Key; None where the host trusts this machine
    """

    def __init__(
        self,
        url: str,
        key: HostKey | None,
        *,
        timeout_s: float,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        _require_safe(url)
        self.url = url.rstrip("/")
        self._http = httpx2.Client(
            timeout=timeout_s,
            follow_redirects=False,
            transport=transport,
            verify=_trust(url),
            headers={"Accept": "application/json"} | ({} if key is None else {"X-Api-Key": key.reveal()}),
        )

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        expected: tuple[int, ...] = (200, 204),
    ) -> tuple[int, dict[str, Any]]:
        """Send a request; give status and JSON object. DriverError for no answer or a status not expected."""
        try:
            response = self._http.request(method, self.url + path, json=body)
        except httpx2.HTTPError as error:
            raise self._silent(error) from error
        return response.status_code, self._object(response, expected)

    def upload(
        self, path: str, delivery: Delivery, content: Iterable[bytes], fields: dict[str, str]
    ) -> dict[str, Any]:
        """Send the file as multipart/form-data (RFC 7578) straight from `content`; give the JSON answer.

        DriverError where the host refused; UncertainStart where its answer never came.
        """
        length, pieces = _multipart(delivery, content, fields)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
            "Content-Length": str(length),
        }
        try:
            response = self._http.post(self.url + path, content=pieces, headers=headers)
        except httpx2.ConnectError as error:
            raise self._silent(error) from error
        except httpx2.HTTPError as error:
            raise UncertainStart(
                "host_silent", f"{self.url} broke off: {error!r}", "the agent looks again"
            ) from error
        return self._object(response, (200, 201))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _silent(self, error: httpx2.HTTPError) -> DriverError:
        return DriverError(
            "host_silent", f"no answer from {self.url}: {error!r}", "check that the printer's host runs"
        )

    def _object(self, response: httpx2.Response, expected: tuple[int, ...]) -> dict[str, Any]:
        status = response.status_code
        if status in (401, 403) and status not in expected:
            raise DriverError(
                "host_key", f"{self.url} refuses the key ({status})", "make a new key on the host"
            )
        if status not in expected:
            raise DriverError("host_refused", f"{self.url} answered {status}", "see the host's own log")
        if not response.content or len(response.content) > _ANSWER_BYTES_MAX:
            return {}
        try:
            value = response.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            if status < 300:
                raise DriverError(
                    "host_garbled", f"{self.url} sent no JSON object", "check PARTVAULT_PRINTER_HOST_URL"
                )
            return {}
        return value


def segment(name: str) -> str:
    """Write a file's name as one segment of a path."""
    return quote(name, safe="")


def _require_safe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and is_loopback(parts.hostname or ""):
        return
    raise SettingsError(
        "invalid_host_url",
        f"{url!r} is neither HTTPS nor loopback, and decrypted parts travel there",
        "run the agent beside the host, or put TLS before it",
    )


def _trust(url: str) -> ssl.SSLContext:
    """Give the certificates to trust; none where the URL needs none: loading takes time."""
    return (
        ssl.create_default_context() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )


def is_loopback(name: str) -> bool:
    """Whether a host's name or address is this machine."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _multipart(
    delivery: Delivery, content: Iterable[bytes], fields: dict[str, str]
) -> tuple[int, Iterator[bytes]]:
    """The body's length and pieces; names and values are the agent's own and need no escape."""
    part = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="'
    head = "".join(f'{part}{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    head += f'{part}file"; filename="{delivery.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()

    def pieces() -> Iterator[bytes]:
        yield head.encode()
        yield from content
        yield tail

    return len(head) + delivery.size + len(tail), pieces()
