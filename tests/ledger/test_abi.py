"""The binary interface: calls, logs and refusals, against an independent reading of the contract's ABI."""

from __future__ import annotations

import json
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from ledger import abi, artifact, contract_error
from ledger.batch import pack
from ledger.errors import ArtifactError, TypedDataError
from ledger.operations import (
    Enrol,
    Grant,
    Operation,
    Publish,
    RecordOutcome,
    RecordPrint,
    Retire,
    Revoke,
    Transfer,
)
from ledger.typed_data import (
    Enrolment,
    Licence,
    PrintClaim,
    PrintOutcome,
    PrintTransfer,
    Publication,
    Retirement,
    print_id,
)

PATH = Path(__file__).parents[2] / "contracts/artifacts/PrintLedger.json"
OWNER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
HASH, OTHER = bytes(range(32)), bytes(range(32, 64))
R, S = b"\x0a" * 32, b"\x0b" * 32
CONTRACT = Web3().eth.contract(abi=json.loads(PATH.read_text())["abi"])
LICENCE = Licence(HASH, OWNER, OWNER, OTHER, 5, 2, 100, 200, HASH, OTHER)
LICENCE_WORDS = (HASH, OWNER, OWNER, OTHER, 5, 2, 100, 200, HASH, OTHER)
SIGNATURE = b"\x0c" * 65

CALLS: list[tuple[Operation, str, tuple[Any, ...]]] = [
    (Publish(Publication(OWNER, HASH), SIGNATURE), "publish", ((OWNER, HASH), SIGNATURE)),
    (Grant(LICENCE, SIGNATURE), "grant", (LICENCE_WORDS, SIGNATURE)),
    (
        Transfer(LICENCE, PrintTransfer(LICENCE.struct_hash(), OWNER, 4, OTHER), SIGNATURE, SIGNATURE[1:]),
        "transfer",
        (LICENCE_WORDS, OWNER, 4, OTHER, SIGNATURE, SIGNATURE[1:]),
    ),
    (Revoke(LICENCE, SIGNATURE), "revoke", (LICENCE_WORDS, SIGNATURE)),
    (
        Enrol(Enrolment(OWNER, HASH, OTHER), SIGNATURE, R + S),
        "enrol",
        ((OWNER, HASH, OTHER), SIGNATURE, R, S),
    ),
    (Retire(Retirement(HASH), SIGNATURE), "retire", ((HASH,), SIGNATURE)),
    (
        RecordPrint(PrintClaim(HASH, 3, OTHER, 400), HASH, OTHER, R + S, (OTHER, HASH)),
        "recordListedPrint",
        ((HASH, 3, OTHER, 400), (HASH, OTHER, R, S), [OTHER, HASH]),
    ),
    (
        RecordPrint(PrintClaim(HASH, 3, OTHER, 400), HASH, OTHER, R + S, ()),
        "recordPrint",
        ((HASH, 3, OTHER, 400), (HASH, OTHER, R, S)),
    ),
    (
        RecordOutcome(HASH, 3, PrintOutcome(print_id(HASH, 3), 2, OTHER), HASH, OTHER, R + S),
        "recordOutcome",
        (HASH, 3, 2, OTHER, (HASH, OTHER, R, S)),
    ),
]


class TestEncodeCall:
    @pytest.mark.parametrize(("operation", "name", "arguments"), CALLS, ids=[name for _, name, _ in CALLS])
    def test_is_what_another_encoder_makes(
        self, operation: Operation, name: str, arguments: tuple[Any, ...]
    ) -> None:
        expected = CONTRACT.encode_abi(name, args=arguments)
        assert "0x" + abi.encode_call(operation).hex() == expected

    def test_a_batch_holds_calls_in_order(self) -> None:
        calls = [abi.encode_call(operation) for operation, _, _ in CALLS]
        words, items = pack(calls)
        assert "0x" + abi.encode_batch(calls).hex() == CONTRACT.encode_abi("batch", args=[words, items])

    def test_the_gas_limit_leaves_the_last_item_its_share(self) -> None:
        assert abi.batch_gas_limit(0) == abi.BATCH_ITEM_GAS
        assert abi.batch_gas_limit(2_000_000) - 2_000_000 >= abi.BATCH_ITEM_GAS


