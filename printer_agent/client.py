"""The service as the printer reaches it: proofs, retries, problems, download.

Every try carries a fresh proof, with the service's newest nonce (RFC 9449, section 8) where it gave one. A
request that may have been received is repeated only where that is safe: reads, and writes under an
Idempotency-Key or whose body can be counted once only (outcomes).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx2

from printer_agent.clock import Clock
from printer_agent.errors import Reason, ReleaseRefused, ServiceProblem, Unreachable
from printer_agent.keys import Signer
from printer_agent.print_token import PrintToken
from printer_agent.proof import make_proof
from printer_agent.settings import Settings

_TRANSIENT = frozenset({408, 425, 429, 502, 503, 504})
_PENDING = 202
_NONCE_WANTED = 401
_NONCE_CHARS_MAX = 1024
_PROBLEM_BYTES_MAX = 1 << 20
_PIECE = 1 << 18
_RESUMES_MAX = 8


@dataclass(frozen=True)
class _Call:
    """One request, to be sent as often as it takes."""

    method: str
    path: str
    access_token: str = field(repr=False)
    body: Mapping[str, Any] | None = None
    idempotency_key: str | None = None


class PrinterClient:
    """The calls of an enrolled printer.

    `transport` replaces the network in tests. Errors: ServiceProblem for an answer that refuses,
    Unreachable where no final answer came in time.
    """

    def __init__(
        self,
        url: str,
        key: Signer,
        printer_id: str,
        settings: Settings,
        *,
        clock: Clock | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._printer_id = printer_id
        self._settings = settings
        self._clock = clock or Clock()
        self._nonce: str | None = None
        self._http = open_http(url, settings, transport)

    def claim(self, token: PrintToken) -> dict[str, Any]:
        """Ask what the token wants signed (`GET /v1/prints/claim`)."""
        return self._final(_Call("GET", "/v1/prints/claim", token.reveal()))

    def redeem(self, token: PrintToken, body: Mapping[str, Any]) -> dict[str, Any]:
        """Redeem the token; retries with the same Idempotency-Key until the ledger has spoken."""
        key = token.idempotency_key()
        return self._final(_Call("POST", "/v1/prints/redeem", token.reveal(), body, key))

    def claim_plate(self, token: PrintToken) -> dict[str, Any]:
        """Ask what a plate's token wants signed (`GET /v1/plates/claim`)."""
        return self._final(_Call("GET", "/v1/plates/claim", token.reveal()))

    def redeem_plate(self, token: PrintToken, body: Mapping[str, Any]) -> dict[str, Any]:
        """Redeem a plate's token; retries as `redeem` does."""
        key = token.idempotency_key()
        return self._final(_Call("POST", "/v1/plates/redeem", token.reveal(), body, key))

    def report(self, print_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a signed outcome; a 202 counts as taken, the service owns it from then on."""
        call = _Call("POST", f"/v1/prints/{print_id}/outcome", self._printer_id, body)
        return _object(self._answer(call, self._settings.report_timeout_s))

    def standing(self) -> dict[str, Any]:
        """Ask where this printer stands at the service (`GET /v1/printers/self`)."""
        call = _Call("GET", "/v1/printers/self", self._printer_id)
        return _object(self._answer(call, self._settings.report_timeout_s))

    def download(self, url: str, size: int) -> Iterator[bytes]:
        """Stream `size` bytes of ciphertext; a broken download goes on where it broke (Range, RFC 9110).

        Raises ReleaseRefused ("foreign_url") for a URL outside the pinned service.
        """
        address = urljoin(self._url + "/", url)
        if _origin(address) != _origin(self._url):
            raise ReleaseRefused("foreign_url", f"the file lies at {address}, not at the pinned service")
        at, resumes = 0, 0
        while at < size:
            try:
                for piece in self._range(address, at):
                    at += len(piece)
                    yield piece
                if at < size:
                    raise httpx2.ReadError(f"the file ended after {at} of {size} bytes")
            except httpx2.TransportError as error:
                resumes += 1
                if resumes > _RESUMES_MAX:
                    sentence = f"the download broke {resumes} times: {error}"
                    raise Unreachable("download_broken", sentence, "run the same token again") from error
                pause = self._settings.retry_pause_s * 2**resumes
                self._clock.pause(min(pause, self._settings.retry_pause_max_s))

    def ready(self) -> bool:
        """Whether the service says it is ready to work."""
        try:
            return self._http.get(self._url + "/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _range(self, address: str, start: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={start}-"} if start else {}

        def request() -> httpx2.Request:
            proofs = self._headers("GET", address, self._printer_id)
            return self._http.build_request("GET", address, headers={**headers, **proofs})

        with self._proved(request, stream=True) as response:
            if response.status_code != (206 if start else 200):
                response.read()
                raise problem_of(response)
            yield from response.iter_bytes(_PIECE)

    def _final(self, call: _Call) -> dict[str, Any]:
        return _object(self._answer(call, self._settings.redeem_timeout_s, pending_is_final=False))

    def _answer(self, call: _Call, timeout_s: float, *, pending_is_final: bool = True) -> httpx2.Response:
        """Repeat until the answer is neither transient nor (where it matters) pending, or the time is up."""
        deadline = self._clock.monotonic() + timeout_s
        pause = self._settings.retry_pause_s
        while True:
            wait = pause
            try:
                response = self._send(call)
                status = response.status_code
                if status not in _TRANSIENT and (pending_is_final or status != _PENDING):
                    break
                why = f"the service answered {status}"
                wait = _retry_after(response, pause)
            except httpx2.TransportError as error:
                why = f"{type(error).__name__}: {error}"
            if self._clock.monotonic() + wait > deadline:
                raise Unreachable(
                    "no_answer",
                    f"no final answer from {self._url}{call.path} within {timeout_s:g} s; {why}",
                    "run the same command again: it continues where it stopped and counts once",
                )
            self._clock.pause(wait)
            pause = min(pause * 2, self._settings.retry_pause_max_s)
        if response.is_success:
            return response
        raise problem_of(response)

    def _send(self, call: _Call) -> httpx2.Response:
        address = self._url + call.path
        headers = {} if call.idempotency_key is None else {"Idempotency-Key": call.idempotency_key}

        def request() -> httpx2.Request:
            proofs = self._headers(call.method, address, call.access_token)
            return self._http.build_request(
                call.method, address, json=call.body, headers={**headers, **proofs}
            )

        with self._proved(request) as response:
            return response

    @contextmanager
    def _proved(
        self, request: Callable[[], httpx2.Request], *, stream: bool = False
    ) -> Iterator[httpx2.Response]:
        """Send what `request` makes, and once more with a nonce that the service asks for (section 8).

        The newest nonce goes into every later proof: so a machine whose clock is wrong is asked once.
        """
        response = self._http.send(request(), stream=stream)
        if self._keep_nonce(response) and response.status_code == _NONCE_WANTED:
            response.close()
            response = self._http.send(request(), stream=stream)
            self._keep_nonce(response)
        try:
            yield response
        finally:
            response.close()

    def _keep_nonce(self, response: httpx2.Response) -> bool:
        """Remember the service's newest nonce; tells whether there is one not known before."""
        nonce = response.headers.get("DPoP-Nonce")
        if nonce is None or nonce == self._nonce or len(nonce) > _NONCE_CHARS_MAX:
            return False
        self._nonce = nonce
        return True

    def _headers(self, method: str, address: str, access_token: str) -> dict[str, str]:
        proof = make_proof(self._key, method, address, access_token, clock=self._clock.now, nonce=self._nonce)
        return {"Authorization": f"DPoP {access_token}", "DPoP": proof}


def open_http(url: str, settings: Settings, transport: httpx2.BaseTransport | None) -> httpx2.Client:
    """Open a connection pool to `url` that follows no redirect: a printer goes where it was enrolled."""
    timeout = httpx2.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s)
    return httpx2.Client(
        timeout=timeout,
        follow_redirects=False,
        transport=transport,
        verify=_trust(url),
        headers={
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "partvault-printer",
        },
    )


