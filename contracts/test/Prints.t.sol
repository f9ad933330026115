// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";

abstract contract PrintTest is LedgerTest {
    function _refuses(IPrintLedger.PrintClaim memory statement, uint256 printerKey, bytes memory reason) internal {
        _refuses(statement, signedBy(printerKey, hashOf(statement)), noProof(), reason);
    }

    function _refuses(
        IPrintLedger.PrintClaim memory statement,
        IPrintLedger.PrinterSignature memory signature,
        bytes32[] memory proof,
        bytes memory reason
    ) internal {
        expectRefusal(reason);
        ledger.recordListedPrint(statement, signature, proof);
    }
}

contract RecordPrintTest is PrintTest {
    function test_CountsAndEmits() external {
        IPrintLedger.PrintClaim memory statement = claim(licence, 1);
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(statement));
        expectEvent();
        emit IPrintLedger.PrintRecorded(licence, printer, 1, TOKEN);
        ledger.recordPrint(statement, signature);
        assert(state().used == 1 && state().base == 1 && state().window == 0);
        assert(ledger.isRecorded(licence, 1) && !ledger.isRecorded(licence, 2));
    }

    function test_AnyPrinterOfTheProviderMayPrint() external {
        enrol(PROVIDER_KEY, SECOND_PRINTER_KEY);
        recordPrint(SECOND_PRINTER_KEY, licence, 1);
        assert(state().used == 1);
    }

    function test_FirstAndLastSecondOfTheWindow() external {
        vm.warp(START);
        print(1);
        vm.warp(END - 1);
        print(2);
        assert(state().used == 2);
    }

    function test_LastSecondOfTheDeadline() external {
        IPrintLedger.PrintClaim memory statement = claim(licence, 1);
        statement.deadline = START + 60;
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(statement));
        vm.warp(START + 60);
        ledger.recordPrint(statement, signature);
        assert(state().used == 1);
    }

    function test_LicencesCountApart() external {
        terms.salt = keccak256("another");
        bytes32 another = grant(terms);
        print(1);
        recordPrint(PRINTER_KEY, another, 1);
        assert(ledger.licenceState(another).used == 1 && state().used == 1);
    }

    function test_RevertWhen_LicenceIsUnknown() external {
        _refuses(claim(0, 1), PRINTER_KEY, abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownLicence.selector, 0));
    }

    function test_RevertWhen_LicenceIsRevoked() external {
        revoke(terms);
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_LicenceRevoked.selector, licence);
        _refuses(claim(licence, 1), PRINTER_KEY, reason);
    }

    function test_RevertWhen_LicenceHasNotStarted() external {
        vm.warp(START - 1);
        _refuses(
            claim(licence, 1),
            PRINTER_KEY,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_LicenceNotStarted.selector, licence, START)
        );
    }

    function test_RevertWhen_LicenceHasExpired() external {
        vm.warp(END);
        _refuses(
            claim(licence, 1),
            PRINTER_KEY,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_LicenceExpired.selector, licence, END)
        );
    }

    function test_RevertWhen_DeadlineHasPassed() external {
        IPrintLedger.PrintClaim memory statement = claim(licence, 1);
        statement.deadline = START - 1;
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_ClaimExpired.selector, START - 1);
        _refuses(statement, PRINTER_KEY, reason);
    }

    function test_RevertWhen_PrinterIsNotEnrolled() external {
        bytes32 unknown = hashOf(enrolment(provider, SECOND_PRINTER_KEY));
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownPrinter.selector, unknown);
        _refuses(claim(licence, 1), SECOND_PRINTER_KEY, reason);
    }

    function test_RevertWhen_PrinterIsAnotherProviders() external {
        enrol(STRANGER_KEY, SECOND_PRINTER_KEY);
        bytes32 unknown = hashOf(enrolment(provider, SECOND_PRINTER_KEY));
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownPrinter.selector, unknown);
        _refuses(claim(licence, 1), SECOND_PRINTER_KEY, reason);
    }

    function test_RevertWhen_PrinterIsRetired() external {
        retire(printer);
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_PrinterRetired.selector, printer);
        _refuses(claim(licence, 1), PRINTER_KEY, reason);
    }

    function test_RevertWhen_AnotherPrinterSigned() external {
        IPrintLedger.PrintClaim memory statement = claim(licence, 1);
        IPrintLedger.PrinterSignature memory signature = signedBy(SECOND_PRINTER_KEY, hashOf(statement));
        (signature.keyX, signature.keyY) =
        (enrolment(provider, PRINTER_KEY).keyX, enrolment(provider, PRINTER_KEY).keyY);
        _refusesSignature(statement, signature);
    }

    function test_RevertWhen_AnyFieldDiffersFromWhatWasSigned() external {
        terms.salt = keccak256("another");
        bytes32 another = grant(terms);
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(licence, 1)));
        _refusesSignature(claim(another, 1), signature);
        _refusesSignature(claim(licence, 2), signature);
        IPrintLedger.PrintClaim memory statement = claim(licence, 1);
        statement.token = 0;
        _refusesSignature(statement, signature);
        statement = claim(licence, 1);
        statement.deadline = END + 1;
        _refusesSignature(statement, signature);
    }

    function test_RevertWhen_SignatureIsMalleated() external {
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(licence, 1)));
        signature.s = bytes32(P256_ORDER - uint256(signature.s));
        _refusesSignature(claim(licence, 1), signature);
    }

    function test_RevertWhen_SignatureIsZero() external {
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(licence, 1)));
        (signature.r, signature.s) = (0, 0);
        _refusesSignature(claim(licence, 1), signature);
    }

    function testFuzz_RevertWhen_SignatureIsAltered(bytes32 r, bytes32 s) external {
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(licence, 1)));
        vm.assume(r != 0 || s != 0);
        (signature.r, signature.s) = (signature.r ^ r, signature.s ^ s);
        _refusesSignature(claim(licence, 1), signature);
    }

    function test_RevertWhen_SignatureIsForAnotherChain() external {
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(claim(licence, 1)));
        vm.chainId(block.chainid + 1);
        _refusesSignature(claim(licence, 1), signature);
    }

    function _refusesSignature(
        IPrintLedger.PrintClaim memory statement,
        IPrintLedger.PrinterSignature memory signature
    ) private {
        bytes memory reason = abi.encodeWithSelector(
            IPrintLedger.PrintLedger_InvalidPrinterSignature.selector, printer
        );
        _refuses(statement, signature, noProof(), reason);
    }
}

