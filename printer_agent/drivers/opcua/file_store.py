"""A job store that is a directory of files (OPC 10000-20, 4.3: FileDirectoryType, FileType)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaStatusCodeError

from printer_agent.drivers.opcua.job_store import OpenFile, call, close
from printer_agent.errors import DriverError

DIRECTORY_TYPE: Final = ObjectIds.FileDirectoryType
DIRECTORY_NAME: Final = "FileSystem"
_DUPLICATE, _GONE = "BadBrowseNameDuplicated", ("BadNotFound", "BadNodeIdUnknown")


@dataclass(frozen=True)
class FileStore:
    """One directory of a server; names are looked for in it alone. See `job_store.JobStore`."""

    directory: ua.NodeId
    words = "keeps files"

    async def find(self, client: Client, name: str) -> ua.NodeId | None:
        """Give the file of this name; None where there is none."""
        children = await client.get_node(self.directory).get_children_descriptions()
        found = [child.NodeId for child in children if child.BrowseName.Name == name]
        return found[0] if found else None

    async def create(self, client: Client, name: str) -> OpenFile:
        """Make an empty file under the name of what is not whole yet."""
        wish = [ua.Variant(_part(name), ua.VariantType.String), ua.Variant(True, ua.VariantType.Boolean)]
        node, handle = await self._named(client, _part(name), "CreateFile", wish)
        return OpenFile(node, handle)

    async def keep(self, client: Client, file: OpenFile, name: str) -> ua.NodeId:
        """Close the file and give it its name; DriverError ("exists") where the name is taken."""
        await close(client, file)
        wish = [
            ua.Variant(file.node, ua.VariantType.NodeId),
            ua.Variant(self.directory, ua.VariantType.NodeId),
            ua.Variant(False, ua.VariantType.Boolean),
            ua.Variant(name, ua.VariantType.String),
        ]
        (moved,) = await self._named(client, name, "MoveOrCopy", wish)
        return cast("ua.NodeId", moved)

    async def delete_unfinished(self, client: Client, name: str) -> None:
        """Delete the part of a file that was never whole."""
        await self._delete(client, _part(name))

    async def delete(self, client: Client, name: str) -> None:
        """Delete the file of this name and its part."""
        await self._delete(client, _part(name))
        await self._delete(client, name)

    async def _delete(self, client: Client, name: str) -> None:
        node = await self.find(client, name)
        if node is None:
            return
        try:
            await call(client, self.directory, "Delete", [ua.Variant(node, ua.VariantType.NodeId)])
        except UaStatusCodeError as error:
            if ua.StatusCode(error.code).name not in _GONE:
                raise

    async def _named(self, client: Client, name: str, method: str, arguments: list[ua.Variant]) -> list[Any]:
        """Call a method of the directory that makes a file of this name; DriverError where it is taken."""
        try:
            return await call(client, self.directory, method, arguments)
        except UaStatusCodeError as error:
            if ua.StatusCode(error.code).name != _DUPLICATE:
                raise
            raise DriverError(
                "exists", f"the machine has {name} already, and it is never overwritten", "delete it"
            ) from error


def _part(name: str) -> str:
    return f"{name}.part"
