"""Tests of the file in memory."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from printer_agent.memory_file import MemoryFile


@pytest.fixture(params=["memfd", "heap"])
def no_memfd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "heap":
        monkeypatch.delattr(os, "memfd_create", raising=False)


class TestMemoryFile:
    @given(st.lists(st.binary(max_size=4000), max_size=8))
    def test_gives_back_what_it_took(self, pieces: list[bytes]) -> None:
        with MemoryFile() as file:
            file.fill(pieces)
            assert b"".join(file.pieces()) == b"".join(pieces)
            assert file.size == sum(map(len, pieces))
            assert file.sha256 == hashlib.sha256(b"".join(pieces)).digest()

    @pytest.mark.usefixtures("no_memfd")
    def test_can_be_read_again(self) -> None:
        with MemoryFile() as file:
            file.fill([b"x" * 3_000_000])
            assert b"".join(file.pieces()) == b"".join(file.pieces()) == b"x" * 3_000_000

    @pytest.mark.usefixtures("no_memfd")
    def test_is_empty_after_close(self) -> None:
        file = MemoryFile()
        file.fill([b"secret"])
        file.close()
        file.close()
        assert list(file.pieces()) == []

    def test_overwrites_before_it_goes(self) -> None:
        file = MemoryFile()
        file.fill([b"secret" * 400_000])
        assert file._descriptor is not None
        kept = os.dup(file._descriptor)
        try:
            file.close()
            assert not any(os.pread(kept, 3_000_000, 0))
        finally:
            os.close(kept)
