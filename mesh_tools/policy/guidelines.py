"""What each process makes at all: walls, gaps, overhangs, cavities and sizes, with the sources.

The figures are the least that public design guides advise, for parts on common machines; where guides differ
the smaller stands here, since a guideline only warns. An owner who needs more says so in the recipe. Terms
are those of ISO/ASTM 52900; that walls, gaps, overhangs and enclosed cavities be judged for the process is
the advice of ISO/ASTM 52910 and of VDI 3405 part 3. Sizes are this project's own judgement: from a few of the
smallest features to the largest machines that are sold. docs/formats/policy.md shows the same table; a test
holds both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mesh_tools.policy.words import Grade

Family = Literal["polymer", "metal"]

FLOOR_SHARE: Final = 0.25
"""Below this share of a guideline's wall a process makes no wall at all: less than one bead, beam or drop."""


@dataclass(frozen=True, slots=True)
class Guideline:
    """Lengths in mm; None where the process sets no limit, or no public figure is known.

    `overhang_degrees_max` is the lean from the vertical that stands without support: 0 a wall, 90 a ceiling.
    `sources` are keys of `SOURCES`.
    """

    wall_mm_min: float | None
    gap_mm_min: float | None
    overhang_degrees_max: float | None
    cavities: Grade
    extent_mm_min: float
    extent_mm_max: float
    sources: tuple[str, ...] = ()

    @property
    def wall_mm_floor(self) -> float | None:
        """What the process cannot make at all, with any machine's settings."""
        return None if self.wall_mm_min is None else self.wall_mm_min * FLOOR_SHARE


SOURCES: Final[Mapping[str, str]] = {
    "neway-mex": "Neway, Material extrusion, https://neway3dp.com/services/material-extrusion"
    " (walls 0.8 mm, overhangs to 45°)",
    "prusa": "Prusa Research, Original Prusa i3 MK3S handbook, 10.3.5 Tolerances (loose fit 0.2 mm)",
    "arti90": "Arti90, Design clues for 3D printing, https://arti90.com/en/design-clues/"
    " (SLS walls 0.7 mm, DMLS supported walls 0.4 mm and overhangs to 45°)",
    "materialise": "Materialise, PA 12 design guidelines,"
    " https://www.materialise.com/en/academy/industrial/design-am/pa-12-medical-grade"
    " (0.5 mm between parts; closed hollows keep their powder)",
    "protolabs": "Protolabs, How to design 4 common metal 3D printing features,"
    " https://www.protolabs.com/blog/tag/direct-metal-laser-sintering/ (self-supporting to 45°)",
    "nicerapid": "Nice Rapid, Design guidelines for DMLM,"
    " https://www.nicerapid.com/design-guidelines-for-direct-metal-laser-melting-dmlm-a-616.html"
    " (gaps below 0.5 mm merge)",
    "addema": "Addema, Recommendations SLA, https://addema.se/guides-sla/"
    " (supported walls 0.4 mm, overhangs from 19° above level, 0.5 mm clearance)",
    "materialise-sla": "i.materialise, Gray resin design guide,"
    " https://i.materialise.com/3d-printing-materials/gray-resin/design-guide (closed hollows keep resin)",
    "neway-bjt": "Neway, Binder jetting, https://neway3dp.com/services/binder-jetting"
    " (walls 1 mm, clearance 0.2 mm, no supports, escape holes)",
    "objet": "Objet, Tips and tricks, http://www.objet.com/3D-CAD-Software/Tips_Tricks/"
    " (features 0.6 mm; support cannot leave confined hollows)",
    "forge-labs": "Forge Labs, PolyJet design guidelines, https://forgelabs.ca/guidelines/"
    " (0.3 mm between moving parts)",
    "gradl": "Gradl et al., Influence of build angles on thin-wall geometry in laser powder directed energy"
    " deposition, Journal of Materials Research and Technology, 2023 (1 mm walls, droop above 30°)",
}

_POLYMER_BED = Guideline(0.7, 0.5, None, "warn", 0.5, 2500, ("arti90", "materialise"))
_METAL_BED = Guideline(0.4, 0.5, 45.0, "warn", 0.5, 2500, ("arti90", "protolabs", "nicerapid"))
_UNKNOWN_BED = Guideline(0.4, 0.5, None, "warn", 0.5, 2500, ("arti90", "materialise"))

GUIDELINES: Final[Mapping[str, Mapping[Family | None, Guideline]]] = {
    "MEX": {None: Guideline(0.8, 0.2, 45.0, "allow", 0.5, 5000, ("neway-mex", "prusa"))},
    "PBF-LB": {None: _UNKNOWN_BED, "polymer": _POLYMER_BED, "metal": _METAL_BED},
    "VPP": {None: Guideline(0.4, 0.5, 71.0, "warn", 0.1, 2500, ("addema", "materialise-sla"))},
    "BJT": {None: Guideline(1.0, 0.2, None, "warn", 0.5, 4000, ("neway-bjt",))},
    "MJT": {None: Guideline(0.6, 0.3, None, "warn", 0.3, 1500, ("objet", "forge-labs"))},
    "DED": {None: Guideline(1.0, None, 30.0, "allow", 5.0, 10_000, ("gradl",))},
    "SHL": {None: Guideline(None, None, None, "allow", 1.0, 2000)},
}

_FAMILIES: Final[Mapping[Family, tuple[str, ...]]] = {
    "polymer": ("pa", "pp", "pe", "tpu", "tpe", "abs", "asa", "pc", "pla", "pvdf", "ps", "pmma", "nylon",
                "polyamide"),
    "metal": ("ti", "al", "co", "cu", "in6", "in7", "ni", "hastelloy", "inconel", "ss", "steel", "stainless",
              "maraging", "ms1", "aisi", "metal", "tungsten", "invar", "3", "17", "15", "14", "12", "h13"),
}  # fmt: skip


def guideline_of(process: str, material: str | None) -> Guideline:
    """The figures of `process` (a key of `GUIDELINES`) for `material`; where the material does not tell
    whether it is a polymer or a metal, those that ask for less."""
    rows = GUIDELINES[process]
    return rows.get(family_of(material), rows[None])


def family_of(material: str | None) -> Family | None:
    """Polymer or metal, by how trade names begin (PA12, TPU, AlSi10Mg, Ti6Al4V, 316L, 1.4404, 17-4PH)."""
    if material is None:
        return None
    plain = "".join(letter for letter in material.casefold() if letter.isalnum())
    for family, beginnings in _FAMILIES.items():
        if plain.startswith(beginnings):
            return family
    return None
