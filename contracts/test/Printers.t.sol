// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";

contract EnrolTest is LedgerTest {
    function test_EnrolsAndEmits() external {
        IPrintLedger.Enrolment memory statement = enrolment(provider, SECOND_PRINTER_KEY);
        bytes32 id = hashOf(statement);
        bytes memory signature = sign(PROVIDER_KEY, id);
        (bytes32 r, bytes32 s) = signP256(SECOND_PRINTER_KEY, id);
        expectEvent();
        emit IPrintLedger.PrinterEnrolled(id, provider, statement.keyX, statement.keyY);
        ledger.enrol(statement, signature, r, s);
        (address kept, bool retired) = ledger.printerState(id);
        assert(kept == provider && !retired);
    }

    function test_OneKeyEnrolledByTwoProvidersIsTwoPrinters() external {
        bytes32 theirs = enrol(STRANGER_KEY, PRINTER_KEY);
        assert(theirs != printer);
        retire(printer);
        (, bool retired) = ledger.printerState(theirs);
        assert(!retired);
    }

    function test_RevertWhen_EnrolledAlready() external {
        _refuses(
            enrolment(provider, PRINTER_KEY),
            PROVIDER_KEY,
            PRINTER_KEY,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_AlreadyEnrolled.selector, printer)
        );
    }

    function test_RevertWhen_RetiredBefore() external {
        retire(printer);
        _refuses(
            enrolment(provider, PRINTER_KEY),
            PROVIDER_KEY,
            PRINTER_KEY,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_AlreadyEnrolled.selector, printer)
        );
    }

    function test_RevertWhen_TheProviderDidNotSign() external {
        _refuses(
            enrolment(provider, SECOND_PRINTER_KEY),
            STRANGER_KEY,
            SECOND_PRINTER_KEY,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, provider)
        );
    }

    function test_RevertWhen_ThePrinterDidNotSign() external {
        // a provider cannot enrol a key it does not hold
        IPrintLedger.Enrolment memory statement = enrolment(provider, SECOND_PRINTER_KEY);
        _refuses(
            statement,
            PROVIDER_KEY,
            PRINTER_KEY,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidPrinterSignature.selector, hashOf(statement))
        );
    }

    function test_RevertWhen_TheProviderIsZero() external {
        _refuses(
            enrolment(address(0), SECOND_PRINTER_KEY),
            PROVIDER_KEY,
            SECOND_PRINTER_KEY,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, address(0))
        );
    }

    function test_RevertWhen_TheKeyIsNotOnTheCurve() external {
        IPrintLedger.Enrolment memory statement = IPrintLedger.Enrolment(provider, 0, 0);
        _refuses(
            statement,
            PROVIDER_KEY,
            PRINTER_KEY,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidPrinterSignature.selector, hashOf(statement))
        );
    }

    function test_RevertWhen_ThePrintersSignatureIsMalleated() external {
        IPrintLedger.Enrolment memory statement = enrolment(provider, SECOND_PRINTER_KEY);
        bytes32 id = hashOf(statement);
        bytes memory signature = sign(PROVIDER_KEY, id);
        (bytes32 r, bytes32 s) = signP256(SECOND_PRINTER_KEY, id);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidPrinterSignature.selector, id));
        ledger.enrol(statement, signature, r, bytes32(P256_ORDER - uint256(s)));
    }

    function _refuses(
        IPrintLedger.Enrolment memory statement,
        uint256 providerKey,
        uint256 printerKey,
        bytes memory reason
    ) private {
        bytes memory signature = sign(providerKey, hashOf(statement));
        (bytes32 r, bytes32 s) = signP256(printerKey, hashOf(statement));
        expectRefusal(reason);
        ledger.enrol(statement, signature, r, s);
    }
}

contract RetireTest is LedgerTest {
    function test_RetiresAndEmits() external {
        bytes memory signature = sign(PROVIDER_KEY, hashOfRetirement(printer));
        expectEvent();
        emit IPrintLedger.PrinterRetired(printer);
        ledger.retire(IPrintLedger.Retirement(printer), signature);
        (address kept, bool retired) = ledger.printerState(printer);
        assert(kept == provider && retired);
    }

    function test_RevertWhen_Unknown() external {
        bytes memory signature = sign(PROVIDER_KEY, hashOfRetirement(0));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownPrinter.selector, bytes32(0)));
        ledger.retire(IPrintLedger.Retirement(0), signature);
    }

    function test_RevertWhen_RetiredAlready() external {
        retire(printer);
        bytes memory signature = sign(PROVIDER_KEY, hashOfRetirement(printer));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_PrinterRetired.selector, printer));
        ledger.retire(IPrintLedger.Retirement(printer), signature);
    }

    function test_RevertWhen_AnotherProviderSigned() external {
        bytes memory signature = sign(STRANGER_KEY, hashOfRetirement(printer));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, provider));
        ledger.retire(IPrintLedger.Retirement(printer), signature);
    }
}