contract SequenceTest is PrintTest {
    function test_NumbersMayComeInAnyOrder() external {
        print(3);
        assert(state().used == 1 && state().base == 0 && state().window == 4);
        print(1);
        assert(state().used == 2 && state().base == 1 && state().window == 2);
        print(2);
        assert(state().used == 3 && state().base == 3 && state().window == 0);
    }

    function test_WindowReaches128BeyondTheGap() external {
        bytes32 wide = _grantPrints(1000);
        recordPrint(PRINTER_KEY, wide, 128);
        _refusesSequence(wide, 129, IPrintLedger.PrintLedger_SequenceOutOfWindow.selector);
        recordPrint(PRINTER_KEY, wide, 1);
        recordPrint(PRINTER_KEY, wide, 129);
        _refusesSequence(wide, 130, IPrintLedger.PrintLedger_SequenceOutOfWindow.selector);
        assert(ledger.isRecorded(wide, 128) && ledger.isRecorded(wide, 129) && !ledger.isRecorded(wide, 127));
    }

    function test_AFullWindowSlidesAtOnce() external {
        bytes32 wide = _grantPrints(1000);
        for (uint32 sequence = 2; sequence <= 128; ++sequence) {
            recordPrint(PRINTER_KEY, wide, sequence);
        }
        assert(ledger.licenceState(wide).base == 0 && ledger.licenceState(wide).used == 127);
        recordPrint(PRINTER_KEY, wide, 1);
        IPrintLedger.LicenceState memory kept = ledger.licenceState(wide);
        assert(kept.base == 128 && kept.window == 0 && kept.used == 128 && kept.prints == 1000);
    }

    function test_LargestCountDoesNotOverflow() external {
        bytes32 widest = _grantPrints(type(uint32).max);
        recordPrint(PRINTER_KEY, widest, 1);
        recordOutcome(PRINTER_KEY, widest, 1, 2);
        IPrintLedger.LicenceState memory kept = ledger.licenceState(widest);
        assert(kept.prints == type(uint32).max && kept.credited == 1 && kept.reprints == 2);
        _refusesSequence(widest, type(uint32).max, IPrintLedger.PrintLedger_SequenceOutOfWindow.selector);
    }

    function test_RevertWhen_NumberIsZero() external {
        _refusesSequence(licence, 0, IPrintLedger.PrintLedger_SequenceOutOfWindow.selector);
        print(1);
        _refusesSequence(licence, 0, IPrintLedger.PrintLedger_SequenceOutOfWindow.selector);
        assert(!ledger.isRecorded(licence, 0));
    }

    function test_RevertWhen_NumberIsUsed() external {
        print(1);
        _refusesSequence(licence, 1, IPrintLedger.PrintLedger_SequenceUsed.selector);
        print(3);
        _refusesSequence(licence, 3, IPrintLedger.PrintLedger_SequenceUsed.selector);
        print(2);
        _refusesSequence(licence, 2, IPrintLedger.PrintLedger_SequenceUsed.selector);
    }

    function test_RevertWhen_CountIsExhausted() external {
        for (uint32 sequence = 1; sequence <= 3; ++sequence) {
            print(sequence);
        }
        _refuses(
            claim(licence, 4),
            PRINTER_KEY,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_CountExhausted.selector, licence, 4, 3)
        );
    }

    /// @dev Against a list of booleans: what is consumed, what is refused, and the counters, for any order of numbers.
    /// forge-config: default.fuzz.runs = 48
    function testFuzz_WindowAgreesWithAList(uint256 seed) external {
        bytes32 wide = _grantPrints(400);
        bool[401] memory consumed;
        uint32 base;
        uint32 used;
        for (uint256 step = 0; step < 60; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint32 sequence = uint32(seed % 3 == 0 ? base + 1 : (base + (seed >> 8) % 140) % 400 + 1);
            bool free = !consumed[sequence] && sequence <= base + 128;
            IPrintLedger.PrintClaim memory statement = claim(wide, sequence);
            bytes memory call =
                abi.encodeCall(ledger.recordPrint, (statement, signedBy(PRINTER_KEY, hashOf(statement))));
            (bool done,) = address(ledger).call(call);
            assert(done == free);
            if (done) (consumed[sequence], used) = (true, used + 1);
            while (base < 400 && consumed[base + 1]) ++base;
        }
        IPrintLedger.LicenceState memory kept = ledger.licenceState(wide);
        assert(kept.base == base && kept.used == used && kept.prints == 400);
        for (uint32 sequence = 1; sequence <= 400; ++sequence) {
            assert(ledger.isRecorded(wide, sequence) == consumed[sequence]);
        }
    }

    function _grantPrints(uint32 prints) private returns (bytes32) {
        terms.prints = prints;
        return grant(terms);
    }

    function _refusesSequence(bytes32 licence_, uint32 sequence, bytes4 selector) private {
        _refuses(claim(licence_, sequence), PRINTER_KEY, abi.encodeWithSelector(selector, licence_, sequence));
    }
}

