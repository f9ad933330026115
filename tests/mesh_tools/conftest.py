"""One sandbox for the tests of a process: starting the server costs more than an inspection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mesh_tools.gate import Policy
from mesh_tools.inspect import Inspection
from mesh_tools.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


class Gate:
    """Short words for the tests: a file's bytes in, what refused it out."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def inspect(self, data: bytes, filename: str = "part.stl", policy: Policy | None = None) -> Inspection:
        return self.sandbox.inspect([data], filename=filename, policy=policy or Policy(), pictures=False)

    def reasons(self, data: bytes, filename: str = "part.stl", policy: Policy | None = None) -> set[str]:
        return {found.code for found in self.inspect(data, filename, policy).reasons}


@pytest.fixture(scope="session")
def gate(sandbox: Sandbox) -> Gate:
    return Gate(sandbox)
