"""The test machine's way to take files by temporary transfers (OPC 10000-20, 4.4), instead of a FileSystem.

What it took has no name until a job order names the transfer's node; a refused order's content goes, and what
an order took goes with the order. Nothing of a transfer outlives the server.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.node import Node

from printer_agent.drivers.opcua.job_control import node_id

if TYPE_CHECKING:
    from tests.printer_agent.hosts.opcua_machine import Service

ANY, TEXT = node_id(ua.ObjectIds.BaseDataType), node_id(ua.ObjectIds.String)
FIRMWARE = node_id(ua.ObjectIds.OptionSet)
OPTIONS = {"none": ANY, "name": TEXT, "own": FIRMWARE}
IDLE = node_id(ua.ObjectIds.FileTransferStateMachineType_Idle)
APPLYING = node_id(ua.ObjectIds.FileTransferStateMachineType_ApplyWrite)
ERROR = node_id(ua.ObjectIds.FileTransferStateMachineType_Error)


class Transfers:
    """The transfer object; `taken` are whole files that no order names yet, by the text of their node."""

    def __init__(self, service: Service, options: str) -> None:
        self.service = service
        self.machine = service.machine
        self.options = OPTIONS[options]
        self.nodes: dict[int, Node] = {}
        self.taken: dict[str, Path] = {}

    async def build(self, printer: Node) -> None:
        for left in self.machine.files.glob("transfer-*"):
            left.unlink()
        kind = node_id(ua.ObjectIds.TemporaryFileTransferType)
        self.object = await self.service.typed(printer, "Upload", kind)
        number, node = ua.VariantType.UInt32, ua.VariantType.NodeId
        wish = ua.Argument(Name="GenerateOptions", DataType=self.options, ValueRank=-1)
        method = self.service.method
        await method(self.object, "GenerateFileForWrite", self.generate, [wish], [node, number], 0)
        await method(self.object, "CloseAndCommit", self.commit, [number], [node], 0)

    async def generate(self, _: Any, options: ua.Variant) -> Any:
        named = self.options == TEXT
        if self.options == FIRMWARE or (options.VariantType is ua.VariantType.String) is not named:
            return ua.StatusCode(ua.StatusCodes.BadInvalidArgument)
        self.service.handle += 1
        handle = self.service.handle
        path = self.machine.files / f"transfer-{handle}"
        path.touch()
        self.machine.handles[handle] = path
        self.nodes[handle] = await self.hidden(f"transfer.{handle}", ua.ObjectIds.FileType)
        await self.service.file_methods(self.nodes[handle], self.close)
        return [
            ua.Variant(self.nodes[handle].nodeid, ua.VariantType.NodeId),
            ua.Variant(handle, ua.VariantType.UInt32),
        ]

    async def hidden(self, name: str, kind: int) -> Node:
        """An object that nobody finds by browsing."""
        made = await self.service.typed(self.object, name, node_id(kind), 0)
        await self.object.delete_reference(made, ua.ObjectIds.HasComponent)
        return made

    async def close(self, _: Any, handle: ua.Variant) -> Any:
        path = self.machine.handles.pop(handle.Value, None)
        if path is None:
            return ua.StatusCode(ua.StatusCodes.BadInvalidArgument)
        path.unlink()
        return []

    async def commit(self, _: Any, handle: ua.Variant) -> Any:
        path = self.machine.handles.pop(handle.Value, None)
        if path is None:
            return ua.StatusCode(ua.StatusCodes.BadInvalidArgument)
        ways = self.machine.ways()
        self.taken[self.nodes[handle.Value].nodeid.to_string()] = path
        if not ways.applies_after_s:
            return [ua.Variant(ua.NodeId(), ua.VariantType.NodeId)]
        progress = await self.hidden(f"state.{handle.Value}", ua.ObjectIds.FileTransferStateMachineType)
        current = await progress.add_variable(self.number(progress, "CurrentState"), "0:CurrentState", "")
        state = await current.add_property(self.number(current, "Id"), "0:Id", APPLYING)
        await self.service.method(progress, "Reset", self.reset, [], [], 0)
        self.applying = asyncio.create_task(self.apply(state, path, ways.applies_after_s, ways.spoils))
        return [ua.Variant(progress.nodeid, ua.VariantType.NodeId)]

    def number(self, owner: Node, name: str) -> ua.NodeId:
        return ua.NodeId(f"{owner.nodeid.Identifier}.{name}", self.service.own)

    async def apply(self, state: Node, path: Path, after_s: float, spoils: bool) -> None:
        await asyncio.sleep(after_s)
        if spoils:
            self.drop(path)
        await state.write_value(ERROR if spoils else IDLE)

    def drop(self, path: Path) -> None:
        path.unlink()

    async def reset(self, _: Any) -> Any:
        return []

    def name(self, node: ua.NodeId | None, path: str) -> bool:
        """Let an order have what was taken; whether there is such. One without a node names its own file."""
        if node is None:
            return True
        taken = self.taken.pop(node.to_string(), None)
        if taken is None or not taken.exists():
            return False
        taken.rename(self.machine.files / path)
        return True

    def refuse(self, node: ua.NodeId | None) -> None:
        """Drop what a refused order named."""
        if node is not None:
            self.taken.pop(node.to_string(), Path("none")).unlink(missing_ok=True)

    def forget(self, path: str) -> None:
        """Drop the file of an order that was cleared: it has no name for its client to delete."""
        (self.machine.files / path).unlink(missing_ok=True)
