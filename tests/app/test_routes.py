"""Every route says who may use it, and means it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.auth.principals import Role
from app.dependencies import Authorisation, Public, RequireProof, RequireRole
from app.main import assemble
from app.observability.metrics import Metrics
from app.settings import Settings
from tests.app.parties import Party, new_party, problem
from tests.app.service import Service

DOCUMENTATION = {"/docs", "/docs/assets", "/openapi.json"}


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    authorisations: tuple[Authorisation, ...]

    def filled(self) -> str:
        """The path with an id that nothing has."""
        parts = [f"abc_{'0' * 26}" if part.startswith("{") else part for part in self.path.split("/")]
        return "/".join(parts)


def _authorisations(dependant: Dependant) -> Iterator[Authorisation]:
    if isinstance(dependant.call, Authorisation):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _authorisations(inner)


def routes_of(app: FastAPI) -> list[Route]:
    found = []
    for context in iter_route_contexts(app.routes):
        route: Any = context
        dependant = getattr(route, "dependant", None)
        needed = tuple(_authorisations(dependant)) if dependant else ()
        methods = sorted((route.methods or {"GET"}) - {"HEAD"})  # a folder of static files has no methods
        found += [Route(method, route.path, needed) for method in methods]
    return found


ROUTES = routes_of(assemble(Metrics(), Settings()))
GUARDED = [route for route in ROUTES if route.path not in DOCUMENTATION]
BY_ROLE = [r for r in GUARDED if any(isinstance(a, RequireRole) for a in r.authorisations)]
BY_PROOF = [r for r in GUARDED if any(isinstance(a, RequireProof) for a in r.authorisations)]


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture(scope="session")
def keys(service: Service) -> dict[Role, str]:
    """An API key with each single role."""
    parties = {role: new_party(service, role).key for role in (Role.OWNER, Role.PROVIDER, Role.AUDITOR)}
    return parties | {Role.OPERATOR: service.operator_key}


class TestEveryRoute:
    def test_is_known_here(self) -> None:
        assert len(GUARDED) > 40

    @pytest.mark.parametrize("route", GUARDED, ids=_name)
    def test_has_one_authorisation(self, route: Route) -> None:
        assert len(route.authorisations) == 1, f"{_name(route)} must name one role, proof, or public(reason)"

    def test_is_public_for_a_reason_only(self) -> None:
        public = {r.path: a for r in GUARDED for a in r.authorisations if isinstance(a, Public)}
        verification = {"/verify/{print_hash}", "/v1/verification/{print_hash}"}
        assert set(public) == {"/livez", "/readyz", "/metrics", "/v1/printers/enrol", *verification}
        assert all(len(mark.reason) > 20 for mark in public.values())


class TestRoleRoute:
    @pytest.mark.parametrize("route", BY_ROLE, ids=_name)
    def test_refuses_no_key_and_foreign_keys(self, service: Service, route: Route) -> None:
        for key in (None, "", "pv_x_y", f"pv_key_{'0' * 26}_{'0' * 64}"):
            answer = service.call(route.method, route.filled(), key)
            assert answer.status_code == 401, answer.text
            problem(answer, "unauthenticated")

    @pytest.mark.parametrize("route", BY_ROLE, ids=_name)
    def test_refuses_keys_without_the_role(
        self, service: Service, keys: dict[Role, str], route: Route
    ) -> None:
        (needed,) = [a for a in route.authorisations if isinstance(a, RequireRole)]
        for role, key in keys.items():
            answer = service.call(route.method, route.filled(), key)
            assert (answer.status_code == 403) == (role not in needed.roles), f"{role}: {answer.text}"
            assert answer.status_code != 500

    @pytest.mark.parametrize("route", [r for r in BY_ROLE if "{" in r.path and r.method == "GET"], ids=_name)
    def test_answers_an_absent_id_with_404(
        self, service: Service, keys: dict[Role, str], route: Route
    ) -> None:
        (needed,) = [a for a in route.authorisations if isinstance(a, RequireRole)]
        answer = service.call(route.method, route.filled(), keys[needed.roles[0]])
        assert answer.status_code == 404
        problem(answer, "not-found")


class TestProofRoute:
    @pytest.mark.parametrize("route", BY_PROOF, ids=_name)
    def test_refuses_no_proof_and_api_keys(self, service: Service, owner: Party, route: Route) -> None:
        for key in (None, owner.key):
            answer = service.call(route.method, route.filled(), key)
            assert answer.status_code == 401
            problem(answer, "invalid-proof")
