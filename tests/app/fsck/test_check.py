"""The check of the vault: everything that is wrong is named, and nothing that is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.custody import destruction, rotation
from app.fsck.check import GRACE_S, Fsck, Options
from app.fsck.quarantine import QUARANTINE, quarantine
from app.sweeping import ORPHAN_AGE_S, Sweeper
from storage.backends import ObjectStore
from storage.errors import KeyUnavailable, ObjectDamaged, ObjectMissing, StoreUnavailable
from storage.keys import KeyBackend
from storage.vault import Vault
from tests.app.fsck.checking import begun, checked, named
from tests.app.parties import Party, new_party
from tests.app.parts import box
from tests.app.service import Service, running_service
from tests.app.shredding.shredded import shred


@dataclass
class Scene:
    """A service with two published revisions, one refused one, and one of another tenant."""

    service: Service
    owner: Party
    one: str
    other: str
    refused: str
    foreign: str

    def path(self, revision_id: str) -> Path:
        return self.service.object_path(revision_id)

    def wrap(self, revision_id: str, kind: str = "file") -> str:
        tenant = self.service.column("select organisation_id from revisions where id = ?", revision_id)
        return f"wrapped_keys {tenant} {revision_id} 1 {kind}"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_service(tmp_path_factory.mktemp("fsck")) as service:
        owner, stranger = new_party(service, "owner"), new_party(service, "owner")
        made = [owner.published(), owner.published(box((7, 8, 9))), owner.inspected(box(closed=False))]
        yield Scene(service, owner, *(row["id"] for row in made), stranger.published()["id"])


@contextmanager
def swapped(path: Path, content: bytes) -> Iterator[None]:
    """Another content in a file, and the old one again afterwards."""
    before = path.read_bytes()
    _write(path, content)
    try:
        yield
    finally:
        _write(path, before)


def _write(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(path)


@contextmanager
def changed(service: Service, table: str, *statements: str) -> Iterator[None]:
    """Other rows in a table, and the old ones again afterwards."""
    connection = service.database()
    try:
        before = connection.execute(f"select * from {table}").fetchall()
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
        try:
            yield
        finally:
            connection.execute(f"delete from {table}")
            places = ", ".join("?" * len(before[0]))
            connection.executemany(f"insert into {table} values ({places})", before)
    finally:
        connection.close()


class TestClean:
    def test_finds_nothing(self, scene: Scene) -> None:
        for decrypt in (False, True):
            report = checked(scene.service, grace_s=0, decrypt=decrypt)
            assert report.findings == ()
            assert report.ok
            assert report.counts["objects"] >= 7
            assert report.counts["manifests"] >= 3
            assert (report.recent, report.quarantined) == ((), ())

    def test_tells_how_far_it_is(self, scene: Scene) -> None:
        for decrypt in (False, True):
            moved: list[int] = []
            check = begun(scene.service, decrypt=decrypt)
            check.run(moved.append)
            assert sum(moved) == check.bytes_total > 0


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda whole: whole[:-1],
    "extended": lambda whole: whole + b"\0",
    "altered": lambda whole: whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
}


class TestObjects:
    @pytest.mark.parametrize("damage", sorted(DAMAGES))
    def test_names_a_damaged_one(self, scene: Scene, damage: str) -> None:
        path = scene.path(scene.one)
        with swapped(path, DAMAGES[damage](path.read_bytes())):
            report = checked(scene.service)
        assert named(report) == {("object damaged", f"revisions {scene.one}", "file_object")}
        assert damage in report.findings[0].reason
        assert "restore the object" in report.findings[0].remedy

    def test_names_a_missing_one(self, scene: Scene) -> None:
        path = scene.path(scene.one)
        aside = scene.service.data_dir / "aside"
        path.rename(aside)
        try:
            report = checked(scene.service)
        finally:
            aside.rename(path)
        assert named(report) == {("object missing", f"revisions {scene.one}", "file_object")}

    def test_names_two_that_were_swapped(self, scene: Scene) -> None:
        one, other = scene.path(scene.one), scene.path(scene.refused)
        contents = one.read_bytes(), other.read_bytes()
        with swapped(one, contents[1]), swapped(other, contents[0]):
            report = checked(scene.service)
        rows = (scene.one, scene.refused)
        assert named(report) == {("object damaged", f"revisions {row}", "file_object") for row in rows}

    def test_names_one_whose_record_was_exchanged_too(self, scene: Scene) -> None:
        """The record is that of a true object, so length and digest agree: its key does not."""
        record = f"(select file_object from revisions where id = '{scene.other}')"
        statement = f"update revisions set file_object = {record} where id = '{scene.one}'"
        with changed(scene.service, "revisions", statement):
            report = checked(scene.service)
        assert ("object damaged", f"revisions {scene.one}", "file_object") in named(report)
        assert ("manifest broken", f"revisions {scene.one}", "file") in named(report)
        assert "substituted" in report.findings[0].reason

    def test_decrypts_when_told(self, scene: Scene) -> None:
        """Of a refused revision no manifest vouches for the plaintext's digest."""
        statement = f"""update revisions set file_object = json_set(
            file_object, '$.plaintext_sha256', '{"00" * 32}') where id = '{scene.refused}'"""
        with changed(scene.service, "revisions", statement):
            assert checked(scene.service).ok
            report = checked(scene.service, decrypt=True)
        assert named(report) == {("object damaged", f"revisions {scene.refused}", "file_object")}
        assert "another file than was uploaded" in report.findings[0].reason

    @pytest.mark.parametrize("record", ['"nothing"', '{"object_key": "x"}', "{}"])
    def test_names_a_record_nobody_can_read(self, scene: Scene, record: str) -> None:
        statement = f"update revisions set file_object = '{record}' where id = '{scene.refused}'"
        with changed(scene.service, "revisions", statement):
            report = checked(scene.service, grace_s=0, repair=True)
            assert Sweeper(scene.service.services).sweep_objects() == 0
        found = named(report)
        assert ("record unreadable", f"revisions {scene.refused}", "file_object") in found
        assert any(problem == "object without a row" for problem, _, _ in found)
        assert report.repaired == ()


