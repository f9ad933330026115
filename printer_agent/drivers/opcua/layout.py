"""Where a machine keeps its job control and its files: found by their types, not by a vendor's node ids."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

from printer_agent.drivers.opcua import layers
from printer_agent.drivers.opcua.file_store import DIRECTORY_NAME, DIRECTORY_TYPE, FileStore
from printer_agent.drivers.opcua.job_control import (
    NAMESPACE,
    PROVIDER_TYPE,
    RECEIVER_TYPE,
    JobControl,
    node_id,
)
from printer_agent.drivers.opcua.job_store import JobStore
from printer_agent.drivers.opcua.temporary_transfer import TRANSFER_TYPE, TemporaryTransfer
from printer_agent.errors import DriverError, SettingsError

_OBJECTS_MAX = 5000
_SKIPPED = (node_id(ObjectIds.Server), node_id(ObjectIds.TypesFolder))


@dataclass(frozen=True)
class Layout:
    """The objects of one machine that the driver works with.

    layers: index of OPC 40540's namespace; None where the server does not have it
    """

    jobs: JobControl
    files: JobStore
    layers: int | None


@dataclass(frozen=True)
class _Found:
    node: ua.NodeId
    parent: ua.NodeId
    type: ua.NodeId
    name: str


async def find_layout(client: Client, start: str) -> Layout:
    """Search below the node `start` (as text, `ns=2;s=Printer`), or below Objects where it is empty.

    Files go to the one FileSystem (OPC 10000-20, 4.3), whose files can be found and deleted by name; only
    where there is none, through the one object of TemporaryFileTransferType (4.4).

    DriverError ("no_job_control") where there is not exactly one job order receiver (OPC 10031-4) or no such
    place for files; SettingsError for a `start` that is no node id.
    """
    namespaces = await client.get_namespace_array()
    if NAMESPACE not in namespaces:
        raise _missing(client, "job control by OPC 10031-4, version 2")
    index = namespaces.index(NAMESPACE)
    receivers = await _with_subtypes(client, node_id(RECEIVER_TYPE, index))
    providers = await _with_subtypes(client, node_id(PROVIDER_TYPE, index))
    objects = await _objects(client, _start(start))
    taking = [found for found in objects if found.type in receivers]
    if len(taking) != 1:
        raise _missing(client, f"one job order receiver below {start or 'Objects'} but {len(taking)}")
    answering = [found for found in objects if found.type in providers]
    beside = [found for found in answering if found.parent == taking[0].parent] or answering
    provider = beside[0].node if len(beside) == 1 else None
    return Layout(
        JobControl(index, taking[0].node, provider),
        _job_store(client, objects, start),
        namespaces.index(layers.NAMESPACE) if layers.NAMESPACE in namespaces else None,
    )


def _job_store(client: Client, objects: list[_Found], start: str) -> JobStore:
    stores = [found for found in objects if _is_store(found)]
    transfers = [found for found in objects if _is_transfer(found)]
    if len(stores) == 1:
        return FileStore(stores[0].node)
    if not stores and len(transfers) == 1:
        return TemporaryTransfer(transfers[0].node)
    raise _missing(
        client,
        f"one {DIRECTORY_NAME} below {start or 'Objects'} but {len(stores)}, or, without one, one temporary"
        f" file transfer but {len(transfers)}",
    )


async def _objects(client: Client, start: ua.NodeId) -> list[_Found]:
    """Walk the hierarchy breadth first; files and what takes orders are not entered."""
    seen, waiting, found = {start}, deque([start]), list[_Found]()
    while waiting and len(seen) <= _OBJECTS_MAX:
        parent = waiting.popleft()
        node = client.get_node(parent)
        for child in await node.get_children_descriptions(nodeclassmask=ua.NodeClass.Object):
            if child.NodeId in seen or child.NodeId in _SKIPPED:
                continue
            seen.add(child.NodeId)
            one = _Found(child.NodeId, parent, child.TypeDefinition, child.BrowseName.Name)
            found.append(one)
            if not _is_store(one) and not _is_transfer(one):
                waiting.append(child.NodeId)
    return found


def _is_store(found: _Found) -> bool:
    return found.type == node_id(DIRECTORY_TYPE) and found.name == DIRECTORY_NAME


def _is_transfer(found: _Found) -> bool:
    """Whether it takes files of any kind: subtypes are for other things (recipes, firmware)."""
    return found.type == node_id(TRANSFER_TYPE)


async def _with_subtypes(client: Client, kind: ua.NodeId) -> set[ua.NodeId]:
    kinds, waiting = {kind}, [kind]
    while waiting:
        node = client.get_node(waiting.pop())
        for child in await node.get_children_descriptions(refs=ObjectIds.HasSubtype):
            if child.NodeId not in kinds:
                kinds.add(child.NodeId)
                waiting.append(child.NodeId)
    return kinds


def _start(text: str) -> ua.NodeId:
    if not text:
        return node_id(ObjectIds.ObjectsFolder)
    try:
        return ua.NodeId.from_string(text)
    except (ValueError, UaError) as error:
        raise SettingsError(
            "invalid_setting", f"PARTVAULT_PRINTER_HOST_NODE is {text!r}, no node id", "write ns=2;s=Name"
        ) from error


def _missing(client: Client, what: str) -> DriverError:
    return DriverError(
        "no_job_control",
        f"{client.server_url.geturl()} does not have {what}",
        "set PARTVAULT_PRINTER_HOST_NODE to the machine's node",
    )
