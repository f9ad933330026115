"""A version's way to the ledger: design, draft, file, inspection, publication."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli.connection import Connection
from app.cli.failures import CliError, Exit
from app.cli.progress import transfer, waiting
from app.cli.statements import sign_publication

_PIECE = 1 << 20
_POLL_S = 0.1
_POLL_MAX_S = 2.0
_MOVING = frozenset({"inspecting", "publishing"})


@dataclass(frozen=True)
class Part:
    """What is to be uploaded: the file, the design's name, its id where it is there, how it is printed."""

    file: Path
    name: str
    design_id: str | None
    recipe: Mapping[str, Any]


class Upload:
    """Steps of one upload; `sha256` is the sent file's digest in hex, once `send` is done."""

    def __init__(self, connection: Connection, *, quiet: bool, timeout_s: float) -> None:
        self._connection = connection
        self._quiet = quiet
        self._timeout_s = timeout_s
        self.sha256 = ""

    def send(self, part: Part) -> dict[str, Any]:
        """Make design (unless named) and version, stream the file into it; the service checks its digest."""
        client, file, size = self._connection.client, part.file, part.file.stat().st_size
        with transfer(f"hashing {file.name}", size, quiet=self._quiet) as moved:
            digest = hashlib.sha256()
            for piece in _pieces(file, moved):
                digest.update(piece)
        self.sha256 = digest.hexdigest()
        design_id = part.design_id or client.post("/v1/designs", {"name": part.name})["id"]
        revision = client.post(f"/v1/designs/{design_id}/revisions", {"recipe": dict(part.recipe)})
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Repr-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
        }
        with transfer(f"uploading {file.name}", size, quiet=self._quiet) as moved:
            path = f"/v1/revisions/{revision['id']}/file"
            sent: dict[str, Any] = client.put_file(path, _pieces(file, moved), headers, filename=file.name)
        return sent

    def inspected(self, revision: Mapping[str, Any]) -> dict[str, Any]:
        """Wait until the gate has spoken."""
        return self._settled(revision, "inspecting")

    def published(self, revision: Mapping[str, Any], expected: Mapping[str, Any] | None) -> dict[str, Any]:
        """Sign where the owner signs itself, publish, wait for the ledger."""
        require_ready(revision)
        account = self._connection.account()
        signature = sign_publication(self._connection, account, revision, expected)
        body = {"signature": signature} if signature else None
        answer = self._connection.client.post(f"/v1/revisions/{revision['id']}/publish", body)
        return self._settled(answer, "publishing on the ledger")

    def _settled(self, revision: Mapping[str, Any], label: str) -> dict[str, Any]:
        deadline, pause = time.monotonic() + self._timeout_s, _POLL_S
        current = dict(revision)
        with waiting(label, quiet=self._quiet) as update:
            while current["state"] in _MOVING:
                if time.monotonic() >= deadline:
                    raise CliError(
                        "pending",
                        f"revision {current['id']} is still {current['state']} after {self._timeout_s:g} s",
                        f"look again with `partvault design show {current['id']}`",
                        exit_code=Exit.PENDING,
                    )
                time.sleep(pause)
                pause = min(pause * 1.5, _POLL_MAX_S)
                current = self._connection.client.get(f"/v1/revisions/{current['id']}")
                update(f"{label}: {current['state']}")
        return current


def require_ready(revision: Mapping[str, Any]) -> None:
    """Raise CliError (exit 1) where the gate refused the version, naming what it found."""
    if revision["state"] != "refused":
        return
    found = (revision.get("inspection") or {}).get("findings") or []
    reasons = [row for row in found if row.get("severity") == "refuse"]
    raise CliError(
        "gate_refused",
        f"the gate refused revision {revision['id']}",
        "repair the file as advised, then upload it as a new version with --design "
        + str(revision["design_id"]),
        reasons=[{"code": row["code"], "message": f"{row['code']}: {row['message']}"} for row in reasons],
    )


def _pieces(file: Path, moved: Callable[[int], None]) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
            moved(len(piece))
