"""Uploads: what is kept, and everything that keeps nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.parties import Party, new_party, problem
from tests.app.parts import box
from tests.app.service import Service, running_service, until


def digest_of(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without a worker, so that only uploads bring objects."""
    folder: Path = tmp_path_factory.mktemp("still")
    with running_service(folder, worker=False) as running:
        yield running


@pytest.fixture
def sender(still: Service) -> Party:
    return new_party(still, "owner")


class TestUpload:
    def test_keeps_digest_and_length(self, owner: Party) -> None:
        content = box((7, 8, 9))
        seen = owner.inspected(content)
        assert seen["state"] == "ready", seen
        assert seen["file"] == {
            "filename": "part.stl",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "format": "stl-binary",
        }

    def test_takes_a_body_in_many_pieces_of_unknown_length(self, owner: Party) -> None:
        content, revision = box((7, 8, 9)), owner.draft()

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(content), 100):
                yield content[start : start + 100]

        assert owner.upload(revision, pieces()).status_code == 202

    def test_compares_the_announced_digest(self, still: Service, sender: Party) -> None:
        revision, before = sender.draft(), len(still.objects())
        refused = sender.upload(revision, box(), headers={"Repr-Digest": digest_of(b"something else")})
        assert refused.status_code == 400
        assert problem(refused, "digest-mismatch")["field"] == "Repr-Digest"
        assert len(still.objects()) == before
        assert sender.upload(revision, box(), headers={"Repr-Digest": digest_of(box())}).status_code == 202

    @pytest.mark.parametrize("header", ["sha-256=:AAAA:", "md5=:AAAA:", "nonsense", "sha-256=:####:"])
    def test_refuses_a_digest_it_cannot_compare(self, owner: Party, header: str) -> None:
        refused = owner.upload(owner.draft(), box(), headers={"Repr-Digest": header})
        assert problem(refused, "invalid-request")["field"] == "Repr-Digest"

    @pytest.mark.parametrize("length", ["683", "685", "1000000"])
    def test_keeps_nothing_of_a_body_of_another_length(
        self, still: Service, sender: Party, length: str
    ) -> None:
        revision, before = sender.draft(), len(still.objects())
        refused = sender.upload(revision, box(), headers={"Content-Length": length})
        assert refused.status_code == 400
        problem(refused, "upload-incomplete")
        assert len(still.objects()) == before
        assert sender.expect(200, "GET", f"/v1/revisions/{revision['id']}")["state"] == "draft"
        assert sender.upload(revision, box()).status_code == 202

    def test_refuses_an_empty_body(self, still: Service, sender: Party) -> None:
        revision, before = sender.draft(), len(still.objects())
        assert problem(sender.upload(revision, b""), "invalid-request")["field"] == "body"
        assert len(still.objects()) == before

    @pytest.mark.parametrize("name", ["", "a/b.stl", "..", "a\\b.stl", "a\nb.stl", "x" * 201])
    def test_refuses_a_filename_that_is_none(self, owner: Party, name: str) -> None:
        path = f"/v1/revisions/{owner.draft()['id']}/file"
        refused = owner.call("PUT", path, params={"filename": name}, content=box())
        assert refused.status_code == 422
        assert "filename" in problem(refused)["field"]

    def test_replaces_no_file(self, owner: Party) -> None:
        revision = owner.inspected()
        refused = owner.upload(revision, box((9, 9, 9)))
        assert refused.status_code == 409
        assert "new revision" in problem(refused, "conflict")["remedy"]

    def test_hides_another_organisations_draft(self, service: Service, owner: Party) -> None:
        revision = owner.draft()
        refused = new_party(service, "owner").upload(revision, box())
        assert refused.status_code == 404
        assert owner.expect(200, "GET", f"/v1/revisions/{revision['id']}")["state"] == "draft"

    def test_gives_each_upload_a_context_of_its_own(self, service: Service, owner: Party) -> None:
        revision = owner.draft()
        owner.upload(revision, b"")
        owner.upload(revision, box())
        columns = "select upload_version || '/' || file_version from revisions where id = ?"
        assert service.column(columns, revision["id"]) == "2/2"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes little."""
    folder: Path = tmp_path_factory.mktemp("small")
    with running_service(folder, upload_bytes_max=1000, body_bytes_max=2048) as running:
        yield running


class TestLimit:
    def test_is_enforced_while_the_bytes_come(self, small: Service) -> None:
        owner = new_party(small, "owner")
        revision, before = owner.draft(), len(small.objects())
        refused = owner.upload(revision, iter([b"x" * 600] * 4))
        assert refused.status_code == 413
        problem(refused, "too-large")
        assert len(small.objects()) == before
        assert owner.upload(revision, box()).status_code == 202

    def test_is_enforced_before_they_come(self, small: Service) -> None:
        owner = new_party(small, "owner")
        refused = owner.upload(owner.draft(), b"", headers={"Content-Length": "1001"})
        assert (refused.status_code, problem(refused)["type"]) == (413, "urn:partvault:problem:too-large")

    def test_bounds_json_bodies_too(self, small: Service) -> None:
        owner = new_party(small, "owner")
        refused = owner.call("POST", "/v1/designs", json={"name": "x", "description": "y" * 3000})
        assert (refused.status_code, problem(refused, "too-large")["status"]) == (413, 413)
        unannounced = owner.call("POST", "/v1/designs", content=iter([b'{"name": "', b"x" * 3000]))
        assert (unannounced.status_code, problem(unannounced, "too-large")["status"]) == (413, 413)


class TestPlaintext:
    def test_is_nowhere_in_the_data_folder(self, service: Service, owner: Party) -> None:
        canary = b"CANARY-0123456789-abcdef"
        revision = owner.published(box(header=canary))
        thumbnail = owner.call("GET", f"/v1/revisions/{revision['id']}/thumbnail")
        assert thumbnail.content.startswith(b"\x89PNG")
        needles = (canary, thumbnail.content[:200], b"IHDR", owner.key.encode())
        files = [path for path in service.data_dir.rglob("*") if path.is_file()]
        assert len(files) > 3
        for path in files:
            content = path.read_bytes()
            assert not any(needle in content for needle in needles), path

    def test_folder_is_for_this_user_only(self, service: Service) -> None:
        assert service.data_dir.stat().st_mode & 0o777 == 0o700
        assert (service.data_dir / "operator.key").stat().st_mode & 0o777 == 0o600


class TestDisconnect:
    def test_leaves_a_draft_and_no_object(self, still: Service, sender: Party) -> None:
        """The client goes away in the middle, as an ASGI server tells it."""
        revision, before = sender.draft(), len(still.objects())
        messages = [
            {"type": "http.request", "body": b"x" * 300_000, "more_body": True},
            {"type": "http.disconnect"},
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "PUT",
            "scheme": "http",
            "path": f"/v1/revisions/{revision['id']}/file",
            "raw_path": b"",
            "root_path": "",
            "query_string": b"filename=a.stl",
            "headers": [(b"authorization", f"Bearer {sender.key}".encode()), (b"content-length", b"1000000")],
            "server": ("testserver", 80),
            "client": ("127.0.0.1", 1),
        }
        sent: list[dict[str, object]] = []

        async def exchange() -> None:
            async def receive() -> dict[str, object]:
                return messages.pop(0) if messages else {"type": "http.disconnect"}

            async def send(message: dict[str, object]) -> None:
                sent.append(message)

            await still.app(scope, receive, send)  # type: ignore[arg-type]

        asyncio.run(exchange())
        assert sent[0]["status"] == 400
        until(lambda: len(still.objects()) == before)
        assert sender.expect(200, "GET", f"/v1/revisions/{revision['id']}")["state"] == "draft"
