"""The key store part as XML (Secure Content chapter 2, appendix B): read strictly, written plainly.

What the schema allows of other namespaces (`xs:any`, `anyAttribute`) is passed over; an unknown name of the
schema's own namespace is refused.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.secure_content.algorithms import AES_256_GCM, RSA_OAEP, hash_of, unknown
from mesh_tools.secure_content.keystore import (
    KEYSTORE_BYTES_MAX,
    AccessRight,
    Consumer,
    Group,
    Keystore,
    Resource,
    fault,
)
from mesh_tools.threemf.package import SECURE_CONTENT
from mesh_tools.threemf.xml_tree import Node, parse

XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
_WRITTEN_KEKPARAMS = (
    f'<kekparams wrappingalgorithm="{RSA_OAEP}" mgfalgorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"'
    f' digestmethod="{XENC}sha256"/>'
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


def read_keystore(data: bytes, limits: Limits, *, part: str) -> Keystore:
    """The key store of the part's bytes; Refused where it is not sound or names an unknown algorithm."""
    if len(data) > KEYSTORE_BYTES_MAX:
        raise Refused("package.limit", f"The key store has {len(data)} bytes.")
    root = parse(data, limits, part=part).root
    if root.tag != (SECURE_CONTENT, "keystore"):
        raise fault(f"The root of {part!r} is <{root.tag[1][:60]}>, not a key store.")
    _check_names(root, {"UUID"}, {"consumer", "resourcedatagroup"})
    return Keystore(
        _uuid(root, "UUID"),
        tuple(_consumer(node) for node in _children(root, "consumer")),
        tuple(_group(node) for node in _children(root, "resourcedatagroup")),
    )


def write_keystore(keystore: Keystore) -> bytes:
    """The key store part; its access rights must be of RSA-OAEP with SHA-256."""
    if any(right.hash != "sha256" for group in keystore.groups for right in group.rights):
        raise ValueError("only RSA-OAEP with SHA-256 is written")
    consumers = "".join(_consumer_xml(consumer) for consumer in keystore.consumers)
    groups = "".join(_group_xml(group) for group in keystore.groups)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<keystore xmlns="{SECURE_CONTENT}" xmlns:xenc="{XENC}" '
        f'UUID="{keystore.uuid}">{consumers}{groups}</keystore>\n'
    ).encode()


def _consumer(node: Node) -> Consumer:
    _check_names(node, {"consumerid", "keyid"}, {"keyvalue"})
    value = _only(node, "keyvalue", required=False)
    return Consumer(
        _attribute(node, "consumerid"), node.get("keyid"), None if value is None else value.text or None
    )


def _group(node: Node) -> Group:
    _check_names(node, {"keyuuid"}, {"accessright", "resourcedata"})
    return Group(
        _uuid(node, "keyuuid"),
        tuple(_right(child) for child in _children(node, "accessright")),
        tuple(_resource(child) for child in _children(node, "resourcedata")),
    )


def _right(node: Node) -> AccessRight:
    _check_names(node, {"consumerindex"}, {"kekparams", "cipherdata"})
    params = _the(node, "kekparams")
    _check_names(params, {"wrappingalgorithm", "mgfalgorithm", "digestmethod"}, set())
    index = _attribute(node, "consumerindex")
    if not _INDEX.fullmatch(index):
        raise fault(f"consumerindex {index[:40]!r} is no index.")
    values = [child for child in _the(node, "cipherdata").children if child.tag == (XENC, "CipherValue")]
    if len(values) != 1 or values[0].children:
        raise fault(f"cipherdata holds {len(values)} CipherValue; exactly one is needed.")
    hash_name = hash_of(
        _attribute(params, "wrappingalgorithm"), params.get("mgfalgorithm"), params.get("digestmethod")
    )
    return AccessRight(int(index), hash_name, _base64(values[0]))


def _resource(node: Node) -> Resource:
    _check_names(node, {"path"}, {"cekparams"})
    path = _attribute(node, "path")
    if not path.startswith("/"):
        raise fault(f"The path {path[:100]!r} of an encrypted part does not begin with a slash.")
    params = _the(node, "cekparams")
    _check_names(params, {"encryptionalgorithm", "compression"}, {"iv", "tag", "aad"})
    algorithm = _attribute(params, "encryptionalgorithm")
    if algorithm != AES_256_GCM:
        raise unknown("content encryption", algorithm)
    compression = params.get("compression") or "none"
    if compression not in ("none", "deflate"):
        raise unknown("compression", compression)
    aad = _only(params, "aad", required=False)
    return Resource(
        path.removeprefix("/"), _base64(_the(params, "iv")), _base64(_the(params, "tag")),
        "" if aad is None else _base64(aad), compression == "deflate",
    )  # fmt: skip


def _check_names(node: Node, attributes: set[str], children: set[str]) -> None:
    for namespace, name in node.attributes:
        if not namespace and name not in attributes:
            raise fault(f"<{node.tag[1]}> has no attribute {name[:60]!r}.")
    for child in node.children:
        if child.tag[0] in (SECURE_CONTENT, "") and child.tag[1] not in children:
            raise fault(f"<{child.tag[1][:60]}> does not belong in <{node.tag[1]}>.")


def _children(node: Node, name: str) -> list[Node]:
    return [child for child in node.children if child.tag == (SECURE_CONTENT, name)]


def _the(node: Node, name: str) -> Node:
    found = _only(node, name, required=True)
    assert found is not None  # noqa: S101 - required
    return found


def _only(node: Node, name: str, *, required: bool) -> Node | None:
    found = _children(node, name)
    if len(found) > 1 or (required and not found):
        raise fault(f"<{node.tag[1]}> holds {len(found)} × <{name}>.")
    return found[0] if found else None


def _attribute(node: Node, name: str) -> str:
    value = node.get(name)
    if value is None:
        raise fault(f"<{node.tag[1]}> lacks {name}.")
    return value


def _uuid(node: Node, name: str) -> str:
    value = _attribute(node, name)
    if not _UUID.fullmatch(value):
        raise fault(f"{name} {value[:60]!r} is no UUID.")
    return value


def _base64(node: Node) -> str:
    if node.children:
        raise fault(f"<{node.tag[1]}> holds elements.")
    return "".join(node.text.split())


def _consumer_xml(consumer: Consumer) -> str:
    key_id = "" if consumer.key_id is None else f' keyid="{escape(consumer.key_id)}"'
    value = "" if consumer.pem is None else f"<keyvalue>{escape(consumer.pem)}</keyvalue>"
    return f'<consumer consumerid="{escape(consumer.id)}"{key_id}>{value}</consumer>'


def _group_xml(group: Group) -> str:
    rights = "".join(
        f'<accessright consumerindex="{right.consumer}">{_WRITTEN_KEKPARAMS}<cipherdata><xenc:CipherValue>'
        f"{right.wrapped}</xenc:CipherValue></cipherdata></accessright>"
        for right in group.rights
    )
    resources = "".join(
        f'<resourcedata path="/{escape(resource.path)}"><cekparams encryptionalgorithm="{AES_256_GCM}" '
        f'compression="{"deflate" if resource.deflated else "none"}"><iv>{resource.iv}</iv>'
        f"<tag>{resource.tag}</tag><aad>{resource.aad}</aad></cekparams></resourcedata>"
        for resource in group.resources
    )
    return f'<resourcedatagroup keyuuid="{group.key_uuid}">{rights}{resources}</resourcedatagroup>'