class TestKeys:
    def test_names_wraps_that_were_swapped(self, scene: Scene) -> None:
        with swapped_wraps(scene, scene.one, scene.foreign):
            report = checked(scene.service)
        wraps = {scene.wrap(scene.one), scene.wrap(scene.foreign)}
        assert named(report) == {("key does not open", wrap, "blob") for wrap in wraps}

    def test_names_a_missing_one(self, scene: Scene) -> None:
        statement = f"delete from wrapped_keys where object_id = '{scene.one}' and kind = 'file'"
        with changed(scene.service, "wrapped_keys", statement):
            report = checked(scene.service)
        assert named(report) == {("key missing", scene.wrap(scene.one), "blob")}
        assert f"revisions {scene.one}" in report.findings[0].reason

    def test_names_one_for_nothing(self, scene: Scene) -> None:
        statement = f"update wrapped_keys set version = 7 where object_id = '{scene.one}' and kind = 'file'"
        with changed(scene.service, "wrapped_keys", statement):
            report = checked(scene.service)
        moved = scene.wrap(scene.one).replace(" 1 file", " 7 file")
        assert named(report) == {
            ("key missing", scene.wrap(scene.one), "blob"),
            ("key without a referent", moved, "object_id"),
            ("key does not open", moved, "blob"),
        }

    def test_names_a_lost_account(self, scene: Scene) -> None:
        statement = f"delete from wrapped_keys where kind = 'account' and tenant = '{scene.owner.id}'"
        with changed(scene.service, "wrapped_keys", statement):
            report = checked(scene.service)
        row = f"wrapped_keys {scene.owner.id} {scene.owner.id} 1 account"
        assert named(report) == {("key missing", row, "blob")}

    def test_names_an_account_that_does_not_open(self, scene: Scene) -> None:
        statement = f"""update wrapped_keys set blob = zeroblob(length(blob))
            where kind = 'account' and tenant = '{scene.owner.id}'"""
        with changed(scene.service, "wrapped_keys", statement):
            report = checked(scene.service)
        row = f"wrapped_keys {scene.owner.id} {scene.owner.id} 1 account"
        assert named(report) == {("key does not open", row, "blob")}

    def test_names_a_wrap_no_context_can_have(self, scene: Scene) -> None:
        statement = f"""update wrapped_keys set object_id = 'two words'
            where kind = 'account' and tenant = '{scene.owner.id}'"""
        with changed(scene.service, "wrapped_keys", statement):
            problems = {problem for problem, _, _ in named(checked(scene.service))}
        assert problems == {"key missing", "key without a referent", "key does not open"}

    def test_says_nothing_of_keys_when_none_can_be_had(self, scene: Scene) -> None:
        class Away:
            def current_version(self) -> str:
                raise KeyUnavailable("the key service is away")

        away: Any = Away()
        keys: KeyBackend = away
        services = scene.service.services
        with pytest.raises(KeyUnavailable):
            Fsck(services.database, Vault(services.objects, keys), services.clock, Options())


