"""Nothing on chain discloses what was committed to: who knows the file and every public value still cannot
match them without the salt.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_hash.auto import keccak

from ledger.commitment import canonical_json, report_commitment, revision_commitment, terms_commitment
from ledger.operations import Publish, RecordOutcome
from ledger.typed_data import PrintOutcome, Publication, digest, print_id
from ledger.web3_chain import Web3Chain
from tests.ledger.actors import secret
from tests.ledger.stage import Stage, embedded_stage

PART = b"solid leg cap\nfacet normal 0 0 1\nendsolid\n"
NAMES = ["Leg cap", "leg-cap.stl", "Acme Furniture", "PrintCo", "Printer 7", "PETG"]
IDS = ["dsn_01m8330000", "rev_01m8330001", "lic_01m8330002", "prt_01m8330003", "job_01m8330004"]
KEYS = [secret("data key"), secret("sealed key")]
SALTS = {name: secret(f"salt of {name}") for name in ("manifest", "terms", "report")}
CONTENT: dict[str, Any] = {
    "manifest": {
        "design": IDS[0],
        "revision_id": IDS[1],
        "owner": NAMES[2],
        "files": [{"filename": NAMES[1], "sha256": hashlib.sha256(PART).hexdigest(), "bytes": len(PART)}],
    },
    "terms": {"materials": ["PETG"]},
    "report": {"mass_g": 7, "result": 1},
}
TEXT = {name: canonical_json(content) for name, content in CONTENT.items()}
COMMIT = {"manifest": revision_commitment, "terms": terms_commitment, "report": report_commitment}


@dataclass
class Public:
    """What everybody sees of a ledger: all bytes, and all 32-byte words among them."""

    everything: bytes
    words: frozenset[bytes]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Public]:
    with embedded_stage(tmp_path_factory.mktemp("public")) as stage:
        _tell(stage)
        node = Web3Chain.http(str(stage.runtime.rpc_url))
        yield _seen(node, stage.cast.domain.contract)


def _tell(stage: Stage) -> None:
    """A part published, licensed, printed and reported as the service does it."""
    cast = stage.cast
    made = {name: COMMIT[name](SALTS[name], TEXT[name]) for name in TEXT}
    publication = Publication(cast.owner.address, made["manifest"])
    licence = replace(cast.licence(), revision=publication.struct_hash(), terms=made["terms"])
    outcome = PrintOutcome(print_id(licence.struct_hash(), 1), 1, made["report"])
    signed = cast.device.sign(digest(cast.domain, outcome))
    operations = [
        Publish(publication, cast.owner.sign(digest(cast.domain, publication))),
        cast.grant(licence),
        cast.enrol(),
        cast.record(licence, 1),
        RecordOutcome(licence.struct_hash(), 1, outcome, cast.device.x, cast.device.y, signed),
    ]
    for status in stage.settle(*operations):
        assert status.state == "confirmed", status


def _seen(node: Web3Chain, contract: str) -> Public:
    """Read calldata, logs, receipts, code and the whole storage."""
    texts: list[str] = [node.code(contract).hex()]
    for number in range(node.head().number + 1):
        block = node.tell("eth_getBlockByNumber", hex(number), True)
        texts += [transaction["input"][2:] for transaction in block["transactions"]]
        for receipt in node.tell("eth_getBlockReceipts", hex(number)):
            for log in receipt["logs"]:
                texts += [topic[2:] for topic in log["topics"]] + [log["data"][2:]]
    dumped = json.loads(_unzipped(node.tell("anvil_dumpState")))
    for address, account in dumped["accounts"].items():
        texts.append(address[2:])
        for slot, value in account["storage"].items():
            texts += [slot[2:].rjust(64, "0"), value[2:].rjust(64, "0")]
    raw = [bytes.fromhex(text) for text in texts]
    words = {part[at : at + 32] for part in raw for at in range(max(len(part) - 31, 0))}
    return Public(b"\n".join(raw), frozenset(words))


def _unzipped(answer: str) -> bytes:
    return gzip.decompress(bytes.fromhex(answer[2:]))


class TestDisclosure:
    def test_sees_what_is_public(self, public: Public) -> None:
        """The search would find: commitments are there, in calldata, logs and storage."""
        for name, text in TEXT.items():
            assert COMMIT[name](SALTS[name], text) in public.words, name

    def test_no_name_hash_key_or_id_is_among_the_bytes(self, public: Public) -> None:
        digests = [hashlib.sha256(PART).digest(), hashlib.sha3_256(PART).digest(), keccak(PART)]
        digests += [hashlib.sha256(text).digest() for text in TEXT.values()]
        digests += [keccak(text) for text in TEXT.values()]
        words = [*NAMES, *IDS]
        hidden = [*digests, *KEYS, *SALTS.values(), PART, *TEXT.values()]
        hidden += [word.encode() for word in words] + [word.lower().encode() for word in words]
        hidden += [hashlib.sha256(word.encode()).digest() for word in words]
        hidden += [keccak(word.encode()) for word in words]
        hidden += [digest.hex().encode() for digest in digests]
        assert [item for item in hidden if item in public.everything] == []

    def test_nothing_matches_without_the_salt(self, public: Public) -> None:
        """Whoever knows all content, and tries every public word as salt, in every usual way of hashing."""
        known = [PART, hashlib.sha256(PART).digest(), *TEXT.values()]
        known += [hashlib.sha256(text).digest() for text in TEXT.values()]
        guesses = [bytes(32), *sorted(public.words), *(hashlib.sha256(item).digest() for item in known)]
        commitments = {COMMIT[name](SALTS[name], text) for name, text in TEXT.items()}
        for name, text in TEXT.items():
            assert commitments.isdisjoint(COMMIT[name](salt, text) for salt in guesses)
        for item, hashed in itertools.product(known, (hashlib.sha256, hashlib.sha3_256)):
            assert hashed(item).digest() not in commitments
        assert commitments.isdisjoint(keccak(item) for item in known)

    def test_the_same_content_looks_different_each_time(self) -> None:
        for name, text in TEXT.items():
            assert COMMIT[name](SALTS[name], text) != COMMIT[name](secret("another salt"), text)
