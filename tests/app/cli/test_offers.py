"""An ODRL Offer as `--terms-file`, of managed and of own accounts."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from tests.app.cli.conftest import Command
from tests.app.cli.test_tour import party, publish

OFFER = {
    "@context": "http://www.w3.org/ns/odrl.jsonld",
    "@type": "Offer",
    "permission": [
        {
            "action": "print",
            "constraint": [
                {"leftOperand": "count", "operator": "lteq", "rightOperand": 2},
                {"leftOperand": "spatial", "operator": "isAnyOf", "rightOperand": ["Hamburg"]},
            ],
        }
    ],
}


def grant(owner: Command, revision: str, provider: str, file: Path) -> tuple[object, ...]:
    return ("licence", "grant", "--revision", revision, "--provider", provider, "--terms-file", file)


class TestGrant:
    def test_takes_an_offer(self, operator: Command, part: Path, tmp_path: Path) -> None:
        file = tmp_path / "offer.odrl.json"
        file.write_text(json.dumps(OFFER), encoding="utf-8")
        _, made = party(operator, "provider")
        managed, _ = party(operator, "owner")
        key = tmp_path / "owner.json"
        own = operator.as_(
            operator.ok(
                *("org", "create", f"Own {secrets.token_hex(4)}", "--role", "owner", "--account", "own"),
                account=key,
            )["api_key"]["key"]
        )
        for owner, account in ((managed, None), (own, key)):
            revision = publish(owner, part, account=account)["id"]
            words = grant(owner, revision, made["id"], file)
            licence = owner.ok(*words, "--prints", 2, account=account)
            assert licence["terms"] == {"sites": ["Hamburg"]}
            error = owner.refused(*words, "--prints", 3, code=2 if account else 1, account=account)
            assert "goes beyond the ODRL Offer" in error["message"]
