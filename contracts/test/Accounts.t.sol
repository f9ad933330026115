// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {PrintLedger} from "../src/PrintLedger.sol";
import {LedgerTest, Wallet} from "./LedgerTest.sol";

contract PublishTest is LedgerTest {
    function test_RecordsTheOwnerAndEmits() external {
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(owner, keccak256("another"));
        bytes32 id = hashOf(statement);
        bytes memory signature = sign(OWNER_KEY, id);
        expectEvent();
        emit IPrintLedger.RevisionPublished(id, owner, statement.commitment);
        ledger.publish(statement, signature);
        assert(ledger.revisionOwner(id) == owner);
    }

    function test_TwoOwnersMayPublishOneCommitment() external {
        bytes32 theirs = publish(STRANGER_KEY, keccak256("commitment"));
        assert(theirs != revision);
        assert(ledger.revisionOwner(revision) == owner);
    }

    function test_RevertWhen_PublishedAlready() external {
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(owner, keccak256("commitment"));
        bytes memory signature = sign(OWNER_KEY, revision);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_AlreadyPublished.selector, revision));
        ledger.publish(statement, signature);
    }

    function test_RevertWhen_SomebodyElseSigned() external {
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(owner, keccak256("another"));
        bytes memory signature = sign(STRANGER_KEY, hashOf(statement));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.publish(statement, signature);
    }

    function test_RevertWhen_OwnerIsZero() external {
        // a signature that recovers to nobody must not count as nobody's
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(address(0), keccak256("another"));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, address(0)));
        ledger.publish(statement, new bytes(65));
    }

    function test_RevertWhen_SignatureIsForAnotherChain() external {
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(owner, keccak256("another"));
        bytes memory signature = sign(OWNER_KEY, hashOf(statement));
        vm.chainId(block.chainid + 1);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.publish(statement, signature);
    }

    function test_RevertWhen_SignatureIsForAnotherContract() external {
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(owner, keccak256("another"));
        bytes memory signature = sign(OWNER_KEY, hashOf(statement));
        PrintLedger other = new PrintLedger();
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        other.publish(statement, signature);
    }

    function testFuzz_RevertWhen_SignatureIsAltered(uint256 position, uint8 mask) external {
        vm.assume(mask != 0);
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(owner, keccak256("another"));
        bytes memory signature = sign(OWNER_KEY, hashOf(statement));
        signature[position % 65] ^= bytes1(mask);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.publish(statement, signature);
    }

    function test_RevertWhen_SignatureIsMalleated() external {
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(owner, keccak256("another"));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, digestOf(hashOf(statement)));
        bytes memory other =
            abi.encodePacked(r, bytes32(SECP256K1_ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.publish(statement, other);
    }

    function test_RevertWhen_SignatureIsCompact() external {
        // EIP-2098 would be a second spelling of the same signature
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(owner, keccak256("another"));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, digestOf(hashOf(statement)));
        bytes32 vs = bytes32((uint256(v - 27) << 255) | uint256(s));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.publish(statement, abi.encodePacked(r, vs));
    }
}

contract WalletTest is LedgerTest {
    function test_WalletMayOwnAndLicense() external {
        Wallet wallet = new Wallet(vm.addr(STRANGER_KEY), false);
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(address(wallet), keccak256("another"));
        ledger.publish(statement, sign(STRANGER_KEY, hashOf(statement)));
        terms.owner = address(wallet);
        terms.revision = hashOf(statement);
        ledger.grant(terms, sign(STRANGER_KEY, hashOf(terms)));
        assert(ledger.licenceState(hashOf(terms)).prints == 3);
    }

    function test_RevertWhen_WalletRefuses() external {
        Wallet wallet = new Wallet(vm.addr(STRANGER_KEY), false);
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(address(wallet), keccak256("another"));
        bytes memory signature = sign(OWNER_KEY, hashOf(statement));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, address(wallet)));
        ledger.publish(statement, signature);
    }

    function test_RevertWhen_ContractIsNoWallet() external {
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(address(ledger), keccak256("another"));
        bytes memory signature = sign(OWNER_KEY, hashOf(statement));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, address(ledger)));
        ledger.publish(statement, signature);
    }
}
