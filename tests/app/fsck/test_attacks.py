"""Writers of the bucket and of the database: each attack is refused by the service with a named reason, and
named by the check of the vault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storage.envelope import ObjectContext
from tests.app.fsck.checking import checked
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.parts import box
from tests.app.service import Service, running_service


@dataclass
class Target:
    """A licensed revision, two more of the same tenant, of one design, and one of another tenant."""

    service: Service
    provider: Party
    printer: Printer
    licence: dict[str, Any]
    mine: str
    sibling: str
    foreign: str

    def finds(self) -> set[str]:
        return {finding.row.split()[0] for finding in checked(self.service).findings}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_service(tmp_path_factory.mktemp("attacks")) as service:
        owner, stranger = new_party(service, "owner"), new_party(service, "owner")
        provider = new_party(service, "provider")
        mine, sibling = owner.published(), owner.published(box((5, 6, 7)))
        licence = owner.license(mine, provider, prints=50)
        foreign = stranger.published(box((8, 9, 10)))
        printer = provider.printer()
        yield Target(service, provider, printer, licence, mine["id"], sibling["id"], foreign["id"])


def _exchange(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(path)


@contextmanager
def bucket(target: Target, contents: dict[str, bytes]) -> Iterator[None]:
    """Other contents for some revisions' objects, and the true ones again afterwards."""
    with ExitStack() as stack:
        for revision_id, content in contents.items():
            path = target.service.object_path(revision_id)
            stack.callback(_exchange, path, path.read_bytes())
            _exchange(path, content)
        yield


def swap(target: Target) -> dict[str, bytes]:
    return {target.mine: _content(target, target.sibling), target.sibling: _content(target, target.mine)}


def replay(target: Target) -> dict[str, bytes]:
    return {target.mine: _content(target, target.foreign)}


def roll_back(target: Target) -> dict[str, bytes]:
    """What an earlier upload of the same revision was encrypted as: right tenant, id and kind, version 0."""
    services = target.service.services
    tenant = target.service.column("select organisation_id from revisions where id = ?", target.mine)
    context = ObjectContext(tenant=tenant, object_id=target.mine, version=0, kind="file")
    earlier = services.vault.put(context, [box()], 10_000)
    content = b"".join(services.objects.read(earlier.object_key))
    services.vault.discard(earlier)
    return {target.mine: content}


def _content(target: Target, revision_id: str) -> bytes:
    return target.service.object_path(revision_id).read_bytes()


class TestBucketWriter:
    @pytest.mark.parametrize("attack", [swap, replay, roll_back])
    def test_is_refused_before_a_number_is_used(
        self, target: Target, attack: Callable[[Target], dict[str, bytes]]
    ) -> None:
        token = target.provider.authorise(target.licence, target.printer)["token"]
        before = target.provider.recorded(target.licence)
        with bucket(target, attack(target)):
            for refused in (
                target.provider.ask(target.licence, target.printer),
                target.printer.redeem(token),
            ):
                assert refused.status_code == 409
                assert problem(refused, "stored-object-damaged")
            assert target.finds() == {"revisions"}
        assert target.provider.recorded(target.licence) == before
        assert target.printer.redeem(token).status_code == 200
        assert target.finds() == set()


@contextmanager
def wraps(target: Target, changes: dict[str, bytes], version: int = 1) -> Iterator[None]:
    """Other wraps in some revisions' rows, and the true ones again afterwards."""
    statement = "update wrapped_keys set blob = ?, version = ? where object_id = ? and kind = 'file'"
    true = {revision_id: _wrap(target, revision_id) for revision_id in changes}
    try:
        for revision_id, blob in changes.items():
            target.service.execute(statement, blob, version, revision_id)
        yield
    finally:
        for revision_id, blob in true.items():
            target.service.execute(statement, blob, 1, revision_id)


def _wrap(target: Target, revision_id: str) -> bytes:
    read = "select blob from wrapped_keys where object_id = ? and kind = 'file'"
    return bytes(target.service.column(read, revision_id))


class TestDatabaseWriter:
    def refused(self, target: Target, token: str, kind: str) -> None:
        """No key is released while the rows are wrong."""
        refused = target.printer.redeem(token, "attacked-retry")
        assert problem(refused, kind)
        assert "wrapped_keys" in target.finds()

    @pytest.mark.parametrize("victim", ["sibling", "foreign"])
    def test_swaps_wraps_between_rows_and_tenants(self, target: Target, victim: str) -> None:
        token = target.provider.authorise(target.licence, target.printer)["token"]
        other = getattr(target, victim)
        with wraps(target, {target.mine: _wrap(target, other), other: _wrap(target, target.mine)}):
            self.refused(target, token, "wrong-context")
        assert target.printer.redeem(token, "attacked-retry").status_code == 200

    def test_relabels_a_wrap_with_another_version(self, target: Target) -> None:
        """Version and record agree with each other; the wrap was made for another version."""
        token = target.provider.authorise(target.licence, target.printer)["token"]
        relabel = "update revisions set file_version = ? where id = ?"
        with wraps(target, {target.mine: _wrap(target, target.mine)}, version=2):
            target.service.execute(relabel, 2, target.mine)
            try:
                refused = target.printer.redeem(token, "attacked-retry")
                assert refused.status_code == 409
                assert problem(refused, "integrity")["field"] == "file"
                assert target.finds() >= {"wrapped_keys", "revisions"}
            finally:
                target.service.execute(relabel, 1, target.mine)
        assert target.printer.redeem(token, "attacked-retry").status_code == 200

    def test_brings_a_record_and_an_object_of_its_own(self, target: Target) -> None:
        """Record, object and digests of the sibling in my row: what was signed names another file."""
        read = "select file_object from revisions where id = ?"
        mine, sibling = (target.service.column(read, row) for row in (target.mine, target.sibling))
        change = "update revisions set file_object = ? where id = ?"
        target.service.execute(change, sibling, target.mine)
        try:
            refused = target.provider.ask(target.licence, target.printer)
            assert refused.status_code == 409
            assert problem(refused, "integrity")["field"] == "file"
            assert target.finds() == {"revisions"}
        finally:
            target.service.execute(change, mine, target.mine)
        assert target.finds() == set()
