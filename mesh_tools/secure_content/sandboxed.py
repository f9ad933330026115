"""The parent's side of the jobs: children parse what others wrote, their answers are checked here."""

from __future__ import annotations

from mesh_tools.errors import Refused
from mesh_tools.limits import MIB
from mesh_tools.sandbox import Sandbox
from mesh_tools.secure_content.framing import Framing
from mesh_tools.secure_content.geometry_part import GeometryPart
from mesh_tools.secure_content.jobs import PART_BLOB
from mesh_tools.secure_content.opening import FramingReader

_XML_BYTES_BASE = 64 * MIB
_XML_BYTES_PER_INPUT_BYTE = 32
_XML_BYTES_MAX = 1024 * MIB


def part_of_file(sandbox: Sandbox, data: bytes, *, filename: str, unit_mm: float) -> GeometryPart:
    """The model part of a file that the gate has passed; raises Refused and SandboxUnavailable."""
    room = min(_XML_BYTES_MAX, _XML_BYTES_BASE + _XML_BYTES_PER_INPUT_BYTE * len(data))
    answer = sandbox.run("secure_geometry", [(filename, [data])], {"unit_mm": unit_mm}, answer_bytes_max=room)
    try:
        return GeometryPart(answer.blobs[PART_BLOB], answer.value["unit"])
    except (KeyError, TypeError, ValueError) as error:
        raise _garbled(error) from None


def framing_reader(sandbox: Sandbox) -> FramingReader:
    """A reader of framings that parses nothing in this process; raises Refused and SandboxUnavailable."""

    def read(data: memoryview) -> Framing:
        answer = sandbox.run("secure_framing", [("package.3mf", [bytes(data)])])
        try:
            return Framing.from_json(answer.value)
        except ValueError as error:
            raise _garbled(error) from None

    return read


def _garbled(error: Exception) -> Refused:
    return Refused("sandbox.garbled", f"The reader's answer is not valid: {error}"[:300])
