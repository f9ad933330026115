from __future__ import annotations

import hashlib
import os

import pytest

from storage.digest import BackgroundDigest


class TestBackgroundDigest:
    @pytest.mark.parametrize("sizes", [[], [0], [5], [1 << 20, 3, 1 << 18, 0, 1 << 20]])
    def test_equals_the_plain_hash(self, sizes: list[int]) -> None:
        pieces = [os.urandom(size) for size in sizes]
        with BackgroundDigest() as digest:
            for piece in pieces:
                digest.update(piece)
            assert digest.finish() == hashlib.sha256(b"".join(pieces)).digest()
            assert digest.bytes == sum(sizes)

    def test_lets_a_buffer_be_reused_after_settle(self) -> None:
        buffer = bytearray(b"a" * (1 << 20))
        with BackgroundDigest() as digest:
            digest.update(buffer)
            digest.settle()
            buffer[:] = b"b" * len(buffer)
            digest.update(buffer)
            expected = hashlib.sha256(b"a" * (1 << 20) + b"b" * (1 << 20))
            assert digest.finish() == expected.digest()
