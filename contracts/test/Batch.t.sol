// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {LedgerTest, Wallet} from "./LedgerTest.sol";

contract BatchTest is LedgerTest {
    function test_RunsItemsInOrder() external {
        bytes[] memory calls = new bytes[](3);
        calls[0] = _print(1);
        calls[1] = _report(1, 2);
        calls[2] = _print(2);
        ledger.batch(noWords(), packed(calls));
        assert(state().used == 2 && state().credited == 1);
    }

    function test_SkipsAndNamesWhatFails() external {
        bytes[] memory calls = new bytes[](4);
        calls[0] = _print(1);
        calls[1] = _print(1);
        calls[2] = _print(4);
        calls[3] = _print(2);
        expectEvent();
        emit IPrintLedger.PrintRecorded(licence, printer, 1, TOKEN);
        expectEvent();
        emit IPrintLedger.OperationRejected(
            1, abi.encodeWithSelector(IPrintLedger.PrintLedger_SequenceUsed.selector, licence, 1)
        );
        expectEvent();
        emit IPrintLedger.OperationRejected(
            2, abi.encodeWithSelector(IPrintLedger.PrintLedger_CountExhausted.selector, licence, 4, 3)
        );
        expectEvent();
        emit IPrintLedger.PrintRecorded(licence, printer, 2, TOKEN);
        ledger.batch(noWords(), packed(calls));
        assert(state().used == 2);
    }

    function test_RejectsABatchInABatch() external {
        bytes[] memory inner = new bytes[](1);
        inner[0] = _print(1);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(ledger.batch, (noWords(), packed(inner)));
        calls[1] = _print(2);
        expectEvent();
        emit IPrintLedger.OperationRejected(0, abi.encodeWithSelector(IPrintLedger.PrintLedger_NestedBatch.selector));
        ledger.batch(noWords(), packed(calls));
        assert(!ledger.isRecorded(licence, 1) && ledger.isRecorded(licence, 2));
    }

    function test_RejectsWhatIsNoCall() external {
        bytes[] memory calls = new bytes[](3);
        calls[0] = "";
        calls[1] = hex"00";
        calls[2] = hex"deadbeef";
        for (uint256 index = 0; index < 3; ++index) {
            expectEvent();
            emit IPrintLedger.OperationRejected(index, "");
        }
        ledger.batch(noWords(), packed(calls));
    }

    function test_APackedPrintIsItsCall() external {
        (bytes32[] memory words, bytes memory items) = _packedPrints(3);
        for (uint32 sequence = 1; sequence <= 3; ++sequence) {
            expectEvent();
            emit IPrintLedger.PrintRecorded(licence, printer, sequence, TOKEN);
        }
        ledger.batch(words, items);
        assert(state().used == 3);
    }

    function test_APackedPrintIsRefusedAsItsCallIs() external {
        print(2);
        (bytes32[] memory words, bytes memory items) = _packedPrints(3);
        expectEvent();
        emit IPrintLedger.OperationRejected(
            1, abi.encodeWithSelector(IPrintLedger.PrintLedger_SequenceUsed.selector, licence, 2)
        );
        ledger.batch(words, items);
        assert(state().used == 3);
    }

    /// @dev Whatever is packed, the ledger decides as it would about the plain call: same end, same reason.
    function testFuzz_APackedPrintEndsAsItsCall(uint32 sequence, uint64 deadline, bytes32 token, bool signed)
        external
    {
        sequence %= 6;
        IPrintLedger.PrintClaim memory statement = IPrintLedger.PrintClaim(licence, sequence, token, deadline);
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(statement));
        if (!signed) signature.r ^= bytes32(uint256(1));
        bytes memory item = packedPrint(0, 1, statement, signature);
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(ledger.recordPrint, (statement, signature));
        uint256 before = vm.snapshotState();
        (bool done, bytes memory reason) = address(ledger).call(calls[0]);
        vm.revertToState(before);
        if (!done) {
            expectEvent();
            emit IPrintLedger.OperationRejected(0, reason);
        }
        ledger.batch(_words(), item);
        assert(ledger.isRecorded(licence, sequence) == done);
    }

    function test_RevertWhen_AnItemIsCutOff() external {
        (bytes32[] memory words, bytes memory items) = _packedPrints(1);
        bytes[] memory calls = new bytes[](1);
        calls[0] = _print(2);
        bytes memory all = bytes.concat(items, packed(calls));
        for (uint256 length = 1; length < all.length; ++length) {
            if (length == items.length) continue;
            (bool done, bytes memory reason) =
                address(ledger).call(abi.encodeCall(ledger.batch, (words, _cut(all, length))));
            uint256 index = length < items.length ? 0 : 1;
            bytes memory expected = abi.encodeWithSelector(IPrintLedger.PrintLedger_MalformedBatch.selector, index);
            assert(!done && keccak256(reason) == keccak256(expected));
        }
        assert(state().used == 0);
    }

    function test_RevertWhen_AnItemIsOfNoKind() external {
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_MalformedBatch.selector, 0));
        ledger.batch(_words(), bytes.concat(hex"02", new bytes(200)));
    }

    function test_RevertWhen_AnItemNamesAWordThatIsNotThere() external {
        IPrintLedger.PrintClaim memory statement = claim(licence, 1);
        IPrintLedger.PrinterSignature memory signature = signedBy(PRINTER_KEY, hashOf(statement));
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_MalformedBatch.selector, 0);
        expectRefusal(reason);
        ledger.batch(_words(), packedPrint(3, 1, statement, signature));
        expectRefusal(reason);
        ledger.batch(_words(), packedPrint(0, 2, statement, signature));
        expectRefusal(reason);
        ledger.batch(_words(), packedPrint(0, type(uint16).max, statement, signature));
    }

    function test_AnEmptyBatchDoesNothing() external {
        ledger.batch(noWords(), "");
    }

    function test_AWalletThatBurnsItsGasStopsNobodyElse() external {
        Wallet burner = new Wallet(owner, true);
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(address(burner), keccak256("burnt"));
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(ledger.publish, (statement, new bytes(65)));
        calls[1] = _print(1);
        ledger.batch{gas: 2_300_000}(noWords(), packed(calls));
        assert(ledger.revisionOwner(hashOf(statement)) == address(0));
        assert(ledger.isRecorded(licence, 1));
    }

    /// @dev Whatever gas a relayer sends, a sound item is recorded or the whole batch reverts: never rejected.
    function testFuzz_NoItemIsStarved(uint256 gasLimit) external {
        gasLimit = 100_000 + gasLimit % 1_500_000;
        bytes[] memory calls = new bytes[](3);
        for (uint32 index = 0; index < 3; ++index) {
            calls[index] = _print(index + 1);
        }
        (bool done,) = address(ledger).call{gas: gasLimit}(abi.encodeCall(ledger.batch, (noWords(), packed(calls))));
        assert(state().used == (done ? 3 : 0));
    }

    function test_RevertWhen_GasIsTooLow() external {
        bytes[] memory calls = new bytes[](1);
        calls[0] = _print(1);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_BatchGasTooLow.selector, 0));
        ledger.batch{gas: 1_000_000}(noWords(), packed(calls));
    }

    function test_HundredMixedPrints() external {
        bytes[] memory calls = new bytes[](100);
        uint256 next;
        for (uint256 index = 0; index < 10; ++index) {
            terms.salt = bytes32(index);
            terms.prints = 10;
            bytes32 id = grant(terms);
            for (uint32 sequence = 10; sequence > 0; --sequence) {
                IPrintLedger.PrintClaim memory statement = claim(id, sequence);
                calls[next++] = _call(statement);
            }
        }
        ledger.batch(noWords(), packed(calls));
        for (uint256 index = 0; index < 10; ++index) {
            terms.salt = bytes32(index);
            assert(ledger.licenceState(hashOf(terms)).base == 10);
        }
    }

    function _print(uint32 sequence) private view returns (bytes memory) {
        return _call(claim(licence, sequence));
    }

    function _call(IPrintLedger.PrintClaim memory statement) private view returns (bytes memory) {
        return abi.encodeCall(ledger.recordPrint, (statement, signedBy(PRINTER_KEY, hashOf(statement))));
    }

    /// @dev The licence and the printer's key.
    function _words() private view returns (bytes32[] memory words) {
        words = new bytes32[](3);
        IPrintLedger.Enrolment memory key = enrolment(provider, PRINTER_KEY);
        (words[0], words[1], words[2]) = (licence, key.keyX, key.keyY);
    }

    function _packedPrints(uint32 count) private view returns (bytes32[] memory words, bytes memory items) {
        for (uint32 sequence = 1; sequence <= count; ++sequence) {
            IPrintLedger.PrintClaim memory statement = claim(licence, sequence);
            items = bytes.concat(items, packedPrint(0, 1, statement, signedBy(PRINTER_KEY, hashOf(statement))));
        }
        words = _words();
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 index = 0; index < length; ++index) {
            part[index] = data[index];
        }
    }

    function _report(uint32 sequence, uint8 result) private view returns (bytes memory) {
        IPrintLedger.PrinterSignature memory signature = signedOutcome(PRINTER_KEY, licence, sequence, result);
        return abi.encodeCall(ledger.recordOutcome, (licence, sequence, result, REPORT, signature));
    }
}
