"""A job store that takes files by temporary transfers alone (OPC 10000-20, 4.4: TemporaryFileTransferType).

What the specification guarantees: the temporary file is seen by nobody else, is given up by Close, is deleted
when the session ends while it is open, and when CloseAndCommit has completed. What the machine made of the
content by then has no name and no node: it goes with the job order that names the transfer, and there is no
call that deletes it alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.object_ids import ObjectIds

from printer_agent.drivers.opcua.job_control import node_id
from printer_agent.drivers.opcua.job_store import OpenFile, call, handle_of
from printer_agent.errors import DriverError

TRANSFER_TYPE: Final = ObjectIds.TemporaryFileTransferType
_ANYTHING, _TEXT = node_id(ObjectIds.BaseDataType), node_id(ObjectIds.String)
_IDLE = node_id(ObjectIds.FileTransferStateMachineType_Idle)
_ERROR = node_id(ObjectIds.FileTransferStateMachineType_Error)
_LOOK_PAUSE_S = 0.2


@dataclass(frozen=True)
class TemporaryTransfer:
    """One transfer object of a server. See `job_store.JobStore`."""

    transfer: ua.NodeId
    words = "takes temporary transfers"

    async def find(self, _client: Client, _name: str) -> ua.NodeId | None:
        """Give None: what was transferred cannot be looked for."""
        return None

    async def create(self, client: Client, name: str) -> OpenFile:
        """Call GenerateFileForWrite: with the name where its options are a String, else without options.

        DriverError ("transfer_options") where the machine wants options of its own.
        """
        node, handle = await call(
            client, self.transfer, "GenerateFileForWrite", [await self._options(client, name)]
        )
        return OpenFile(node, handle)

    async def keep(self, client: Client, file: OpenFile, name: str) -> ua.NodeId:
        """Call CloseAndCommit and wait until the machine has applied the content.

        DriverError ("not_applied") where it says that it could not. The given node is the temporary file's,
        by which a job order names the transfer.
        """
        (progress,) = await call(client, self.transfer, "CloseAndCommit", [handle_of(file)])
        while progress is not None and not progress.is_null():
            current = client.get_node(progress)
            state = await (await current.get_child(["0:CurrentState", "0:Id"])).read_value()
            if state == _IDLE:
                break
            if state == _ERROR:
                await call(client, progress, "Reset", [])
                raise DriverError("not_applied", f"the machine could not apply {name}", "see its own log")
            await asyncio.sleep(_LOOK_PAUSE_S)
        return file.node

    async def delete_unfinished(self, _client: Client, _name: str) -> None:
        """Do nothing: the machine deletes it, at the latest with the session."""

    async def delete(self, _client: Client, _name: str) -> None:
        """Do nothing: what was transferred goes with its job order."""

    async def _options(self, client: Client, name: str) -> ua.Variant:
        takes = await client.get_node(self.transfer).get_child(["0:GenerateFileForWrite", "0:InputArguments"])
        arguments = await takes.read_value() or []
        wanted = arguments[0].DataType if arguments else _ANYTHING
        if wanted == _TEXT:
            return ua.Variant(name, ua.VariantType.String)
        if wanted == _ANYTHING:
            return ua.Variant(None)
        raise DriverError(
            "transfer_options",
            f"the machine takes files with options of type {wanted.to_string()} alone",
            "this driver knows no options but a name: ask the machine's maker for a FileSystem",
        )
