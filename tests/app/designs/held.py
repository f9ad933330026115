"""An owner that holds its own keys: encrypts, uploads and declares as its tool would."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import httpx2

from app.designs.recipe import gate_policy
from ledger.typed_data import Publication
from storage.envelope import ObjectContext
from storage.secret import DataKey
from storage.stream import encrypt
from tests.app.parties import RECIPE, Party, new_party
from tests.app.parts import box
from tests.app.service import Service
from tests.app.toolpaths import MADE_FOR, square


@dataclass
class Held:
    """One version of an owner-held design: its content, and the key that only this test has."""

    owner: Party
    revision: dict[str, Any]
    content: bytes = field(default_factory=box)
    filename: str = "part.stl"
    key: DataKey = field(default_factory=DataKey.generate)
    ciphertext: bytes = b""

    @property
    def path(self) -> str:
        return f"/v1/revisions/{self.revision['id']}"

    @property
    def context(self) -> ObjectContext:
        return ObjectContext.from_json(self.seen()["upload_context"])

    def seen(self) -> dict[str, Any]:
        return self.owner.expect(200, "GET", self.path)

    def put(self, content: Any = None, version: int | None = None, **options: Any) -> httpx2.Response:
        """Send a ciphertext, by default this version's own."""
        context = self.context
        if content is None:
            pieces = encrypt([self.content], self.key, context)
            content = self.ciphertext = b"".join(bytes(piece) for piece in pieces)
        params = {"version": context.version if version is None else version}
        return self.owner.call("PUT", f"{self.path}/ciphertext", params=params, content=content, **options)

    def declaration(self, **changes: Any) -> dict[str, Any]:
        sandbox = self.owner.service.services.sandbox
        policy = gate_policy(self.revision["recipe"])
        inspection = sandbox.inspect([self.content], filename=self.filename, policy=policy, pictures=False)
        seen = inspection.to_json()
        names = ("verdict", "findings", "geometry", "toolpath")
        return {
            "filename": self.filename,
            "format": seen["format"],
            "plaintext_sha256": hashlib.sha256(self.content).hexdigest(),
            "plaintext_bytes": len(self.content),
            "ciphertext_sha256": hashlib.sha256(self.ciphertext).hexdigest(),
            "inspection": {name: seen[name] for name in names if name in seen},
        } | changes

    def declare(self, body: dict[str, Any] | None = None, **changes: Any) -> httpx2.Response:
        return self.owner.call("POST", f"{self.path}/declaration", json=body or self.declaration(**changes))

    def ready(self) -> dict[str, Any]:
        """Upload and declare; the revision."""
        answer = self.put()
        assert answer.status_code == 200, answer.text
        answer = self.declare()
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def published(self) -> dict[str, Any]:
        revision = self.ready()
        commitment = bytes.fromhex(revision["commitment"][2:])
        body = {"signature": self.owner.sign(Publication(self.owner.address, commitment))}
        return self.owner.expect(200, "POST", f"{self.path}/publish", json=body)


def held_toolpath(owner: Party) -> Held:
    """A version whose content is a toolpath, with the machine it was made for."""
    held = held_draft(owner, **MADE_FOR)
    held.content, held.filename = square(), "part.gcode"
    return held


def held_draft(owner: Party, **recipe: Any) -> Held:
    """A new owner-held design with an empty version."""
    body = {"name": "Leg cap", "custody": "owner"}
    design = owner.expect(201, "POST", "/v1/designs", json=body)
    made = owner.expect(
        201, "POST", f"/v1/designs/{design['id']}/revisions", json={"recipe": RECIPE | recipe}
    )
    return Held(owner, made)


def keeper(service: Service) -> Party:
    """An owner with an own account."""
    return new_party(service, "owner", external=True)
