"""The test machine's way to take files as a directory (OPC 10000-20, 4.3), which its clients look after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.node import Node

from printer_agent.drivers.opcua.job_control import State, node_id

if TYPE_CHECKING:
    from tests.printer_agent.hosts.opcua_machine import Service

TEXT, NODE, FLAG, NUMBER = (
    ua.VariantType.String,
    ua.VariantType.NodeId,
    ua.VariantType.Boolean,
    ua.VariantType.UInt32,
)


class Files:
    """The FileSystem object; files outlive the server."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.machine = service.machine

    async def build(self, printer: Node) -> None:
        self.directory = await self.service.typed(
            printer, "FileSystem", node_id(ua.ObjectIds.FileDirectoryType), 0
        )
        await self.service.method(
            self.directory, "CreateFile", self.create_file, [TEXT, FLAG], [NODE, NUMBER], 0
        )
        await self.service.method(self.directory, "Delete", self.delete, [NODE], [], 0)
        await self.service.method(
            self.directory, "MoveOrCopy", self.move, [NODE, NODE, FLAG, TEXT], [NODE], 0
        )
        for path in sorted(self.machine.files.iterdir()):
            await self.file(path.name)

    async def file(self, name: str) -> Node:
        number = ua.NodeId(f"file.{name}", self.service.own)
        made = await self.directory.add_object(number, ua.QualifiedName(name, self.service.own))
        await self.service.file_methods(made, self.close)
        return made

    async def create_file(self, _: Any, name: ua.Variant, _open: ua.Variant) -> Any:
        path = self.machine.files / Path(name.Value).name
        if path.exists():
            return ua.StatusCode(ua.StatusCodes.BadBrowseNameDuplicated)
        path.touch()
        self.service.handle += 1
        self.machine.handles[self.service.handle] = path
        made = await self.file(path.name)
        return [ua.Variant(made.nodeid, NODE), ua.Variant(self.service.handle, NUMBER)]

    async def close(self, _: Any, handle: ua.Variant) -> Any:
        self.machine.handles.pop(handle.Value, None)
        return []

    async def delete(self, _: Any, node: ua.Variant) -> Any:
        name = str(node.Value.Identifier).removeprefix("file.")
        path = self.machine.files / name
        printing = any(job.path == name and job.state == State.RUNNING for job in self.machine.jobs)
        if printing or path in self.machine.handles.values():
            return ua.StatusCode(ua.StatusCodes.BadInvalidState)
        path.unlink(missing_ok=True)
        await self.service.server.delete_nodes([self.service.server.get_node(node.Value)], recursive=True)
        return []

    async def move(self, _: Any, node: ua.Variant, _to: Any, _copy: Any, name: ua.Variant) -> Any:
        old = self.machine.files / str(node.Value.Identifier).removeprefix("file.")
        new = self.machine.files / Path(name.Value).name
        if new.exists():
            return ua.StatusCode(ua.StatusCodes.BadBrowseNameDuplicated)
        old.rename(new)
        await self.service.server.delete_nodes([self.service.server.get_node(node.Value)], recursive=True)
        made = await self.file(new.name)
        return [ua.Variant(made.nodeid, NODE)]

    def name(self, _node: ua.NodeId | None, _path: str) -> bool:
        """Let an order have its file, which has its name already."""
        return True

    def refuse(self, node: ua.NodeId | None) -> None:
        """Keep what a refused order named: its client deletes it."""

    def forget(self, path: str) -> None:
        """Keep the file of an order that was cleared: its client deletes it."""
