// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "./IPrintLedger.sol";

/// @dev Writes the call that the item at `place` stands for into fresh memory, and returns where the next item starts,
/// where the call lies and how long it is. The layouts stand in `IPrintLedger.batch` and in the ABI of `recordPrint`.
function unpack(bytes32[] calldata words, bytes calldata items, uint256 place, uint256 index)
    pure
    returns (uint256 next, uint256 pointer, uint256 length)
{
    uint256 head;
    assembly ("memory-safe") {
        head := calldataload(add(items.offset, place))
    }
    unchecked {
        if (head >> 248 == 0) {
            length = uint16(head >> 232);
            next = place + 3 + length;
            if (next > items.length) revert IPrintLedger.PrintLedger_MalformedBatch(index);
            assembly ("memory-safe") {
                pointer := mload(0x40)
                calldatacopy(pointer, add(add(items.offset, place), 3), length)
                mstore(0x40, add(pointer, and(add(length, 0x1f), not(0x1f))))
            }
            return (next, pointer, length);
        }
        uint256 licence = uint16(head >> 232);
        uint256 key = uint16(head >> 216);
        next = place + 113;
        if (head >> 248 != 1 || next > items.length || licence >= words.length || key + 1 >= words.length) {
            revert IPrintLedger.PrintLedger_MalformedBatch(index);
        }
        bytes4 selector = IPrintLedger.recordPrint.selector;
        assembly ("memory-safe") {
            pointer := mload(0x40)
            let item := add(items.offset, place)
            mstore(pointer, selector)
            mstore(add(pointer, 0x04), calldataload(add(words.offset, shl(5, licence))))
            mstore(add(pointer, 0x24), and(shr(184, head), 0xffffffff))
            mstore(add(pointer, 0x44), calldataload(add(item, 17)))
            mstore(add(pointer, 0x64), and(shr(120, head), 0xffffffffffffffff))
            calldatacopy(add(pointer, 0x84), add(words.offset, shl(5, key)), 0x40)
            calldatacopy(add(pointer, 0xc4), add(item, 49), 0x40)
            length := 0x104
            mstore(0x40, add(pointer, 0x120))
        }
    }
}