@contextmanager
def swapped_wraps(scene: Scene, one: str, other: str) -> Iterator[None]:
    read = "select blob from wrapped_keys where object_id = ? and kind = 'file'"
    blobs = [scene.service.column(read, row) for row in (one, other)]
    statement = "update wrapped_keys set blob = ? where object_id = ? and kind = 'file'"
    try:
        for row, blob in zip((other, one), blobs, strict=True):
            scene.service.execute(statement, blob, row)
        yield
    finally:
        for row, blob in zip((one, other), blobs, strict=True):
            scene.service.execute(statement, blob, row)


class TestStore:
    @pytest.mark.parametrize("reads", [0, 1])
    def test_says_nothing_when_it_does_not_answer(self, scene: Scene, reads: int) -> None:
        """It fails while an object is read whole, and while only its header is."""
        services = scene.service.services
        store = Failing(services.objects, reads)
        vault = Vault(store, services.keys)
        check = Fsck(services.database, vault, services.clock, Options())
        with pytest.raises(StoreUnavailable):
            check.run()


class Failing:
    """The real store until some reads have come through."""

    def __init__(self, real: ObjectStore, reads: int) -> None:
        self._real, self._left = real, reads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        self._left -= 1
        if self._left < 0:
            raise StoreUnavailable("the store is away")
        return self._real.read(key, start, length)


class TestManifests:
    @pytest.mark.parametrize(
        ("change", "column"),
        [
            ("manifest = replace(manifest, 'PETG', 'PVC')", "manifest"),
            ("salt = zeroblob(32)", "manifest"),
            ("commitment = zeroblob(32)", "manifest"),
            ("revision_hash = zeroblob(32)", "commitment"),
            ("manifest = null", "manifest"),
        ],
    )
    def test_names_a_broken_one(self, scene: Scene, change: str, column: str) -> None:
        statement = f"update revisions set {change} where id = '{scene.one}'"
        with changed(scene.service, "revisions", statement):
            report = checked(scene.service)
        assert named(report) == {("manifest broken", f"revisions {scene.one}", column)}

    def test_names_an_owner_that_is_not_there(self, scene: Scene) -> None:
        statement = f"update revisions set organisation_id = 'org_none' where id = '{scene.one}'"
        with changed(scene.service, "revisions", statement):
            found = named(checked(scene.service))
        assert ("manifest broken", f"revisions {scene.one}", "organisation_id") in found


