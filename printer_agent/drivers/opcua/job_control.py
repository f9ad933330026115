"""ISA-95 job control by OPC 10031-4, version 2: its structures, states and methods, as far as a print needs.

The structures are written and read here, by the fields of the specification's section 6.3, and never by code
generated from what a server says of its types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeVar

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from printer_agent.errors import DriverError

NAMESPACE: Final = "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/"
RECEIVER_TYPE: Final = 1002
PROVIDER_TYPE: Final = 1003
JOB_ORDER, JOB_RESPONSE, ORDER_AND_STATE = 5014, 5026, 5032
"""Numbers of the structures' binary encodings in the namespace."""
_NO_ERROR = 1
_RETURNED: Final = {
    1: "unknown job order",
    3: "wrong state",
    4: "job order not accepted",
    32: "invalid request",
}
"""Bits of ReturnStatus (annex B.2)."""
JOB_RESULT_UNSUCCESSFUL: Final = 2
"""JobResult of OPC 40001-3."""
_S = TypeVar("_S")


class State(IntEnum):
    """Numbers of a job order's top-level states."""

    NOT_ALLOWED_TO_START = 1
    ALLOWED_TO_START = 2
    RUNNING = 3
    INTERRUPTED = 4
    ENDED = 5
    ABORTED = 6


@dataclass(kw_only=True)
class _Optional:
    """A structure with optional fields: a mask, which the library fills in, says which of them follow."""

    Encoding: ua.UInt32 = field(default=ua.UInt32(0), init=False, repr=False, compare=False)


@dataclass(kw_only=True)
class Parameter(_Optional):
    """ISA95ParameterDataType, and ISA95PropertyDataType, which has the same fields."""

    id: ua.String
    value: ua.Variant
    description: list[ua.LocalizedText] | None = None
    unit: ua.EUInformation | None = None
    inner: list[Parameter] | None = None


@dataclass(kw_only=True)
class WorkMaster(_Optional):
    """ISA95WorkMasterDataType."""

    id: ua.String
    description: ua.LocalizedText | None = None
    parameters: list[Parameter] | None = None


@dataclass(kw_only=True)
class Resource(_Optional):
    """ISA95PersonnelDataType, ISA95EquipmentDataType and ISA95PhysicalAssetDataType."""

    id: ua.String
    description: list[ua.LocalizedText] | None = None
    use: ua.String | None = None
    quantity: ua.String | None = None
    unit: ua.EUInformation | None = None
    properties: list[Parameter] | None = None


@dataclass(kw_only=True)
class Material(_Optional):
    """ISA95MaterialDataType."""

    class_id: ua.String | None = None
    definition_id: ua.String | None = None
    lot_id: ua.String | None = None
    sublot_id: ua.String | None = None
    description: list[ua.LocalizedText] | None = None
    use: ua.String | None = None
    quantity: ua.String | None = None
    unit: ua.EUInformation | None = None
    properties: list[Parameter] | None = None


@dataclass(kw_only=True)
class JobOrder(_Optional):
    """ISA95JobOrderDataType."""

    id: ua.String
    description: list[ua.LocalizedText] | None = None
    work_masters: list[WorkMaster] | None = None
    starts: ua.DateTime | None = None
    ends: ua.DateTime | None = None
    priority: ua.Int16 | None = None
    parameters: list[Parameter] | None = None
    personnel: list[Resource] | None = None
    equipment: list[Resource] | None = None
    assets: list[Resource] | None = None
    materials: list[Material] | None = None


@dataclass(kw_only=True)
class JobState:
    """ISA95StateDataType; the first of a list is the top-level state."""

    path: ua.RelativePath
    text: ua.LocalizedText
    number: ua.UInt32


@dataclass(kw_only=True)
class OrderAndState:
    """ISA95JobOrderAndStateDataType."""

    order: JobOrder
    states: list[JobState]


@dataclass(kw_only=True)
class JobResponse(_Optional):
    """ISA95JobResponseDataType."""

    id: ua.String
    description: ua.LocalizedText | None = None
    order_id: ua.String
    started: ua.DateTime | None = None
    ended: ua.DateTime | None = None
    states: list[JobState]
    data: list[Parameter] | None = None
    personnel: list[Resource] | None = None
    equipment: list[Resource] | None = None
    assets: list[Resource] | None = None
    materials: list[Material] | None = None


