// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {PrintLedger} from "../src/PrintLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";

/// @dev Faults that were published about contracts of this kind, one test each; the table stands in ../README.md.
contract AttacksTest is LedgerTest {
    uint256 private constant OWNERS_PRINTER_KEY = 0x9124;

    function test_PrintIsNotRegisteredWithoutConsumingTheLicence() external {
        for (uint32 sequence = 1; sequence <= 3; ++sequence) {
            print(sequence);
            assert(state().used == sequence && ledger.isRecorded(licence, sequence));
        }
        // nothing but a consumed number can have an outcome
        IPrintLedger.PrinterSignature memory signature = signedOutcome(PRINTER_KEY, licence, 4, 1);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_NotPrinted.selector, licence, 4));
        ledger.recordOutcome(licence, 4, 1, REPORT, signature);
    }

    function test_ZeroHashSkipsNoCheck() external {
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(0, 1)));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownLicence.selector, 0));
        ledger.recordPrint(claim(0, 1), signature);
        signature = IPrintLedger.PrinterSignature(0, 0, 0, 0);
        bytes32 nobody = hashOf(IPrintLedger.Enrolment(provider, 0, 0));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownPrinter.selector, nobody));
        ledger.recordPrint(claim(licence, 1), signature);
        terms.revision = 0;
        bytes memory signed = sign(OWNER_KEY, hashOf(terms));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownRevision.selector, 0));
        ledger.grant(terms, signed);
        IPrintLedger.Publication memory nobodys = IPrintLedger.Publication(address(0), 0);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, address(0)));
        ledger.publish(nobodys, new bytes(65));
    }

    function test_ExhaustedLicenceIsNotOverwritten() external {
        for (uint32 sequence = 1; sequence <= 3; ++sequence) {
            print(sequence);
        }
        bytes memory signature = sign(OWNER_KEY, licence);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_AlreadyGranted.selector, licence));
        ledger.grant(terms, signature);
        // more prints are another licence, and it counts apart
        terms.prints = 10;
        assert(grant(terms) != licence && state().prints == 3 && state().used == 3);
    }

    function test_IdsCannotBeSquatted() external {
        terms.salt = keccak256("squatted");
        bytes32 id = hashOf(terms);
        bytes memory signature = sign(STRANGER_KEY, id);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.grant(terms, signature);
        // a stranger's own licence over the same members has another id, and no revision to rest on
        terms.owner = vm.addr(STRANGER_KEY);
        assert(hashOf(terms) != id);
        signature = sign(STRANGER_KEY, hashOf(terms));
        expectRefusal(
            abi.encodeWithSelector(IPrintLedger.PrintLedger_NotRevisionOwner.selector, revision, terms.owner)
        );
        ledger.grant(terms, signature);
    }

    function test_FrontRunningChangesNothing() external {
        IPrintLedger.PrintClaim memory statement = claim(licence, 1);
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(statement));
        vm.prank(address(0xBAD));
        ledger.recordPrint(statement, signature);
        assert(state().used == 1 && ledger.isRecorded(licence, 1));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_SequenceUsed.selector, licence, 1));
        ledger.recordPrint(statement, signature);
        assert(state().used == 1);
    }

    function test_FailureIsNotReportedAsSuccess() external {
        print(1);
        bytes memory again = _printCall(licence, 1);
        (bool done, bytes memory reason) = address(ledger).call(again);
        assert(!done && bytes4(reason) == IPrintLedger.PrintLedger_SequenceUsed.selector);
        bytes[] memory calls = new bytes[](1);
        calls[0] = again;
        expectEvent();
        emit IPrintLedger.OperationRejected(0, reason);
        ledger.batch(noWords(), packed(calls));
    }

    /// @dev A print writes one word, and that one was there before.
    function test_NothingGrowsWithAPrint() external {
        for (uint32 sequence = 1; sequence <= 3; ++sequence) {
            IPrintLedger.PrintClaim memory statement = claim(licence, sequence);
            IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(statement));
            vm.record();
            ledger.recordPrint(statement, signature);
            (, bytes32[] memory writes) = vm.accesses(address(ledger));
            assert(writes.length == 1);
            assert(writes[0] == bytes32(uint256(keccak256(abi.encode(licence, 3))) + 1));
        }
    }

    function test_TheLicensorCannotBurnTheQuota() external {
        enrol(OWNER_KEY, OWNERS_PRINTER_KEY);
        bytes32 unknown = hashOf(enrolment(provider, OWNERS_PRINTER_KEY));
        IPrintLedger.PrinterSignature memory signature = signedBy(OWNERS_PRINTER_KEY, hashOf(claim(licence, 1)));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownPrinter.selector, unknown));
        ledger.recordPrint(claim(licence, 1), signature);
        // nor enrol one in the provider's name
        IPrintLedger.Enrolment memory statement = enrolment(provider, OWNERS_PRINTER_KEY);
        (bytes32 r, bytes32 s) = signP256(OWNERS_PRINTER_KEY, hashOf(statement));
        bytes memory signed = sign(OWNER_KEY, hashOf(statement));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, provider));
        ledger.enrol(statement, signed, r, s);
    }

    function test_SignatureIsNotGoodOnAnotherChain() external {
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(licence, 1)));
        vm.chainId(31_338);
        _refusesSignature(ledger, claim(licence, 1), signature);
        vm.chainId(31_337);
        ledger.recordPrint(claim(licence, 1), signature);
    }

    function test_SignatureIsNotGoodOnAnotherContract() external {
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(licence, 1)));
        PrintLedger first = ledger;
        setUp();
        assert(address(ledger) != address(first) && state().prints == 3);
        _refusesSignature(ledger, claim(licence, 1), signature);
        first.recordPrint(claim(licence, 1), signature);
    }

    function test_SignatureIsNotGoodForAnotherLicence() external {
        terms.salt = keccak256("another");
        bytes32 another = grant(terms);
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(licence, 1)));
        _refusesSignature(ledger, claim(another, 1), signature);
    }

    function test_SignatureHasOneSpelling() external {
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(licence, 1)));
        signature.s = bytes32(P256_ORDER - uint256(signature.s));
        _refusesSignature(ledger, claim(licence, 1), signature);
        terms.salt = keccak256("another");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, digestOf(hashOf(terms)));
        bytes memory high = abi.encodePacked(r, bytes32(SECP256K1_ORDER - uint256(s)), v == 27 ? 28 : 27);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.grant(terms, high);
    }

    function test_ExpiredDeadlineIsRefused() external {
        IPrintLedger.PrintClaim memory statement = claim(licence, 1);
        statement.deadline = START + 60;
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(statement));
        vm.warp(START + 61);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_ClaimExpired.selector, START + 60));
        ledger.recordPrint(statement, signature);
    }

    /// @dev What a relayer holds back somebody else brings, late as it may be; the number waited.
    function test_CensoredPrintIsBroughtByAnybody() external {
        for (uint32 sequence = 2; sequence <= 3; ++sequence) {
            print(sequence);
        }
        IPrintLedger.PrintClaim memory statement = claim(licence, 1);
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(statement));
        vm.warp(END - 1);
        vm.prank(address(0xF00D));
        ledger.recordPrint(statement, signature);
        assert(state().used == 3 && state().base == 3);
    }

    /// @dev Whatever order a relayer likes, the end is the same.
    function testFuzz_ReorderedPrintsEndTheSame(uint256 seed) external {
        terms.prints = 100;
        bytes32 wide = grant(terms);
        bytes[] memory calls = new bytes[](12);
        for (uint32 index = 0; index < 12; ++index) {
            calls[index] = _printCall(wide, index + 1);
        }
        for (uint256 index = 11; index > 0; --index) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 other = seed % (index + 1);
            (calls[index], calls[other]) = (calls[other], calls[index]);
        }
        ledger.batch(noWords(), packed(calls));
        IPrintLedger.LicenceState memory kept = ledger.licenceState(wide);
        assert(kept.used == 12 && kept.base == 12 && kept.window == 0);
    }

    function test_RelayerCannotStarveAnItem() external {
        bytes[] memory calls = new bytes[](2);
        (calls[0], calls[1]) = (_printCall(licence, 1), _printCall(licence, 2));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_BatchGasTooLow.selector, 1));
        ledger.batch{gas: 1_060_000}(noWords(), packed(calls));
        assert(state().used == 0);
    }

    function _printCall(bytes32 licence_, uint32 sequence) private view returns (bytes memory) {
        IPrintLedger.PrintClaim memory statement = claim(licence_, sequence);
        return abi.encodeCall(ledger.recordPrint, (statement, signedBy(PRINTER_KEY, hashOf(statement))));
    }

    function _refusesSignature(
        PrintLedger target,
        IPrintLedger.PrintClaim memory statement,
        IPrintLedger.PrinterSignature memory signature
    ) private {
        bytes memory reason = abi.encodeWithSelector(
            IPrintLedger.PrintLedger_InvalidPrinterSignature.selector, printer
        );
        expectRefusal(reason);
        target.recordPrint(statement, signature);
    }
}
