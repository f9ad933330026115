"""Several endpoints of which one lies, forks, lags, dies or sleeps: real anvil, real HTTP, one proxy that
lies.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.abi import encode_query
from ledger.chain import ChainError, NoOutputError
from ledger.endpoint_health import Spell
from ledger.errors import LedgerError
from ledger.identity import IdentityMismatch
from ledger.outbox import FINAL
from ledger.quorum import DisagreementError, QuorumChain, endpoint_names, usual_agreement
from ledger.runtime import remote
from ledger.transaction import Offer, sign_transaction
from ledger.web3_chain import Web3Chain
from tests.ledger.actors import Cast
from tests.ledger.lies import LIES, NO_STATE
from tests.ledger.lying_node import LyingNode
from tests.ledger.stage import RELAY, Network, Stage, open_engine
from tests.ledger.test_network import FAST, POLL_S, _mining, state_of, until


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    folder = tmp_path / "node"
    folder.mkdir()
    node = Network(folder)
    yield node
    node.node.kill()


@pytest.fixture
def liar(network: Network) -> Iterator[LyingNode]:
    node = LyingNode(network.node.rpc_url)
    yield node
    node.close()


@pytest.fixture
def witness(network: Network) -> Iterator[LyingNode]:
    """A second way to the same node that stays honest."""
    node = LyingNode(network.node.rpc_url)
    yield node
    node.close()


@contextmanager
def staged(network: Network, folder: Path, urls: list[str]) -> Iterator[Stage]:
    engine = open_engine(folder / "ledger.sqlite")
    runtime = remote(engine, urls, network.contract, RELAY, 2, time.time, limits=FAST, poll_s=POLL_S)
    runtime.start()
    try:
        stage = Stage(engine, runtime, Cast(runtime.domain))
        with _mining(network):
            stage.open_licence()
        yield stage
    finally:
        runtime.stop()
        engine.dispose()


def issuing(stage: Stage, transaction: bytes) -> bool:
    """Read contract, nonce and receipt, as issuing does; tell whether it could and the ledger is well."""
    chain, _ = stage.runtime._started()
    try:
        chain.nonce(RELAY.address)
        stage.runtime.licence_state(stage.cast.licence().struct_hash())
        chain.receipts([transaction])
    except LedgerError:
        return False
    return stage.runtime.health().ok


def outvoted(stage: Stage) -> dict[str, str]:
    """Give who is outvoted and what it said."""
    return {each.name: each.outvoted.said for each in stage.runtime.health().endpoints if each.outvoted}


def sent(stage: Stage, network: Network) -> tuple[str, bytes]:
    """Append a print and have it sent; give its operation and its transaction."""
    (operation_id,) = stage.append(stage.cast.record(stage.cast.licence(), 1))
    stage.runtime.wake()
    assert until(lambda: bool(network.pooled()))
    return operation_id, bytes.fromhex(network.pooled()[0][2:])


class TestTwo:
    @pytest.mark.parametrize("lie", LIES)
    def test_issues_nothing_while_one_lies(
        self, network: Network, liar: LyingNode, tmp_path: Path, lie: str
    ) -> None:
        with staged(network, tmp_path, [network.node.rpc_url, liar.url]) as stage:
            operation_id, transaction = sent(stage, network)
            liar.lie = LIES[lie]
            network.mine()
            assert until(lambda: not issuing(stage, transaction))
            assert until(lambda: not stage.runtime.health().ok)
            reason = str(stage.runtime.health().reason)
            assert "disagree" in reason
            assert liar.name in reason
            assert network.node.rpc_url.removeprefix("http://") in reason
            network.mine(5)
            assert stage.runtime.wait(operation_id, 0.2).state not in FINAL
            assert not issuing(stage, transaction)
            liar.honest()
            with _mining(network):
                assert until(lambda: state_of(stage, operation_id).state == "confirmed")
            assert until(lambda: stage.runtime.health().ok)
            assert stage.used(stage.cast.licence()) == 1

    def test_waits_for_the_one_that_died(self, network: Network, liar: LyingNode, tmp_path: Path) -> None:
        with staged(network, tmp_path, [network.node.rpc_url, liar.url]) as stage, _mining(network):
            liar.dead = True
            assert until(lambda: not stage.runtime.health().ok)
            (operation_id,) = stage.append(stage.cast.record(stage.cast.licence(), 1))
            assert stage.runtime.wait(operation_id, 0.2).state == "pending"
            liar.dead = False
            assert until(lambda: state_of(stage, operation_id).state == "confirmed")
            assert until(lambda: stage.runtime.health().ok)


class TestThree:
    @pytest.mark.parametrize("lie", LIES)
    def test_goes_on_and_says_whom_it_caught(
        self, network: Network, liar: LyingNode, witness: LyingNode, tmp_path: Path, lie: str
    ) -> None:
        with staged(network, tmp_path, [liar.url, network.node.rpc_url, witness.url]) as stage:
            liar.lie = LIES[lie]
            operation_id, transaction = sent(stage, network)
            with _mining(network):
                assert until(lambda: state_of(stage, operation_id).state == "confirmed")
            assert until(lambda: issuing(stage, transaction))
            assert stage.used(stage.cast.licence()) == 1
            assert until(lambda: liar.name in outvoted(stage))
            others = {name: said for name, said in outvoted(stage).items() if name != liar.name}
            # while anvil mines, it may answer as of one block beyond the one it is asked about
            assert all("the account's nonce" in said or "would take" in said for said in others.values())
            assert [each.name for each in stage.runtime.health().endpoints] == endpoint_names(
                [liar.url, network.node.rpc_url, witness.url]
            )

    def test_goes_on_while_one_sleeps(
        self, network: Network, liar: LyingNode, witness: LyingNode, tmp_path: Path
    ) -> None:
        urls = dict(zip("abc", (liar.url, network.node.rpc_url, witness.url), strict=True))
        nodes = {name: Web3Chain.http(url, timeout_s=30) for name, url in urls.items()}
        chain = QuorumChain(nodes, timeout_s=0.2)
        liar.hold()
        assert chain.head().number == network.chain.head().number
        network.mine()
        assert chain.head().number == network.chain.head().number
        liar.release()

    def test_goes_on_while_one_is_dead(
        self, network: Network, liar: LyingNode, witness: LyingNode, tmp_path: Path
    ) -> None:
        liar.dead = True
        with staged(network, tmp_path, [liar.url, network.node.rpc_url, witness.url]) as stage:
            (operation_id,) = stage.append(stage.cast.record(stage.cast.licence(), 1))
            with _mining(network):
                assert until(lambda: state_of(stage, operation_id).state == "confirmed")
            health = stage.runtime.health()
            assert health.ok
            assert [each.trouble is None for each in health.endpoints] == [False, True, True]
            assert [each.outvoted for each in health.endpoints] == [None] * 3
            liar.dead = False
            assert until(lambda: stage.runtime.health().endpoints[0].trouble is None)


class _Behind:
    """A lie that is none: the node has not got further than a block, until it was asked so often for its
    newest.
    """

    def __init__(self, network: Network, last: int, asked_max: int | None = None) -> None:
        self._header = network.chain.tell("eth_getBlockByNumber", hex(last), False)
        self._last = last
        self._left = asked_max

    def __call__(self, method: str, params: list[object], result: object) -> object:
        if method != "eth_getBlockByNumber" or self._left == 0:
            return result
        if params[0] == "latest" and self._left is not None:
            self._left -= 1
        if params[0] == "latest":
            return self._header
        return result if int(str(params[0]), 16) <= self._last else None


class TestBehind:
    def test_agrees_on_the_lowest_common_block(self, network: Network, liar: LyingNode) -> None:
        network.mine(5)
        liar.lie = _Behind(network, 3)
        chain = QuorumChain({"a": network.chain, "b": Web3Chain.http(liar.url)})
        assert chain.head() == network.chain.headers([3])[0]
        assert chain.headers([3, 4]) == [network.chain.headers([3])[0], None]
        assert [each.outvoted for each in chain.endpoints()] == [None] * len(chain.endpoints())

    def test_a_majority_does_not_wait_for_it(
        self, network: Network, liar: LyingNode, witness: LyingNode
    ) -> None:
        network.mine(5)
        liar.lie = _Behind(network, 3)
        nodes = {"a": network.chain, "b": Web3Chain.http(liar.url), "c": Web3Chain.http(witness.url)}
        chain = QuorumChain(nodes)
        assert chain.head() == network.chain.head()
        assert chain.nonce(RELAY.address) == 1
        assert [each.outvoted for each in chain.endpoints()] == [None] * len(chain.endpoints())

    @pytest.mark.parametrize("lie", ["a fork", "what a call returns"])
    def test_is_waited_for_where_those_ahead_contradict_each_other(
        self, network: Network, liar: LyingNode, witness: LyingNode, lie: str
    ) -> None:
        network.mine(5)
        liar.lie, witness.lie = LIES[lie], _Behind(network, 3, asked_max=3)
        nodes = {"a": network.chain, "b": Web3Chain.http(liar.url), "c": Web3Chain.http(witness.url)}
        chain = QuorumChain(nodes)
        assert chain.call(network.contract, encode_query("revisionOwner", bytes(32))) == bytes(32)
        assert chain.head() == network.chain.head()
        assert [each.name for each in chain.endpoints() if each.outvoted] == ["b"]

    def test_is_not_waited_for_longer_than_for_an_answer(
        self, network: Network, liar: LyingNode, witness: LyingNode
    ) -> None:
        network.mine(5)
        liar.lie, witness.lie = LIES["a fork"], _Behind(network, 3)
        nodes = {"a": network.chain, "b": Web3Chain.http(liar.url), "c": Web3Chain.http(witness.url)}
        chain = QuorumChain(nodes, timeout_s=0.5)
        with pytest.raises(DisagreementError, match="disagree about block"):
            chain.head()
        witness.honest()
        assert chain.head() == network.chain.head()

    def test_a_nonce_counts_at_the_common_block(self, network: Network, liar: LyingNode) -> None:
        liar.lie = _Behind(network, 0)
        chain = QuorumChain({"a": network.chain, "b": Web3Chain.http(liar.url)})
        assert chain.nonce(RELAY.address) == 0

    def test_a_receipt_beyond_the_common_block_is_not_there_yet(
        self, network: Network, liar: LyingNode
    ) -> None:
        block = network.chain.tell("eth_getBlockByNumber", "0x1", False)
        deployment = bytes.fromhex(block["transactions"][0][2:])
        liar.lie = _Behind(network, 0)
        chain = QuorumChain({"a": network.chain, "b": Web3Chain.http(liar.url)})
        assert chain.receipts([deployment]) == [None]
        liar.honest()
        assert chain.receipts([deployment]) == network.chain.receipts([deployment])


class TestOpenQuestions:
    def test_nothing_is_answered_until_they_agree_again(self, network: Network, liar: LyingNode) -> None:
        chain = QuorumChain({"a": network.chain, "b": Web3Chain.http(liar.url)})
        call = encode_query("revisionOwner", bytes(32))
        liar.lie = LIES["what a call returns"]
        for ask in (lambda: chain.call(network.contract, call), chain.head):
            with pytest.raises(DisagreementError, match=r"a: 0x0+; b: 0x"):
                ask()
        liar.honest()
        assert chain.head() == network.chain.head()
        assert chain.call(network.contract, call) == bytes(32)


class TestLostState:
    """A node that says of the pinned contract that nothing is there."""

    def test_is_refused_by_one_endpoint(self, network: Network, liar: LyingNode, tmp_path: Path) -> None:
        with staged(network, tmp_path, [liar.url]) as stage:
            licence = stage.cast.licence().struct_hash()
            liar.lie = NO_STATE
            for ask in (stage.runtime.licence_state, stage.runtime.revision_owner):
                with pytest.raises(NoOutputError, match="returned nothing"):
                    ask(licence)
            liar.honest()
            assert stage.used(stage.cast.licence()) == 0

    def test_is_refused_where_two_must_agree(self, network: Network, liar: LyingNode, tmp_path: Path) -> None:
        with staged(network, tmp_path, [network.node.rpc_url, liar.url]) as stage:
            liar.lie = NO_STATE
            with pytest.raises(ChainError, match="1 of 2 endpoints asked answered"):
                stage.used(stage.cast.licence())
            liar.honest()
            assert stage.used(stage.cast.licence()) == 0

    def test_is_outvoted_by_the_others(
        self, network: Network, liar: LyingNode, witness: LyingNode, tmp_path: Path
    ) -> None:
        with staged(network, tmp_path, [liar.url, network.node.rpc_url, witness.url]) as stage:
            liar.lie = NO_STATE
            assert stage.used(stage.cast.licence()) == 0
            assert until(lambda: "returned nothing" in outvoted(stage).get(liar.name, ""))

    def test_has_no_vote_until_it_shows_the_contract_again(
        self, network: Network, liar: LyingNode, tmp_path: Path
    ) -> None:
        with staged(network, tmp_path, [network.node.rpc_url, liar.url]) as stage:
            liar.lie = lambda asked, _, result: "0x" if asked in ("eth_call", "eth_getCode") else result
            with pytest.raises(ChainError, match="returned nothing"):
                stage.used(stage.cast.licence())
            with pytest.raises(ChainError, match="code"):
                stage.used(stage.cast.licence())


class TestPin:
    @pytest.mark.parametrize("method", ["eth_chainId", "eth_getCode"])
    def test_each_endpoint_must_show_the_same(
        self, network: Network, liar: LyingNode, witness: LyingNode, tmp_path: Path, method: str
    ) -> None:
        liar.lie = lambda asked, _, result: "0x1234" if asked == method else result
        engine = open_engine(tmp_path / "ledger.sqlite")
        urls = [network.node.rpc_url, witness.url, liar.url]
        with pytest.raises(IdentityMismatch):
            remote(engine, urls, network.contract, RELAY, 2).start()
        with pytest.raises(DisagreementError, match="disagree about the"):
            remote(engine, [network.node.rpc_url, liar.url], network.contract, RELAY, 2).start()
        engine.dispose()

    def test_one_that_was_away_is_checked_before_it_votes(self, network: Network, liar: LyingNode) -> None:
        chain = QuorumChain({"a": network.chain, "b": Web3Chain.http(liar.url)})
        liar.dead = True

        def check(node: object) -> None:
            if network.chain.chain_id() != node.chain_id():  # type: ignore[attr-defined]
                raise IdentityMismatch("another chain")

        chain.hold_to(check)
        liar.dead = False
        liar.lie = lambda asked, _, result: "0x1234" if asked == "eth_chainId" else result
        with pytest.raises(ChainError, match="another chain"):
            chain.head()
        one, other = chain.endpoints()
        assert (one.trouble, one.outvoted) == (None, None)
        assert other.trouble == "another chain"
        assert other.outvoted is not None
        assert other.outvoted.said == "must not vote: another chain"
        liar.honest()
        assert chain.head() == network.chain.head()
        assert chain.endpoints()[1].trouble is None


class TestOutvoted:
    def test_is_told_for_an_hour(self, network: Network, liar: LyingNode, witness: LyingNode) -> None:
        now = [0.0]
        urls = {"a": liar.url, "b": network.node.rpc_url, "c": witness.url}
        nodes = {name: Web3Chain.http(url) for name, url in urls.items()}
        chain = QuorumChain(nodes, clock=lambda: now[0])
        liar.lie = LIES["another nonce"]
        said = "said about the account's nonce: 4; the others: 1"
        for now[0], spell in (
            (0.0, Spell(1, 0.0, 0.0, said)),
            (3600.0, Spell(2, 0.0, 3600.0, said)),
            (7201.0, Spell(1, 7201.0, 7201.0, said)),
        ):
            assert chain.nonce(RELAY.address) == 1
            assert until(lambda expected=spell: chain.endpoints()[0].outvoted == expected)
        assert [each.outvoted for each in chain.endpoints()[1:]] == [None, None]
        now[0] = 7201.0 + 3601.0
        assert chain.endpoints()[0].outvoted is None


class TestSend:
    def test_reaches_the_chain_if_one_takes_it(self, network: Network, liar: LyingNode) -> None:
        liar.dead = True
        chain = QuorumChain({"a": Web3Chain.http(liar.url), "b": network.chain})
        raw = _signed(network)
        chain.send(raw, time=0)
        assert len(network.pooled()) == 1

    def test_says_that_it_may_be_there(self, network: Network, liar: LyingNode) -> None:
        chain = QuorumChain({"a": Web3Chain.http(liar.url), "b": network.chain})
        raw = _signed(network)
        chain.send(raw, time=0)
        network.mine()
        with pytest.raises(LedgerError) as refusal:
            chain.send(raw, time=0)
        assert getattr(refusal.value, "maybe_sent", False)


def _signed(network: Network) -> bytes:
    offer = Offer(gas=50_000, max_fee=10**11, tip=10**9)
    nonce = network.chain.nonce(RELAY.address)
    return sign_transaction(
        RELAY, chain_id=31337, nonce=nonce, to=network.contract, data=b"", offer=offer
    ).raw


class TestAgreement:
    @pytest.mark.parametrize(("endpoints", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4)])
    def test_is_all_but_one_of_three_or_more(self, endpoints: int, needed: int) -> None:
        assert usual_agreement(endpoints) == needed

    @pytest.mark.parametrize(("endpoints", "needed"), [(0, None), (2, 1), (3, 1), (4, 2), (3, 4)])
    def test_must_be_a_majority(self, endpoints: int, needed: int | None) -> None:
        nodes = {str(number): Web3Chain.http("http://127.0.0.1:1") for number in range(endpoints)}
        with pytest.raises(ValueError, match="no majority"):
            QuorumChain(nodes, needed)


class TestEndpointNames:
    def test_holds_no_key(self) -> None:
        urls = ["https://user:secret@a.example/v3/secret?key=secret", "http://b.example:8545"]
        assert endpoint_names(urls) == ["a.example", "b.example:8545"]

    def test_tells_equals_apart(self) -> None:
        assert endpoint_names(["http://a/1", "http://a/2"]) == ["a (1)", "a (2)"]
