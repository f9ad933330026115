"""Keys in OpenBao's or HashiCorp Vault's transit engine, over its HTTP API.

The transit key is of type `aes256-gcm96` with `derived=true`: the service derives a key for each context, so
a wrap opens under its own context only and can still be re-wrapped inside the service.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx2

from storage.envelope import ObjectContext
from storage.errors import KeyUnavailable, UriInvalid, WrongContext
from storage.keys.address import read_secret, split_options
from storage.keys.base import WrappedKey
from storage.secret import DataKey

_TIMEOUT_S = 10.0
_CONNECT_TRIES = 3
_FOREIGN = "the wrapped key belongs to another object, or was altered"
_UNAUTHENTIC = ("message authentication failed", "invalid ciphertext length", "could not decode base64")
_BLOB = re.compile(rb"vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/=]+")
_PLACE = re.compile(r"(https?://[^/?#@]+)/([A-Za-z0-9_./-]+)/([A-Za-z0-9_.-]+)")


class VaultKeys:
    """The transit key `name` below `mount`; see `KeyBackend`.

    `token` is asked before every request, so that a renewed one is picked up. Leaving a `with` block closes
    the connections.
    """

    def __init__(self, client: httpx2.Client, mount: str, name: str, token: Callable[[], str]) -> None:
        self._client = client
        self._mount = mount
        self._name = name
        self._token = token
        self._keyring = f"{mount}/{name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def uri(self) -> str:
        """`vault:`, the service's address, the mount and the key's name."""
        return f"vault:{str(self._client.base_url).rstrip('/')}/{self._keyring}"

    def generate(self, context: ObjectContext) -> tuple[DataKey, WrappedKey]:
        """Let the service make the data key."""
        answer = self._post(
            f"datakey/plaintext/{self._name}", {"context": _base64(context.encode()), "bits": 256}
        )
        return DataKey(base64.b64decode(answer["plaintext"])), self._wrapped(answer)

    def wrap(self, secret: DataKey, context: ObjectContext) -> WrappedKey:
        """Encrypt under the latest version."""
        body = {"context": _base64(context.encode()), "plaintext": _base64(secret.view())}
        return self._wrapped(self._post(f"encrypt/{self._name}", body))

    def unwrap(self, wrapped: WrappedKey, context: ObjectContext) -> DataKey:
        """Decrypt."""
        answer = self._post(f"decrypt/{self._name}", self._opening(wrapped, context))
        return DataKey(base64.b64decode(answer["plaintext"]))

    def rewrap(self, wrapped: WrappedKey, context: ObjectContext) -> WrappedKey:
        """Re-wrap inside the service; the data key does not leave it."""
        renewed = self._wrapped(self._post(f"rewrap/{self._name}", self._opening(wrapped, context)))
        return wrapped if renewed.version == wrapped.version else renewed

    def current_version(self) -> str:
        """Return the transit key's latest version."""
        return str(self._describe()["latest_version"])

    def versions(self) -> Sequence[str]:
        """Return the versions from the oldest that is not trimmed.

        One whose destruction stopped half way is among them, although it decrypts no more, to be found.
        """
        key = self._describe()
        oldest = max(int(key["min_available_version"]), 1)
        return [str(number) for number in range(oldest, int(key["latest_version"]) + 1)]

    def rotate(self) -> str:
        """Add a version."""
        self._post(f"keys/{self._name}/rotate", {})
        return self.current_version()

    def destroy(self, version: str) -> None:
        """Trim the oldest version for ever; transit cannot leave a gap, so older ones must go first."""
        held = self.versions()
        if version not in held or version == held[-1]:
            raise KeyUnavailable(f"version {version!r} is current or unknown; {self.uri} holds {list(held)}")
        if version != held[0]:
            raise KeyUnavailable(f"version {version} is not the oldest; destroy version {held[0]} first")
        oldest = int(version) + 1
        limits = {"min_decryption_version": oldest, "min_encryption_version": oldest}
        self._post(f"keys/{self._name}/config", limits)
        self._post(f"keys/{self._name}/trim", {"min_available_version": oldest})

    def _opening(self, wrapped: WrappedKey, context: ObjectContext) -> dict[str, object]:
        match = _BLOB.fullmatch(wrapped.blob)
        labelled = match is not None and match[1] == wrapped.version.encode()
        if wrapped.keyring != self._keyring or not (labelled or wrapped.version in self.versions()):
            raise KeyUnavailable(
                f"not a wrap of {self.uri}: keyring {wrapped.keyring!r}, version {wrapped.version!r}"
            )
        if not labelled:
            raise WrongContext(_FOREIGN)
        return {"context": _base64(context.encode()), "ciphertext": wrapped.blob.decode("ascii")}

    def _wrapped(self, answer: dict[str, Any]) -> WrappedKey:
        blob = str(answer["ciphertext"]).encode("ascii")
        match = _BLOB.fullmatch(blob)
        if not match:
            raise KeyUnavailable(f"{self.uri} gave no transit ciphertext; check that it is a transit engine")
        return WrappedKey(self._keyring, match[1].decode("ascii"), blob)

    def _describe(self) -> dict[str, Any]:
        return self._request("GET", f"keys/{self._name}", None)

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self._request("POST", path, body)

    def _request(self, method: str, path: str, body: Mapping[str, object] | None) -> dict[str, Any]:
        headers = {"X-Vault-Token": self._token()}
        try:
            answer = self._client.request(method, f"/v1/{self._mount}/{path}", json=body, headers=headers)
            content = answer.json() if answer.content else {}
        except (httpx2.HTTPError, ValueError) as error:
            raise KeyUnavailable(f"{self.uri} did not answer ({type(error).__name__}); retry") from None
        if answer.is_success:
            return dict(content.get("data") or {})
        reasons = "; ".join(map(str, content.get("errors", []))) or f"status {answer.status_code}"
        if any(words in reasons for words in _UNAUTHENTIC):
            raise WrongContext(_FOREIGN)
        raise KeyUnavailable(f"{self.uri} refused: {reasons}")


def open_vault(uri: str, rest: str) -> VaultKeys:
    """Open `vault:https://HOST[:PORT]/MOUNT/KEY?token_file=PATH`; raises `UriInvalid`."""
    place, options = split_options(uri, rest, frozenset({"token_file"}))
    match = _PLACE.fullmatch(place)
    if not match or "token_file" not in options:
        raise UriInvalid(f"key back end {uri!r} is not vault:https://HOST[:PORT]/MOUNT/KEY?token_file=PATH")
    client = httpx2.Client(
        base_url=match[1], timeout=_TIMEOUT_S, transport=httpx2.HTTPTransport(retries=_CONNECT_TRIES)
    )
    return VaultKeys(client, match[2], match[3], lambda: read_secret(Path(options["token_file"])))


def _base64(value: bytes | memoryview) -> str:
    return base64.b64encode(value).decode("ascii")
