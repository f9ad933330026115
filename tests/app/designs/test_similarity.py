"""What resembles another owner's part is told to the operator, and to nobody else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlmodel import delete

from app.designs.similarity import compare_waiting
from app.models import PartFingerprint, Resemblance, Revision
from mesh_tools.fingerprint.vector import LENGTH, Fingerprint
from tests.app.designs.held import held_draft, keeper
from tests.app.parties import new_party, problem
from tests.app.parts import box
from tests.app.service import Service, until
from tests.app.shredding.shredded import shred
from tests.mesh_tools.shapes import corners, revolved, stl_binary


def vase(foot: float, height: float, segments: int = 32, factor: float = 1.0) -> bytes:
    """A turned part; parts of other proportions do not resemble it."""
    profile = [(foot, 0.0), (foot + 4, height / 3), (foot / 2, height * 0.8), (foot, height)]
    return stl_binary(corners(revolved(profile, segments)) * np.float32(factor))


def flagged(service: Service, revision: dict[str, Any]) -> list[dict[str, Any]]:
    """The resemblances of a revision, after its comparison is done."""

    def compared() -> bool:
        with service.services.database.read() as session:
            return session.get_one(PartFingerprint, revision["id"]).compared_at is not None

    until(compared)
    found, cursor = [], None
    while True:
        answer = service.call(
            "GET",
            "/v1/resemblances",
            service.operator_key,
            params={"limit": 200, **({"cursor": cursor} if cursor else {})},
        ).json()
        found += [row for row in answer["items"] if row["revision_id"] == revision["id"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


def fields(value: Any) -> Any:
    """The names and types of a document, without its values."""
    if isinstance(value, dict):
        return {name: fields(inner) for name, inner in value.items()}
    return [fields(inner) for inner in value] if isinstance(value, list) else type(value)


class TestFlag:
    def test_the_same_file_of_another_owner_is_flagged(self, service: Service) -> None:
        content = vase(7.5, 31)
        first = new_party(service, "owner").inspected(content)
        second = new_party(service, "owner").inspected(content)
        rows = [row for row in flagged(service, second) if row["other_revision_id"] == first["id"]]
        assert len(rows) == 1
        assert rows[0]["same_file"] is True
        assert rows[0]["distance"] == 0
        assert rows[0]["factor"] == 1

    def test_a_larger_copy_is_flagged_with_its_factor(self, service: Service) -> None:
        first = new_party(service, "owner").inspected(vase(9.0, 52))
        second = new_party(service, "owner").inspected(vase(9.0, 52, 48, 1.5))
        rows = [row for row in flagged(service, second) if row["other_revision_id"] == first["id"]]
        assert len(rows) == 1
        assert rows[0]["same_file"] is False
        assert rows[0]["factor"] == pytest.approx(1.5, rel=0.01)

    def test_an_owners_own_versions_are_not(self, service: Service) -> None:
        owner = new_party(service, "owner")
        first, second = owner.inspected(vase(3.25, 80)), owner.inspected(vase(3.25, 80))
        assert first["id"] not in {row["other_revision_id"] for row in flagged(service, second)}

    def test_another_shape_is_not(self, service: Service) -> None:
        first = new_party(service, "owner").inspected(vase(14.0, 15))
        second = new_party(service, "owner").inspected(box((90, 3, 4)))
        assert first["id"] not in {row["other_revision_id"] for row in flagged(service, second)}

    def test_what_waits_is_compared_by_whoever_comes_next_and_once(self, service: Service) -> None:
        content = vase(6.125, 44)
        first = new_party(service, "owner").inspected(content)
        second = new_party(service, "owner").inspected(content)
        before = flagged(service, second)
        with service.services.database.write() as session:
            row = session.get_one(PartFingerprint, second["id"])
            row.compared_at = None
            session.exec(delete(Resemblance).where(Resemblance.revision_id == second["id"]))
            session.add(row)
        compare_waiting(service.services)
        compare_waiting(service.services)
        again = flagged(service, second)
        assert [row["other_revision_id"] for row in again] == [row["other_revision_id"] for row in before]
        assert first["id"] in {row["other_revision_id"] for row in again}


class TestSecrecy:
    def test_the_uploaders_answer_is_the_same_in_form(self, service: Service) -> None:
        content = vase(5.5, 27)
        first = new_party(service, "owner").inspected(content)
        copier = new_party(service, "owner")
        second = copier.inspected(content)
        assert flagged(service, second)
        again = copier.expect(200, "GET", f"/v1/revisions/{second['id']}")
        assert fields(again) == fields(first)
        differing = {name for name in first if again[name] != first[name]}
        assert differing <= {
            "id",
            "design_id",
            "number",
            "created_at",
            "manifest",
            "commitment",
            "publication",
            "inspection",
            "revision_hash",
            "salt",
            "typed_data",
        }
        assert again["inspection"]["findings"] == first["inspection"]["findings"]

    @pytest.mark.parametrize("role", ["owner", "provider", "auditor"])
    def test_others_than_operators_are_refused(self, service: Service, role: str) -> None:
        problem(new_party(service, role).call("GET", "/v1/resemblances"), "forbidden")

    def test_no_answer_holds_a_fingerprint(self, service: Service) -> None:
        seen = new_party(service, "owner").inspected(vase(8.5, 19))
        with service.services.database.read() as session:
            assert (
                len(Fingerprint.from_bytes(session.get_one(PartFingerprint, seen["id"]).vector).values)
                == LENGTH
            )
        rows = service.call("GET", "/v1/resemblances", service.operator_key).json()["items"]
        assert not any("vector" in row for row in rows)

    def test_a_design_whose_owner_holds_the_key_has_none(self, service: Service) -> None:
        held = held_draft(keeper(service))
        held.published()
        with service.services.database.read() as session:
            assert session.get(PartFingerprint, held.revision["id"]) is None
            assert session.get(Revision, held.revision["id"]) is not None

    def test_shredding_takes_the_fingerprint_along(self, service: Service) -> None:
        owner = new_party(service, "owner")
        gone = owner.inspected(vase(4.75, 63))
        shred(owner, gone["design_id"])
        with service.services.database.read() as session:
            assert session.get(PartFingerprint, gone["id"]) is None
