// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";

contract RecordOutcomeTest is LedgerTest {
    uint8 private constant COMPLETED = 1;
    uint8 private constant FAILED = 2;
    uint8 private constant CANCELLED = 3;

    function setUp() public override {
        super.setUp();
        print(1);
    }

    function test_RecordsAndEmits() external {
        IPrintLedger.PrinterSignature memory signature = signedOutcome(PRINTER_KEY, licence, 1, COMPLETED);
        expectEvent();
        emit IPrintLedger.OutcomeRecorded(licence, printer, 1, COMPLETED, REPORT, false);
        ledger.recordOutcome(licence, 1, COMPLETED, REPORT, signature);
        assert(ledger.isReported(licence, 1) && !ledger.isReported(licence, 2) && state().credited == 0);
    }

    function test_FailureIsCreditedBack() external {
        IPrintLedger.PrinterSignature memory signature = signedOutcome(PRINTER_KEY, licence, 1, FAILED);
        expectEvent();
        emit IPrintLedger.OutcomeRecorded(licence, printer, 1, FAILED, REPORT, true);
        ledger.recordOutcome(licence, 1, FAILED, REPORT, signature);
        assert(state().credited == 1 && state().prints == 3 && state().used == 1);
        print(2);
        print(3);
        print(4);
        assert(state().used == 4);
    }

    function test_CancellationIsNotCredited() external {
        report(1, CANCELLED);
        assert(state().credited == 0 && ledger.isReported(licence, 1));
    }

    function test_CreditStopsAtTheReprintsGranted() external {
        print(2);
        print(3);
        for (uint32 sequence = 1; sequence <= 3; ++sequence) {
            report(sequence, FAILED);
        }
        assert(state().credited == 2 && ledger.isReported(licence, 3));
        print(4);
        print(5);
        IPrintLedger.PrintClaim memory statement = claim(licence, 6);
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(statement));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_CountExhausted.selector, licence, 6, 5));
        ledger.recordPrint(statement, signature);
    }

    function test_OutcomesAreTakenAfterRevocationRetirementAndExpiry() external {
        print(2);
        print(3);
        revoke(terms);
        report(1, COMPLETED);
        retire(printer);
        report(2, FAILED);
        vm.warp(END + 1);
        report(3, CANCELLED);
        assert(ledger.isReported(licence, 3) && state().credited == 1);
    }

    function test_AnotherPrinterOfTheProviderMayReport() external {
        bytes32 second = enrol(PROVIDER_KEY, SECOND_PRINTER_KEY);
        IPrintLedger.PrinterSignature memory signature = signedOutcome(SECOND_PRINTER_KEY, licence, 1, COMPLETED);
        expectEvent();
        emit IPrintLedger.OutcomeRecorded(licence, second, 1, COMPLETED, REPORT, false);
        ledger.recordOutcome(licence, 1, COMPLETED, REPORT, signature);
    }

    function test_EachWordHolds256Reports() external {
        terms.prints = 600;
        bytes32 wide = grant(terms);
        for (uint32 sequence = 1; sequence <= 258; ++sequence) {
            recordPrint(PRINTER_KEY, wide, sequence);
        }
        recordOutcome(PRINTER_KEY, wide, 256, COMPLETED);
        recordOutcome(PRINTER_KEY, wide, 257, COMPLETED);
        assert(ledger.isReported(wide, 256) && ledger.isReported(wide, 257));
        assert(!ledger.isReported(wide, 1) && !ledger.isReported(wide, 255) && !ledger.isReported(wide, 258));
        assert(!ledger.isReported(wide, 0) && !ledger.isReported(licence, 256));
    }

    function test_RevertWhen_ReportedAlready() external {
        report(1, COMPLETED);
        _refuses(1, FAILED, abi.encodeWithSelector(IPrintLedger.PrintLedger_OutcomeRecorded.selector, licence, 1));
    }

    function test_RevertWhen_LicenceIsUnknown() external {
        IPrintLedger.PrinterSignature memory signature = signedOutcome(PRINTER_KEY, 0, 1, COMPLETED);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownLicence.selector, 0));
        ledger.recordOutcome(0, 1, COMPLETED, REPORT, signature);
    }

    function test_RevertWhen_NotPrinted() external {
        _refuses(2, COMPLETED, abi.encodeWithSelector(IPrintLedger.PrintLedger_NotPrinted.selector, licence, 2));
        _refuses(0, COMPLETED, abi.encodeWithSelector(IPrintLedger.PrintLedger_NotPrinted.selector, licence, 0));
        uint32 last = type(uint32).max;
        _refuses(last, COMPLETED, abi.encodeWithSelector(IPrintLedger.PrintLedger_NotPrinted.selector, licence, last));
    }

    function testFuzz_RevertWhen_ResultIsNone(uint8 result) external {
        vm.assume(result == 0 || result > CANCELLED);
        _refuses(1, result, abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidResult.selector, result));
    }

    function test_RevertWhen_PrinterIsAnotherProviders() external {
        enrol(STRANGER_KEY, SECOND_PRINTER_KEY);
        IPrintLedger.PrinterSignature memory signature = signedOutcome(SECOND_PRINTER_KEY, licence, 1, FAILED);
        bytes32 unknown = hashOf(enrolment(provider, SECOND_PRINTER_KEY));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownPrinter.selector, unknown));
        ledger.recordOutcome(licence, 1, FAILED, REPORT, signature);
    }

    function test_RevertWhen_AnyFieldDiffersFromWhatWasSigned() external {
        print(2);
        IPrintLedger.PrinterSignature memory signature = signedOutcome(PRINTER_KEY, licence, 1, COMPLETED);
        bytes memory reason =
            abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidPrinterSignature.selector, printer);
        expectRefusal(reason);
        ledger.recordOutcome(licence, 1, FAILED, REPORT, signature);
        expectRefusal(reason);
        ledger.recordOutcome(licence, 2, COMPLETED, REPORT, signature);
        expectRefusal(reason);
        ledger.recordOutcome(licence, 1, COMPLETED, 0, signature);
    }

    function test_RevertWhen_SignatureIsMalleated() external {
        IPrintLedger.PrinterSignature memory signature = signedOutcome(PRINTER_KEY, licence, 1, COMPLETED);
        signature.s = bytes32(P256_ORDER - uint256(signature.s));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidPrinterSignature.selector, printer));
        ledger.recordOutcome(licence, 1, COMPLETED, REPORT, signature);
    }

    function _refuses(uint32 sequence, uint8 result, bytes memory reason) private {
        IPrintLedger.PrinterSignature memory signature = signedOutcome(PRINTER_KEY, licence, sequence, result);
        expectRefusal(reason);
        ledger.recordOutcome(licence, sequence, result, REPORT, signature);
    }
}
