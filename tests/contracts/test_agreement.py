"""The Python side and the contract on a real chain agree: identifiers, calls, events, refusals, state."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ledger import abi
from ledger.operations import Retire, Revoke, Transfer
from ledger.typed_data import (
    PrintTransfer,
    Result,
    Retirement,
    Revocation,
    TransferConsent,
    digest,
    printer_proof,
    printers_root,
    transferred,
)
from tests.contracts.conftest import Business, token_of

Decode = Callable[[dict[str, Any]], list[abi.Event | None]]
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class TestIdentifiers:
    def test_a_revision_is_its_publications_struct_hash(
        self, chain: Any, business: Any, decoded: Decode
    ) -> None:
        event = abi.RevisionPublished(
            business.revision, business.owner.address, business.publish.publication.commitment
        )
        assert decoded(chain.run(business.publish)) == [event]
        assert chain.query("revisionOwner", business.revision) == (business.owner.address.lower(),)

    def test_a_licence_is_its_struct_hash_and_the_event_holds_all_of_it_but_its_owner(
        self, chain: Any, business: Any, decoded: Decode
    ) -> None:
        chain.run(business.publish)
        grant = business.grant(printers=b"\x05" * 32)
        fields = dataclasses.asdict(grant.licence)
        assert fields.pop("owner") == business.owner.address
        expected = abi.LicenceGranted(licence=grant.licence.struct_hash(), **fields)
        assert decoded(chain.run(grant)) == [expected]

    def test_a_printer_is_its_enrolments_struct_hash(
        self, chain: Any, business: Any, decoded: Decode
    ) -> None:
        printer = business.printer()
        event = abi.PrinterEnrolled(printer.id, business.provider.address, printer.key_x, printer.key_y)
        assert decoded(chain.run(printer.enrol)) == [event]
        assert chain.query("printerState", printer.id) == (business.provider.address.lower(), False)


class TestLifeOfALicence:
    def test_prints_outcomes_and_revocation(self, chain: Any, business: Any, decoded: Decode) -> None:
        printer, grant = business.printer(), business.grant(prints=2)
        licence = grant.licence.struct_hash()
        for operation in (business.publish, printer.enrol, grant):
            chain.run(operation)
        assert decoded(chain.run(printer.claim(licence, 2))) == [
            abi.PrintRecorded(licence, printer.id, 2, token_of(licence, 2))
        ]
        failed = printer.outcome(licence, 2, Result.FAILED)
        event = abi.OutcomeRecorded(
            licence, printer.id, 2, Result.FAILED, failed.outcome.report, credited=True
        )
        assert decoded(chain.run(failed)) == [event]
        assert chain.query("licenceState", licence)[0][3:9] == (2, 20, 1, 1, 0, 2)

        signature = business.owner.sign(digest(business.domain, Revocation(licence)))
        assert decoded(chain.run(Revoke(grant.licence, signature))) == [abi.LicenceRevoked(licence)]
        refusal = chain.refusal(abi.encode_call(printer.claim(licence, 1)))
        assert (refusal.name, refusal.args) == ("LicenceRevoked", {"licence": "0x" + licence.hex()})

    def test_a_listed_printer_prints_with_its_proof_and_no_other(self, chain: Any, business: Any) -> None:
        printers = [business.printer() for _ in range(5)]
        listed = [printer.id for printer in printers[:-1]]
        grant = business.grant(printers=printers_root(listed))
        licence = grant.licence.struct_hash()
        for operation in (business.publish, *(printer.enrol for printer in printers), grant):
            chain.run(operation)
        for sequence, printer in enumerate(printers[:-1], start=1):
            chain.run(printer.claim(licence, sequence, printer_proof(listed, printer.id)))
        stranger = printers[-1].claim(licence, 5, printer_proof(listed, listed[0]))
        assert chain.refusal(abi.encode_call(stranger)).name == "PrinterNotAllowed"

    def test_prints_are_transferred_to_another_provider(
        self, chain: Any, business: Any, decoded: Decode
    ) -> None:
        other, grant = Business(chain), business.grant(prints=5)
        other.owner, printer = business.owner, other.printer()
        for operation in (business.publish, printer.enrol, grant):
            chain.run(operation)
        transfer = PrintTransfer(grant.licence.struct_hash(), other.provider.address, 2, b"\x09" * 32)
        consent = TransferConsent(transfer.licence)
        operation = Transfer(
            grant.licence,
            transfer,
            business.provider.sign(digest(business.domain, transfer)),
            business.owner.sign(digest(business.domain, consent)),
        )
        made = transferred(grant.licence, transfer)
        licence = made.struct_hash()
        event = abi.PrintsTransferred(licence, transfer.licence, made.provider, 2, made.salt)
        assert decoded(chain.run(operation)) == [event]
        assert chain.query("licenceState", transfer.licence)[0][3] == 3
        assert chain.query("licenceState", licence)[0][3:5] == (2, 0)
        chain.run(printer.claim(licence, 2))

    def test_a_retired_printer_prints_no_more(self, chain: Any, business: Any, decoded: Decode) -> None:
        printer, grant = business.printer(), business.grant()
        for operation in (business.publish, printer.enrol, grant):
            chain.run(operation)
        retirement = Retirement(printer.id)
        retire = Retire(retirement, business.provider.sign(digest(business.domain, retirement)))
        assert decoded(chain.run(retire)) == [abi.PrinterRetired(printer.id)]
        claim = printer.claim(grant.licence.struct_hash(), 1)
        assert chain.refusal(abi.encode_call(claim)).name == "PrinterRetired"


class TestPlates:
    def test_each_print_and_then_the_plate_is_recorded(
        self, chain: Any, business: Any, decoded: Decode
    ) -> None:
        printer, one, two = business.printer(), business.grant(), business.grant()
        prints = [
            (one.licence.struct_hash(), 1),
            (two.licence.struct_hash(), 4),
            (one.licence.struct_hash(), 2),
        ]
        for operation in (business.publish, printer.enrol, one, two):
            chain.run(operation)
        plate = printer.plate(*prints)
        events: list[Any] = [
            abi.PrintRecorded(licence, printer.id, number, token_of(licence, number))
            for licence, number in prints
        ]
        events.append(abi.PlateRecorded(printer.id, plate.statement.struct_hash()))
        assert decoded(chain.run(plate)) == events
        assert chain.refusal(abi.encode_call(plate)).name == "SequenceUsed"

    def test_one_refusal_refuses_all_and_names_its_claim(self, chain: Any, business: Any) -> None:
        printer, one, two = business.printer(), business.grant(), business.grant(prints=1)
        for operation in (business.publish, printer.enrol, one, two):
            chain.run(operation)
        plate = printer.plate((one.licence.struct_hash(), 1), (two.licence.struct_hash(), 2))
        refusal = chain.refusal(abi.encode_call(plate))
        assert (refusal.name, plate.part_at_fault(refusal.args)) == ("CountExhausted", 1)
        rejected = chain.send(abi.encode_batch([abi.encode_call(plate)]))
        assert isinstance(abi.decode_log(rejected["logs"][0]), abi.OperationRejected)
        assert chain.query("licenceState", one.licence.struct_hash())[0][6] == 0

    def test_a_plates_size_is_explained(self, chain: Any, business: Any) -> None:
        printer, grant = business.printer(), business.grant()
        plate = printer.plate((grant.licence.struct_hash(), 1))
        data = abi.encode_call(plate)
        short = data[:-96] + bytes(32)  # the list of proofs, now of none
        assert "takes 1 to 16" in chain.refusal(short).sentence


class TestRefusals:
    def test_exhausted_count_says_how_many(self, chain: Any, business: Any) -> None:
        printer, grant = business.printer(), business.grant(prints=2)
        for operation in (business.publish, printer.enrol, grant):
            chain.run(operation)
        refusal = chain.refusal(abi.encode_call(printer.claim(grant.licence.struct_hash(), 3)))
        assert refusal.name == "CountExhausted"
        assert (refusal.args["sequence"], refusal.args["allowed"]) == (3, 2)
        assert "permits 2 prints" in refusal.sentence

    def test_a_malleated_printer_signature_is_refused(self, chain: Any, business: Any) -> None:
        printer, grant = business.printer(), business.grant()
        for operation in (business.publish, printer.enrol, grant):
            chain.run(operation)
        claim = printer.claim(grant.licence.struct_hash(), 1)
        high = ORDER - int.from_bytes(claim.signature[32:], "big")
        altered = dataclasses.replace(claim, signature=claim.signature[:32] + high.to_bytes(32, "big"))
        assert chain.refusal(abi.encode_call(altered)).name == "InvalidPrinterSignature"

    def test_a_batch_names_each_item_it_skips(self, chain: Any, business: Any, decoded: Decode) -> None:
        printer, grant = business.printer(), business.grant()
        licence = grant.licence.struct_hash()
        operations = [
            business.publish,
            printer.enrol,
            grant,
            printer.claim(licence, 1),
            printer.claim(licence, 1),
        ]
        receipt = chain.send(abi.encode_batch([abi.encode_call(operation) for operation in operations]))
        *done, rejected = decoded(receipt)
        assert receipt["status"] == "0x1"
        assert [type(event) for event in done] == [
            abi.RevisionPublished,
            abi.PrinterEnrolled,
            abi.LicenceGranted,
            abi.PrintRecorded,
        ]
        assert isinstance(rejected, abi.OperationRejected)
        assert rejected.index == 4
        assert abi.decode_error(rejected.reason).name == "SequenceUsed"


class TestDeployedCode:
    def test_code_on_chain_is_the_artifact_but_for_its_immutables(self, chain: Any) -> None:
        code = bytes.fromhex(chain.rpc("eth_getCode", chain.contract, "latest")[2:])
        assert abi.is_print_ledger(code)
        assert code != abi.artifact().deployed_bytecode

    def test_other_code_is_not(self, chain: Any) -> None:
        code = bytearray.fromhex(chain.rpc("eth_getCode", chain.contract, "latest")[2:])
        code[100] ^= 1
        assert not abi.is_print_ledger(bytes(code))
        assert not abi.is_print_ledger(b"")
