"""Where a machine takes files (OPC 10000-20): what the driver needs of it, whichever way the machine offers.

Written pieces go to a file that no job order can name; `keep` makes it the one the order names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from asyncua import ua
from asyncua.client.client import Client


@dataclass(frozen=True)
class OpenFile:
    """A file that is being written, with the handle the server gave for it."""

    node: ua.NodeId
    handle: int


class JobStore(Protocol):
    """One machine's way to take files."""

    @property
    def words(self) -> str:
        """Say which way it is, for people."""
        ...

    async def find(self, client: Client, name: str, /) -> ua.NodeId | None:
        """Give the whole file of this name; None where there is none, or where the machine shows none."""
        ...

    async def create(self, client: Client, name: str) -> OpenFile:
        """Make an empty file, open for writing; DriverError ("exists") where the name is taken."""
        ...

    async def keep(self, client: Client, file: OpenFile, name: str) -> ua.NodeId:
        """Close a whole file and hand it over under this name; give the node that an order names."""
        ...

    async def delete_unfinished(self, client: Client, name: str, /) -> None:
        """Delete what a transfer that broke off left under this name; nothing is well too."""
        ...

    async def delete(self, client: Client, name: str, /) -> None:
        """Delete the file of this name, whole or not; none is well too."""
        ...


async def write(client: Client, file: OpenFile, piece: bytes) -> None:
    """Append to an open file; `piece` fits into one message."""
    await call(client, file.node, "Write", [handle_of(file), ua.Variant(piece, ua.VariantType.ByteString)])


async def close(client: Client, file: OpenFile) -> None:
    """Close an open file. A temporary one is given up by that (OPC 10000-20, 4.4.2)."""
    await call(client, file.node, "Close", [handle_of(file)])


def handle_of(file: OpenFile) -> ua.Variant:
    """Give the handle as the methods take it."""
    return ua.Variant(file.handle, ua.VariantType.UInt32)


async def call(client: Client, owner: ua.NodeId, name: str, arguments: list[ua.Variant]) -> list[Any]:
    """Call a method of the standard's namespace; give its outputs."""
    method = await client.get_node(owner).get_child(f"0:{name}")
    request = ua.CallMethodRequest(ObjectId=owner, MethodId=method.nodeid, InputArguments=arguments)
    (result,) = await client.uaclient.session.call([request])
    result.StatusCode.check()
    return [output.Value for output in result.OutputArguments]
