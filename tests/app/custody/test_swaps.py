"""A database writer swaps wrapped keys between rows, tenants, versions and kinds: refused by name.

At open (a picture, a managed account's signature), at release, at rotation; and the audit names the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli.audit_local import audit_local
from app.custody import rotation, wraps
from storage.envelope import ObjectContext
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.parts import box
from tests.app.service import Service, running_service

WRAP = ("keyring", "key_version", "blob")
Place = dict[str, Any]


@dataclass
class Scene:
    """A service of its own, because its wrapped keys are tampered with."""

    service: Service
    owner: Party
    provider: Party
    printer: Printer
    part: dict[str, Any]
    other_part: dict[str, Any]
    foreign_part: dict[str, Any]

    def place(self, revision: dict[str, Any], kind: str = "file") -> Place:
        """The row of an object's wrap."""
        return {"object_id": revision["id"], "kind": kind}

    def account(self, party: Party) -> Place:
        """The row of a managed account's wrap."""
        return {"object_id": party.id, "kind": "account"}

    def wrap(self, place: Place) -> tuple[Any, ...]:
        query = f"select {', '.join(WRAP)} from wrapped_keys where object_id = :object_id and kind = :kind"
        (row,) = self._run(query, place)
        return tuple(row)

    def put(self, place: Place, wrap: tuple[Any, ...]) -> None:
        values = place | dict(zip(WRAP, wrap, strict=True))
        changes = ", ".join(f"{name} = :{name}" for name in WRAP)
        self._run(f"update wrapped_keys set {changes} where object_id = :object_id and kind = :kind", values)

    @contextmanager
    def swapped(self, first: Place, second: Place) -> Iterator[None]:
        """Swap two rows' wraps while the block lasts."""
        one, two = self.wrap(first), self.wrap(second)
        self.put(first, two)
        self.put(second, one)
        try:
            yield
        finally:
            self.put(first, one)
            self.put(second, two)

    def _run(self, statement: str, values: Place) -> list[Any]:
        connection = self.service.database()
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def audited(self) -> set[str]:
        """The rows the audit names."""
        report = audit_local(self.service.services.settings, None, quiet=True)
        return {finding.row for finding in report.findings}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("scene")
    with running_service(folder) as service:
        owner, provider, foreign = (new_party(service, role) for role in ("owner", "provider", "owner"))
        yield Scene(
            service,
            owner,
            provider,
            provider.printer(),
            owner.published(),
            owner.published(box((9, 9, 9))),
            foreign.published(box((8, 8, 8))),
        )


def others(scene: Scene) -> dict[str, Place]:
    """Where the wrap of another row, tenant or kind lies."""
    return {
        "row": scene.place(scene.other_part),
        "tenant": scene.place(scene.foreign_part),
        "kind": scene.place(scene.part, "thumbnail"),
    }


class TestRelease:
    @pytest.mark.parametrize("other", ["row", "tenant", "kind"])
    def test_is_refused_with_another_wrap(self, scene: Scene, other: str) -> None:
        licence = scene.owner.license(scene.part, scene.provider)
        authorised = scene.provider.authorise(licence, scene.printer)
        key = f"swapped-{other}"
        with scene.swapped(scene.place(scene.part), others(scene)[other]):
            refused = scene.printer.redeem(authorised["token"], key)
            assert refused.status_code == 409
            problem(refused, "wrong-context")
        assert scene.printer.redeem(authorised["token"], key).status_code == 200, (
            "restored, the retry completes"
        )


class TestOpen:
    @pytest.mark.parametrize("other", ["row", "tenant", "kind"])
    def test_of_a_picture_is_refused_with_another_wrap(self, scene: Scene, other: str) -> None:
        places = others(scene) | {"kind": scene.place(scene.part)}
        if other != "kind":
            places[other]["kind"] = "thumbnail"
        path = f"/v1/revisions/{scene.part['id']}/thumbnail"
        with scene.swapped(scene.place(scene.part, "thumbnail"), places[other]):
            refused = scene.owner.call("GET", path)
            assert refused.status_code == 409
            problem(refused, "wrong-context")
        assert scene.owner.call("GET", path).status_code == 200

    def test_of_an_account_is_refused_with_another_tenants(self, scene: Scene) -> None:
        ready = scene.owner.inspected(box((7, 7, 7)))
        path = f"/v1/revisions/{ready['id']}/publish"
        with scene.swapped(scene.account(scene.owner), scene.account(scene.provider)):
            refused = scene.owner.call("POST", path, json={})
            assert refused.status_code == 409
            problem(refused, "wrong-context")
        scene.owner.expect(200, "POST", path, json={})

    def test_of_an_older_uploads_wrap_is_refused(self, scene: Scene) -> None:
        """The row says another object version than the wrap was made for."""
        place = scene.place(scene.part, "thumbnail")
        wrap = scene.wrap(place)
        services = scene.service.services
        with services.database.read() as session:
            context = ObjectContext(scene.owner.id, scene.part["id"], 1, "thumbnail")
            found = wraps.get(session, context)
        older = ObjectContext(context.tenant, context.object_id, 0, context.kind)
        with services.keys.unwrap(found, context) as key:
            stale = services.keys.wrap(key, older)
        scene.put(place, (stale.keyring, stale.version, stale.blob))
        try:
            refused = scene.owner.call("GET", f"/v1/revisions/{scene.part['id']}/thumbnail")
            problem(refused, "wrong-context")
        finally:
            scene.put(place, wrap)

    def test_of_a_wrap_that_claims_another_key_version_is_refused(self, scene: Scene) -> None:
        place = scene.place(scene.part, "thumbnail")
        keyring, version, blob = scene.wrap(place)
        scene.put(place, (keyring, "99", blob))
        try:
            refused = scene.owner.call("GET", f"/v1/revisions/{scene.part['id']}/thumbnail")
            assert refused.status_code == 503
            problem(refused, "key-unavailable")
        finally:
            scene.put(place, (keyring, version, blob))


class TestAudit:
    def test_agrees_before_and_after(self, scene: Scene) -> None:
        assert scene.audited() == set()

    @pytest.mark.parametrize("other", ["row", "tenant", "kind"])
    def test_names_both_rows(self, scene: Scene, other: str) -> None:
        place = others(scene)[other]
        with scene.swapped(scene.place(scene.part), place):
            named = scene.audited()
        wrapped = {name.split()[2] + name.split()[4] for name in named if name.startswith("wrapped_keys ")}
        assert wrapped == {scene.part["id"] + "file", place["object_id"] + place["kind"]}
        assert {f"revisions {scene.part['id']}", f"revisions {place['object_id']}"} <= named

    def test_names_swapped_accounts(self, scene: Scene) -> None:
        first, second = scene.account(scene.owner), scene.account(scene.provider)
        with scene.swapped(first, second):
            named = scene.audited()
        assert {name.split()[2] for name in named} == {first["object_id"], second["object_id"]}


class TestRotation:
    def test_names_swapped_rows_and_does_the_others(self, scene: Scene) -> None:
        services = scene.service.services
        place = others(scene)["tenant"]
        with scene.swapped(scene.place(scene.part), place):
            begun = rotation.begin(services.database, services.keys, services.clock)
            outcome = rotation.complete(services.database, services.keys, services.clock, begun)
            assert {(each.row.split()[2], each.kind) for each in outcome.failed} == {
                (scene.part["id"], "wrong_context"),
                (scene.foreign_part["id"], "wrong_context"),
            }
        outcome = rotation.complete(services.database, services.keys, services.clock, begun)
        assert outcome.complete
        assert scene.audited() == set()
