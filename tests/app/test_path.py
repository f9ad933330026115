"""The whole path of a print over real layers, from the upload to the outcome."""

from __future__ import annotations

import base64

from storage.envelope import ObjectContext
from storage.recipients import open_sealed
from storage.stream import decrypt
from tests.app.parties import Party
from tests.app.parts import box


class TestPath:
    def test_leads_from_upload_to_outcome(self, owner: Party, provider: Party) -> None:
        content = box((21, 31, 11))
        revision = owner.published(content)
        assert revision["state"] == "published"
        assert revision["receipt"]["block_number"] > 0
        licence = owner.license(revision, provider, prints=1, reprints=1)
        assert (licence["state"], licence["prints_recorded"]) == ("active", 0)
        printer = provider.printer()

        authorised = provider.authorise(licence, printer)
        release = printer.redeem(authorised["token"]).json()
        assert authorised["sequence"] == 1
        assert provider.recorded(licence) == 1

        key = open_sealed(
            base64.b64decode(release["sealed_key"]["blob"]), printer.sealing, release["info"].encode()
        )
        context = ObjectContext.from_json(release["object"]["context"])
        ciphertext = printer.download(release).content
        assert b"".join(bytes(p) for p in decrypt(iter([ciphertext]), key, context)) == content

        failed = printer.report(release, licence, 1, result=2)
        assert (failed.status_code, failed.json()["state"]) == (200, "failed")
        counted = owner.expect(200, "GET", f"/v1/licences/{licence['id']}")
        assert (counted["prints_recorded"], counted["credited"]) == (1, 1)
        again = provider.authorise(licence, printer)
        assert again["sequence"] == 2
        release = printer.redeem(again["token"]).json()
        assert printer.report(release, licence, 2, result=1).json()["state"] == "completed"
        refused = provider.ask(licence, printer).json()
        assert [reason["code"] for reason in refused["reasons"]] == ["count_exhausted"]
