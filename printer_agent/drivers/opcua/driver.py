"""The driver for industrial machines: file into the job store, one job order, followed by its state.

The order's id comes from the release id, so that the machine itself refuses a second start and `look` finds
the job after a restart of either side. The order names its file as the work master's LocalPath; an order of
that id for another file is somebody else's, and is neither believed nor touched.

| state of the order | phase |
|---|---|
| NotAllowedToStart | placed |
| AllowedToStart, Running, Interrupted | printing |
| Ended | completed; failed where JobResult (OPC 40001-3) says Unsuccessful |
| Aborted | cancelled where this agent asked for it; else failed |
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.object_ids import ObjectIds

from printer_agent.drivers.base import Delivery, Phase, Sighting, UncertainStart
from printer_agent.drivers.opcua.channel import Access, Channel, LostAnswer
from printer_agent.drivers.opcua.job_control import (
    JOB_RESULT_UNSUCCESSFUL,
    JobOrder,
    JobResponse,
    JobState,
    OrderAndState,
    State,
    WorkMaster,
    node_id,
    parameter,
    top_state,
)
from printer_agent.drivers.opcua.job_store import OpenFile, close, write
from printer_agent.drivers.opcua.layers import percent_of
from printer_agent.drivers.opcua.layout import Layout, find_layout
from printer_agent.errors import DriverError

_T = TypeVar("_T")
_WRITE_BYTES_MAX = 48 * 1024
_PRODUCT: Final = node_id(ObjectIds.Server_ServerStatus_BuildInfo_ProductName)
_BUSY: Final = frozenset({State.ALLOWED_TO_START, State.RUNNING, State.INTERRUPTED})


class OpcUaDriver:
    """Prints on a machine with ISA-95 job control; see `printer_agent.drivers.base.Driver`.

    node: where on the server the machine is, as a node id; empty where it is the only one
    """

    name = "opcua"
    follows = True
    takes_meshes = True

    def __init__(self, access: Access, node: str = "") -> None:
        self._channel = Channel(access)
        self._url = access.url
        self._node = node
        self._layout: Layout | None = None
        self._aborted: set[str] = set()

    def start(self, delivery: Delivery, content: Iterable[bytes]) -> str:
        """Store the file, then store and start the job order.

        0. No order of this id is there, and no other is under way.
        1. The file is written where no order can name it, and handed over when it is whole.
        2. The order is given once; where its answer is lost, only a look can tell.
        3. A refused order's file is deleted, where the machine lets files be deleted.
        """
        # (0) nothing else
        self._require_free(delivery)
        # (1) the file
        file = self._uploaded(delivery, content)
        # (2) the order
        order = _order(delivery, file)
        try:
            self._run(lambda client, at: at.jobs.store_and_start(client, order))
        except LostAnswer as error:
            raise UncertainStart(error.kind, error.message, error.remedy) from error
        except DriverError as error:
            # (3) refused
            self._take_back(delivery, error)
            raise
        return f"job order {_order_id(delivery)} started on {self._url}"

    def look(self, delivery: Delivery) -> Sighting:
        """Ask for the order, then for the answer kept of it, then for the file."""
        listed = self._listed(delivery)
        if listed is not None:
            return self._sighting(delivery, listed.states, listed.order, self._response(delivery))
        response = self._response(delivery)
        if response is not None:
            return self._sighting(delivery, response.states, None, response)
        self._run(lambda client, at: at.files.delete_unfinished(client, delivery.name))
        stored = self._run(lambda client, at: at.files.find(client, delivery.name))
        return Sighting(Phase.ABSENT if stored is None else Phase.PLACED)

    def cancel(self, delivery: Delivery) -> None:
        """Abort this job's order, whether it runs or waits."""
        listed = self._listed(delivery)
        if listed is None:
            return
        self._aborted.add(delivery.release_id)
        if top_state(listed.states) in (State.ENDED, State.ABORTED):
            return
        try:
            self._run(lambda client, at: at.jobs.command(client, "Abort", _order_id(delivery)))
        except DriverError as error:
            if error.kind != "job_refused":
                raise  # an order that ended meanwhile is refused, which the next look shows

    def wipe(self, delivery: Delivery) -> None:
        """Clear the order and what the machine answers for it, then delete the file."""
        listed = self._listed(delivery)
        if listed is not None:
            state = top_state(listed.states)
            if state in _BUSY:
                raise DriverError(
                    "busy", f"{self._url} still prints {delivery.name}", "the agent tries again"
                )
            command = "Cancel" if state is State.NOT_ALLOWED_TO_START else "Clear"
            self._run(lambda client, at: at.jobs.command(client, command, _order_id(delivery)))
        self._delete(delivery.name)

    def check(self) -> str:
        """Whether the machine is the pinned one, lets the agent in, and has no order under way."""
        self._require_idle(self._run(lambda client, at: at.jobs.orders(client)))
        product, words = self._run(_product)
        secured = (
            "without security" if self._channel.access.insecure else "Basic256Sha256, signed and encrypted"
        )
        return f"{product} at {self._url} takes job orders and {words}; {secured}"

    def close(self) -> None:
        """Close the session."""
        self._channel.close()

    def _run(
        self, work: Callable[[Client, Layout], Coroutine[Any, Any, _T]], timeout_s: float | None = None
    ) -> _T:
        """Do `work` with the session and the machine's layout, which a restarted server may have changed."""

        async def located(client: Client) -> _T:
            if self._layout is None:
                self._layout = await find_layout(client, self._node)
            return await work(client, self._layout)

        try:
            return self._channel.run(located, timeout_s)
        except LostAnswer:
            self._layout = None
            raise

    def _uploaded(self, delivery: Delivery, content: Iterable[bytes]) -> ua.NodeId:
        """Write the file and give its node; nothing of it stays where that breaks off."""
        file = self._run(lambda client, at: at.files.create(client, delivery.name))
        try:
            for piece in _pieces(content):
                self._run(partial(_write, file, piece))
            return self._run(
                lambda client, at: at.files.keep(client, file, delivery.name),
                self._channel.access.apply_timeout_s,
            )
        except BaseException:
            with suppress(DriverError):  # it may be closed already
                self._run(lambda client, _at: close(client, file))
            with suppress(DriverError):  # the next look deletes it
                self._run(lambda client, at: at.files.delete_unfinished(client, delivery.name))
            raise

    def _require_free(self, delivery: Delivery) -> None:
        orders = self._run(lambda client, at: at.jobs.orders(client))
        if any(listed.order.id == _order_id(delivery) for listed in orders):
            raise DriverError(
                "exists",
                f"{self._url} has job order {_order_id(delivery)} already",
                "clear it at the machine",
            )
        self._require_idle(orders)
        if self._run(lambda client, at: at.files.find(client, delivery.name)) is not None:
            raise DriverError(
                "exists", f"{self._url} has {delivery.name} already, and it is never overwritten", "delete it"
            )

    def _require_idle(self, orders: list[OrderAndState]) -> None:
        busy = [listed for listed in orders if top_state(listed.states) in _BUSY]
        if busy:
            raise DriverError(
                "not_ready", f"{self._url} is busy with {busy[0].order.id}", "wait until it has ended"
            )

    def _take_back(self, delivery: Delivery, refusal: DriverError) -> None:
        try:
            self._delete(delivery.name)
        except DriverError as error:
            raise UncertainStart(
                "not_started", f"{refusal.message}, and keeps {delivery.name}: {error.message}"
            ) from error

    def _delete(self, name: str) -> None:
        self._run(lambda client, at: at.files.delete(client, name))

    def _listed(self, delivery: Delivery) -> OrderAndState | None:
        """This job's order; None where there is none. DriverError where its id is on a foreign order."""
        orders = self._run(lambda client, at: at.jobs.orders(client))
        named = [listed for listed in orders if listed.order.id == _order_id(delivery)]
        if named and not _is_for(named[0].order, delivery):
            raise DriverError(
                "foreign_job",
                f"{self._url} has job order {_order_id(delivery)} for another file",
                "somebody else gave it: look at the machine, and clear it there",
            )
        return named[0] if named else None

    def _response(self, delivery: Delivery) -> JobResponse | None:
        return self._run(lambda client, at: at.jobs.response(client, _order_id(delivery)))

    def _sighting(
        self, delivery: Delivery, states: list[JobState], order: JobOrder | None, response: JobResponse | None
    ) -> Sighting:
        state = top_state(states)
        words = state.name.lower().replace("_", " ")
        said = response.description.Text if response is not None and response.description else None
        detail = f"the machine says {words}" + (f": {said}" if said else "")
        if state is State.NOT_ALLOWED_TO_START:
            return Sighting(Phase.PLACED, detail=detail)
        if state in _BUSY:
            return Sighting(Phase.PRINTING, self._percent(order, response), detail)
        if state is State.ABORTED:
            asked = delivery.release_id in self._aborted
            return Sighting(Phase.CANCELLED if asked else Phase.FAILED, detail=detail)
        if response is not None and _unsuccessful(response):
            return Sighting(Phase.FAILED, detail=detail + ", without success")
        return Sighting(Phase.COMPLETED, 100.0, detail)

    def _percent(self, order: JobOrder | None, response: JobResponse | None) -> float | None:
        index = self._layout.layers if self._layout is not None else None
        if index is None or response is None:
            return None
        planned = (order.parameters or []) if order is not None else []
        return percent_of([*planned, *(response.data or [])], index)


