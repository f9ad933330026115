"""The service's API as the command uses it: one connection, bearer key, retries, problems as errors."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import httpx2

from app.cli.failures import CliError, Exit, usage
from app.client_settings import ClientSettings
from app.tokens import Token

_TRIES = 4
_PAUSE_S = 0.3
_PATIENCE_S = 60.0
_TRANSIENT = frozenset({429, 502, 503, 504})
_PIECE = 1 << 20


class ServiceClient:
    """Talks to one service with one API key.

    Every creating request carries an Idempotency-Key, so that repeating it after a broken connection makes
    nothing twice. Raises CliError: with exit code 1 where the service refuses, 2 where it cannot be reached.
    """

    def __init__(
        self,
        settings: ClientSettings,
        api_key: Token | None,
        transport: httpx2.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause = pause
        self.url = settings.url
        headers = {"Accept": "application/json", "User-Agent": "partvault-cli"}
        if api_key is not None:
            headers["Authorization"] = f"Bearer {api_key.reveal()}"
        timeout = httpx2.Timeout(settings.timeout_s, connect=10.0)
        self._http = httpx2.Client(
            base_url=self.url, headers=headers, timeout=timeout, transport=transport, verify=_trust(self.url)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: str | int | None) -> Any:
        """Read one thing."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._json(self._repeat("GET", path, params=given))

    def pages(self, path: str, limit: int | None = None, **params: str | int | None) -> list[Any]:
        """Read a list, page by page, up to `limit` rows."""
        found: list[Any] = []
        cursor: str | None = None
        while True:
            page = self.get(path, cursor=cursor, limit=min(limit or 100, 100), **params)
            found += page["items"]
            cursor = page.get("next_cursor")
            if not cursor or (limit is not None and len(found) >= limit):
                return found if limit is None else found[:limit]

    def post(self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> Any:
        """Create or change something; the answer's status is kept as `pending` where it is 202.

        `key` is the Idempotency-Key of a request that a later process may repeat.
        """
        response = self._post(path, body, key)
        answer = self._json(response)
        if response.status_code == 202 and isinstance(answer, dict):
            answer["pending"] = True
        return answer

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Replace something."""
        return self._json(self._repeat("PUT", path, json=dict(body)))

    def delete(self, path: str) -> None:
        """Remove something."""
        self._repeat("DELETE", path)

    def put_file(self, path: str, content: Iterable[bytes], headers: Mapping[str, str], **params: str) -> Any:
        """Send a file once, as a raw body that streams."""
        try:
            response = self._http.put(path, params=params, content=content, headers=headers)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        return self._json(_checked(response))

    def download(self, path: str, on_start: Callable[[int | None], None], **params: str) -> Iterator[bytes]:
        """Stream an answer's body; `on_start` gets its length where it is announced."""
        try:
            with self._http.stream("GET", path, params=params) as response:
                if not response.is_success:
                    response.read()
                    _checked(response)
                length = response.headers.get("Content-Length")
                on_start(int(length) if length else None)
                yield from response.iter_bytes(_PIECE)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def _post(self, path: str, body: Mapping[str, Any] | None, key: str | None) -> httpx2.Response:
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(24)}
        return self._repeat("POST", path, json=dict(body) if body is not None else None, headers=headers)

    def _repeat(self, method: str, path: str, **options: Any) -> httpx2.Response:
        failure: CliError | None = None
        asked_s = 0.0
        for attempt in range(_TRIES):
            if attempt:
                self._pause(max(_PAUSE_S * 2**attempt, asked_s))
            try:
                response = self._http.request(method, path, **options)
            except httpx2.ConnectError as error:
                raise self._unreachable(error) from error
            except httpx2.TransportError as error:
                failure = self._unreachable(error)
                continue
            if response.status_code not in _TRANSIENT:
                return _checked(response)
            failure, asked_s = problem(response), _retry_after(response)
            if asked_s > _PATIENCE_S:
                break
        raise failure or usage("no attempt was made")

    def _json(self, response: httpx2.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise CliError(
                "no_service",
                f"{self.url} does not answer as PartVault does",
                "check --url",
                exit_code=Exit.UNUSABLE,
            ) from None

    def _unreachable(self, error: Exception) -> CliError:
        return CliError(
            "unreachable",
            f"no answer from {self.url}: {str(error) or type(error).__name__}",
            "start it with `partvault serve`, or name it with --url or PARTVAULT_URL",
            exit_code=Exit.UNUSABLE,
        )


def _retry_after(response: httpx2.Response) -> float:
    """Give how long the service asks to wait, in seconds; 0 where it does not say."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else 0.0


def _trust(url: str) -> ssl.SSLContext:
    """Give the certificates to trust; none, so nothing, where the URL needs none: loading takes time."""
    return (
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http:") else ssl.create_default_context()
    )


def problem(response: httpx2.Response) -> CliError:
    """Turn a refusing answer into an error: its problem document (RFC 9457) where it is one."""
    try:
        value = response.json()
    except ValueError:
        value = {}
    if not isinstance(value, dict):
        value = {}
    kind = str(value.get("type", "http")).rsplit(":", 1)[-1]
    detail = str(value.get("detail") or value.get("title") or f"the service answered {response.status_code}")
    remedies = {
        401: "give a valid key by PARTVAULT_API_KEY or --api-key",
        403: "use a key with the role it needs",
    }
    remedy = str(value.get("remedy") or remedies.get(response.status_code, ""))
    reasons = [row for row in value.get("reasons") or value.get("errors") or () if isinstance(row, dict)]
    field = value.get("field")
    if isinstance(field, str) and field not in detail:
        detail = f"{field}: {detail}"
    code = Exit.UNUSABLE if response.status_code >= 500 or response.status_code == 429 else Exit.REFUSED
    return CliError(kind, detail, remedy, exit_code=code, reasons=reasons)


def _checked(response: httpx2.Response) -> httpx2.Response:
    if response.is_success:
        return response
    raise problem(response)
