// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";

contract GrantTest is LedgerTest {
    function test_KeepsWhatWasSignedAndEmits() external {
        terms.salt = keccak256("another");
        terms.printers = keccak256("root");
        bytes32 id = hashOf(terms);
        bytes memory signature = sign(OWNER_KEY, id);
        uint256 limits = 3 | (2 << 32) | (uint256(START) << 64) | (uint256(END) << 104);
        expectEvent();
        emit IPrintLedger.LicenceGranted(id, revision, provider, terms.printers, limits, terms.terms, terms.salt);
        ledger.grant(terms, signature);

        IPrintLedger.LicenceState memory kept = ledger.licenceState(id);
        assert(kept.provider == provider && kept.startsAt == START && kept.expiresAt == END);
        assert(kept.prints == 3 && kept.reprints == 2 && kept.printers == terms.printers && !kept.revoked);
        assert(kept.credited == 0 && kept.used == 0 && kept.base == 0 && kept.window == 0);
    }

    function testFuzz_KeepsEveryField(
        address provider_,
        bytes32 printers,
        uint32 prints,
        uint32 reprints,
        uint40 startsAt,
        uint40 expiresAt
    ) external {
        vm.assume(provider_ != address(0) && prints != 0 && startsAt < expiresAt);
        (terms.provider, terms.printers, terms.prints, terms.reprints) = (provider_, printers, prints, reprints);
        (terms.startsAt, terms.expiresAt) = (startsAt, expiresAt);
        IPrintLedger.LicenceState memory kept = ledger.licenceState(grant(terms));
        assert(kept.provider == provider_ && kept.printers == printers);
        assert(kept.prints == prints && kept.reprints == reprints);
        assert(kept.startsAt == startsAt && kept.expiresAt == expiresAt);
        assert(kept.credited == 0 && kept.used == 0 && !kept.revoked);
    }

    function test_RevertWhen_GrantedAlready() external {
        bytes memory signature = sign(OWNER_KEY, licence);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_AlreadyGranted.selector, licence));
        ledger.grant(terms, signature);
    }

    function test_RevertWhen_ExhaustedLicenceIsGrantedAgain() external {
        for (uint32 sequence = 1; sequence <= 3; ++sequence) {
            print(sequence);
        }
        bytes memory signature = sign(OWNER_KEY, licence);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_AlreadyGranted.selector, licence));
        ledger.grant(terms, signature);
    }

    function test_RevertWhen_RevokedLicenceIsGrantedAgain() external {
        revoke(terms);
        bytes memory signature = sign(OWNER_KEY, licence);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_AlreadyGranted.selector, licence));
        ledger.grant(terms, signature);
    }

    function test_RevertWhen_RevisionIsUnknown() external {
        terms.revision = 0;
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownRevision.selector, bytes32(0)));
    }

    function test_RevertWhen_RevisionIsSomebodyElses() external {
        terms.revision = publish(STRANGER_KEY, keccak256("theirs"));
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_NotRevisionOwner.selector, terms.revision, owner));
    }

    function test_RevertWhen_SomebodyElseSigned() external {
        terms.salt = keccak256("another");
        bytes memory signature = sign(PROVIDER_KEY, hashOf(terms));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.grant(terms, signature);
    }

    function test_RevertWhen_AFieldDiffersFromWhatWasSigned() external {
        terms.salt = keccak256("another");
        bytes memory signature = sign(OWNER_KEY, hashOf(terms));
        terms.prints = 4;
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.grant(terms, signature);
    }

    function test_RevertWhen_NoPrints() external {
        terms.prints = 0;
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_EmptyLicence.selector));
    }

    function test_RevertWhen_NoProvider() external {
        terms.provider = address(0);
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_EmptyLicence.selector));
    }

    function test_RevertWhen_WindowIsEmpty() external {
        terms.expiresAt = terms.startsAt;
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidWindow.selector, START, START));
    }

    function testFuzz_RevertWhen_WindowIsBeyondFortyBits(uint64 expiresAt) external {
        vm.assume(expiresAt > type(uint40).max);
        terms.expiresAt = expiresAt;
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidWindow.selector, START, expiresAt));
    }

    /// @dev Words with dirt above a short member must not pass for the clean licence.
    function test_RevertWhen_CalldataIsNotClean() external {
        terms.salt = keccak256("another");
        bytes memory call = abi.encodeCall(ledger.grant, (terms, sign(OWNER_KEY, hashOf(terms))));
        for (uint256 member = 0; member < 10; ++member) {
            bytes memory dirty = bytes.concat(call);
            dirty[4 + member * 32] ^= 0x01;
            (bool done,) = address(ledger).call(dirty);
            assert(!done);
        }
        (bool clean,) = address(ledger).call(call);
        assert(clean);
    }

    function _refuses(bytes memory reason) private {
        bytes memory signature = sign(OWNER_KEY, hashOf(terms));
        expectRefusal(reason);
        ledger.grant(terms, signature);
    }
}

contract RevokeTest is LedgerTest {
    function test_RevokesAndEmits() external {
        bytes memory signature = sign(OWNER_KEY, hashOfRevocation(licence));
        expectEvent();
        emit IPrintLedger.LicenceRevoked(licence);
        ledger.revoke(terms, signature);
        IPrintLedger.LicenceState memory kept = state();
        assert(kept.revoked && kept.provider == provider && kept.prints == 3 && kept.expiresAt == END);
    }

    function test_RevertWhen_RevokedAlready() external {
        revoke(terms);
        bytes memory signature = sign(OWNER_KEY, hashOfRevocation(licence));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_LicenceRevoked.selector, licence));
        ledger.revoke(terms, signature);
    }

    function test_RevertWhen_NotGranted() external {
        terms.salt = keccak256("another");
        bytes32 id = hashOf(terms);
        bytes memory signature = sign(OWNER_KEY, hashOfRevocation(id));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownLicence.selector, id));
        ledger.revoke(terms, signature);
    }

    function test_RevertWhen_OwnerInTheCallIsNotTheGrants() external {
        // naming oneself the owner makes it another licence
        terms.owner = vm.addr(STRANGER_KEY);
        bytes memory signature = sign(STRANGER_KEY, hashOfRevocation(licence));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownLicence.selector, hashOf(terms)));
        ledger.revoke(terms, signature);
    }

    function test_RevertWhen_TheProviderSigned() external {
        bytes memory signature = sign(PROVIDER_KEY, hashOfRevocation(licence));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.revoke(terms, signature);
    }

    function test_RevertWhen_TheGrantsSignatureIsReused() external {
        bytes memory signature = sign(OWNER_KEY, licence);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        ledger.revoke(terms, signature);
    }
}
