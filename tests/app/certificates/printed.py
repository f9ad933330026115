"""A print with a report, and a look into the PDF that certifies it."""

from __future__ import annotations

import re
import secrets
import zlib
from dataclasses import dataclass
from typing import Any

from tests.app.parties import Party, Printer, new_party
from tests.app.service import Service

MEASURED = [
    {
        "name": "bore",
        "value": "22.04",
        "unit": "mm",
        "lower": "22.0",
        "upper": "22.1",
        "verdict": "pass",
        "instrument": "pin gauge 4",
    },
    {
        "name": "roughness",
        "value": "14",
        "unit": "µm",
        "lower": None,
        "upper": "12",
        "verdict": "fail",
        "instrument": None,
    },
]


@dataclass
class Printed:
    """A finished print of fresh parties."""

    owner: Party
    provider: Party
    printer: Printer
    licence: dict[str, Any]
    release: dict[str, Any]
    serial: str

    @property
    def path(self) -> str:
        return f"/v1/prints/{self.release['print_id']}/certificate"

    def certificate(self) -> dict[str, Any]:
        return self.provider.expect(200, "GET", self.path)

    @property
    def name(self) -> str:
        """The print's name on chain."""
        return str(self.printer.report_on(self.licence, 1, 1)["print"])


def printed(service: Service, result: int | None = 1, **changes: Any) -> Printed:
    """Two parties with a licence for two prints, the first of them made and reported; not where there is no
    result, then everybody withdraws.
    """
    owner, provider = new_party(service, "owner", "auditor"), new_party(service, "provider")
    licence = owner.license(owner.published(), provider, prints=2, reprints=1)
    printer = provider.printer(model="Workhorse")
    release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
    serial = f"SN-{secrets.token_hex(4)}"
    if result is None:
        owner.revoke(licence)
        provider.expect(200, "POST", f"/v1/printers/{printer.id}/retire", json={})
    else:
        said = {"serials": [serial], "mass_g": "12.41", "measurements": MEASURED} | changes
        answer = printer.report(release, licence, 1, result, **said)
        assert answer.status_code == 200, answer.text
    return Printed(owner, provider, printer, licence, release, serial)


def streams(pdf: bytes) -> list[bytes]:
    """Every stream of a PDF, inflated where it is deflated."""
    found = []
    for raw in re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL):
        try:
            found.append(zlib.decompress(raw))
        except zlib.error:
            found.append(raw)
    return found


def drawing(pdf: bytes) -> str:
    """What draws the page."""
    (content,) = [each for each in streams(pdf) if b"BT" in each and b" re" in each]
    return content.decode("latin-1")


def text_of(pdf: bytes) -> str:
    """The texts on the page, one a line."""
    shown = re.findall(r"\(((?:[^()\\]|\\.)*)\) Tj", drawing(pdf))
    return "\n".join(re.sub(r"\\(.)", r"\1", each) for each in shown)


def squares(pdf: bytes) -> set[tuple[float, float, float, float]]:
    """The filled rectangles: x, y, width, height in points."""
    number = r"(-?[\d.]+)"
    found = re.findall(rf"{number} {number} {number} {number} re f", drawing(pdf))
    return {tuple(float(each) for each in row) for row in found}  # type: ignore[misc]
