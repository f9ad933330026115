"""What the operator sees of RPC endpoints that contradict, vanish and come back: a real service on a network
with three of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.app.parties import new_party
from tests.app.service import Service, running_service, until
from tests.ledger.lies import LIES
from tests.ledger.lying_node import LyingNode
from tests.ledger.stage import RELAY, Network, mining_network

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network that makes a block now and then."""
    with mining_network(tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.fixture(scope="module")
def liar(network: Network) -> Iterator[LyingNode]:
    node = LyingNode(network.node.rpc_url)
    yield node
    node.close()


@pytest.fixture(scope="module")
def service(network: Network, liar: LyingNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that asks the node, the liar and the node by another name."""
    urls = (network.node.rpc_url, liar.url, network.node.rpc_url.replace("127.0.0.1", "localhost"))
    settings = {"rpc_url": ",".join(urls), "contract": network.contract, "relay_key": RELAY.reveal().hex()}
    with running_service(tmp_path_factory.mktemp("service"), **settings) as service:
        yield service


@pytest.fixture
def forked(service: Service, liar: LyingNode) -> Iterator[None]:
    """One endpoint shows another history, until the test is over."""
    liar.lie = LIES["a fork"]
    until(lambda: _told(service, liar)["outvoted"] > 1, PATIENCE_S)
    yield
    liar.honest()


def _told(service: Service, liar: LyingNode) -> dict[str, object]:
    """Give what the operator is told of one endpoint."""
    endpoints = service.call("GET", "/v1/ledger", service.operator_key).json()["endpoints"]
    (found,) = [each for each in endpoints if each["endpoint"] == liar.name]
    return dict(found)


def _series(service: Service, name: str) -> dict[str, float]:
    """Give a metric's values by endpoint."""
    families = text_string_to_metric_families(service.call("GET", "/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return {each.labels.get("endpoint", ""): each.value for each in samples if each.name == name}


class TestOutvoted:
    @pytest.mark.usefixtures("forked")
    def test_tells_the_operator_which_since_when_and_how_often(
        self, service: Service, liar: LyingNode
    ) -> None:
        told = _told(service, liar)
        assert str(told["outvoted_since"]) <= str(told["outvoted_last"])
        assert str(told["said"]).startswith("said about block")
        assert service.call("GET", "/v1/ledger", service.operator_key).json()["ok"]

    @pytest.mark.usefixtures("forked")
    def test_tells_parties_no_endpoint(self, service: Service) -> None:
        answer = service.call("GET", "/v1/ledger", new_party(service, "owner").key)
        assert (answer.status_code, answer.json()["endpoints"]) == (200, [])

    @pytest.mark.usefixtures("forked")
    def test_warns_and_stays_ready_without_a_name(self, service: Service, liar: LyingNode) -> None:
        answer = service.call("GET", "/readyz")
        assert answer.status_code == 200
        (warning,) = [each for each in answer.json()["warnings"] if "outvoted" in each]
        assert " of 3 RPC endpoints were outvoted, " in warning
        assert liar.name not in answer.text

    @pytest.mark.usefixtures("forked")
    def test_is_counted_in_metrics(self, service: Service, liar: LyingNode) -> None:
        assert _series(service, "partvault_ledger_endpoint_outvoted")[liar.name] > 1
        assert _series(service, "partvault_ledger_endpoint_outvoted_since_seconds")[liar.name] > 1e9
        assert len(_series(service, "partvault_ledger_endpoint_votes")) == 3


class TestSilent:
    def test_has_no_vote_until_it_answers_again(self, service: Service, liar: LyingNode) -> None:
        liar.dead = True
        try:
            until(lambda: _told(service, liar)["trouble"], PATIENCE_S)
            assert _series(service, "partvault_ledger_endpoint_votes")[liar.name] == 0
            warnings = service.call("GET", "/readyz").json()["warnings"]
            assert "1 of 3 RPC endpoints have no vote; `partvault ledger status` says which" in warnings
        finally:
            liar.dead = False
        until(lambda: _told(service, liar)["trouble"] is None, PATIENCE_S)
        assert _series(service, "partvault_ledger_endpoint_votes")[liar.name] == 1


class TestProgress:
    def test_tells_head_and_lag(self, service: Service, network: Network) -> None:
        head = network.chain.head().number
        progress = until(lambda: _reached(service, head), PATIENCE_S)
        assert progress["lag_blocks"] == progress["head"] - progress["indexed"]
        assert _series(service, "partvault_ledger_head_block")[""] >= head
        assert _series(service, "partvault_ledger_ok") == {"": 1}

    def test_tells_of_no_embedded_chain(self, service: Service) -> None:
        assert _series(service, "partvault_ledger_embedded_events") == {}


def _reached(service: Service, block: int) -> dict[str, int] | None:
    """Give the progress once a block is indexed."""
    progress: dict[str, int] = service.call("GET", "/readyz").json()["ledger"]
    return progress if progress["indexed"] >= block else None
