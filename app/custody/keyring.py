"""Which keyring a back end serves, proven by a throw-away key rather than believed."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import Conflict
from storage.envelope import ObjectContext
from storage.errors import KeyUnavailable
from storage.keys import KeyBackend

_PROOF = ObjectContext(tenant="service", object_id="keyring", version=1, kind="proof")


@dataclass(frozen=True)
class Home:
    """The keyring's name, as wraps carry it, and the version that is current."""

    keyring: str
    current: str


def prove(keys: KeyBackend) -> Home:
    """Wrap and open a throw-away key; raises `KeyUnavailable` where the current version does not do both."""
    current = keys.current_version()
    key, wrapped = keys.generate(_PROOF)
    with key, keys.unwrap(wrapped, _PROOF) as opened:
        if wrapped.version != current or opened != key:
            raise KeyUnavailable(
                f"{keys.uri} wraps under version {wrapped.version} and calls {current} current; "
                "wait until it agrees with itself, then run this again"
            )
    return Home(wrapped.keyring, current)


def require_home(home: Home, keyring: str, keys: KeyBackend) -> None:
    """Refuse to work on another keyring than the rows are of; Conflict."""
    if home.keyring != keyring:
        raise Conflict(
            f"the wrapped keys are of keyring {keyring}, {keys.uri} is {home.keyring}",
            remedy="correct PARTVAULT_KEYS, or restore the keyring from its backup",
        )
