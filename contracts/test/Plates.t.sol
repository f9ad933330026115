// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";

contract PlatesTest is LedgerTest {
    bytes32 private second;

    function setUp() public override {
        super.setUp();
        terms.salt = keccak256("second");
        second = grant(terms);
    }

    function test_CountsEveryPrintAndEmits() external {
        IPrintLedger.PrintClaim[] memory claims = _claims();
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claims));
        for (uint256 index = 0; index < 3; ++index) {
            expectEvent();
            emit IPrintLedger.PrintRecorded(claims[index].licence, printer, claims[index].sequence, TOKEN);
        }
        expectEvent();
        emit IPrintLedger.PlateRecorded(printer, hashOf(claims));
        ledger.recordPlate(claims, signature, noProofs(3));
        assert(ledger.licenceState(licence).used == 2 && ledger.licenceState(second).used == 1);
    }

    function test_AListedPrinterBringsItsProofs() external {
        bytes32 other = keccak256("another printer");
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = keccak256(abi.encode(other));
        terms.printers = _root(keccak256(abi.encode(printer)), proof[0]);
        IPrintLedger.PrintClaim[] memory claims = _claims();
        claims[1].licence = grant(terms);
        bytes32[][] memory proofs = noProofs(3);
        proofs[1] = proof;
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claims));
        uint256 before = vm.snapshotState();
        ledger.recordPlate(claims, signature, proofs);
        assert(ledger.isRecorded(claims[1].licence, claims[1].sequence));
        vm.revertToState(before);
        (proofs[0], proofs[1]) = (proof, noProof());
        _refuses(
            claims,
            signature,
            proofs,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_PrinterNotAllowed.selector, licence, printer)
        );
    }

    /// @dev Whichever claim is refused, and why, nothing of the plate is counted.
    function testFuzz_RevertWhen_OneClaimIsRefused(uint256 bad) external {
        bad %= 3;
        IPrintLedger.PrintClaim[] memory claims = _claims();
        claims[bad].deadline = START - 1;
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_ClaimExpired.selector, START - 1);
        _refuses(claims, signedBy(PRINTER_KEY, hashOf(claims)), noProofs(3), reason);
        claims = _claims();
        claims[bad].sequence = 4;
        bytes32 refused = claims[bad].licence;
        reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_CountExhausted.selector, refused, 4, 3);
        _refuses(claims, signedBy(PRINTER_KEY, hashOf(claims)), noProofs(3), reason);
    }

    function test_RevertWhen_ANumberStandsInItTwice() external {
        IPrintLedger.PrintClaim[] memory claims = _claims();
        claims[2] = claims[0];
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_SequenceUsed.selector, licence, 1);
        _refuses(claims, signedBy(PRINTER_KEY, hashOf(claims)), noProofs(3), reason);
    }

    function test_RevertWhen_OneLicenceIsRevoked() external {
        revoke(terms);
        IPrintLedger.PrintClaim[] memory claims = _claims();
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_LicenceRevoked.selector, second);
        _refuses(claims, signedBy(PRINTER_KEY, hashOf(claims)), noProofs(3), reason);
    }

    function test_RevertWhen_ThePrinterIsRetired() external {
        retire(printer);
        IPrintLedger.PrintClaim[] memory claims = _claims();
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_PrinterRetired.selector, printer);
        _refuses(claims, signedBy(PRINTER_KEY, hashOf(claims)), noProofs(3), reason);
    }

    /// @dev What is signed for a plate is good for that plate alone: not for a claim of it, not for fewer, not for
    /// more, not in another order; and signatures of its claims are not good for the plate.
    function test_NothingButTheWholePlateIsRecorded() external {
        IPrintLedger.PrintClaim[] memory claims = _claims();
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claims));
        bytes memory reason =
            abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidPrinterSignature.selector, printer);
        expectRefusal(reason);
        ledger.recordPrint(claims[0], signature);

        IPrintLedger.PrintClaim[] memory fewer = new IPrintLedger.PrintClaim[](2);
        (fewer[0], fewer[1]) = (claims[0], claims[1]);
        _refuses(fewer, signature, noProofs(2), reason);
        IPrintLedger.PrintClaim[] memory alone = new IPrintLedger.PrintClaim[](1);
        alone[0] = claims[0];
        _refuses(alone, signature, noProofs(1), reason);
        _refuses(alone, signedBy(PRINTER_KEY, hashOf(claims[0])), noProofs(1), reason);
        IPrintLedger.PrintClaim[] memory more = new IPrintLedger.PrintClaim[](4);
        (more[0], more[1], more[2], more[3]) = (claims[0], claims[1], claims[2], claim(second, 2));
        _refuses(more, signature, noProofs(4), reason);
        (claims[0], claims[1]) = (claims[1], claims[0]);
        _refuses(claims, signature, noProofs(3), reason);
        _refuses(claims, signedBy(SECOND_PRINTER_KEY, hashOf(claims)), noProofs(3), _unknown(SECOND_PRINTER_KEY));
    }

    function test_RevertWhen_ItIsRepeated() external {
        IPrintLedger.PrintClaim[] memory claims = _claims();
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claims));
        ledger.recordPlate(claims, signature, noProofs(3));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_SequenceUsed.selector, licence, 1));
        ledger.recordPlate(claims, signature, noProofs(3));
    }

    function test_RevertWhen_ItsLicencesAreOfTwoProviders() external {
        enrol(STRANGER_KEY, PRINTER_KEY);
        terms.provider = vm.addr(STRANGER_KEY);
        IPrintLedger.PrintClaim[] memory claims = _claims();
        claims[2].licence = grant(terms);
        bytes memory reason = abi.encodeWithSelector(
            IPrintLedger.PrintLedger_AnotherPrinter.selector,
            claims[2].licence,
            hashOf(enrolment(terms.provider, PRINTER_KEY))
        );
        _refuses(claims, signedBy(PRINTER_KEY, hashOf(claims)), noProofs(3), reason);
    }

    function test_RevertWhen_ItIsEmptyOrTooLarge() external {
        _refusesSize(0, 0);
        _refusesSize(17, 17);
        _refusesSize(2, 1);
        _refusesSize(2, 3);
    }

    function test_AFullPlateIsAnItemOfABatch() external {
        terms.prints = 16;
        bytes32 wide = grant(terms);
        IPrintLedger.PrintClaim[] memory claims = new IPrintLedger.PrintClaim[](16);
        for (uint32 index = 0; index < 16; ++index) {
            claims[index] = claim(wide, 16 - index);
        }
        bytes[] memory calls = new bytes[](2);
        calls[0] = _call(claims);
        calls[1] = _call(claims);
        ledger.batch(noWords(), packed(calls));
        assert(ledger.licenceState(wide).used == 16);
    }

    /// @dev A plate in a batch ends as its call would, and counts all of its prints or none.
    function testFuzz_APlateInABatchIsAllOrNothing(uint32 one, uint32 other, bool signed) external {
        (one, other) = (one % 6, other % 6);
        IPrintLedger.PrintClaim[] memory claims = new IPrintLedger.PrintClaim[](2);
        (claims[0], claims[1]) = (claim(licence, one), claim(second, other));
        print(2);
        bool due = signed && one != 0 && other != 0 && one <= 3 && other <= 3 && one != 2;
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(
            ledger.recordPlate,
            (claims, signedBy(signed ? PRINTER_KEY : SECOND_PRINTER_KEY, hashOf(claims)), noProofs(2))
        );
        ledger.batch(noWords(), packed(calls));
        assert(ledger.licenceState(licence).used == (due ? 2 : 1));
        assert(ledger.licenceState(second).used == (due ? 1 : 0));
    }

    function _claims() private view returns (IPrintLedger.PrintClaim[] memory claims) {
        claims = new IPrintLedger.PrintClaim[](3);
        (claims[0], claims[1], claims[2]) = (claim(licence, 1), claim(second, 3), claim(licence, 2));
    }

    function _call(IPrintLedger.PrintClaim[] memory claims) private view returns (bytes memory) {
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claims));
        return abi.encodeCall(ledger.recordPlate, (claims, signature, noProofs(claims.length)));
    }

    function _unknown(uint256 key) private view returns (bytes memory) {
        return
            abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownPrinter.selector, hashOf(enrolment(provider, key)));
    }

    function _root(bytes32 one, bytes32 other) private pure returns (bytes32) {
        return one < other ? keccak256(abi.encodePacked(one, other)) : keccak256(abi.encodePacked(other, one));
    }

    function _refusesSize(uint256 count, uint256 proofs) private {
        IPrintLedger.PrintClaim[] memory claims = new IPrintLedger.PrintClaim[](count);
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidPlate.selector, count, proofs);
        _refuses(claims, signedBy(PRINTER_KEY, hashOf(claims)), noProofs(proofs), reason);
    }

    function _refuses(
        IPrintLedger.PrintClaim[] memory claims,
        IPrintLedger.PrinterSignature memory signature,
        bytes32[][] memory proofs,
        bytes memory reason
    ) private {
        expectRefusal(reason);
        ledger.recordPlate(claims, signature, proofs);
        assert(ledger.licenceState(licence).used == 0 && ledger.licenceState(second).used == 0);
    }
}
