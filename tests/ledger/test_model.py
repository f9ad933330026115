"""The ledger against its model: owners, providers and printers do whatever they like, right or wrong, while
the relay crashes, the chain reorganises and forgets, an endpoint lies and the clock moves.

The contract is the real one on anvil, behind two endpoints that must agree. After each statement has settled,
the outbox's verdict, the contract's counters and the index are what the model says.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger.abi import decode_query, encode_query
from ledger.chain import ChainError
from ledger.operations import Enrol, Operation, RecordOutcome, RecordPrint, Retire, Transfer
from ledger.quorum import QuorumChain
from ledger.signer import AccountKey
from ledger.typed_data import (
    Enrolment,
    Licence,
    PrintClaim,
    PrintOutcome,
    PrintTransfer,
    Retirement,
    TransferConsent,
    digest,
    print_id,
    transferred,
)
from ledger.web3_chain import Web3Chain
from tests.ledger import model
from tests.ledger.actors import Device, secret
from tests.ledger.lies import LIES, NO_STATE
from tests.ledger.lying_node import LyingNode
from tests.ledger.stage import Network
from tests.ledger.stepped import Stepped

FAR = 1 << 39
LEAP_S = 10_000
CONFIRMATIONS = 2
REVISIONS, LICENCES, DEVICES, PROVIDERS = range(2), range(4), range(3), range(2)
_runs = itertools.count()

revisions, licences = st.sampled_from(REVISIONS), st.sampled_from([None, None, None, *range(6)])
"""None: a licence that can be printed under."""
devices, providers = st.sampled_from(DEVICES), st.sampled_from(PROVIDERS)
sequences = st.sampled_from([None, None, None, 0, 1, 2, 3, 5, 200])
"""None: the one that is due."""
signers = st.sampled_from([None, None, None, *DEVICES])
"""None: a printer that may print."""
results = st.sampled_from([1, 2, 2, 3])
deadlines = st.sampled_from(["far", "far", "far", "soon", "past"])
windows = st.sampled_from(["open", "open", "ends", "begins"])
WRONG_ANSWERS = {**LIES, "no state": NO_STATE}
faults = st.lists(st.sampled_from(["drop", "restart", "reorg", "again", *WRONG_ANSWERS]), max_size=2)


class LedgerMachine(RuleBasedStateMachine):
    """Each run has a chain, an endpoint that may lie and a database of its own, below `folder`."""

    folder: ClassVar[Path]

    @initialize()
    def begin(self) -> None:
        self.place = self.folder / f"run {next(_runs)}"
        self.place.mkdir()
        self.network = Network(self.place)
        self.liar = LyingNode(self.network.node.rpc_url)
        ways = {"one": self.network.chain, "two": Web3Chain.http(self.liar.url)}
        self.ledger = Stepped(self.network, self.place, confirmations=CONFIRMATIONS, chain=QuorumChain(ways))
        head = self.network.chain.head()
        self.cast = self.ledger.cast
        self.model = model.Model()
        self.verdicts: dict[str, bool] = {}
        self.signed: list[Licence] = []
        self.start, self.floor = head.timestamp, head.number
        self.tokens = itertools.count()
        self.providers = [AccountKey.from_bytes(secret(f"provider {each}")) for each in PROVIDERS]
        self.devices = [Device(str(each)) for each in DEVICES]
        self.publish(0, [])
        self.enrol(0, 0, [])
        self.grant(0, 0, 3, 1, "open", [])
        self.record(0, [(None, None, "far")], [])

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.liar.close()
            self.network.node.kill()
            shutil.rmtree(self.place)

    @rule(revision=revisions, faults=faults)
    def publish(self, revision: int, faults: list[str]) -> None:
        operation = self.cast.publish(self._name(revision))
        self._do(operation, lambda: self.model.publish("owner", revision), faults)

    @rule(
        revision=revisions,
        provider=providers,
        prints=st.integers(0, 4),
        reprints=st.integers(0, 2),
        window=windows,
        faults=faults,
    )
    def grant(
        self, revision: int, provider: int, prints: int, reprints: int, window: str, faults: list[str]
    ) -> None:
        starts_at, expires_at = {
            "open": (0, FAR),
            "ends": (0, self.start + LEAP_S // 2),
            "begins": (self.start + LEAP_S // 2, FAR),
        }[window]
        name = self._name(revision)
        licence = Licence(
            revision=self.cast.publish(name).publication.struct_hash(),
            owner=self.cast.owner.address,
            provider=self.providers[provider].address,
            printers=bytes(32),
            prints=prints,
            reprints=reprints,
            starts_at=starts_at,
            expires_at=expires_at,
            terms=bytes(32),
            salt=secret(f"{name} {len(self.signed)}"),
        )
        self.signed.append(licence)
        granted = model.Licence("owner", provider, prints, reprints, starts_at, expires_at)
        subject = licence.struct_hash()
        self._do(self.cast.grant(licence), lambda: self.model.grant(subject, revision, granted), faults)

    @rule(which=licences, faults=faults)
    def revoke(self, which: int | None, faults: list[str]) -> None:
        if licence := self._licence(which):
            self._do(self.cast.revoke(licence), lambda: self.model.revoke(licence.struct_hash()), faults)

    @rule(provider=providers, device=devices, faults=faults)
    def enrol(self, provider: int, device: int, faults: list[str]) -> None:
        statement = self._enrolment(provider, device)
        message = digest(self.cast.domain, statement)
        key = self.providers[provider]
        operation = Enrol(statement, key.sign(message), self.devices[device].sign(message))
        self._do(operation, lambda: self.model.enrol(provider, device), faults)

    @rule(provider=providers, device=devices, faults=faults)
    def retire(self, provider: int, device: int, faults: list[str]) -> None:
        statement = Retirement(self._enrolment(provider, device).struct_hash())
        signature = self.providers[provider].sign(digest(self.cast.domain, statement))
        self._do(Retire(statement, signature), lambda: self.model.retire(provider, device), faults)

    @rule(
        which=licences,
        claims=st.lists(st.tuples(signers, sequences, deadlines), min_size=1, max_size=4),
        faults=faults,
    )
    def record(
        self, which: int | None, claims: list[tuple[int | None, int | None, str]], faults: list[str]
    ) -> None:
        """Claims by any printers for any numbers, several at once: out of order, twice, beyond the count."""
        licence = self._licence(which)
        if licence is None:
            return
        until = {"far": FAR, "soon": self.start + LEAP_S // 2, "past": 1}
        for signer, number, deadline in claims:
            device, free = self._printer(licence, signer), self._numbers(licence)[0]
            sequence = free if number is None else number
            key = self.devices[device]
            token = secret(f"token {next(self.tokens)}")
            claim = PrintClaim(licence.struct_hash(), sequence, token, until[deadline])
            signature = key.sign(digest(self.cast.domain, claim))
            operation = RecordPrint(claim, key.x, key.y, signature, ())
            self.ledger.append(operation)
            self.verdicts[operation.operation_id] = self.model.print(
                claim.licence, device, sequence, claim.deadline, self._time()
            )
        self._settle(faults)

    @rule(which=licences, count=st.integers(1, 3), faults=faults)
    def record_due(self, which: int | None, count: int, faults: list[str]) -> None:
        """As many prints as are due, one after the other."""
        self.record(which, [(None, None, "far")] * count, faults)

    @precondition(lambda self: any(each.consumed for each in self.model.licences.values()))
    @rule(which=licences, signer=signers, number=sequences, result=results, faults=faults)
    def outcome(
        self, which: int | None, signer: int | None, number: int | None, result: int, faults: list[str]
    ) -> None:
        """A report by any printer about any number."""
        licence = self._licence(which)
        if licence is None:
            return
        device, printed = self._printer(licence, signer), self._numbers(licence)[1]
        sequence = printed if number is None else number
        subject, key = licence.struct_hash(), self.devices[device]
        report = secret(f"report {next(self.tokens)}")
        statement = PrintOutcome(print_id(subject, sequence), result, report)
        signature = key.sign(digest(self.cast.domain, statement))
        operation = RecordOutcome(subject, sequence, statement, key.x, key.y, signature)
        self._do(operation, lambda: self.model.outcome(subject, device, sequence, result), faults)

    @rule(which=licences, provider=providers, prints=st.integers(0, 3), faults=faults)
    def transfer(self, which: int | None, provider: int, prints: int, faults: list[str]) -> None:
        """With the owner's consent; signed by who was the licence's provider when it was granted."""
        licence = self._licence(which)
        if licence is None:
            return
        subject = licence.struct_hash()
        salt = secret(f"transfer {next(self.tokens)}")
        statement = PrintTransfer(subject, self.providers[provider].address, prints, salt)
        signer = next(key for key in self.providers if key.address == licence.provider)
        operation = Transfer(
            licence,
            statement,
            signer.sign(digest(self.cast.domain, statement)),
            self.cast.owner.sign(digest(self.cast.domain, TransferConsent(subject))),
        )
        into = transferred(licence, statement)
        time, name = self._time(), into.struct_hash()
        self._do(operation, lambda: self.model.transfer(subject, name, provider, prints, time), faults)
        self.signed.append(into)

    @rule(depth=st.integers(1, 12))
    def reorg(self, depth: int) -> None:
        """Take back final blocks while nothing is under way."""
        self._reorganise(depth)
        self._settle([])

    @rule()
    def leap(self) -> None:
        """Move the chain's clock beyond some windows and deadlines; what was before lies too deep to undo."""
        if self._time() > self.start + LEAP_S // 2:
            return
        self.network.chain.tell("evm_increaseTime", LEAP_S)
        for _ in range(CONFIRMATIONS):
            self.ledger.turn()
        self.floor = self.network.chain.head().number

    @invariant()
    def agrees(self) -> None:
        """Outbox, contract and index say what the model says."""
        said = {each: self.ledger.status(each) for each in self.verdicts}
        wanted = {each: "confirmed" if taken else "rejected" for each, taken in self.verdicts.items()}
        assert {each: status.state for each, status in said.items()} == wanted
        for licence in self.signed:
            self._agrees_about(licence.struct_hash())
        for provider, device in itertools.product(PROVIDERS, DEVICES):
            subject = self._enrolment(provider, device).struct_hash()
            _, retired = self._ask("printerState", subject)
            assert retired == self.model.printers.get((provider, device), False)
        taken = sum(len(each.consumed) for each in self.model.licences.values())
        reported = sum(len(each.reported) for each in self.model.licences.values())
        assert len(self.ledger.events("PrintRecorded")) == taken
        assert len(self.ledger.events("OutcomeRecorded")) == reported

    def _agrees_about(self, subject: bytes) -> None:
        state = self.ledger.licence(subject)
        licence = self.model.licences.get(subject)
        if licence is None:
            assert not any(state[:10]) or int(state[0], 16) == 0
            return
        prints, reprints, credited, used, base, window, revoked = state[3:10]
        numbers = {*range(1, base + 1), *(base + 1 + bit for bit in range(128) if window >> bit & 1)}
        assert numbers == licence.consumed
        assert (prints, reprints, credited) == (licence.prints, licence.reprints, licence.credited)
        assert (used, revoked) == (len(licence.consumed), licence.revoked)
        assert used <= licence.allowed
        indexed = [each for each in self.ledger.events("PrintRecorded") if each[1] == subject]
        assert len(indexed) == used
        assert {n for n in licence.consumed if self._ask("isReported", subject, n)[0]} == licence.reported

    def _do(self, operation: Operation, judge: Any, faults: list[str]) -> None:
        """Append a statement, let things go wrong, and have it settle. Said again it is the same one."""
        (operation_id,) = self.ledger.append(operation)
        if operation_id not in self.verdicts:
            self.verdicts[operation_id] = judge()
        self._settle(faults)

    def _settle(self, faults: list[str]) -> None:
        for fault in faults:
            self._suffer(fault)
        self.liar.honest()
        self.ledger.turn()  # what a reorg took is known only after a look
        self.ledger.settle()

    def _suffer(self, fault: str) -> None:
        with contextlib.suppress(ChainError):  # an endpoint may lie already
            self.ledger.carry()
        if fault == "drop":
            for each in self.network.pooled():
                self.network.chain.tell("anvil_dropTransaction", each)
        elif fault == "restart":
            self.ledger.restart()
        elif fault == "again":
            self.ledger.relay.rebroadcast()
        elif fault == "reorg":
            self.ledger.turn()
            self._reorganise(2)
        else:
            self.liar.lie = WRONG_ANSWERS[fault]
            self.ledger.turn()
            self.ledger.turn()

    def _reorganise(self, depth: int) -> None:
        depth = min(depth, self.network.chain.head().number - self.floor)
        if depth > 0:
            self.network.chain.tell("anvil_reorg", depth, [])

    def _time(self) -> int:
        return self.network.chain.head().timestamp

    def _name(self, revision: int) -> str:
        return f"part {revision}"

    def _licence(self, which: int | None) -> Licence | None:
        """Give a licence that was ever signed; of those that can be printed under the newest for None."""
        if which is not None or not self.signed:
            return self.signed[(which or 0) % len(self.signed)] if self.signed else None
        time = self._time()
        fit = [each for each in self.signed if self._printable(each.struct_hash(), time)]
        return (fit or self.signed)[-1]

    def _printable(self, subject: bytes, time: int) -> bool:
        known = self.model.licences.get(subject)
        if known is None or not known.in_force(time) or not known.takes(known.without_gap + 1):
            return False
        return any(self.model.printers.get((known.provider, each)) is False for each in DEVICES)

    def _printer(self, licence: Licence, device: int | None) -> int:
        """Give the device asked for, or one that may print under the licence where there is one."""
        provider = next(at for at, key in enumerate(self.providers) if key.address == licence.provider)
        fit = [each for each in DEVICES if self.model.printers.get((provider, each)) is False]
        return device if device is not None else next(iter(fit), 0)

    def _numbers(self, licence: Licence) -> tuple[int, int]:
        """Give the next number to print and the next to report."""
        known = self.model.licences.get(licence.struct_hash())
        if known is None:
            return 1, 1
        return known.without_gap + 1, min(known.consumed - known.reported, default=1)

    def _enrolment(self, provider: int, device: int) -> Enrolment:
        return Enrolment(self.providers[provider].address, self.devices[device].x, self.devices[device].y)

    def _ask(self, name: str, *arguments: Any) -> Any:
        question = encode_query(name, *arguments)
        return decode_query(name, self.network.chain.call(self.network.contract, question))


@pytest.fixture
def machine(tmp_path: Path) -> type[LedgerMachine]:
    return type("Machine", (LedgerMachine,), {"folder": tmp_path})


PATIENT: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "phases": (Phase.explicit, Phase.reuse, Phase.generate),  # shrinking on a real chain takes too long
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


class TestLedger:
    def test_is_its_model(self, machine: type[LedgerMachine]) -> None:
        steady = settings(max_examples=20, stateful_step_count=20, derandomize=True, **PATIENT)
        run_state_machine_as_test(machine, settings=steady)

    @pytest.mark.slow
    def test_is_its_model_for_long(self, machine: type[LedgerMachine]) -> None:
        run_state_machine_as_test(
            machine, settings=settings(max_examples=100, stateful_step_count=30, **PATIENT)
        )
