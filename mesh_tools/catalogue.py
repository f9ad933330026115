"""The stable codes of the gate: how bad each is by default, and what cures it.

docs/findings.md explains them one by one; a test holds that page and this table together.
Unknown codes are refusals: a finding nobody classified must not let a part through.
"""

from __future__ import annotations

from typing import Final, Literal

_Severity = Literal["refuse", "warn", "info"]

_SEND_AGAIN = "Export the part again and upload the new file."
_REPAIR = "Repair the mesh in the CAD program it came from, export it again and upload the new file."
_REPACK = "Save the 3MF again with a program that follows the 3MF core specification."
_SLICE = "Slice the part again for this machine and upload the new file."
_LEAVE_OUT = "Leave the command out of the slicer's custom G-code and slice again."
_SMALLER = "Simplify or split the part, or ask the operator for higher limits."

CATALOGUE: Final[dict[str, tuple[_Severity, str]]] = {
    "input.empty": ("refuse", "The file has no bytes. " + _SEND_AGAIN),
    "input.too_large": ("refuse", _SMALLER),
    "format.unknown": ("refuse", "Send STL, 3MF, OBJ, PLY, OFF, GLB, AMF or G-code."),
    "format.unreadable": ("refuse", "The file does not follow its format. " + _SEND_AGAIN),
    "format.mismatch": ("warn", "Give the file the extension of its real format."),
    "format.not_printable": ("refuse", "Export a mesh (3MF or STL) from the CAD model, and send that."),
    "format.toolpath": ("refuse", "Take the part's mesh; `partvault mesh check` reads toolpaths."),
    "sandbox.time_out": ("refuse", _SMALLER),
    "sandbox.cpu_limit": ("refuse", _SMALLER),
    "sandbox.memory_limit": ("refuse", _SMALLER),
    "sandbox.crashed": ("refuse", "The reader broke on this file. " + _SEND_AGAIN),
    "sandbox.garbled": ("refuse", "The reader gave no usable answer for this file. " + _SEND_AGAIN),
    "sandbox.unavailable": ("refuse", "Nothing is wrong with the file: ask the operator, then try again."),
    "limit.facets": ("refuse", _SMALLER),
    "limit.vertices": ("refuse", _SMALLER),
    "limit.instances": ("refuse", _SMALLER),
    "limit.facet_pairs": ("refuse", _SMALLER),
    "stl.truncated": ("refuse", "The file ends early: check the transfer. " + _SEND_AGAIN),
    "stl.facet_count": ("refuse", "Header and length disagree about the number of facets. " + _SEND_AGAIN),
    "stl.grammar": ("refuse", "The text does not follow the ASCII STL grammar. " + _SEND_AGAIN),
    "stl.ambiguous": ("refuse", "The file reads as binary and as ASCII STL at once. " + _SEND_AGAIN),
    "stl.attribute_bytes": ("info", "The attribute bytes of facets are ignored; colours are lost."),
    "package.zip": ("refuse", "The ZIP container is damaged or unusual. " + _REPACK),
    "package.limit": ("refuse", "The package is larger than it may be, or pretends to be. " + _REPACK),
    "package.name": ("refuse", "A name in the package is not allowed. " + _REPACK),
    "package.content_types": ("refuse", _REPACK),
    "package.relationship": ("refuse", _REPACK),
    "package.missing_part": ("refuse", _REPACK),
    "package.xml": ("refuse", _REPACK),
    "package.dtd": ("refuse", "3MF forbids document type declarations. " + _REPACK),
    "package.schema": ("refuse", _REPACK),
    "package.reference": ("refuse", _REPACK),
    "package.extension": ("refuse", "Export without this extension. " + _REPACK),
    "package.cycle": ("refuse", _REPACK),
    "package.build": ("refuse", _REPACK),
    "package.encrypted": ("refuse", "Open it with `partvault mesh open`, or send it unencrypted."),
    "package.signature": ("refuse", "Ask the sender for the package again, and for the signer's public key."),
    "package.binding": ("refuse", "This is another product, version or part than was asked for."),
    "package.keystore": ("refuse", "Ask the sender to encrypt the package again."),
    "package.algorithm": ("refuse", "Ask the sender to encrypt with AES-256-GCM and RSA-OAEP with SHA-256."),
    "package.key": ("refuse", "Use the private key it was encrypted for: RSA of 2048 bits or more."),
    "package.ciphertext": ("refuse", "The package was damaged or altered: ask the sender for it again."),
    "package.prefix": ("warn", "Elements without a declared namespace are ignored. " + _REPACK),
    "content.ambiguous_names": ("refuse", "Names must differ in more than case. " + _REPACK),
    "content.missing_thumbnail": ("refuse", "The package names a thumbnail that it lacks. " + _REPACK),
    "content.metadata": ("refuse", "Metadata names are well-known or carry a declared prefix. " + _REPACK),
    "content.slicer_data": ("info", "What slicers write beside the specification is ignored."),
    "content.properties": ("refuse", "A colour, material or texture leads to nothing. " + _REPACK),
    "content.unrelated_part": ("refuse", "A part that the model leads to needs a relationship. " + _REPACK),
    "content.beam_lattice": ("refuse", "Export the lattice as a mesh."),
    "content.slices": ("refuse", "Export without slices: only the mesh is checked and printed."),
    "content.surface": ("refuse", "Export the object as a solid model."),
    "content.no_mesh": ("refuse", "Points and lines cannot be printed: export a mesh."),
    "content.not_faceted": ("refuse", "Export flat triangles of solid material."),
    "content.support": ("info", "Support is left to the printing program."),
    "mesh.placement": ("refuse", "A transform must be twelve finite numbers with a determinant. " + _REPACK),
    "mesh.mirrored": ("warn", "The part is mirrored when placed: check that this is meant."),
    "mesh.empty": ("refuse", "The file holds no facet. " + _SEND_AGAIN),
    "mesh.not_finite": ("refuse", "A coordinate is not a finite number. " + _REPAIR),
    "mesh.out_of_range": ("refuse", "Move the part to the origin and check its unit. " + _REPAIR),
    "mesh.index_range": ("refuse", "A facet names a vertex that does not exist. " + _SEND_AGAIN),
    "mesh.polygons": ("refuse", "Turn the faces into triangles when exporting."),
    "mesh.open_edges": ("refuse", "The surface has a hole at these edges. Close it. " + _REPAIR),
    "mesh.open_edges_welded": ("info", "Corners that should meet differ by a hair: weld vertices."),
    "mesh.non_manifold_edges": ("refuse", "More than two facets meet in an edge: merge bodies. " + _REPAIR),
    "mesh.winding": ("refuse", "Neighbours disagree about the outside: unify the normals. " + _REPAIR),
    "mesh.inverted": ("refuse", "The part is inside out: flip the normals. " + _REPAIR),
    "mesh.zero_volume": ("refuse", "The surface encloses nothing: give the part a thickness. " + _REPAIR),
    "mesh.duplicate_facets": ("refuse", "Facets stand twice in the file: remove duplicates. " + _REPAIR),
    "mesh.degenerate_facets": ("warn", "Facets without area are ignored: remove them when you can."),
    "mesh.self_intersections": ("refuse", "The surface runs through itself: unite its pieces. " + _REPAIR),
    "mesh.overlapping_bodies": ("refuse", "Solids lie in each other: unite them. " + _REPAIR),
    "mesh.not_canonical": ("refuse", "Upload what `partvault mesh canonical FILE` writes, in millimetres."),
    "mesh.shells": ("refuse", "The part falls into more separate shells than allowed. " + _REPAIR),
    "mesh.cavities": ("warn", "Closed voids trap powder, resin or support: add a drain hole."),
    "units.assumed": ("info", "State the unit in the recipe where it is not millimetres."),
    "units.doubtful": ("refuse", "State the unit in the recipe, or scale the part to millimetres."),
    "units.implausible": ("warn", "Check the unit of the file and the scale of the part."),
    "build.too_large": ("refuse", "Use a larger machine, split the part, or check the unit."),
    "render.section": ("refuse", "Name an axis, x, y or z, and a place within the part."),
    "render.view": ("refuse", "Choose thumbnail, sheet, findings, section or preview."),
    "build.turned": ("info", "The part fits the build volume only when it is turned."),
    "wall.thin": ("warn", "Check the unit, thicken the walls, or choose a process that makes finer ones."),
    "gap.thin": ("warn", "Widen the gaps: faces this close fuse, or hold powder, resin or support."),
    "overhang.share": ("info", "Turn the part, or chamfer what hangs over; else it needs support."),
    "toolpath.empty": ("refuse", "The toolpath prints nothing. " + _SLICE),
    "toolpath.no_machine": ("refuse", "Give the policy the limits of the machine that is to run it."),
    "toolpath.container": ("refuse", "The binary G-code does not follow its specification. " + _SLICE),
    "toolpath.checksum": ("refuse", "The file was damaged or altered after it was made. " + _SLICE),
    "toolpath.plates": ("refuse", "Export one plate to a file."),
    "toolpath.characters": ("refuse", "Readers would split the text differently. " + _SLICE),
    "toolpath.grammar": ("refuse", "Only plain words of a letter and a decimal number are read. " + _SLICE),
    "toolpath.line_length": ("refuse", "Firmware would cut the line. " + _SLICE),
    "toolpath.line_numbers": ("refuse", "Save the toolpath as a file, not as a recorded stream."),
    "toolpath.repeated_word": ("refuse", "Machines differ about which of the two counts. " + _SLICE),
    "toolpath.several_commands": ("refuse", "Put each command in a line of its own."),
    "toolpath.number_range": ("refuse", "No machine has such a place or rate. " + _SLICE),
    "toolpath.unknown_command": ("refuse", "Leave the command out, or have the operator vouch for it."),
    "toolpath.unknown_word": ("refuse", "Leave the word out: its effect is not known. " + _SLICE),
    "toolpath.firmware_write": ("refuse", _LEAVE_OUT),
    "toolpath.settings_write": ("refuse", _LEAVE_OUT),
    "toolpath.file_access": ("refuse", _LEAVE_OUT),
    "toolpath.host_command": ("refuse", _LEAVE_OUT),
    "toolpath.network": ("refuse", _LEAVE_OUT),
    "toolpath.protection_off": ("refuse", _LEAVE_OUT),
    "toolpath.stop": ("refuse", _LEAVE_OUT),
    "toolpath.arc": ("refuse", "Turn arc fitting off, or raise its precision. " + _SLICE),
    "toolpath.outside": ("refuse", "Choose the right machine in the slicer, or place the part inside it."),
    "toolpath.temperature": ("refuse", "Choose the material's and the machine's own settings. " + _SLICE),
    "toolpath.bed_temperature": ("refuse", "Choose the material's and the machine's own settings. " + _SLICE),
    "toolpath.chamber_temperature": ("refuse", "Choose the machine's own settings. " + _SLICE),
    "toolpath.feed": ("refuse", "Choose the machine's own speeds. " + _SLICE),
    "toolpath.acceleration": ("refuse", "Choose the machine's own accelerations. " + _SLICE),
    "toolpath.tool": ("refuse", "Choose the right machine in the slicer. " + _SLICE),
    "toolpath.not_homed": ("refuse", "Home every axis (G28) before anything is printed. " + _SLICE),
    "toolpath.moved_before_homing": ("warn", "Home first: where the axis goes cannot be told."),
    "toolpath.units_assumed": ("warn", "State the unit (G21) at the beginning; millimetres were assumed."),
    "toolpath.macro": ("warn", "The operator vouches for the machine's macros; check their arguments."),
    "toolpath.pause": ("warn", "Somebody must stand by: the machine waits there."),
}  # fmt: skip


NEGOTIABLE: Final = frozenset(
    {
        "content.metadata",
        "content.missing_thumbnail",
        "content.properties",
        "content.unrelated_part",
        "mesh.overlapping_bodies",
        "mesh.self_intersections",
        "mesh.shells",
        "units.doubtful",
    }
)
"""Refusals that a policy may lower: the shape is fully judged all the same."""


def severity_for(code: str) -> _Severity:
    """The default severity of `code`; unknown codes refuse."""
    return CATALOGUE.get(code, ("refuse", ""))[0]


def advice_for(code: str) -> str:
    """What cures `code`."""
    return CATALOGUE.get(code, ("refuse", _SEND_AGAIN))[1]
