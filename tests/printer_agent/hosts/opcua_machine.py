"""A machine for the tests: a real OPC UA server with ISA-95 job control, a job store, and a simulated build.

Run as `python -m tests.printer_agent.hosts.opcua_machine FOLDER`, where `machine.json` says how it is set up
and `ways.json`, read at each order, how it behaves. Orders and files outlive the server, as does a build that
runs meanwhile. SIGUSR1 lets the build that runs fail.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.manage_nodes import _create_object
from asyncua.common.node import Node
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.uacrypto import der_from_x509
from asyncua.ua.ua_binary import struct_from_binary

from printer_agent.drivers.opcua import layers
from printer_agent.drivers.opcua.job_control import (
    JOB_RESPONSE,
    NAMESPACE,
    ORDER_AND_STATE,
    JobOrder,
    JobResponse,
    JobState,
    OrderAndState,
    Parameter,
    State,
    WorkMaster,
    node_id,
    packed,
    parameter,
)
from tests.printer_agent.hosts.opcua_files import Files
from tests.printer_agent.hosts.opcua_transfer import Transfers

TICK_S = 0.02
GOOD, UNKNOWN, WRONG_STATE, NOT_ACCEPTED = 1, 1 << 1, 1 << 3, 1 << 4
POLICIES = {
    "secure": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "signed": ua.SecurityPolicyType.Basic256Sha256_Sign,
    "none": ua.SecurityPolicyType.NoSecurity,
}
TEXT, NUMBER, BYTES, STATUS = (
    ua.VariantType.String,
    ua.VariantType.UInt32,
    ua.VariantType.ByteString,
    ua.VariantType.UInt64,
)


@dataclass
class Setup:
    """Who may come in, and how; how fast the machine builds, and whether it counts layers.

    transfer: the options of its temporary transfers (`opcua_transfer.OPTIONS`); empty where it keeps files
    """

    port: int
    policies: list[str] = field(default_factory=lambda: ["secure"])
    trusted: list[str] = field(default_factory=list)
    user: str = "operator"
    password: str = "correct horse"
    anonymous: bool = False
    bytes_per_s: float = 100_000
    transfer: str = ""
    layers: bool = False

    @classmethod
    def read(cls, folder: Path) -> Setup:
        """Read the setup as it is now: people trust certificates while a server runs."""
        return cls(**json.loads((folder / "machine.json").read_text()))


@dataclass
class Ways:
    """How the machine behaves with the next order."""

    answer_after_s: float = 0.0
    refuses: bool = False
    unsuccessful: bool = False
    applies_after_s: float = 0.0
    spoils: bool = False


@dataclass
class Job:
    """An order with its state; `began` in Unix seconds."""

    id: str
    path: str
    state: int = State.ALLOWED_TO_START
    began: float = 0.0
    unsuccessful: bool = False
    said: str = ""


class Users:
    """Lets in one user by password, and the trusted certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get_user(
        self, _server: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        setup = Setup.read(self.folder)
        if setup.anonymous:
            known = True
        elif username is not None:
            known = (username, password) == (setup.user, setup.password)
        else:
            der = certificate if isinstance(certificate, bytes) else der_from_x509(certificate)
            known = der.hex() in setup.trusted
        return User(UserRole.User) if known else None


class Machine:
    """The machine behind the server: what it stores, and what it builds."""

    def __init__(self, folder: Path, setup: Setup) -> None:
        self.folder = folder
        self.setup = setup
        self.files = folder / "files"
        self.files.mkdir(exist_ok=True)
        self.kept = folder / "jobs.json"
        self.jobs = [Job(**job) for job in json.loads(self.kept.read_text())] if self.kept.exists() else []
        self.handles: dict[int, Path] = {}

    def ways(self) -> Ways:
        path = self.folder / "ways.json"
        return Ways(**json.loads(path.read_text())) if path.exists() else Ways()

    def note(self, job: Job) -> None:
        """Write down, for whoever asks later, that a job came to a state."""
        with (self.folder / "events").open("a") as stream:
            stream.write(f"{State(job.state).name} {job.path}\n")

    def keep(self) -> None:
        part = self.kept.with_suffix(".part")
        part.write_text(json.dumps([asdict(job) for job in self.jobs]))
        part.replace(self.kept)

    def find(self, order_id: str) -> Job | None:
        return next((job for job in self.jobs if job.id == order_id), None)

    def tick(self) -> bool:
        """Begin what may begin, end what is done; whether anything changed."""
        running = [job for job in self.jobs if job.state == State.RUNNING]
        waiting = [job for job in self.jobs if job.state == State.ALLOWED_TO_START]
        if running and self.done(running[0]) >= 1:
            running[0].state = State.ENDED
            self.note(running[0])
        elif waiting and not running:
            waiting[0].state, waiting[0].began = State.RUNNING, time.time()
            self.note(waiting[0])
        else:
            return False
        self.keep()
        return True

    def done(self, job: Job) -> float:
        """The share of a build that is done, by the size of its file."""
        path = self.files / job.path
        takes_s = (path.stat().st_size if path.exists() else 0) / self.setup.bytes_per_s
        return min(1.0, (time.time() - job.began) / takes_s) if takes_s else 1.0

    def fail(self) -> None:
        for job in self.jobs:
            if job.state == State.RUNNING:
                job.state, job.said = State.ABORTED, "the laser went out"
                self.note(job)
        self.keep()


class Service:
    """The machine's objects on the server."""

    def __init__(self, machine: Machine, server: Server) -> None:
        self.machine = machine
        self.server = server
        self.index = 0
        self.own = 0
        self.handle = 0
        self.layers = 0
        options = machine.setup.transfer
        self.store: Files | Transfers = Transfers(self, options) if options else Files(self)

    async def build(self) -> None:
        """Make types and objects; take up the files that are there."""
        self.index = await self.server.register_namespace(NAMESPACE)
        self.own = await self.server.register_namespace("urn:partvault:test-machine")
        if self.machine.setup.layers:
            self.layers = await self.server.register_namespace(layers.NAMESPACE)
        for number, name in (
            (1002, "ISA95JobOrderReceiverObjectType"),
            (1003, "ISA95JobResponseProviderObjectType"),
        ):
            await self.server.nodes.base_object_type.add_object_type(
                node_id(number, self.index), self.qualified(name)
            )
        printer = await self.server.nodes.objects.add_object(self.own, "Printer")
        management = await printer.add_object(self.own, "JobManagement")
        control = await self.typed(management, "JobOrderControl", node_id(1002, self.index))
        self.orders = await control.add_variable(
            ua.NodeId("orders", self.own),
            self.qualified("JobOrderList"),
            [],
            ua.VariantType.ExtensionObject,
            datatype=node_id(ua.ObjectIds.Structure),
        )
        order, comment = ua.VariantType.ExtensionObject, ua.VariantType.LocalizedText
        await self.method(control, "StoreAndStart", self.store_and_start, [order, comment], [STATUS])
        for name, work in (("Abort", self.abort), ("Cancel", self.cancel), ("Clear", self.clear)):
            await self.method(control, name, work, [TEXT, comment], [STATUS])
        results = await self.typed(management, "JobOrderResults", node_id(1003, self.index))
        await self.method(results, "RequestJobResponseByJobOrderID", self.response, [TEXT], [order, STATUS])
        await self.store.build(printer)

    async def typed(self, parent: Node, name: str, kind: ua.NodeId, index: int | None = None) -> Node:
        """An object of a type, without the nodes that the type would bring along."""
        number = ua.NodeId(name, self.own)
        session = self.server.iserver.isession
        await _create_object(session, parent.nodeid, number, self.qualified(name, index), kind)
        return self.server.get_node(number)

    async def method(
        self,
        owner: Node,
        name: str,
        work: Callable[..., Any],
        takes: list[Any],
        gives: list[ua.VariantType],
        index: int | None = None,
    ) -> None:
        number = ua.NodeId(f"{owner.nodeid.Identifier}.{name}", self.own)
        await owner.add_method(number, self.qualified(name, index), work, takes, gives)

    def qualified(self, name: str, index: int | None = None) -> ua.QualifiedName:
        return ua.QualifiedName(name, self.index if index is None else index)

    async def file_methods(self, file: Node, close: Callable[..., Any]) -> None:
        await self.method(file, "Write", self.write, [NUMBER, BYTES], [], 0)
        await self.method(file, "Close", close, [NUMBER], [], 0)

    async def show(self) -> None:
        """Put the orders and their states where clients read them."""
        await self.orders.write_value(
            [packed(self.listed(job), ORDER_AND_STATE, self.index) for job in self.machine.jobs],
            ua.VariantType.ExtensionObject,
        )

    def listed(self, job: Job) -> OrderAndState:
        path = parameter("LocalPath", job.path, TEXT)
        order = JobOrder(
            id=ua.String(job.id), work_masters=[WorkMaster(id=ua.String("w"), parameters=[path])]
        )
        return OrderAndState(order=order, states=[state_of(job)])

    async def store_and_start(self, _: Any, order: ua.Variant, _comment: ua.Variant) -> Any:
        asked = struct_from_binary(JobOrder, Buffer(order.Value.Body))
        ways = self.machine.ways()
        given = {each.id: each.value.Value for master in asked.work_masters for each in master.parameters}
        path, node = given["LocalPath"], given.get("FileNodeId")
        if ways.refuses or self.machine.find(asked.id) is not None:
            self.store.refuse(node)
            return [ua.Variant(NOT_ACCEPTED, STATUS)]
        if not self.store.name(node, path):
            return [ua.Variant(NOT_ACCEPTED, STATUS)]
        self.machine.jobs.append(Job(asked.id, path, unsuccessful=ways.unsuccessful))
        self.machine.keep()
        await self.show()
        await asyncio.sleep(ways.answer_after_s)
        return [ua.Variant(GOOD, STATUS)]

    async def abort(self, _: Any, order_id: ua.Variant, _comment: ua.Variant) -> Any:
        return await self.change(order_id.Value, State.ABORTED, {State.ALLOWED_TO_START, State.RUNNING})

    async def cancel(self, _: Any, order_id: ua.Variant, _comment: ua.Variant) -> Any:
        return await self.change(order_id.Value, None, {State.NOT_ALLOWED_TO_START, State.ALLOWED_TO_START})

    async def clear(self, _: Any, order_id: ua.Variant, _comment: ua.Variant) -> Any:
        return await self.change(order_id.Value, None, {State.ENDED, State.ABORTED})

    async def change(self, order_id: str, to: State | None, allowed: set[State]) -> Any:
        """Bring an order to another state, or remove it."""
        job = self.machine.find(order_id)
        if job is None or job.state not in allowed:
            return [ua.Variant(UNKNOWN if job is None else WRONG_STATE, STATUS)]
        if to is None:
            self.machine.jobs.remove(job)
            self.store.forget(job.path)
        else:
            job.state = to
            self.machine.note(job)
        self.machine.keep()
        await self.show()
        return [ua.Variant(GOOD, STATUS)]

    async def response(self, _: Any, order_id: ua.Variant) -> Any:
        job = self.machine.find(order_id.Value)
        if job is None:
            return [ua.Variant(None), ua.Variant(UNKNOWN, STATUS)]
        answer = JobResponse(
            id=ua.String(f"answer to {job.id}"),
            order_id=ua.String(job.id),
            description=ua.LocalizedText(job.said, "en") if job.said else None,
            states=[state_of(job)],
            data=[
                parameter("JobResult", 2 if job.unsuccessful else 1, ua.VariantType.Int32),
                *(self.counted(job) if self.layers and job.state == State.RUNNING else ()),
            ],
        )
        return [ua.Variant(packed(answer, JOB_RESPONSE, self.index)), ua.Variant(GOOD, STATUS)]

    def counted(self, job: Job) -> list[Parameter]:
        """How many of its two hundred layers are done."""
        layer = ua.UInt32(200 * self.machine.done(job))
        run = layers.RunInfo(layer=layer, identifier=ua.String("run 1"), state=state_of(job))
        runs = [packed(run, layers.RUN_INFO, self.layers)]
        return [
            parameter("LayersPlanned", 200, NUMBER),
            parameter("Runs", runs, ua.VariantType.ExtensionObject),
        ]

    async def write(self, _: Any, handle: ua.Variant, piece: ua.Variant) -> Any:
        if handle.Value not in self.machine.handles:
            return ua.StatusCode(ua.StatusCodes.BadInvalidState)
        with self.machine.handles[handle.Value].open("ab") as stream:
            stream.write(piece.Value)
        return []


def state_of(job: Job) -> JobState:
    text = ua.LocalizedText(State(job.state).name.title(), "en")
    return JobState(path=ua.RelativePath(), text=text, number=ua.UInt32(job.state))


async def serve(folder: Path) -> None:
    """Serve until the process is ended."""
    setup = Setup.read(folder)
    machine, server = Machine(folder, setup), Server(user_manager=Users(folder))
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{setup.port}/machine")
    server.set_security_policy([POLICIES[name] for name in setup.policies])
    await server.load_certificate(folder / "server.der")
    await server.load_private_key(folder / "server.pem")

    async def trusted(certificate: Any, _description: Any) -> None:
        if der_from_x509(certificate).hex() not in Setup.read(folder).trusted:
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    server.set_certificate_validator(trusted)
    if not setup.anonymous:
        server.set_identity_tokens([ua.X509IdentityToken, ua.UserNameIdentityToken])
    service = Service(machine, server)
    await service.build()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, machine.fail)
    async with server:
        while True:
            machine.tick()
            await service.show()
            await asyncio.sleep(TICK_S)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
