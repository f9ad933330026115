"""The elements and attributes of 3MF core 1.x and of the extensions the gate understands, as tables.

A row says: attributes (name, type; a trailing `!` marks a required one) and children (`name` any number,
`name+` one or more, `name?` at most one, `name!` exactly one, `a|b` a choice). Attributes of another
namespace carry its short name: `p:UUID`. What is not in a row is refused when it belongs to one of these
namespaces, and ignored when it belongs to a foreign one that the model does not require.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mesh_tools.threemf.grammar import TYPES, Check, one_of

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
MATERIAL = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
SLICE = "http://schemas.microsoft.com/3dmanufacturing/slice/2015/07"
BEAM = "http://schemas.microsoft.com/3dmanufacturing/beamlattice/2017/02"
BALLS = "http://schemas.microsoft.com/3dmanufacturing/beamlattice/balls/2020/07"
TRIANGLE_SETS = "http://schemas.microsoft.com/3dmanufacturing/trianglesets/2021/07"

SHORT: Final = {
    "c": CORE,
    "m": MATERIAL,
    "p": PRODUCTION,
    "s": SLICE,
    "b": BEAM,
    "b2": BALLS,
    "t": TRIANGLE_SETS,
}
KNOWN: Final = frozenset(SHORT.values())
UNITS: Final = {
    "micron": 0.001,
    "millimeter": 1.0,
    "centimeter": 10.0,
    "inch": 25.4,
    "foot": 304.8,
    "meter": 1000.0,
}

_ENUMS: Final = {
    "unit": one_of(*UNITS),
    "object_type": one_of("model", "solidsupport", "support", "surface", "other"),
    "image": one_of("image/png", "image/jpeg"),
    "tile": one_of("wrap", "mirror", "clamp", "none"),
    "filter": one_of("auto", "linear", "nearest"),
    "resolution": one_of("fullres", "lowres"),
    "clip": one_of("none", "inside", "outside"),
    "cap": one_of("hemisphere", "sphere", "butt"),
    "ball": one_of("none", "mixed", "all"),
    "lang": TYPES["text"],
}

_TABLE: Final = """
c:model unit:unit xml:lang:lang lang:lang requiredextensions:text recommendedextensions:text thumbnail:text > c:metadata* c:resources! c:build!
c:metadata name:qname! preserve:bool type:text >
c:metadatagroup > c:metadata+
c:resources > c:basematerials* c:object* s:slicestack* m:texture2d* m:colorgroup* m:texture2dgroup* m:compositematerials* m:multiproperties* m:pbspeculardisplayproperties* m:pbmetallicdisplayproperties* m:pbspeculartexturedisplayproperties* m:pbmetallictexturedisplayproperties* m:translucentdisplayproperties*
c:basematerials id:id! displaypropertiesid:id > c:base+
c:base name:text! displaycolor:colour! displaypropertiesid:id >
c:object id:id! type:object_type thumbnail:text partnumber:text name:text pid:id pindex:index p:UUID:uuid s:slicestackid:id s:slicepath:path s:meshresolution:resolution > c:metadatagroup? c:mesh|c:components!
c:mesh > c:vertices! c:triangles! t:trianglesets? b:beamlattice?
c:vertices > c:vertex+
c:vertex x:number! y:number! z:number! >
c:triangles > c:triangle*
c:triangle v1:index! v2:index! v3:index! pid:id p1:index p2:index p3:index >
c:components > c:component+
c:component objectid:id! transform:matrix p:UUID:uuid p:path:path >
c:build p:UUID:uuid > c:item*
c:item objectid:id! transform:matrix partnumber:text p:UUID:uuid p:path:path > c:metadatagroup?
m:texture2d id:id! path:path! contenttype:image! tilestyleu:tile tilestylev:tile filter:filter >
m:colorgroup id:id! displaypropertiesid:id > m:color+
m:color color:colour! >
m:texture2dgroup id:id! texid:id! displaypropertiesid:id > m:tex2coord+
m:tex2coord u:number! v:number! >
m:compositematerials id:id! matid:id! matindices:indices! displaypropertiesid:id > m:composite+
m:composite values:numbers! >
m:multiproperties id:id! pids:ids! blendmethods:text > m:multi|c:multi+
c:multi pindices:indices! >
m:multi pindices:indices! >
m:pbspeculardisplayproperties id:id! > m:pbspecular+
m:pbspecular name:text! specularcolor:colour glossiness:unit_number >
m:pbmetallicdisplayproperties id:id! > m:pbmetallic+
m:pbmetallic name:text! metallicness:unit_number roughness:unit_number >
m:pbspeculartexturedisplayproperties id:id! name:text! speculartextureid:id! glossinesstextureid:id! diffusefactor:colour specularfactor:colour glossinessfactor:unit_number >
m:pbmetallictexturedisplayproperties id:id! name:text! metallictextureid:id! roughnesstextureid:id! basecolorfactor:colour metallicfactor:unit_number roughnessfactor:unit_number >
m:translucentdisplayproperties id:id! > m:translucent+
m:translucent name:text! attenuation:numbers! refractiveindex:numbers roughness:unit_number >
s:slicestack id:id! zbottom:number > s:slice* s:sliceref*
s:sliceref slicestackid:id! slicepath:path! >
s:slice ztop:number! > s:vertices? s:polygon*
s:vertices > s:vertex+
s:vertex x:number! y:number! >
s:polygon startv:index! > s:segment+
s:segment v2:index! p1:index p2:index pid:id >
b:beamlattice minlength:positive! radius:positive! clippingmode:clip clipping:clip clippingmesh:id representationmesh:id pid:id pindex:index cap:cap b2:ballmode:ball b2:ballradius:positive > b:beams! b2:balls? b:beamsets?
b:beams > b:beam*
b:beam v1:index! v2:index! r1:positive r2:positive p1:index p2:index pid:id cap1:cap cap2:cap >
b:beamsets > b:beamset*
b:beamset name:text identifier:text > b:ref* b2:ballref*
b:ref index:index! >
b2:balls > b2:ball*
b2:ball vindex:index! r:positive p:index pid:id >
b2:ballref index:index! >
t:trianglesets > t:triangleset*
t:triangleset name:text! identifier:text! > t:ref* t:refrange*
t:ref index:index! >
t:refrange startindex:index! endindex:index! >
"""  # noqa: E501 - one row an element

Tag = tuple[str, str]
SLICERS: Final = {
    (CORE, "item"): {"printable": one_of("1", "true")},
    (CORE, "triangle"): dict.fromkeys(
        ("paint_color", "paint_supports", "paint_seam", "paint_fuzzy_skin", "face_property"), TYPES["text"]
    ),
}
"""Attributes of common slicers that the specification does not have: they mark facets for the slicer, or say
that an item is to be printed, as it is anyway. None takes an item out of the print."""
SLICER_METADATA: Final = frozenset({
    "CopyRight", "DesignModelId", "DesignProfileId", "DesignRegion", "DesignerCover", "DesignerUserId",
    "License", "Origin", "ProfileCover", "ProfileDescription", "ProfileTitle", "ProfileUserId",
    "ProfileUserName", "Region", "Thumbnail_Middle", "Thumbnail_Small",
})  # fmt: skip
"""Names of metadata that common slicers write without a prefix."""
XML_LANG = ("http://www.w3.org/XML/1998/namespace", "lang")


@dataclass(frozen=True, slots=True)
class Element:
    """What an element may hold. `groups` are sets of alternatives with their least and greatest number."""

    attributes: dict[Tag, Check]
    required: frozenset[Tag]
    groups: tuple[tuple[frozenset[Tag], int, int], ...]
    order: dict[Tag, int]


def _tag(text: str) -> Tag:
    short, _, name = text.partition(":")
    return SHORT[short], name


def _attribute(text: str) -> tuple[Tag, Check, bool]:
    name, _, kind = text.rstrip("!").rpartition(":")
    short, colon, local = name.rpartition(":")
    tag = XML_LANG if short == "xml" else (SHORT[short] if colon else "", local)
    return tag, TYPES[kind] if kind in TYPES else _ENUMS[kind], text.endswith("!")


def _element(row: str) -> tuple[Tag, Element]:
    left, _, right = row.partition(">")
    name, *texts = left.split()
    attributes = [_attribute(text) for text in texts]
    groups = []
    order: dict[Tag, int] = {}
    for place, word in enumerate(right.split()):
        tags = frozenset(_tag(part) for part in word.rstrip("*+?!").split("|"))
        least, most = {"*": (0, 2**31), "+": (1, 2**31), "?": (0, 1), "!": (1, 1)}[word[-1]]
        groups.append((tags, least, most))
        order.update(dict.fromkeys(tags, place))
    required = frozenset(tag for tag, _, needed in attributes if needed)
    return _tag(name), Element({tag: check for tag, check, _ in attributes}, required, tuple(groups), order)


ELEMENTS: Final[dict[Tag, Element]] = dict(_element(row) for row in _TABLE.split("\n") if row)
RESOURCES: Final = (CORE, "resources")
UNORDERED: Final = frozenset({RESOURCES})
