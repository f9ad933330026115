"""The service's judge against the contract itself: what both have rules for, both decide alike.

Licences, printers and numbers as they come, on the real contract of an embedded chain. Each question is put
to the judge as a check puts it, from rows and the chain's counts, and to the contract as a signed claim that
it simulates at the same second. The codes are the contract's error names in snake case.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from app.models import Design, Organisation, Revision
from app.models import Licence as LicenceRow
from app.models import Printer as PrinterRow
from app.prints.case import Case, Counts
from app.prints.policy import SEQUENCE_WINDOW, Permission, judge_count
from app.submission import contract_reason
from ledger.operations import Operation, RecordPrint
from ledger.printer_list import printer_proof
from ledger.typed_data import Licence, PrintClaim, Result, digest, printers_root
from mesh_tools.findings import Geometry
from tests.ledger.actors import NOON, Cast, Device, secret
from tests.ledger.stage import Stage, embedded_stage

SEED, LICENCES = 20, 40
ORDER = (
    "licence_revoked",
    "unknown_licence",
    "licence_expired",
    "licence_not_started",
    "printer_retired",
    "unknown_printer",
    "printer_not_allowed",
)
"""In which order the contract looks; it stops at the first, the judge names them all."""
NUMBERS = {"count_exhausted", "sequence_out_of_window", "sequence_used"}
GEOMETRY = Geometry(
    facets=12,
    vertices=8,
    bodies=1,
    shells=1,
    volume_mm3=6000.0,
    area_mm2=2200.0,
    bounds_mm=((0, 0, 0), (20, 30, 10)),
    watertight=True,
).to_json()
MACHINE = {"build_volume_mm": [100, 80, 60], "processes": ["MEX"], "materials": []}


class Time:
    """The clock of chain and service."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> float:
        return float(self.at)


@dataclass
class Machine:
    """A printer: `kind` is active, retired or unknown on chain, `state` what the service's row says."""

    kind: str
    cast: Cast
    state: str

    @property
    def row(self) -> PrinterRow:
        return PrinterRow(id=self.kind, state=self.state, machine=MACHINE)


@dataclass
class Grant:
    """A licence and what is to happen to it on chain."""

    statement: Licence
    listed: list[Machine]
    able: list[Machine]
    granted: bool
    revoked: bool
    state: str
    consumed: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    @property
    def row(self) -> LicenceRow:
        return LicenceRow(
            id="lic_1",
            state=self.state,
            printers=[machine.kind for machine in self.listed],
            terms="{}",
            prints=self.statement.prints,
            starts_at=self.statement.starts_at,
            expires_at=self.statement.expires_at,
        )


