from __future__ import annotations

import pytest

from storage.backends import open_objects
from storage.errors import UriInvalid


class TestOpenObjects:
    @pytest.mark.parametrize("uri", ["", "local", "local:", "memory:x", "ftp://x", "/plain/path"])
    def test_refuses_an_unknown_address(self, uri: str) -> None:
        with pytest.raises(UriInvalid):
            open_objects(uri)
