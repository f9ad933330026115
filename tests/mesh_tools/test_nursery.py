"""The process server's own end."""

from __future__ import annotations

import socket
from typing import Any

from mesh_tools.nursery import Nursery


def no_work(*_: Any) -> Any:
    raise AssertionError("nobody asked for work")


class TestServe:
    def test_ends_when_its_parent_was_killed_before_it_read_the_last_word(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            theirs.send(b"ready")
            ours.close()
            Nursery(theirs, no_work, isolated=True).serve()
