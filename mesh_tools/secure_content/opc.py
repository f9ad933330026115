"""The OPC parts that we write: content types and relationships (ECMA-376 part 2)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final
from urllib.parse import quote

from mesh_tools.threemf.package import RELATIONSHIPS_NS, RELATIONSHIPS_TYPE, TYPES_NS, Relationship

CONTENT_TYPES: Final = "[Content_Types].xml"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


def content_types(types: Mapping[str, str]) -> bytes:
    """The content types part: relationships by their extension, every part in `types` by its name."""
    rows = "".join(
        f'<Override PartName="/{escape(name)}" ContentType="{escape(kind)}"/>' for name, kind in types.items()
    )
    default = f'<Default Extension="rels" ContentType="{RELATIONSHIPS_TYPE}"/>'
    return f'{_HEAD}<Types xmlns="{TYPES_NS}">{default}{rows}</Types>\n'.encode()


def relationships(rows: Iterable[Relationship]) -> bytes:
    """A relationships part."""
    text = "".join(
        f'<Relationship Id="{escape(row.id)}" Type="{escape(row.type)}" '
        f'Target="/{escape(quote(row.target))}"/>'
        for row in rows
    )
    return f'{_HEAD}<Relationships xmlns="{RELATIONSHIPS_NS}">{text}</Relationships>\n'.encode()


def relationships_name(source: str) -> str:
    """The name of the relationships part of `source`, "" being the package itself."""
    folder, base = posixpath.split(source)
    return posixpath.join(folder, "_rels", base + ".rels")
