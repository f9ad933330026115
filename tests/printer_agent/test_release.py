"""Tests of the checklist: every field of a claim or a release that is changed is refused, by its own step."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ledger.commitment import canonical_json
from printer_agent.client import PrinterClient
from printer_agent.errors import ReleaseRefused
from printer_agent.identity import Identity
from printer_agent.offers import ClaimOffer, Release
from printer_agent.print_token import PrintToken
from printer_agent.release import check_claim, check_release, decrypt, open_key, read_manifest
from printer_agent.settings import Settings
from storage.recipients import SealingKey, seal
from storage.stream import decrypt as open_stream
from tests.printer_agent.fake_service import CONTEXT, URL, FakeService

Change = Callable[[dict[str, Any]], object]
ZERO, OTHER = "0x" + "00" * 32, "0x" + "44" * 20
LIMIT = 10**6


class Scene:
    """An honest claim and release for an enrolled printer, as JSON, to be changed."""

    def __init__(self, printer: Settings, service: FakeService) -> None:
        self.service = service
        self.identity = Identity.load(printer.home)
        self.pins = self.identity.enrolled
        self.token = PrintToken(service.authorise())
        key, transport = self.identity.signing, service.transport
        with PrinterClient(URL, key, "prt_1", printer, transport=transport) as client:
            self.claim = client.claim(self.token)
        self.release = json.loads(service._release(1).content)

    def check_claim(self) -> None:
        check_claim(ClaimOffer.from_json(self.claim), self.pins, self.token)

    def check_release(self, limit: int = LIMIT) -> None:
        offer = ClaimOffer.from_json(self.claim)
        file = check_claim(offer, self.pins, self.token)
        check_release(Release.from_json(self.release), offer, file, self.pins, limit)


@pytest.fixture
def scene(printer: Settings, service: FakeService) -> Scene:
    return Scene(printer, service)


@pytest.fixture
def owner_held(enrol_at: Callable[[FakeService], Settings]) -> Scene:
    """The same for a design whose owner holds the key."""
    service = FakeService(custody="owner")
    return Scene(enrol_at(service), service)


def reseal(manifest: Callable[[dict[str, Any]], object]) -> Change:
    """Change the manifest within, keeping it canonical."""

    def change(value: dict[str, Any]) -> None:
        inner = json.loads(value["manifest"])
        manifest(inner)
        value["manifest"] = canonical_json(inner).decode()

    return change


CLAIMS: list[tuple[str, Change, str]] = [
    ("chain", lambda v: v["domain"].update(chain_id=1), "wrong_domain"),
    ("contract", lambda v: v["domain"].update(contract=OTHER), "wrong_domain"),
    ("token", lambda v: v["claim"].update(token=ZERO), "wrong_token"),
    ("licence of the claim", lambda v: v["claim"].update(licence=ZERO), "wrong_licence"),
    ("prints", lambda v: v["licence"].update(prints=9), "wrong_licence"),
    ("sequence 0", lambda v: v["claim"].update(sequence=0), "wrong_sequence"),
    ("sequence beyond", lambda v: v["claim"].update(sequence=5), "wrong_sequence"),
    ("salt", lambda v: v.update(salt=ZERO), "wrong_commitment"),
    ("commitment", lambda v: v.update(commitment=ZERO), "wrong_commitment"),
    ("manifest", reseal(lambda m: m.update(revision=2)), "wrong_commitment"),
    ("recipe", reseal(lambda m: m["recipe"].update(material="ABS")), "wrong_commitment"),
    ("layout", lambda v: v.update(manifest=v["manifest"] + " "), "wrong_commitment"),
    ("revision", lambda v: v.update(revision_hash=ZERO), "wrong_revision"),
    ("no claim", lambda v: v.pop("claim"), "malformed_claim"),
    ("short salt", lambda v: v.update(salt="0x00"), "malformed_claim"),
    ("no text", lambda v: v.update(manifest=None), "malformed_claim"),
    ("foreign member", lambda v: v["claim"].update(extra=1), "malformed_claim"),
    ("sequence as text", lambda v: v["claim"].update(sequence="1"), "malformed_claim"),
]

RELEASES: list[tuple[str, Change, str]] = [
    ("print", lambda v: v.update(print_id="job_2"), "wrong_print"),
    ("printer", lambda v: v.update(printer_hash=ZERO), "wrong_printer"),
    ("manifest", reseal(lambda m: m.update(revision=2)), "terms_changed"),
    ("licence", lambda v: v["licence"].update(prints=9), "terms_changed"),
    ("salt", lambda v: v.update(salt=ZERO), "terms_changed"),
    ("commitment", lambda v: v.update(commitment=ZERO), "terms_changed"),
    ("tenant", lambda v: v["object"]["context"].update(tenant="org_x"), "wrong_object"),
    ("object", lambda v: v["object"]["context"].update(object_id="obj_2"), "wrong_object"),
    ("version", lambda v: v["object"]["context"].update(version=0), "wrong_object"),
    ("size", lambda v: v["object"].update(plaintext_bytes=1), "wrong_object"),
    ("digest", lambda v: v["object"].update(plaintext_sha256="00" * 32), "wrong_object"),
    ("name", lambda v: v["object"].update(filename="x.stl"), "wrong_object"),
    ("info", lambda v: v.update(info=v["info"] + " "), "wrong_info"),
    ("release", lambda v: v.update(release_id="rel_9"), "wrong_info"),
    ("no key", lambda v: v.pop("sealed_key"), "malformed_release"),
    ("bad blob", lambda v: v["sealed_key"].update(blob="*"), "malformed_release"),
    ("bad size", lambda v: v["object"].update(bytes=-1), "malformed_release"),
    ("bad context", lambda v: v["object"]["context"].update(kind=""), "malformed_release"),
]


class TestCheckClaim:
    def test_takes_an_honest_claim(self, scene: Scene) -> None:
        scene.check_claim()

    @pytest.mark.parametrize(("change", "kind"), [pytest.param(c, k, id=name) for name, c, k in CLAIMS])
    def test_refuses_a_changed_field(self, scene: Scene, change: Change, kind: str) -> None:
        change(scene.claim)
        with pytest.raises(ReleaseRefused) as caught:
            scene.check_claim()
        assert caught.value.kind == kind

    def test_refuses_a_licence_for_another_provider(self, scene: Scene) -> None:
        from ledger.typed_data import Licence

        scene.claim["licence"]["provider"] = OTHER
        changed = Licence.from_json(scene.claim["licence"]).struct_hash()
        scene.claim["claim"]["licence"] = "0x" + changed.hex()
        with pytest.raises(ReleaseRefused) as caught:
            scene.check_claim()
        assert caught.value.kind == "wrong_provider"

    def test_never_shows_the_token(self, scene: Scene) -> None:
        scene.claim["claim"]["token"] = ZERO
        with pytest.raises(ReleaseRefused) as caught:
            scene.check_claim()
        assert scene.token.reveal() not in str(caught.value)


class TestCheckRelease:
    def test_takes_an_honest_release(self, scene: Scene) -> None:
        scene.check_release()

    @pytest.mark.parametrize(("change", "kind"), [pytest.param(c, k, id=name) for name, c, k in RELEASES])
    def test_refuses_a_changed_field(self, scene: Scene, change: Change, kind: str) -> None:
        change(scene.release)
        with pytest.raises(ReleaseRefused) as caught:
            scene.check_release()
        assert caught.value.kind == kind

    @pytest.mark.parametrize("custody", ["service", "owner"])
    def test_refuses_a_seal_of_the_other_custody(
        self, enrol_at: Callable[[FakeService], Settings], custody: str
    ) -> None:
        """The manifest is committed to, so a service can pass neither kind off for the other."""
        service = FakeService(custody=custody)
        mine = Scene(enrol_at(service), service)
        other = "owner" if custody == "service" else "service"
        info = mine.service.info("rel_1", other)
        blob = seal(mine.service.key, mine.identity.sealing.suite, mine.service.public, info.encode())
        mine.release["info"] = info
        mine.release["sealed_key"]["blob"] = base64.b64encode(blob).decode()
        with pytest.raises(ReleaseRefused, match=f"the {custody} seals the key") as caught:
            mine.check_release()
        assert caught.value.kind == "wrong_custody"

    def test_takes_an_owners_seal(self, owner_held: Scene) -> None:
        owner_held.check_release()
        key = open_key(Release.from_json(owner_held.release), owner_held.identity.sealing)
        assert key == owner_held.service.key

    @pytest.mark.parametrize("name", ["format", "licence", "printer", "object", "commitment"])
    def test_refuses_an_owners_seal_for_something_else(self, owner_held: Scene, name: str) -> None:
        info = json.loads(owner_held.release["info"])
        owner_held.release["info"] = canonical_json({**info, name: ZERO}).decode()
        with pytest.raises(ReleaseRefused) as caught:
            owner_held.check_release()
        assert caught.value.kind == "wrong_info"

    def test_refuses_what_does_not_fit_into_memory(self, scene: Scene) -> None:
        with pytest.raises(ReleaseRefused) as caught:
            scene.check_release(limit=10)
        assert caught.value.kind == "too_large"


class TestOpenKey:
    def test_opens_its_own(self, scene: Scene) -> None:
        assert open_key(Release.from_json(scene.release), scene.identity.sealing) == scene.service.key

    def test_refuses_another_printers(self, scene: Scene) -> None:
        with pytest.raises(ReleaseRefused) as caught:
            open_key(Release.from_json(scene.release), SealingKey.generate("X25519"))
        assert caught.value.kind == "sealed_key"

    def test_refuses_another_suite(self, scene: Scene) -> None:
        with pytest.raises(ReleaseRefused) as caught:
            open_key(Release.from_json(scene.release), SealingKey.generate("P-256"))
        assert caught.value.kind == "wrong_suite"

    def test_refuses_another_release(self, scene: Scene) -> None:
        scene.release["info"] = scene.release["info"].replace("rel_1", "rel_2")
        with pytest.raises(ReleaseRefused) as caught:
            open_key(Release.from_json(scene.release), scene.identity.sealing)
        assert caught.value.kind == "sealed_key"


class TestDecrypt:
    def run(self, scene: Scene, ciphertext: bytes, **announced: Any) -> bytes:
        scene.release["object"].update(announced)
        target = Release.from_json(scene.release).object

        def opened(pieces: Iterator[bytes]) -> Iterator[bytes]:
            return open_stream(pieces, scene.service.key, CONTEXT)

        return b"".join(bytes(piece) for piece in decrypt([ciphertext], target, opened))

    def test_gives_the_print_file(self, scene: Scene) -> None:
        assert self.run(scene, scene.service.ciphertext) == scene.service.plaintext

    def test_refuses_every_flipped_byte(self, scene: Scene) -> None:
        whole = scene.service.ciphertext
        for at in range(0, len(whole), 37):
            damaged = bytearray(whole)
            damaged[at] ^= 1
            with pytest.raises(ReleaseRefused) as caught:
                self.run(scene, bytes(damaged))
            assert caught.value.kind == "ciphertext"

    @pytest.mark.parametrize("cut", [1, 16, 100])
    def test_refuses_a_truncated_object(self, scene: Scene, cut: int) -> None:
        with pytest.raises(ReleaseRefused) as caught:
            self.run(scene, scene.service.ciphertext[:-cut])
        assert caught.value.kind == "ciphertext"

    def test_refuses_more_than_was_announced(self, scene: Scene) -> None:
        with pytest.raises(ReleaseRefused) as caught:
            self.run(scene, scene.service.ciphertext + b"x")
        assert caught.value.kind == "ciphertext_size"

    @pytest.mark.parametrize(
        ("announced", "kind"),
        [
            ({"sha256": "00" * 32}, "ciphertext_digest"),
            ({"plaintext_sha256": "00" * 32}, "plaintext_digest"),
            ({"plaintext_bytes": 10}, "plaintext_size"),
            ({"plaintext_bytes": 10**6}, "plaintext_digest"),
        ],
    )
    def test_refuses_another_file(self, scene: Scene, announced: dict[str, Any], kind: str) -> None:
        with pytest.raises(ReleaseRefused) as caught:
            self.run(scene, scene.service.ciphertext, **announced)
        assert caught.value.kind == kind


class TestReadManifest:
    def change(self, scene: Scene, **fields: Any) -> str:
        return canonical_json({**json.loads(scene.service.manifest), **fields}).decode()

    @pytest.mark.parametrize(
        "fields",
        [
            *({"format": "other"}, {"files": []}, {"files": [{}]}, {"files": 7}, {"recipe": 7}),
            *({"custody": "both"}, {"custody": None}),
        ],
        ids=str,
    )
    def test_refuses_another_form(self, scene: Scene, fields: dict[str, Any]) -> None:
        with pytest.raises(ReleaseRefused) as caught:
            read_manifest(self.change(scene, **fields))
        assert caught.value.kind == "manifest"

    def test_wants_to_know_who_holds_the_key(self, scene: Scene) -> None:
        manifest = json.loads(scene.service.manifest)
        del manifest["custody"]
        with pytest.raises(ReleaseRefused, match="custody"):
            read_manifest(canonical_json(manifest).decode())

    def test_refuses_two_files(self, scene: Scene) -> None:
        files = json.loads(scene.service.manifest)["files"]
        with pytest.raises(ReleaseRefused, match="2 files"):
            read_manifest(self.change(scene, files=files * 2))

    @pytest.mark.parametrize("text", ["", "[]", "7", "{", '{"a":1,"a":2}', "NaN"])
    def test_refuses_what_is_no_manifest(self, text: str) -> None:
        with pytest.raises(ReleaseRefused):
            read_manifest(text)

    def test_refuses_what_is_not_canonical(self, scene: Scene) -> None:
        with pytest.raises(ReleaseRefused, match="canonical"):
            read_manifest(json.dumps(json.loads(scene.service.manifest), indent=1))