class TestQueries:
    def test_a_view_is_encoded_and_its_answer_decoded(self) -> None:
        assert "0x" + abi.encode_query("isRecorded", HASH, 7).hex() == CONTRACT.encode_abi(
            "isRecorded", [HASH, 7]
        )
        assert abi.decode_query("printerState", encode(["address", "bool"], [OWNER, True])) == (
            OWNER.lower(),
            True,
        )

    def test_an_answer_of_something_else_is_refused(self) -> None:
        with pytest.raises(TypedDataError, match="printerState"):
            abi.decode_query("printerState", b"")


def log(signature: str, topics: list[bytes], types: list[str], values: list[Any]) -> dict[str, Any]:
    return {
        "topics": ["0x" + topic.hex() for topic in (keccak(signature.encode()), *topics)],
        "data": "0x" + encode(types, values).hex(),
    }


WORD = bytes(12) + bytes.fromhex(OWNER[2:])
EVENTS = [
    (
        log("RevisionPublished(bytes32,address,bytes32)", [HASH, WORD], ["bytes32"], [OTHER]),
        abi.RevisionPublished(HASH, OWNER, OTHER),
    ),
    (
        log(
            "LicenceGranted(bytes32,bytes32,address,bytes32,uint256,bytes32,bytes32)",
            [HASH, OTHER, WORD],
            ["bytes32", "uint256", "bytes32", "bytes32"],
            [HASH, 1 | 2 << 32 | 3 << 64 | 4 << 104, OTHER, HASH],
        ),
        abi.LicenceGranted(HASH, OTHER, OWNER, HASH, 1, 2, 3, 4, OTHER, HASH),
    ),
    (
        log(
            "PrintsTransferred(bytes32,bytes32,address,uint32,bytes32)",
            [HASH, OTHER, WORD],
            ["uint32", "bytes32"],
            [7, OTHER],
        ),
        abi.PrintsTransferred(HASH, OTHER, OWNER, 7, OTHER),
    ),
    (log("LicenceRevoked(bytes32)", [HASH], [], []), abi.LicenceRevoked(HASH)),
    (
        log("PrinterEnrolled(bytes32,address,bytes32,bytes32)", [HASH, WORD], ["bytes32"] * 2, [HASH, OTHER]),
        abi.PrinterEnrolled(HASH, OWNER, HASH, OTHER),
    ),
    (log("PrinterRetired(bytes32)", [HASH], [], []), abi.PrinterRetired(HASH)),
    (
        log("PrintRecorded(bytes32,bytes32,uint32,bytes32)", [HASH, OTHER], ["uint32", "bytes32"], [9, HASH]),
        abi.PrintRecorded(HASH, OTHER, 9, HASH),
    ),
    (
        log(
            "OutcomeRecorded(bytes32,bytes32,uint32,uint8,bytes32,bool)",
            [HASH, OTHER],
            ["uint32", "uint8", "bytes32", "bool"],
            [9, 2, HASH, True],
        ),
        abi.OutcomeRecorded(HASH, OTHER, 9, 2, HASH, credited=True),
    ),
    (
        log("OperationRejected(uint256,bytes)", [(5).to_bytes(32, "big")], ["bytes"], [b"why"]),
        abi.OperationRejected(5, b"why"),
    ),
]


PRINT_RECORDED = next(entry for entry, event in EVENTS if isinstance(event, abi.PrintRecorded))


class TestDecodeLog:
    @pytest.mark.parametrize(("entry", "event"), EVENTS, ids=[type(event).__name__ for _, event in EVENTS])
    def test_knows_every_event(self, entry: dict[str, Any], event: abi.Event) -> None:
        assert abi.decode_log(entry) == event

    def test_takes_bytes_as_well(self) -> None:
        entry, event = EVENTS[0]
        raw = {
            "topics": [bytes.fromhex(topic[2:]) for topic in entry["topics"]],
            "data": bytes.fromhex(entry["data"][2:]),
        }
        assert abi.decode_log(raw) == event

    @pytest.mark.parametrize("topics", [[], ["0x" + HASH.hex()]])
    def test_passes_over_other_events(self, topics: list[str]) -> None:
        assert abi.decode_log({"topics": topics, "data": "0x"}) is None

    @pytest.mark.parametrize("change", [{"data": "0x"}, {"data": "0x" + "ff" * 31}])
    def test_refuses_a_log_without_its_fields(self, change: dict[str, Any]) -> None:
        with pytest.raises(TypedDataError, match="PrintRecorded"):
            abi.decode_log(PRINT_RECORDED | change)

    def test_refuses_a_log_without_its_topics(self) -> None:
        entry = PRINT_RECORDED
        with pytest.raises(TypedDataError, match="PrintRecorded"):
            abi.decode_log(entry | {"topics": entry["topics"][:2]})


