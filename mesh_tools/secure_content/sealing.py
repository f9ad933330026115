"""Writes an encrypted package: a plain root model without geometry, the model encrypted, keys, statement."""

from __future__ import annotations

import secrets
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mesh_tools.errors import Refused
from mesh_tools.secure_content.algorithms import IV_BYTES, WRITTEN_HASH
from mesh_tools.secure_content.binding import Product, aad_of
from mesh_tools.secure_content.cipher_file import encrypt
from mesh_tools.secure_content.container import stored
from mesh_tools.secure_content.geometry_part import ASSEMBLY_ID, GeometryPart
from mesh_tools.secure_content.keys import ConsumerPublicKey, ContentKey, SigningKey
from mesh_tools.secure_content.keystore import AccessRight, Consumer, Group, Keystore, Resource, encoded
from mesh_tools.secure_content.keystore_xml import write_keystore
from mesh_tools.secure_content.opc import CONTENT_TYPES, content_types, relationships, relationships_name
from mesh_tools.secure_content.statement import (
    STATEMENT_NAME,
    STATEMENT_RELATION,
    STATEMENT_TYPE,
    sign_statement,
)
from mesh_tools.threemf.package import (
    ENCRYPTED,
    KEY_STORE,
    KEY_STORE_TYPE,
    MODEL_TYPE,
    MUST_PRESERVE,
    SECURE_CONTENT,
    START_PART,
    Relationship,
)
from mesh_tools.threemf.vocabulary import CORE, PRODUCTION

ROOT_NAME: Final = "3D/3dmodel.model"
PART_NAME: Final = "3D/part.model"
KEYSTORE_NAME: Final = "Secure/keystore.xml"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A consumer to encrypt for: the id that stands in the key store, and its key."""

    id: str
    key: ConsumerPublicKey


def seal_package(
    part: GeometryPart, product: Product, recipients: Sequence[Recipient], *, signer: SigningKey | None
) -> bytes:
    """The package of `part` for `recipients`; Refused(package.key) where two of them are the same.

    A fresh content key and IV for every call. Without `signer` it opens only for those who accept foreign
    packages.
    """
    _check_recipients(recipients)
    content_key, iv, aad = ContentKey.generate(), secrets.token_bytes(IV_BYTES), aad_of(product, PART_NAME)
    encrypted, tag = encrypt(part.xml, content_key, iv, aad)
    resource = Resource(PART_NAME, encoded(iv), encoded(tag), encoded(aad))
    parts = {
        CONTENT_TYPES: content_types(_types(signed=signer is not None)),
        relationships_name(""): relationships(_root_relations(signed=signer is not None)),
        ROOT_NAME: _root_model(part.unit),
        relationships_name(ROOT_NAME): relationships([
            Relationship("rel0", START_PART, PART_NAME), Relationship("rel1", ENCRYPTED, PART_NAME),
        ]),
        PART_NAME: encrypted,
        KEYSTORE_NAME: write_keystore(_keystore(resource, content_key, recipients)),
    }  # fmt: skip
    if signer is not None:
        parts[STATEMENT_NAME] = sign_statement(product, parts, signer)
    return b"".join(stored(parts))


def _check_recipients(recipients: Sequence[Recipient]) -> None:
    if not recipients:
        raise Refused("package.key", "There is no consumer to encrypt for.")
    for values in ((one.id for one in recipients), (one.key.fingerprint for one in recipients)):
        value, count = Counter(values).most_common(1)[0]
        if count > 1:
            raise Refused("package.key", f"The consumer or key {value[:100]!r} is named {count} times.")


def _keystore(resource: Resource, key: ContentKey, recipients: Sequence[Recipient]) -> Keystore:
    rights = tuple(
        AccessRight(index, WRITTEN_HASH, encoded(one.key.wrap(key))) for index, one in enumerate(recipients)
    )
    consumers = tuple(Consumer(one.id, pem=one.key.pem) for one in recipients)
    return Keystore(str(uuid.uuid4()), consumers, (Group(str(uuid.uuid4()), rights, (resource,)),))


def _types(*, signed: bool) -> dict[str, str]:
    types = {ROOT_NAME: MODEL_TYPE, PART_NAME: MODEL_TYPE, KEYSTORE_NAME: KEY_STORE_TYPE}
    return types | ({STATEMENT_NAME: STATEMENT_TYPE} if signed else {})


def _root_relations(*, signed: bool) -> list[Relationship]:
    rows = [
        Relationship("rel0", START_PART, ROOT_NAME),
        Relationship("rel1", KEY_STORE, KEYSTORE_NAME),
        Relationship("rel2", MUST_PRESERVE, KEYSTORE_NAME),
    ]
    return [*rows, Relationship("rel3", STATEMENT_RELATION, STATEMENT_NAME)] if signed else rows


def _root_model(unit: str) -> bytes:
    """The root model: one item, one component, which leads to the encrypted assembly."""
    ids = [str(uuid.uuid4()) for _ in range(4)]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<model xmlns="{CORE}" xmlns:p="{PRODUCTION}" '
        f'xmlns:sc="{SECURE_CONTENT}" requiredextensions="p sc" unit="{unit}"><resources>'
        f'<object id="1" type="model" p:UUID="{ids[0]}"><components>'
        f'<component objectid="{ASSEMBLY_ID}" p:path="/{PART_NAME}" p:UUID="{ids[1]}"/>'
        f'</components></object></resources><build p:UUID="{ids[2]}"><item objectid="1" p:UUID="{ids[3]}"/>'
        f"</build></model>\n"
    ).encode()