@dataclass
class World:
    """What is on chain, and how to ask."""

    stage: Stage
    time: Time
    machines: list[Machine]
    grants: list[Grant]

    def contract(self, grant: Grant, machine: Machine, sequence: int) -> str | None:
        """Why the contract would refuse the print, None where it would take it."""
        error = self.stage.runtime.simulate(_claim(grant, machine, sequence))
        return None if error is None else contract_reason(error.name, error.sentence).code

    def case(self, grant: Grant, machine: Machine) -> Case:
        runtime = self.stage.runtime
        return Case(
            licence=grant.row,
            printer=machine.row,
            design=Design(id="dsn_1"),
            revision=Revision(recipe={"process": "MEX"}, inspection={"geometry": GEOMETRY}),
            owner=Organisation(id="org_1"),
            sealed=None,
            passed_on=0,
            counts=Counts(
                runtime.licence_state(grant.statement.struct_hash()),
                runtime.printer_state(machine.cast.printer),
            ),
            now=self.time.at,
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    chance, time = random.Random(SEED), Time()
    with embedded_stage(tmp_path_factory.mktemp("differential"), time) as stage:
        machines = [
            Machine(kind, replace(stage.cast, device=Device(kind)), state)
            for kind, state in (
                ("active", "enrolled"),
                ("second", "enrolled"),
                ("retired", "retired"),
                ("retired by another", "enrolled"),
                ("unknown", "approving"),
            )
        ]
        grants = [_grant(chance, stage.cast, machines, number) for number in range(LICENCES)]
        _settle(stage, [stage.cast.publish(), *(each.cast.enrol() for each in machines[:4])])
        _settle(stage, [stage.cast.grant(each.statement) for each in grants if each.granted])
        _settle(stage, [_claim(each, each.able[0], number) for each in grants for number in each.consumed])
        _settle(
            stage,
            [
                each.able[0].cast.report(each.statement, number, Result.FAILED)
                for each in grants
                for number in each.failed
            ],
        )
        _settle(stage, [stage.cast.revoke(each.statement) for each in grants if each.revoked])
        _settle(stage, [each.cast.retire() for each in machines[2:4]])
        yield World(stage, time, machines, grants)


def _grant(chance: random.Random, cast: Cast, machines: list[Machine], number: int) -> Grant:
    prints = chance.choice([1, 2, 2, 3, 5, SEQUENCE_WINDOW, SEQUENCE_WINDOW + 1, 200])
    listed = chance.choice([[], [], [], machines[:1], machines[1:2], machines[:3], machines[3:], machines])
    able = [each for each in listed or machines if each.kind in {"active", "second"}]
    statement = replace(
        cast.licence(prints=prints, reprints=chance.choice([0, 1, 2]), number=number),
        starts_at=NOON - chance.choice([0, 1, 500]),
        expires_at=NOON + chance.choice([500, 1000]),
        printers=printers_root([machine.cast.printer for machine in listed]),
    )
    granted, revoked = number % 9 != 8, number % 4 == 3
    state = chance.choice(["active", "revoked"]) if revoked else "active"
    grant = Grant(statement, listed, able, granted, granted and revoked, state if granted else "pending")
    if granted and able:
        run = range(1, chance.choice([0, 1, 2, 4]) + 1)
        beyond = {chance.randint(1, min(prints, SEQUENCE_WINDOW)) for _ in range(chance.choice([0, 1, 3]))}
        grant.consumed = sorted({each for each in run if each <= prints} | beyond)
        grant.failed = [each for each in grant.consumed if chance.random() < 0.7]
    return grant


def _settle(stage: Stage, operations: Sequence[Operation]) -> None:
    found = stage.settle(*operations)
    assert {status.state for status in found} == {"confirmed"}, found


def _claim(grant: Grant, machine: Machine, sequence: int) -> RecordPrint:
    """A claim that the machine signed, with the proof that it is listed where it is."""
    claim = PrintClaim(grant.statement.struct_hash(), sequence, secret(f"token {sequence}"), 1 << 40)
    device, hashes = machine.cast.device, [each.cast.printer for each in grant.listed]
    listed = machine.cast.printer in hashes
    proof = printer_proof(hashes, machine.cast.printer) if listed else []
    signature = device.sign(digest(machine.cast.domain, claim))
    return RecordPrint(claim, device.x, device.y, signature, tuple(proof))


def _moments(grant: Grant) -> list[int]:
    starts_at, expires_at = grant.statement.starts_at, grant.statement.expires_at
    return [starts_at - 1, starts_at, NOON + 250, expires_at - 1, expires_at, expires_at + 1]


def _numbers(permission: Permission) -> list[int]:
    """The numbers at which the count's rules change, the next one first."""
    allowed, base = permission.allowed, permission.base
    free, _ = judge_count(permission, frozenset())
    edges = {0, 1, base, base + 1, base + SEQUENCE_WINDOW, base + SEQUENCE_WINDOW + 1, allowed, allowed + 1}
    return [*([free] if free else []), *sorted(edges | set(permission.consumed))]


def _given(permission: Permission, sequence: int) -> bool:
    """Whether the judge gives this very number where every other one is held."""
    others = frozenset(range(permission.allowed + SEQUENCE_WINDOW + 2)) - {sequence}
    return judge_count(permission, others)[0] == sequence


def _number_reason(permission: Permission, sequence: int) -> str:
    """What is wrong with a number that the judge never gives, as the judge names it where all are like it."""
    if sequence > permission.allowed:
        return "count_exhausted"
    if 0 < sequence <= permission.base or sequence in permission.consumed:
        return "sequence_used"
    return "sequence_out_of_window"


def _compare(world: World, grant: Grant, machine: Machine, at: int, chance: random.Random) -> set[str]:
    """Ask both about one print at one second; gives the codes that came up."""
    world.time.at = at
    case = world.case(grant, machine)
    permission, codes = case.permission, {reason.code for reason in case.reasons()}
    assert codes <= set(ORDER)
    numbers = _numbers(permission)
    seen = set(codes)
    for sequence in [chance.choice(numbers)] if codes else numbers:
        refused = world.contract(grant, machine, sequence)
        if codes:
            assert refused == min(codes, key=ORDER.index)
        elif _given(permission, sequence):
            assert refused is None
            seen.add("accepted" if sequence <= permission.prints else "accepted on credit")
        else:
            assert refused == _number_reason(permission, sequence)
            seen.add(refused)
    return seen


def _questions(world: World) -> list[tuple[Grant, Machine, int]]:
    return [
        (grant, machine, at)
        for grant, machine in itertools.product(world.grants, world.machines)
        for at in _moments(grant)
    ]


class TestJudge:
    def test_decides_as_the_contract(self, world: World) -> None:
        chance = random.Random(SEED)
        seen: set[str] = set()
        questions = _questions(world)
        assert len(questions) > 1000
        for question in questions:
            seen |= _compare(world, *question, chance)
        assert seen == {*ORDER, *NUMBERS, "accepted", "accepted on credit"}

    def test_gives_out_numbers_until_the_contract_has_no_more(self, world: World) -> None:
        """What the judge says of an exhausted count the contract says of the number after the last."""
        spent = 0
        for grant in world.grants:
            world.time.at = NOON + 250
            case = world.case(grant, world.machines[0])
            number, reasons = judge_count(case.permission, frozenset())
            if number is None and not case.reasons():
                refused = world.contract(grant, world.machines[0], case.permission.allowed + 1)
                assert [reason.code for reason in reasons] == [refused] == ["count_exhausted"]
                spent += 1
        assert spent > 0
