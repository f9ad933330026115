"""The key back end's contract, run on every one: subclass it and give it `keys` and `stranger`."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import pytest

from storage.envelope import ObjectContext
from storage.errors import KeyUnavailable, StorageError, WrongContext
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

    altered: ClassVar[tuple[type[StorageError], ...]] = (WrongContext,)
    """What an altered blob is refused with."""

    @pytest.fixture
    def keys(self) -> KeyBackend:
        raise NotImplementedError

    @pytest.fixture
    def stranger(self) -> KeyBackend:
        """Another keyring of the same service, as another installation has."""
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

    @pytest.mark.parametrize("foreign", FOREIGN, ids=lambda context: f"{context}")
    def test_refuses_wraps_that_changed_places(self, keys: KeyBackend, foreign: ObjectContext) -> None:
        key, ours = keys.generate(CONTEXT)
        other, theirs = keys.generate(foreign)
        for wrapped, context in ((theirs, CONTEXT), (ours, foreign)):
            refuses(keys, wrapped, context)
        assert keys.unwrap(ours, CONTEXT) == key
        assert keys.unwrap(theirs, foreign) == other

    def test_refuses_the_wrap_of_an_object_whose_fields_run_together_alike(self, keys: KeyBackend) -> None:
        _, wrapped = keys.generate(ObjectContext("org_a", "b", 1, "k"))
        refuses(keys, wrapped, ObjectContext("org_", "ab", 1, "k"))

    def test_refuses_another_keyrings_wrap(self, keys: KeyBackend, stranger: KeyBackend) -> None:
        _, ours = keys.generate(CONTEXT)
        _, theirs = stranger.generate(CONTEXT)
        with pytest.raises(KeyUnavailable):
            keys.unwrap(theirs, CONTEXT)
        with pytest.raises(KeyUnavailable):
            keys.rewrap(theirs, CONTEXT)
        refuses(keys, dataclasses.replace(theirs, keyring=ours.keyring), CONTEXT)
        refuses(stranger, dataclasses.replace(ours, keyring=theirs.keyring), CONTEXT)

    def test_refuses_a_wrap_relabelled_with_another_version(self, keys: KeyBackend) -> None:
        _, old = keys.generate(CONTEXT)
        keys.rotate()
        new = keys.rewrap(old, CONTEXT)
        assert old.version != new.version
        refuses(keys, dataclasses.replace(old, version=new.version), CONTEXT)
        refuses(keys, dataclasses.replace(new, version=old.version), CONTEXT)

    @pytest.mark.parametrize("spelling", ["0{}", " {}", "+{}", "{}.0", "٣", "", "-1"])
    def test_refuses_a_version_in_another_spelling(self, keys: KeyBackend, spelling: str) -> None:
        _, wrapped = keys.generate(CONTEXT)
        foreign = dataclasses.replace(wrapped, version=spelling.format(wrapped.version))
        with pytest.raises((KeyUnavailable, WrongContext)):
            keys.unwrap(foreign, CONTEXT)
        with pytest.raises((KeyUnavailable, WrongContext)):
            keys.rewrap(foreign, CONTEXT)

    def test_refuses_a_blob_altered_anywhere(self, keys: KeyBackend) -> None:
        _, wrapped = keys.generate(CONTEXT)
        step = max(1, len(wrapped.blob) // 16)
        for at in (*range(0, len(wrapped.blob), step), len(wrapped.blob) - 1):
            altered = bytearray(wrapped.blob)
            altered[at] ^= 1
            with pytest.raises(self.altered):
                keys.unwrap(dataclasses.replace(wrapped, blob=bytes(altered)), CONTEXT)

    @pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 5), slice(0, -1), slice(1, None)])
    def test_refuses_a_shortened_blob(self, keys: KeyBackend, cut: slice) -> None:
        _, wrapped = keys.generate(CONTEXT)
        with pytest.raises(self.altered):
            keys.unwrap(dataclasses.replace(wrapped, blob=wrapped.blob[cut]), CONTEXT)

    @pytest.mark.parametrize("more", [b"\0", b"=", b"A"])
    def test_refuses_a_lengthened_blob(self, keys: KeyBackend, more: bytes) -> None:
        _, wrapped = keys.generate(CONTEXT)
        refuses(keys, dataclasses.replace(wrapped, blob=wrapped.blob + more), CONTEXT)

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


def refuses(keys: KeyBackend, wrapped: WrappedKey, context: ObjectContext) -> None:
    """Both ways in give the named reason, and nothing else."""
    with pytest.raises(WrongContext):
        keys.unwrap(wrapped, context)
    with pytest.raises(WrongContext):
        keys.rewrap(wrapped, context)
