"""How an encrypted package is put together: parts, relationships, key store. No content is read.

This parses XML of strangers, so it runs inside the sandbox; what it finds goes to the parent as plain JSON
and is held to every bound again there, where the private key is.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.secure_content.keystore import KEYSTORE_BYTES_MAX, Keystore, fault
from mesh_tools.secure_content.keystore_xml import read_keystore
from mesh_tools.threemf.package import (
    ENCRYPTED,
    KEY_STORE,
    KEY_STORE_TYPE,
    RELATIONSHIPS_TYPE,
    Package,
    Relationship,
)

CONTENT_TYPES = "[Content_Types].xml"


@dataclass(frozen=True, slots=True)
class Framing:
    """Names are those of the archive. `relationships` are by source, "" being the package itself;
    `content_types` are those declared for the parts, lower case.
    """

    keystore: Keystore
    keystore_name: str
    model_name: str
    relationships: Mapping[str, tuple[Relationship, ...]]
    content_types: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The framing as plain JSON values."""
        return {
            "keystore": self.keystore.to_json(),
            "keystore_name": self.keystore_name,
            "model_name": self.model_name,
            "relationships": {
                source: [[row.id, row.type, row.target] for row in rows]
                for source, rows in self.relationships.items()
            },
            "content_types": dict(self.content_types),
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` wrote; ValueError or Refused for anything else."""
        try:
            relationships = {
                _text(source): tuple(Relationship(*map(_text, row)) for row in rows)
                for source, rows in value["relationships"].items()
            }
            types = {_text(name): _text(kind) for name, kind in value["content_types"].items()}
            names = _text(value["keystore_name"]), _text(value["model_name"])
            return cls(Keystore.from_json(value["keystore"]), *names, relationships, types)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"this is no framing: {error}") from None


def read_framing(data: memoryview, limits: Limits) -> Framing:
    """Check the package's structure and read its key store; raises Refused.

    1. ZIP, content types and root relationships are sound (`Package`); no names that differ only in case.
    2. Exactly one key store, declared as such, of bounded size.
    3. Every relationship of every part is sound.
    4. Exactly those parts are encrypted that have both a key and an Encrypted File relationship; the root
       model, the key store and the package's own parts are not among them (1.2, 3.3).
    """
    # (1) the package is sound
    package = Package(data, limits)
    if package.archive.colliding:
        raise fault(f"{package.archive.colliding[0][:100]!r} differs from another name only in case.")
    # (2) its key store
    name = _keystore_name(package)
    keystore = read_keystore(package.read(name), limits, part=name)
    # (3) its relationships
    sources = [source for source in map(source_of, package.archive.entries) if source is not None]
    relationships = {source: package.relationships_of(source) for source in sources}
    # (4) what is encrypted
    _check_encrypted(keystore, relationships, package, name)
    types = {entry: package.content_type(entry) for entry in package.archive.entries}
    declared = {entry: kind for entry, kind in types.items() if kind is not None}
    return Framing(keystore, name, package.model_name, relationships, declared)


def source_of(name: str) -> str | None:
    """The part whose relationships the entry `name` holds ("" for the package); None when it holds none."""
    folder, base = posixpath.split(name)
    above, last = posixpath.split(folder)
    if last.lower() != "_rels" or not base.lower().endswith(".rels"):
        return None
    return posixpath.join(above, base[: -len(".rels")])


def _keystore_name(package: Package) -> str:
    targets = {relation.target for relation in package.relationships if relation.type == KEY_STORE}
    if len(targets) != 1:
        raise fault(f"The package has {len(targets)} key stores; an encrypted one has exactly one.")
    entry = package.archive.find(targets.pop())
    if entry is None or package.content_type(entry.name) != KEY_STORE_TYPE:
        raise fault("The key store is not declared as one.")
    if entry.bytes > KEYSTORE_BYTES_MAX:
        raise Refused("package.limit", f"The key store has {entry.bytes} bytes.")
    return entry.name


def _check_encrypted(
    keystore: Keystore,
    relationships: Mapping[str, tuple[Relationship, ...]],
    package: Package,
    keystore_name: str,
) -> None:
    related = {
        row.target.casefold() for rows in relationships.values() for row in rows if row.type == ENCRYPTED
    }
    keyed = {resource.path.casefold() for resource in keystore.resources}
    if not keyed or related != keyed:
        names = ", ".join(sorted(related ^ keyed))[:200]
        raise fault(f"Encrypted by relationship or by key store, but not by both: {names or 'nothing'}.")
    plain = {CONTENT_TYPES, keystore_name, package.model_name}
    for resource in keystore.resources:
        entry = package.archive.find(resource.path)
        if entry is None or entry.name != resource.path:
            raise Refused("package.missing_part", f"The encrypted part {resource.path[:200]!r} is not there.")
        if entry.name in plain or package.content_type(entry.name) == RELATIONSHIPS_TYPE:
            raise fault(f"{entry.name!r} must not be encrypted.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a value that must be a text is none")
    return value