def problem_of(response: httpx2.Response) -> ServiceProblem:
    """Turn a refusing answer into an error, a problem document (RFC 9457) where it is one."""
    try:
        value = response.json() if len(response.content) <= _PROBLEM_BYTES_MAX else None
    except ValueError:
        value = None
    if not isinstance(value, dict) or "title" not in value:
        return ServiceProblem(
            "http",
            f"the service answered {response.status_code} without saying why",
            status=response.status_code,
        )
    kind = str(value.get("type", "about:blank")).rsplit(":", 1)[-1]
    reasons = tuple(
        Reason(str(reason.get("code", "")), str(reason.get("message", "")))
        for reason in value.get("reasons") or ()
        if isinstance(reason, dict)
    )
    sentence = str(value.get("detail") or value["title"])
    told = "".join(
        f"; {reason.message or reason.code}" for reason in reasons if reason.message not in sentence
    )
    return ServiceProblem(
        kind, sentence + told, str(value.get("remedy") or ""), status=response.status_code, reasons=reasons
    )


def _object(response: httpx2.Response) -> dict[str, Any]:
    try:
        value = response.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ServiceProblem("http", "the service's answer is not a JSON object", status=response.status_code)
    return value


def _retry_after(response: httpx2.Response, default: float) -> float:
    try:
        return max(0.05, float(response.headers.get("Retry-After", default)))
    except ValueError:
        return default


def _trust(url: str) -> ssl.SSLContext:
    """Give the certificates to trust; none, so nothing, where the URL needs none: loading takes time."""
    return (
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http:") else ssl.create_default_context()
    )


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
