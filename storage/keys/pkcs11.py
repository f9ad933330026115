"""Keys in a PKCS#11 token: AES-256 keys that never leave it, AES-GCM with the context authenticated.

Versions are keys labelled `NAME-v1`, `NAME-v2`, … A wrap is 12-byte random nonce ‖ 32-byte sealed key ‖
16-byte tag, with `associated_data` as AAD. Needs the package `python-pkcs11`, loaded only where asked for.
"""

from __future__ import annotations

import importlib
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.envelope import ObjectContext
from storage.errors import KeyUnavailable, UriInvalid, WrongContext
from storage.keys.address import read_secret, split_options
from storage.keys.base import WrappedKey, associated_data
from storage.secret import KEY_BYTES, DataKey

_NONCE_BYTES = 12
_TAG_BITS = 128
_BLOB_BYTES = _NONCE_BYTES + KEY_BYTES + _TAG_BITS // 8
_UNAUTHENTIC = ("EncryptedDataInvalid", "EncryptedDataLenRange", "GeneralError")


class Pkcs11Keys:
    """The keys labelled `name`-v… in a token; see `KeyBackend`.

    `module` is the `pkcs11` package and `session` one of its read-write sessions, which a lock serialises.
    """

    def __init__(self, module: Any, session: Any, name: str) -> None:
        self._module = module
        self._session = session
        self._name = name
        self._lock = threading.Lock()
        self._label = re.compile(re.escape(name) + r"-v([1-9][0-9]*)")

    @property
    def uri(self) -> str:
        """`pkcs11:` and the keys' name."""
        return f"pkcs11:{self._name}"

    def generate(self, context: ObjectContext) -> tuple[DataKey, WrappedKey]:
        """Return a fresh key from the operating system's generator and its wrap."""
        key = DataKey.generate()
        return key, self.wrap(key, context)

    def wrap(self, secret: DataKey, context: ObjectContext) -> WrappedKey:
        """Seal under the newest key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        with self._reported():
            held = self._held()
            version = self._newest(held)
            sealed = held[version].encrypt(secret.reveal(), **self._gcm(nonce, str(version), context))
        return WrappedKey(self._name, str(version), nonce + sealed)

    def unwrap(self, wrapped: WrappedKey, context: ObjectContext) -> DataKey:
        """Open under the key the wrap names."""
        if wrapped.keyring != self._name:
            raise KeyUnavailable(f"wrapped under keyring {wrapped.keyring!r}, but this one is {self._name!r}")
        if len(wrapped.blob) != _BLOB_BYTES:
            raise WrongContext(f"a wrapped key has {_BLOB_BYTES} bytes, not {len(wrapped.blob)}")
        with self._reported():
            held = {str(number): key for number, key in self._held().items()}
            if wrapped.version not in held:
                raise KeyUnavailable(
                    f"key version {wrapped.version!r} was destroyed or never was in this token"
                )
            parameters = self._gcm(wrapped.blob[:_NONCE_BYTES], wrapped.version, context)
            return DataKey(held[wrapped.version].decrypt(wrapped.blob[_NONCE_BYTES:], **parameters))

    def rewrap(self, wrapped: WrappedKey, context: ObjectContext) -> WrappedKey:
        """Open and seal again; a wrap under the newest key is checked and returned as it is."""
        with self.unwrap(wrapped, context) as key:
            return wrapped if wrapped.version == self.current_version() else self.wrap(key, context)

    def current_version(self) -> str:
        """Return the highest number among the labels."""
        with self._reported():
            return str(self._newest(self._held()))

    def versions(self) -> Sequence[str]:
        """Return the numbers among the labels."""
        with self._reported():
            return [str(number) for number in sorted(self._held())]

    def rotate(self) -> str:
        """Generate the next key inside the token, sensitive and not extractable; the first one too."""
        with self._reported():
            version = max(self._held(), default=0) + 1
            self._session.generate_key(
                self._module.KeyType.AES,
                256,
                label=f"{self._name}-v{version}",
                store=True,
                template={
                    self._module.Attribute.SENSITIVE: True,
                    self._module.Attribute.EXTRACTABLE: False,
                },
            )
        return str(version)

    def destroy(self, version: str) -> None:
        """Destroy the key in the token."""
        with self._reported():
            held = self._held()
            keys = {str(number): key for number, key in held.items() if number < self._newest(held)}
            if version not in keys:
                numbers = sorted(held)
                raise KeyUnavailable(f"version {version!r} is current or unknown; the token holds {numbers}")
            keys[version].destroy()

    def _held(self) -> dict[int, Any]:
        secret_keys = {self._module.Attribute.CLASS: self._module.ObjectClass.SECRET_KEY}
        found = ((self._label.fullmatch(key.label), key) for key in self._session.get_objects(secret_keys))
        return {int(match[1]): key for match, key in found if match}

    def _newest(self, held: dict[int, Any]) -> int:
        if not held:
            raise KeyUnavailable(f"the token holds no key {self._name}-v1; rotate once to make it")
        return max(held)

    def _gcm(self, nonce: bytes, version: str, context: ObjectContext) -> dict[str, Any]:
        associated = associated_data(self._name, version, context)
        parameters = self._module.GCMParams(nonce, associated, _TAG_BITS)
        return {"mechanism": self._module.Mechanism.AES_GCM, "mechanism_param": parameters}

    @contextmanager
    def _reported(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except self._module.PKCS11Error as error:
                name = type(error).__name__
                if name in _UNAUTHENTIC:
                    raise WrongContext("the wrapped key belongs to another object, or was altered") from None
                raise KeyUnavailable(
                    f"{self.uri}: the token failed ({name}); check that it is present"
                ) from None


def open_pkcs11(uri: str, rest: str) -> Pkcs11Keys:
    """Open `pkcs11:MODULE?token=LABEL&key=NAME&pin_file=PATH`; makes the first key where there is none."""
    place, options = split_options(uri, rest, frozenset({"token", "key", "pin_file"}))
    if not place or len(options) != 3:
        raise UriInvalid(f"key back end {uri!r} is not pkcs11:MODULE?token=LABEL&key=NAME&pin_file=PATH")
    try:
        module: Any = importlib.import_module("pkcs11")
    except ModuleNotFoundError:
        raise KeyUnavailable("PKCS#11 needs the package python-pkcs11; install it") from None
    pin = read_secret(Path(options["pin_file"]))
    try:
        token = module.lib(place).get_token(token_label=options["token"])
        session = _log_in(module, token, pin)
    except module.PKCS11Error as error:
        name = type(error).__name__
        raise KeyUnavailable(f"{place}: token {options['token']!r} does not open ({name})") from None
    keys = Pkcs11Keys(module, session, options["key"])
    if not keys.versions():
        keys.rotate()
    return keys


def _log_in(module: Any, token: Any, pin: str) -> Any:
    """Open a session; the login is the process's, so a second one must not ask again."""
    try:
        return token.open(rw=True, user_pin=pin)
    except module.UserAlreadyLoggedIn:
        return token.open(rw=True)
