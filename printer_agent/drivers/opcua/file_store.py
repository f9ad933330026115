"""The machine's job store: a directory of files by OPC 10000-20 (FileDirectoryType, FileType)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaStatusCodeError

from printer_agent.errors import DriverError

DIRECTORY_TYPE: Final = ObjectIds.FileDirectoryType
DIRECTORY_NAME: Final = "FileSystem"
_DUPLICATE, _GONE = "BadBrowseNameDuplicated", ("BadNotFound", "BadNodeIdUnknown")


@dataclass(frozen=True)
class OpenFile:
    """A file that is being written, with the handle the server gave for it."""

    node: ua.NodeId
    handle: int


@dataclass(frozen=True)
class FileStore:
    """One directory of a server; names are looked for in it alone."""

    directory: ua.NodeId

    async def find(self, client: Client, name: str) -> ua.NodeId | None:
        """Give the file of this name; None where there is none."""
        children = await client.get_node(self.directory).get_children_descriptions()
        found = [child.NodeId for child in children if child.BrowseName.Name == name]
        return found[0] if found else None

    async def create(self, client: Client, name: str) -> OpenFile:
        """Make an empty file, open for writing; DriverError ("exists") where the name is taken."""
        wish = [ua.Variant(name, ua.VariantType.String), ua.Variant(True, ua.VariantType.Boolean)]
        node, handle = await self._named(client, name, "CreateFile", wish)
        return OpenFile(node, handle)

    async def write(self, client: Client, file: OpenFile, piece: bytes) -> None:
        """Append to an open file; `piece` fits into one message."""
        arguments = [_handle(file), ua.Variant(piece, ua.VariantType.ByteString)]
        await _call(client, file.node, "Write", arguments)

    async def close(self, client: Client, file: OpenFile) -> None:
        """Close a file that was written."""
        await _call(client, file.node, "Close", [_handle(file)])

    async def rename(self, client: Client, node: ua.NodeId, name: str) -> ua.NodeId:
        """Give a closed file another name; give its node. DriverError ("exists") where the name is taken."""
        wish = [
            ua.Variant(node, ua.VariantType.NodeId),
            ua.Variant(self.directory, ua.VariantType.NodeId),
            ua.Variant(False, ua.VariantType.Boolean),
            ua.Variant(name, ua.VariantType.String),
        ]
        (moved,) = await self._named(client, name, "MoveOrCopy", wish)
        return cast("ua.NodeId", moved)

    async def delete(self, client: Client, name: str) -> None:
        """Delete the file of this name; none is well too."""
        node = await self.find(client, name)
        if node is None:
            return
        try:
            await _call(client, self.directory, "Delete", [ua.Variant(node, ua.VariantType.NodeId)])
        except UaStatusCodeError as error:
            if ua.StatusCode(error.code).name not in _GONE:
                raise

    async def _named(self, client: Client, name: str, method: str, arguments: list[ua.Variant]) -> list[Any]:
        """Call a method of the directory that makes a file of this name; DriverError where it is taken."""
        try:
            return await _call(client, self.directory, method, arguments)
        except UaStatusCodeError as error:
            if ua.StatusCode(error.code).name != _DUPLICATE:
                raise
            raise DriverError(
                "exists", f"the machine has {name} already, and it is never overwritten", "delete it"
            ) from error


def _handle(file: OpenFile) -> ua.Variant:
    return ua.Variant(file.handle, ua.VariantType.UInt32)


async def _call(client: Client, owner: ua.NodeId, name: str, arguments: list[ua.Variant]) -> list[Any]:
    """Call a method of the standard's namespace; give its outputs."""
    method = await client.get_node(owner).get_child(f"0:{name}")
    request = ua.CallMethodRequest(ObjectId=owner, MethodId=method.nodeid, InputArguments=arguments)
    (result,) = await client.uaclient.session.call([request])
    result.StatusCode.check()
    return [output.Value for output in result.OutputArguments]