def _order_id(delivery: Delivery) -> str:
    return f"partvault-{delivery.release_id}"


def _order(delivery: Delivery, file: ua.NodeId) -> JobOrder:
    """Make the order: once, of this file. The parameters' names are those of OPC 40001-3 and OPC 40501-1."""
    stored = [
        parameter("LocalPath", delivery.name, ua.VariantType.String),
        parameter("FileNodeId", file, ua.VariantType.NodeId),
    ]
    return JobOrder(
        id=ua.String(_order_id(delivery)),
        work_masters=[WorkMaster(id=ua.String(delivery.name), parameters=stored)],
        parameters=[
            parameter("JobName", delivery.name, ua.VariantType.String),
            parameter("RunsPlanned", 1, ua.VariantType.UInt32),
        ],
    )


def _is_for(order: JobOrder, delivery: Delivery) -> bool:
    masters = order.work_masters or []
    paths = [
        given.value.Value
        for master in masters
        for given in master.parameters or ()
        if given.id == "LocalPath"
    ]
    return paths == [delivery.name]


def _unsuccessful(response: JobResponse) -> bool:
    results = [given.value.Value for given in response.data or () if given.id == "JobResult"]
    return JOB_RESULT_UNSUCCESSFUL in results


def _pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    """Cut what comes into what fits a message."""
    for piece in content:
        for start in range(0, len(piece), _WRITE_BYTES_MAX):
            yield bytes(piece[start : start + _WRITE_BYTES_MAX])


async def _write(file: OpenFile, piece: bytes, client: Client, _at: Layout) -> None:
    await write(client, file, piece)


async def _product(client: Client, at: Layout) -> tuple[str, str]:
    """Name the machine, and the way it takes files."""
    info = await client.get_node(_PRODUCT).read_value()
    return str(info or "a machine"), at.files.words
