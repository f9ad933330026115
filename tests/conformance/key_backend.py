"""The key back end's contract, run on every one: subclass it and give it a `keys` fixture."""

from __future__ import annotations

import dataclasses

import pytest

from storage.envelope import ObjectContext
from storage.errors import KeyUnavailable, WrongContext
from storage.keys.base import KeyBackend, WrappedKey
from storage.secret import DataKey

CONTEXT = ObjectContext("org_a", "rev_1", 3, "print-file")
FOREIGN = [
    dataclasses.replace(CONTEXT, tenant="org_b"),
    dataclasses.replace(CONTEXT, object_id="rev_2"),
    dataclasses.replace(CONTEXT, version=4),
    dataclasses.replace(CONTEXT, kind="thumbnail"),
]


class KeyBackendContract:
    """Every method is one promise of the port's docstrings."""

    @pytest.fixture
    def keys(self) -> KeyBackend:
        raise NotImplementedError

    def test_unwraps_what_it_generated(self, keys: KeyBackend) -> None:
        key, wrapped = keys.generate(CONTEXT)
        assert keys.unwrap(wrapped, CONTEXT) == key
        assert key.reveal() not in wrapped.blob

    def test_generates_a_fresh_key_each_time(self, keys: KeyBackend) -> None:
        first, second = keys.generate(CONTEXT), keys.generate(CONTEXT)
        assert first[0] != second[0]
        assert first[1].blob != second[1].blob

    def test_wraps_a_given_secret(self, keys: KeyBackend) -> None:
        secret = DataKey(bytes(range(32)))
        wrapped = keys.wrap(secret, CONTEXT)
        assert keys.unwrap(wrapped, CONTEXT) == secret
        assert secret.reveal() == bytes(range(32))

    def test_survives_json(self, keys: KeyBackend) -> None:
        key, wrapped = keys.generate(CONTEXT)
        assert keys.unwrap(WrappedKey.from_json(wrapped.to_json()), CONTEXT) == key

    @pytest.mark.parametrize("foreign", FOREIGN, ids=lambda context: f"{context}")
    def test_refuses_another_context(self, keys: KeyBackend, foreign: ObjectContext) -> None:
        _, wrapped = keys.generate(CONTEXT)
        with pytest.raises(WrongContext):
            keys.unwrap(wrapped, foreign)
        with pytest.raises(WrongContext):
            keys.rewrap(wrapped, foreign)

    @pytest.mark.parametrize("at", [0, -1])
    def test_refuses_an_altered_blob(self, keys: KeyBackend, at: int) -> None:
        _, wrapped = keys.generate(CONTEXT)
        altered = bytearray(wrapped.blob)
        altered[at] ^= 1
        with pytest.raises((WrongContext, KeyUnavailable)):
            keys.unwrap(dataclasses.replace(wrapped, blob=bytes(altered)), CONTEXT)

    @pytest.mark.parametrize("blob", [b"", b"short"])
    def test_refuses_a_blob_of_another_length(self, keys: KeyBackend, blob: bytes) -> None:
        _, wrapped = keys.generate(CONTEXT)
        with pytest.raises((WrongContext, KeyUnavailable)):
            keys.unwrap(dataclasses.replace(wrapped, blob=blob), CONTEXT)

    def test_refuses_another_keyring_and_an_unknown_version(self, keys: KeyBackend) -> None:
        _, wrapped = keys.generate(CONTEXT)
        with pytest.raises(KeyUnavailable):
            keys.unwrap(dataclasses.replace(wrapped, keyring="someone-elses"), CONTEXT)
        with pytest.raises(KeyUnavailable):
            keys.unwrap(dataclasses.replace(wrapped, version="9999"), CONTEXT)

    def test_rotates_without_losing_old_wraps(self, keys: KeyBackend) -> None:
        key, old = keys.generate(CONTEXT)
        before = keys.current_version()
        assert old.version == before
        after = keys.rotate()
        assert after == keys.current_version() != before
        assert list(keys.versions())[-2:] == [before, after]
        assert keys.unwrap(old, CONTEXT) == key
        assert keys.generate(CONTEXT)[1].version == after

    def test_rewraps_to_the_current_version_once(self, keys: KeyBackend) -> None:
        key, old = keys.generate(CONTEXT)
        assert keys.rewrap(old, CONTEXT) == old
        keys.rotate()
        new = keys.rewrap(old, CONTEXT)
        assert new.version == keys.current_version()
        assert keys.unwrap(new, CONTEXT) == key
        assert keys.rewrap(new, CONTEXT) == new

    def test_destroys_an_old_version_for_ever(self, keys: KeyBackend) -> None:
        key, old = keys.generate(CONTEXT)
        keys.rotate()
        new = keys.rewrap(old, CONTEXT)
        keys.destroy(old.version)
        assert old.version not in keys.versions()
        with pytest.raises(KeyUnavailable):
            keys.unwrap(old, CONTEXT)
        assert keys.unwrap(new, CONTEXT) == key

    def test_never_destroys_the_current_version(self, keys: KeyBackend) -> None:
        key, wrapped = keys.generate(CONTEXT)
        with pytest.raises(KeyUnavailable):
            keys.destroy(keys.current_version())
        with pytest.raises(KeyUnavailable):
            keys.destroy("9999")
        assert keys.unwrap(wrapped, CONTEXT) == key

    def test_shows_no_secret(self, keys: KeyBackend) -> None:
        key, wrapped = keys.generate(CONTEXT)
        shown = repr((keys, key, wrapped, keys.uri))
        assert key.reveal().hex() not in shown
        assert repr(key.reveal()) not in shown
        assert repr(wrapped.blob) not in shown