contract PrinterListTest is PrintTest {
    bytes32 private second;
    bytes32 private listed;
    bytes32 private root;

    function setUp() public override {
        super.setUp();
        second = enrol(PROVIDER_KEY, SECOND_PRINTER_KEY);
        root = _pair(_leaf(printer), _pair(_leaf(second), _leaf(keccak256("a third"))));
        terms.printers = root;
        listed = grant(terms);
    }

    function test_ListedPrinterPrintsWithItsProof() external {
        _print(SECOND_PRINTER_KEY, 1, _proof(_leaf(keccak256("a third")), _leaf(printer)));
        assert(ledger.licenceState(listed).used == 1);
    }

    function test_ListOfOneNeedsNoSiblings() external {
        terms.printers = _leaf(printer);
        recordPrint(PRINTER_KEY, grant(terms), 1);
    }

    function test_RevertWhen_ThereIsNoProof() external {
        _refusesPrinter(listed, PRINTER_KEY, noProof());
    }

    function test_RevertWhen_TheProofIsAnotherPrinters() external {
        _refusesPrinter(listed, PRINTER_KEY, _proof(_leaf(keccak256("a third")), _leaf(printer)));
    }

    function test_RevertWhen_ThePrinterIsNotOnTheList() external {
        terms.printers = _leaf(second);
        _refusesPrinter(grant(terms), PRINTER_KEY, noProof());
    }

    function test_RevertWhen_ThePrintersIdIsTheRoot() external {
        // a leaf is the hash of an id, never an id
        terms.printers = printer;
        _refusesPrinter(grant(terms), PRINTER_KEY, noProof());
    }

    function test_RevertWhen_AnOpenListGetsAProof() external {
        bytes32[] memory proof = new bytes32[](1);
        _refusesPrinter(licence, PRINTER_KEY, proof);
    }

    function _print(uint256 printerKey, uint32 sequence, bytes32[] memory proof) private {
        IPrintLedger.PrintClaim memory statement = claim(listed, sequence);
        ledger.recordListedPrint(statement, signedBy(printerKey, hashOf(statement)), proof);
    }

    function _refusesPrinter(bytes32 licence_, uint256 printerKey, bytes32[] memory proof) private {
        IPrintLedger.PrintClaim memory statement = claim(licence_, 1);
        bytes32 id = hashOf(enrolment(provider, printerKey));
        _refuses(
            statement,
            signedBy(printerKey, hashOf(statement)),
            proof,
            abi.encodeWithSelector(IPrintLedger.PrintLedger_PrinterNotAllowed.selector, licence_, id)
        );
    }

    function _leaf(bytes32 id) private pure returns (bytes32) {
        return keccak256(abi.encode(id));
    }

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function _proof(bytes32 a, bytes32 b) private pure returns (bytes32[] memory proof) {
        proof = new bytes32[](2);
        (proof[0], proof[1]) = (a, b);
    }
}