class TestOrphans:
    @pytest.fixture
    def orphan(self, scene: Scene) -> Iterator[str]:
        objects = scene.service.services.objects
        objects.put("orphan", [b"left behind"])
        yield "orphan"
        objects.delete("orphan")
        objects.delete(QUARANTINE + "orphan")

    def test_leaves_young_ones_alone(self, scene: Scene, orphan: str) -> None:
        report = checked(scene.service, repair=True)
        assert (report.ok, report.recent, report.repaired) == (True, (orphan,), ())
        scene.service.clock.forward(GRACE_S + 60)
        try:
            assert named(checked(scene.service)) == {("object without a row", "objects orphan", "")}
        finally:
            scene.service.clock.forward(-GRACE_S - 60)

    def test_sets_them_aside(self, scene: Scene, orphan: str) -> None:
        report = checked(scene.service, grace_s=0, repair=True)
        assert (report.ok, report.repaired, report.quarantined) == (True, (orphan,), (QUARANTINE + orphan,))
        objects = scene.service.services.objects
        assert b"".join(objects.read(QUARANTINE + orphan)) == b"left behind"
        with pytest.raises(ObjectMissing):
            objects.stat(orphan)
        again = checked(scene.service, grace_s=0, repair=True)
        assert (again.ok, again.repaired, again.quarantined) == (True, (), (QUARANTINE + orphan,))

    def test_goes_on_after_a_crash_between_copy_and_removal(self, scene: Scene, orphan: str) -> None:
        scene.service.services.objects.put(QUARANTINE + orphan, [b"left behind"])
        report = checked(scene.service, grace_s=0, repair=True)
        assert (report.ok, report.repaired) == (True, (orphan,))

    def test_never_loses_one_whose_place_is_taken(self, scene: Scene, orphan: str) -> None:
        objects = scene.service.services.objects
        objects.put(QUARANTINE + orphan, [b"another one"])
        report = checked(scene.service, grace_s=0, repair=True)
        assert named(report) == {("object without a row", "objects orphan", "")}
        assert b"".join(objects.read(orphan)) == b"left behind"
        with pytest.raises(ObjectDamaged, match="not the same"):
            quarantine(objects, orphan)

    def test_are_not_swept_once_they_are_set_aside(self, scene: Scene, orphan: str) -> None:
        objects = scene.service.services.objects
        checked(scene.service, grace_s=0, repair=True)
        scene.service.clock.forward(ORPHAN_AGE_S + 60)
        try:
            assert Sweeper(scene.service.services).sweep_objects() == 0
        finally:
            scene.service.clock.forward(-ORPHAN_AGE_S - 60)
        assert objects.stat(QUARANTINE + orphan).bytes == len(b"left behind")

    def test_removes_parts_of_interrupted_uploads_when_told(self, scene: Scene) -> None:
        part = scene.service.data_dir / "objects" / "parts" / "0.part"
        part.write_bytes(b"half")
        assert (checked(scene.service).parts_removed, part.exists()) == (0, True)
        assert (checked(scene.service, repair=True).parts_removed, part.exists()) == (1, False)


class TestBeside:
    """Rows that change between the listing and the examination."""

    def test_an_upload_that_is_noted_meanwhile(self, scene: Scene) -> None:
        forget = f"update revisions set thumbnail_object = null where id = '{scene.refused}'"
        with changed(scene.service, "revisions", forget):
            check = begun(scene.service, grace_s=0)
        names = {problem for problem, _, _ in named(check.run())}
        assert "object without a row" not in names

    def test_a_shredding_meanwhile(self, scene: Scene) -> None:
        revision = scene.owner.published()
        check = begun(scene.service, grace_s=0)
        shred(scene.owner, revision["design_id"])
        assert check.run().findings == ()

    def test_an_object_that_is_gone_with_its_record(self, scene: Scene) -> None:
        path, aside = scene.path(scene.refused), scene.service.data_dir / "aside"
        forget = f"update revisions set file_object = null where id = '{scene.refused}'"
        check = begun(scene.service)
        path.rename(aside)
        try:
            with changed(scene.service, "revisions", forget):
                assert check.run().findings == ()
        finally:
            aside.rename(path)

    def test_an_orphan_that_is_swept_meanwhile(self, scene: Scene) -> None:
        objects = scene.service.services.objects
        objects.put("fleeting", [b"soon gone"])
        check = begun(scene.service, grace_s=0)
        objects.delete("fleeting")
        assert check.run().findings == ()

    def test_a_rotation_meanwhile(self, scene: Scene) -> None:
        """The wraps that were listed are no longer those of the rows, and their version is gone."""
        database, keys, clock = (getattr(scene.service.services, n) for n in ("database", "keys", "clock"))
        check, old = begun(scene.service), keys.current_version()
        rotation.complete(database, keys, clock, rotation.begin(database, keys, clock))
        destruction.destroy(database, keys, clock, old)
        assert check.run().findings == ()


