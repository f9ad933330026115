"""The package without its encryption: its parts as they are, content types and relationships of our own."""

from __future__ import annotations

from collections.abc import Mapping

from mesh_tools.secure_content.container import stored
from mesh_tools.secure_content.framing import Framing, source_of
from mesh_tools.secure_content.opc import CONTENT_TYPES, content_types, relationships, relationships_name
from mesh_tools.secure_content.statement import STATEMENT_NAME
from mesh_tools.threemf.package import ENCRYPTED, KEY_STORE


def plain_package(parts: Mapping[str, bytes], framing: Framing) -> bytes:
    """A ZIP file of `parts`, all decrypted; without key store, statement and what leads to them."""
    gone = {name.casefold() for name in (CONTENT_TYPES, STATEMENT_NAME, framing.keystore_name)}
    kept = {
        name: part for name, part in parts.items() if name.casefold() not in gone and source_of(name) is None
    }
    types = {name: framing.content_types[name] for name in kept if name in framing.content_types}
    related = {
        relationships_name(source): relationships(
            row
            for row in rows
            if row.type not in (ENCRYPTED, KEY_STORE) and row.target.casefold() not in gone
        )
        for source, rows in framing.relationships.items()
        if not source or source in kept
    }
    return b"".join(stored({CONTENT_TYPES: content_types(types), **related, **kept}))
