from __future__ import annotations

import io
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from mesh_tools.limits import Limits
from mesh_tools.secure_content.container import is_exactly, stored
from mesh_tools.threemf.archive import Archive

NAMES = st.from_regex("x/[abcäß_.-]{0,7}[abß]", fullmatch=True)
PARTS = st.dictionaries(NAMES, st.binary(max_size=100), max_size=5)


class TestStored:
    @given(PARTS)
    def test_is_a_zip_file_to_others(self, parts: dict[str, bytes]) -> None:
        with zipfile.ZipFile(io.BytesIO(b"".join(stored(parts)))) as archive:
            assert archive.testzip() is None
            assert {name: archive.read(name) for name in archive.namelist()} == parts

    def test_is_one_to_our_strict_reader(self) -> None:
        parts = {"a": b"", "3D/ä.model": b"content"}
        archive = Archive(memoryview(b"".join(stored(parts))), Limits())
        assert {name: archive.read(entry) for name, entry in archive.entries.items()} == parts


class TestIsExactly:
    @given(PARTS, st.data())
    def test_notices_every_other_byte(self, parts: dict[str, bytes], data: st.DataObject) -> None:
        whole = b"".join(stored(parts))
        assert is_exactly(memoryview(whole), stored(parts))
        place = data.draw(st.integers(0, len(whole) - 1))
        changed = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
        assert not is_exactly(memoryview(changed), stored(parts))
        assert not is_exactly(memoryview(whole + b"\0"), stored(parts))
        assert not is_exactly(memoryview(whole[:-1]), stored(parts))
