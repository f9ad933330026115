"""`partvault vault fsck`: what it says to people and programs, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.backends.local import LocalObjects
from tests.app.cli.conftest import Command, Result
from tests.app.cli.test_tour import party, publish
from tests.e2e.service_process import ServiceProcess


@pytest.fixture
def fsck(service: ServiceProcess, operator: Command, part: Path) -> Iterator[Command]:
    """The operator's command; a part is there to be checked."""
    publish(party(operator, "owner")[0], part)
    yield operator
    objects = LocalObjects(service.data_dir / "objects")
    for key in ("stray", "quarantine/stray"):
        objects.delete(key)


def run(fsck: Command, service: ServiceProcess, *words: object) -> Result:
    return fsck.bare("vault", "fsck", *words, "--data-dir", service.data_dir)


class TestFsck:
    def test_finds_all_well(self, fsck: Command, service: ServiceProcess) -> None:
        for words in ((), ("--decrypt",)):
            said = run(fsck, service, *words)
            assert (said.code, "all is well" in said.out) == (0, True), said.out
        report = run(fsck, service, "--json").json
        assert (report["ok"], report["findings"]) == (True, [])
        assert report["counts"]["objects"] >= 2

    def test_names_a_damaged_object(self, fsck: Command, service: ServiceProcess) -> None:
        path = next(path for path in (service.data_dir / "objects" / "objects").rglob("*") if path.is_file())
        aside = service.data_dir / "aside"
        path.rename(aside)
        try:
            said, report = run(fsck, service), run(fsck, service, "--json")
        finally:
            aside.rename(path)
        assert (said.code, report.code) == (1, 1)
        (finding,) = report.json["findings"]
        assert finding["problem"] == "object missing"
        for word in (finding["row"], finding["column"], "1 finding"):
            assert word in said.out

    def test_sets_orphans_aside(self, fsck: Command, service: ServiceProcess) -> None:
        LocalObjects(service.data_dir / "objects").put("stray", [b"left behind"])
        said = run(fsck, service)
        assert (said.code, "recent, left alone" in said.out) == (0, True), said.out
        said = run(fsck, service, "--grace", 0)
        assert (said.code, "objects stray" in said.out) == (1, True), said.out
        said = run(fsck, service, "--grace", 0, "--repair")
        assert (said.code, "set aside now: quarantine/stray" in said.out) == (0, True), said.out
        said = run(fsck, service, "--grace", 0)
        assert (said.code, "in quarantine: quarantine/stray" in said.out) == (0, True), said.out

    def test_says_when_it_cannot_look(self, fsck: Command, tmp_path: Path) -> None:
        said = fsck.bare("vault", "fsck", "--data-dir", tmp_path / "nowhere", "--json")
        assert (said.code, said.json["error"]["kind"]) == (2, "no_data_folder")
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "partvault.sqlite").touch()
        (tmp_path / "empty" / "keyring.json").write_text("{}")
        said = fsck.bare("vault", "fsck", "--data-dir", tmp_path / "empty", "--json")
        assert said.code == 2