class TestShredded:
    @pytest.fixture
    def gone(self, scene: Scene) -> dict[str, Any]:
        """A shredded revision, with the object and the wrap that somebody kept a copy of."""
        revision = scene.owner.published()
        path, row = scene.path(revision["id"]), "select * from wrapped_keys where object_id = ?"
        connection = scene.service.database()
        kept = {
            "path": path,
            "object": path.read_bytes(),
            "wrap": connection.execute(row, [revision["id"]]).fetchone(),
        }
        connection.close()
        shred(scene.owner, revision["design_id"])
        return revision | kept

    def test_are_counted_apart(self, scene: Scene, gone: dict[str, Any]) -> None:
        report = checked(scene.service, grace_s=0)
        assert report.ok
        assert report.counts["shredded"] >= 2

    def test_names_an_object_that_came_back(self, scene: Scene, gone: dict[str, Any]) -> None:
        gone["path"].write_bytes(gone["object"])
        report = checked(scene.service, grace_s=0, repair=True)
        gone["path"].unlink()
        assert named(report) == {("shredding incomplete", f"revisions {gone['id']}", "file_object")}

    def test_names_a_wrap_that_came_back(self, scene: Scene, gone: dict[str, Any]) -> None:
        places = ", ".join("?" * len(gone["wrap"]))
        scene.service.execute(f"insert into wrapped_keys values ({places})", *gone["wrap"])
        report = checked(scene.service)
        scene.service.execute("delete from wrapped_keys where object_id = ?", gone["id"])
        ((problem, _, _),) = named(report)
        assert problem == "key without a referent"

    def test_names_sealed_keys_that_came_back(self, scene: Scene, gone: dict[str, Any]) -> None:
        licence = """insert into licences (id, owner_id, provider_id, revision_id, state, licence_hash,
            statement, printers, terms, terms_salt, prints, reprints, starts_at, expires_at, grant_operation,
            created_at)
            values ('lic_1', 'o', 'p', ?, 'active', x'01', '{}', '[]', '{}', x'02', 1, 0, 0, 1, 'g', 0)"""
        release = "insert into releases values ('rel_1', 'job_1', 'prt_1', ?, x'7b7d', 0)"
        key = "insert into licence_keys values ('lic_1', 'prt_1', 'x25519', x'00')"
        try:
            scene.service.execute(licence, gone["id"])
            scene.service.execute(key)
            scene.service.execute(release, gone["id"])
            report = checked(scene.service)
        finally:
            for table in ("releases", "licence_keys", "licences"):
                scene.service.execute(f"delete from {table}")
        assert named(report) == {
            ("shredding incomplete", "releases rel_1", "body"),
            ("shredding incomplete", "licence_keys lic_1", "blob"),
        }

    def test_names_a_mark_without_a_record(self, scene: Scene) -> None:
        design = scene.service.column("select design_id from revisions where id = ?", scene.one)
        statement = f"update designs set shredded_at = 1 where id = '{design}'"
        with changed(scene.service, "designs", statement):
            report = checked(scene.service)
        assert ("shredding incomplete", f"designs {design}", "shredded_at") in named(report)


class TestReport:
    def test_is_json(self, scene: Scene) -> None:
        statement = f"update revisions set salt = zeroblob(32) where id = '{scene.one}'"
        with changed(scene.service, "revisions", statement):
            report = json.loads(json.dumps(checked(scene.service).to_json()))
        (finding,) = report["findings"]
        assert (report["ok"], set(finding)) == (False, {"problem", "row", "column", "reason", "remedy"})
        assert all(finding.values())