class TestDecodeError:
    def test_names_explains_and_keeps_the_values(self) -> None:
        selector = keccak(b"PrintLedger_CountExhausted(bytes32,uint32,uint32)")[:4]
        error = abi.decode_error(selector + encode(["bytes32", "uint32", "uint32"], [HASH, 3, 2]))
        assert error.name == "CountExhausted"
        assert error.args == {"licence": "0x" + HASH.hex(), "sequence": 3, "allowed": 2}
        assert "permits 2 prints" in error.sentence
        assert abi.ContractError.from_json(json.loads(json.dumps(error.to_json()))) == error

    def test_spells_addresses(self) -> None:
        selector = keccak(b"PrintLedger_InvalidSignature(address)")[:4]
        error = abi.decode_error("0x" + (selector + encode(["address"], [OWNER])).hex())
        assert error.args == {"signer": OWNER}

    def test_every_error_of_the_contract_has_a_sentence_with_known_values(self) -> None:
        entries = [
            entry
            for entry in artifact.artifact().abi
            if entry["type"] == "error" and entry["name"].startswith("PrintLedger_")
        ]
        for entry in entries:
            name = entry["name"].removeprefix("PrintLedger_")
            sentence = contract_error._SENTENCES[name]
            used = {field for _, field, _, _ in Formatter().parse(sentence) if field}
            assert used <= {part["name"] for part in entry["inputs"]}, name
        assert len(entries) == len(contract_error._SENTENCES) - 2

    @pytest.mark.parametrize(
        ("signature", "types", "values", "words"),
        [
            ("Error(string)", ["string"], ["no"], "refused: no"),
            ("Panic(uint256)", ["uint256"], [17], "panic code 17"),
        ],
    )
    def test_explains_soliditys_own(
        self, signature: str, types: list[str], values: list[Any], words: str
    ) -> None:
        assert words in abi.decode_error(keccak(signature.encode())[:4] + encode(types, values)).sentence

    def test_no_data_is_no_reason(self) -> None:
        assert abi.decode_error(b"").name == abi.decode_error("0x").name == "Reverted"

    @given(st.binary(min_size=1, max_size=200))
    def test_never_fails_on_what_it_does_not_know(self, data: bytes) -> None:
        error = abi.decode_error(data)
        assert error.sentence
        json.dumps(error.to_json())

    def test_cut_off_data_is_quoted(self) -> None:
        selector = keccak(b"PrintLedger_UnknownLicence(bytes32)")[:4]
        assert abi.decode_error(selector + b"\x01").name == "Unknown"

    @pytest.mark.parametrize("data", [{}, {"name": "x", "args": 1, "sentence": ""}])
    def test_refuses_json_that_is_no_error(self, data: dict[str, Any]) -> None:
        with pytest.raises(TypedDataError, match="reason"):
            abi.ContractError.from_json(data)


class TestArtifact:
    def test_a_missing_artifact_says_how_to_make_it(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match=r"python contracts/build\.py"):
            artifact.read_artifact(tmp_path / "PrintLedger.json")

    @pytest.mark.parametrize("text", ["", "[]", '{"abi": []}', '{"abi": [], "bytecode": "0xzz"}'])
    def test_a_damaged_artifact_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "PrintLedger.json"
        path.write_text(text)
        with pytest.raises(ArtifactError, match="no artifact of the print ledger"):
            artifact.read_artifact(path)

    def test_holds_places_for_the_constructors_values(self) -> None:
        compiled = abi.artifact()
        assert compiled.immutables
        for start, length in compiled.immutables:
            assert compiled.deployed_bytecode[start : start + length] == bytes(length)
