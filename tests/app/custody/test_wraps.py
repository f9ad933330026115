"""Wraps are written under the current version, and exchanged only where they are what was read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from app.custody import wraps
from app.errors import Unavailable
from app.models import WrappedSecret
from storage.errors import KeyUnavailable, WrongContext
from storage.keys import open_keys
from tests.app.custody.holding import Holding, context

NEW = context(900)


def row_of(held: Holding, number: int) -> WrappedSecret:
    each = context(number)
    with held.database.read() as session:
        query = select(WrappedSecret).where(WrappedSecret.object_id == each.object_id)
        return session.exec(query).one()


class TestKeep:
    def test_brings_a_wrap_of_before_a_rotation_under_the_new_version(self, held: Holding) -> None:
        key, wrapped = held.keys.generate(NEW)
        open_keys(held.keys.uri).rotate()  # another process
        with held.database.write() as session:
            wraps.keep(session, held.keys, NEW, wrapped, 1)
        with held.database.read() as session:
            kept = wraps.get(session, NEW)
        assert kept.version == "2"
        assert held.keys.unwrap(kept, NEW) == key

    def test_says_what_to_do_where_the_version_was_destroyed_since(self, held: Holding) -> None:
        _, wrapped = held.keys.generate(NEW)
        other = open_keys(held.keys.uri)
        other.rotate()
        other.destroy("1")
        with (
            pytest.raises(Unavailable, match=r"version 1 was destroyed.*send the file again"),
            held.database.write() as session,
        ):
            wraps.keep(session, held.keys, NEW, wrapped, 1)
        with held.database.read() as session:
            assert wraps.find(session, NEW) is None

    def test_leaves_another_refusal_as_it_is(self, held: Holding) -> None:
        _, wrapped = held.keys.generate(context(901))
        held.keys.rotate()
        with pytest.raises(WrongContext), held.database.write() as session:
            wraps.keep(session, held.keys, NEW, wrapped, 1)

    def test_leaves_a_failing_back_end_as_it_is(self, held: Holding) -> None:
        _, wrapped = held.keys.generate(NEW)
        foreign = type(wrapped)("another", "1", wrapped.blob)
        held.keys.rotate()
        with pytest.raises(KeyUnavailable, match="another"), held.database.write() as session:
            wraps.keep(session, held.keys, NEW, foreign, 1)


class TestSwap:
    def test_puts_the_new_wrap_in_place(self, held: Holding) -> None:
        read, each = row_of(held, 3), context(3)
        held.keys.rotate()
        with held.database.write() as session:
            old = wraps.get(session, each)
            assert wraps.swap(session, read, held.keys.rewrap(old, each))
        assert held.under() == {"1": 11, "2": 1}
        assert held.unopened() == []

    @pytest.mark.parametrize("change", [{"blob": bytes(60)}, {"key_version": "7"}, {"keyring": "x"}])
    def test_leaves_a_row_that_changed_since_it_was_read(self, held: Holding, change: dict[str, Any]) -> None:
        read, each = row_of(held, 3), context(3)
        held.alter(3, **change)
        changed = held.rows("select * from wrapped_keys where object_id = :id", id=each.object_id)
        with held.database.write() as session:
            assert not wraps.swap(session, read, held.keys.generate(each)[1])
        assert held.rows("select * from wrapped_keys where object_id = :id", id=each.object_id) == changed

    def test_brings_nothing_back_that_was_shredded(self, held: Holding) -> None:
        read, each = row_of(held, 3), context(3)
        with held.database.write() as session:
            assert wraps.forget(session, each)
        with held.database.write() as session:
            assert not wraps.swap(session, read, held.keys.generate(each)[1])
            assert wraps.find(session, each) is None