@dataclass(frozen=True)
class JobControl:
    """The objects of one machine: who takes job orders, who answers for them, and the namespace's index."""

    index: int
    receiver: ua.NodeId
    provider: ua.NodeId | None

    async def orders(self, client: Client) -> list[OrderAndState]:
        """Read JobOrderList: the orders the machine holds, with their states."""
        node = await client.get_node(self.receiver).get_child(f"{self.index}:JobOrderList")
        listed = await node.read_value() or []
        return [unpacked(value, OrderAndState, ORDER_AND_STATE, self.index) for value in listed]

    async def response(self, client: Client, order_id: str) -> JobResponse | None:
        """Ask how an order went; None where the machine keeps no answer for it."""
        if self.provider is None:
            return None
        argument = ua.Variant(order_id, ua.VariantType.String)
        outputs = await self._call(client, self.provider, "RequestJobResponseByJobOrderID", [argument])
        if len(outputs) != 2 or outputs[1].Value != _NO_ERROR or outputs[0].Value is None:
            return None
        return unpacked(outputs[0].Value, JobResponse, JOB_RESPONSE, self.index)

    async def store_and_start(self, client: Client, order: JobOrder) -> None:
        """Give the machine an order it may start at once; DriverError where it does not take it."""
        argument = ua.Variant(packed(order, JOB_ORDER, self.index), ua.VariantType.ExtensionObject)
        await self._command(client, "StoreAndStart", argument)

    async def command(self, client: Client, name: str, order_id: str) -> None:
        """Call Abort, Cancel or Clear for an order; DriverError ("job_refused") where it is refused."""
        await self._command(client, name, ua.Variant(order_id, ua.VariantType.String))

    async def _command(self, client: Client, name: str, argument: ua.Variant) -> None:
        comment = ua.Variant([ua.LocalizedText("PartVault", "en")], ua.VariantType.LocalizedText)
        outputs = await self._call(client, self.receiver, name, [argument, comment])
        status = outputs[0].Value if outputs else None
        if status != _NO_ERROR:
            bits = [word for bit, word in _RETURNED.items() if isinstance(status, int) and status >> bit & 1]
            raise DriverError(
                "job_refused",
                f"the machine refused {name}: {', '.join(bits) or f'status {status}'}",
                "see what it does now",
            )

    async def _call(
        self, client: Client, owner: ua.NodeId, name: str, arguments: list[ua.Variant]
    ) -> list[ua.Variant]:
        """Call a method; a status that is uncertain comes with outputs, which say more (annex B.2)."""
        method = await client.get_node(owner).get_child(f"{self.index}:{name}")
        request = ua.CallMethodRequest(ObjectId=owner, MethodId=method.nodeid, InputArguments=arguments)
        (result,) = await client.uaclient.session.call([request])
        if not result.OutputArguments:
            result.StatusCode.check()
        return list(result.OutputArguments)


def top_state(states: list[JobState]) -> State:
    """Give the top-level state; DriverError where the machine says none that the specification knows."""
    try:
        return State(states[0].number)
    except (IndexError, ValueError) as error:
        raise DriverError("host_garbled", f"the machine gave an unknown state: {error}") from error


def parameter(name: str, value: object, kind: ua.VariantType) -> Parameter:
    """Make a parameter without description and unit."""
    return Parameter(id=ua.String(name), value=ua.Variant(value, kind))


def node_id(number: int, index: int = 0) -> ua.NodeId:
    """Give a numeric node id."""
    return ua.NodeId(ua.Int32(number), ua.Int16(index))


def packed(structure: object, encoding: int, index: int) -> ua.ExtensionObject:
    """Write a structure as the ExtensionObject it travels in."""
    return ua.ExtensionObject(node_id(encoding, index), ua.ByteString(struct_to_binary(structure)))


def unpacked(value: object, kind: type[_S], encoding: int, index: int) -> _S:
    """Read a structure from its ExtensionObject; DriverError ("host_garbled") where it is none."""
    if not isinstance(value, ua.ExtensionObject) or value.TypeId != node_id(encoding, index):
        raise DriverError("host_garbled", f"the machine sent no {kind.__name__}")
    try:
        return struct_from_binary(kind, Buffer(value.Body or b""))
    except Exception as error:  # whatever the library raises, the bytes are wrong
        raise DriverError("host_garbled", f"the machine sent a broken {kind.__name__}: {error!r}") from error
