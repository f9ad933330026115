from __future__ import annotations

import secrets
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_tools.errors import Refused
from mesh_tools.secure_content.cipher_file import decrypt, encrypt, inflate
from mesh_tools.secure_content.keys import ContentKey

KEY, IV, AAD = ContentKey(bytes(range(32))), bytes(12), b"aad"


def deflated(plain: bytes) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeezer.compress(plain) + squeezer.flush()


class TestEncrypt:
    @given(st.binary(max_size=500))
    def test_comes_back(self, plain: bytes) -> None:
        data, tag = encrypt(plain, KEY, IV, AAD)
        assert decrypt(data, KEY, iv=IV, tag=tag, aad=AAD, name="x") == plain

    def test_has_the_header_of_appendix_d(self) -> None:
        data, tag = encrypt(b"plain", KEY, IV, AAD)
        assert data[:12] == b"%3McF\0\0\0\x0c\0\0\0"
        assert (len(data), len(tag)) == (17, 16)


class TestDecrypt:
    def test_passes_over_reserved_header_data(self) -> None:
        data, tag = encrypt(b"plain", KEY, IV, AAD)
        longer = data[:8] + b"\x10\0\0\0" + b"data" + data[12:]
        assert decrypt(longer, KEY, iv=IV, tag=tag, aad=AAD, name="x") == b"plain"

    @pytest.mark.parametrize("change", ["key", "iv", "tag", "aad"])
    def test_refuses_another(self, change: str) -> None:
        data, tag = encrypt(b"plain", KEY, IV, AAD)
        given = {"key": KEY, "iv": IV, "tag": tag, "aad": AAD}
        given[change] = ContentKey.generate() if change == "key" else secrets.token_bytes(len(given[change]))  # type: ignore[arg-type]
        with pytest.raises(Refused, match=r"package\.ciphertext"):
            decrypt(data, name="x", **given)  # type: ignore[arg-type]


class TestInflate:
    def test_undoes_raw_deflate(self) -> None:
        assert inflate(deflated(b"x" * 1000), "x", bytes_max=1000) == b"x" * 1000

    def test_refuses_a_bomb(self) -> None:
        with pytest.raises(Refused, match=r"package\.limit"):
            inflate(deflated(bytes(32 << 20)), "x", bytes_max=1 << 30)

    @pytest.mark.parametrize("room", [0, 999])
    def test_refuses_more_than_there_is_room_for(self, room: int) -> None:
        with pytest.raises(Refused, match=r"package\.limit"):
            inflate(deflated(b"x" * 1000), "x", bytes_max=room)

    @pytest.mark.parametrize("data", [b"", deflated(b"plain")[:-1], deflated(b"plain") + b"x", b"\xff\xff"])
    def test_refuses_what_does_not_end_where_it_ends(self, data: bytes) -> None:
        with pytest.raises(Refused, match=r"package\.ciphertext"):
            inflate(data, "x", bytes_max=1000)
