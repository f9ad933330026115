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
        ledger.batch(calls);
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
        ledger.batch(calls);
        assert(state().used == 2);
    }

    function test_RejectsABatchInABatch() external {
        bytes[] memory inner = new bytes[](1);
        inner[0] = _print(1);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(ledger.batch, (inner));
        calls[1] = _print(2);
        expectEvent();
        emit IPrintLedger.OperationRejected(0, abi.encodeWithSelector(IPrintLedger.PrintLedger_NestedBatch.selector));
        ledger.batch(calls);
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
        ledger.batch(calls);
    }

    function test_AnEmptyBatchDoesNothing() external {
        ledger.batch(new bytes[](0));
    }

    function test_AWalletThatBurnsItsGasStopsNobodyElse() external {
        Wallet burner = new Wallet(owner, true);
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(address(burner), keccak256("burnt"));
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(ledger.publish, (statement, new bytes(65)));
        calls[1] = _print(1);
        ledger.batch{gas: 2_300_000}(calls);
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
        (bool done,) = address(ledger).call{gas: gasLimit}(abi.encodeCall(ledger.batch, (calls)));
        assert(state().used == (done ? 3 : 0));
    }

    function test_RevertWhen_GasIsTooLow() external {
        bytes[] memory calls = new bytes[](1);
        calls[0] = _print(1);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_BatchGasTooLow.selector, 0));
        ledger.batch{gas: 1_000_000}(calls);
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
        ledger.batch(calls);
        for (uint256 index = 0; index < 10; ++index) {
            terms.salt = bytes32(index);
            assert(ledger.licenceState(hashOf(terms)).base == 10);
        }
    }

    function _print(uint32 sequence) private view returns (bytes memory) {
        return _call(claim(licence, sequence));
    }

    function _call(IPrintLedger.PrintClaim memory statement) private view returns (bytes memory) {
        return abi.encodeCall(ledger.recordPrint, (statement, signedBy(PRINTER_KEY, hashOf(statement)), noProof()));
    }

    function _report(uint32 sequence, uint8 result) private view returns (bytes memory) {
        IPrintLedger.PrinterSignature memory signature = signedOutcome(PRINTER_KEY, licence, sequence, result);
        return abi.encodeCall(ledger.recordOutcome, (licence, sequence, result, REPORT, signature));
    }
}
