// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {LedgerTest, Wallet} from "./LedgerTest.sol";

contract TransferTest is LedgerTest {
    uint256 private constant OTHER_KEY = 0x07E2;
    uint256 private constant OTHER_PRINTER_KEY = 0x9123;

    IPrintLedger.PrintTransfer private statement;

    function setUp() public override {
        super.setUp();
        enrol(OTHER_KEY, OTHER_PRINTER_KEY);
        statement = IPrintLedger.PrintTransfer(licence, vm.addr(OTHER_KEY), 2, keccak256("transfer"));
    }

    function test_MovesThePrintsAndEmits() external {
        bytes32 made = hashOf(transferred(terms, statement));
        bytes memory signature = sign(PROVIDER_KEY, hashOf(statement));
        bytes memory consented = consent(terms);
        expectEvent();
        emit IPrintLedger.PrintsTransferred(made, licence, statement.provider, 2, statement.salt);
        _transfer(terms, statement, signature, consented);

        IPrintLedger.LicenceState memory kept = ledger.licenceState(made);
        assert(kept.provider == statement.provider && kept.prints == 2 && kept.reprints == 0);
        assert(kept.startsAt == START && kept.expiresAt == END && kept.used == 0 && !kept.revoked);
        assert(state().prints == 1 && state().reprints == 2 && state().provider == provider);
    }

    function test_EachProviderPrintsItsOwnShareAndNoMore() external {
        bytes32 made = passOn(terms, statement);
        recordPrint(OTHER_PRINTER_KEY, made, 1);
        recordPrint(OTHER_PRINTER_KEY, made, 2);
        print(1);
        _refusesPrint(OTHER_PRINTER_KEY, made, 3, 2);
        _refusesPrint(PRINTER_KEY, licence, 2, 1);
    }

    function test_OnlyPrintsAboveTheHighestNumberCanGo() external {
        print(2);
        assert(state().base == 0);
        _refuses(_not(2, 1));
        statement.prints = 1;
        passOn(terms, statement);
        // the number left below is still good, and the one above is gone
        print(1);
        _refusesPrint(PRINTER_KEY, licence, 3, 2);
        assert(state().used == 2);
    }

    function test_ACreditedPrintCanGoTheReprintsStay() external {
        for (uint32 sequence = 1; sequence <= 3; ++sequence) {
            print(sequence);
        }
        report(1, 2);
        statement.prints = 1;
        bytes32 made = passOn(terms, statement);
        assert(state().prints == 2 && state().credited == 1 && state().reprints == 2);
        report(2, 2);
        print(4);
        recordPrint(OTHER_PRINTER_KEY, made, 1);
        recordOutcome(OTHER_PRINTER_KEY, made, 1, 2);
        assert(ledger.licenceState(made).credited == 0);
    }

    function test_EverythingCanGo() external {
        statement.prints = 3;
        bytes32 made = passOn(terms, statement);
        assert(state().prints == 0 && ledger.licenceState(made).prints == 3);
        _refusesPrint(PRINTER_KEY, licence, 1, 0);
        bytes memory signature = sign(OWNER_KEY, licence);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_AlreadyGranted.selector, licence));
        ledger.grant(terms, signature);
    }

    function test_TheListOfPrintersGoesAlong() external {
        terms.printers = keccak256(abi.encode(hashOf(enrolment(vm.addr(OTHER_KEY), OTHER_PRINTER_KEY))));
        statement.licence = grant(terms);
        bytes32 made = passOn(terms, statement);
        assert(ledger.licenceState(made).printers == terms.printers);
        recordPrint(OTHER_PRINTER_KEY, made, 1);
    }

    function test_WhatWasMadeIsRevokedByItsOwn() external {
        bytes32 made = passOn(terms, statement);
        revoke(terms);
        recordPrint(OTHER_PRINTER_KEY, made, 1);
        revoke(transferred(terms, statement));
        IPrintLedger.PrintClaim memory second = claim(made, 2);
        IPrintLedger.PrinterSignature memory signature = signedBy(OTHER_PRINTER_KEY, hashOf(second));
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_LicenceRevoked.selector, made));
        ledger.recordPrint(second, signature);
    }

    function test_WhatWasMadeNeedsItsOwnConsent() external {
        IPrintLedger.Licence memory made = transferred(terms, statement);
        statement.licence = passOn(terms, statement);
        (statement.provider, statement.prints) = (provider, 1);
        bytes memory signature = sign(OTHER_KEY, hashOf(statement));
        bytes memory old = consent(terms);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner));
        _transfer(made, statement, signature, old);
        _transfer(made, statement, signature, consent(made));
    }

    function test_WalletsMayConsentAndTransfer() external {
        (Wallet rich, Wallet busy) = (new Wallet(owner, false), new Wallet(provider, false));
        IPrintLedger.Publication memory publication = IPrintLedger.Publication(address(rich), keccak256("theirs"));
        ledger.publish(publication, sign(OWNER_KEY, hashOf(publication)));
        (terms.owner, terms.provider, terms.revision) = (address(rich), address(busy), hashOf(publication));
        statement.licence = grant(terms);
        assert(ledger.licenceState(passOn(terms, statement)).prints == 2);
    }

    function test_RevertWhen_TheOwnerDidNotConsent() external {
        bytes memory signature = sign(PROVIDER_KEY, hashOf(statement));
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, owner);
        bytes memory theirs = sign(PROVIDER_KEY, hashOfConsent(licence));
        expectRefusal(reason);
        _transfer(terms, statement, signature, theirs);
        bytes memory granted = sign(OWNER_KEY, licence);
        expectRefusal(reason);
        _transfer(terms, statement, signature, granted);
        bytes memory revoked = sign(OWNER_KEY, hashOfRevocation(licence));
        expectRefusal(reason);
        _transfer(terms, statement, signature, revoked);
    }

    function test_RevertWhen_TheProviderDidNotSign() external {
        bytes memory signature = sign(OWNER_KEY, hashOf(statement));
        bytes memory consented = consent(terms);
        expectRefusal(abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, provider));
        _transfer(terms, statement, signature, consented);
    }

    function test_RevertWhen_AnyFieldDiffersFromWhatWasSigned() external {
        bytes memory signature = sign(PROVIDER_KEY, hashOf(statement));
        bytes memory consented = consent(terms);
        bytes memory reason = abi.encodeWithSelector(IPrintLedger.PrintLedger_InvalidSignature.selector, provider);
        IPrintLedger.PrintTransfer memory altered = statement;
        altered.provider = vm.addr(STRANGER_KEY);
        expectRefusal(reason);
        _transfer(terms, altered, signature, consented);
        (altered.provider, altered.prints) = (statement.provider, 1);
        expectRefusal(reason);
        _transfer(terms, altered, signature, consented);
        (altered.prints, altered.salt) = (2, 0);
        expectRefusal(reason);
        _transfer(terms, altered, signature, consented);
    }

    function test_RevertWhen_ItIsRepeated() external {
        statement.prints = 1;
        bytes32 made = passOn(terms, statement);
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_AlreadyGranted.selector, made));
    }

    function test_RevertWhen_NoPrintsGo() external {
        statement.prints = 0;
        _refuses(_not(0, 3));
    }

    function testFuzz_RevertWhen_MoreGoThanAreLeft(uint32 prints) external {
        vm.assume(prints > 3);
        statement.prints = prints;
        _refuses(_not(prints, 3));
    }

    function test_RevertWhen_TheyGoToNobody() external {
        statement.provider = address(0);
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_EmptyLicence.selector));
    }

    function test_RevertWhen_TheOriginIsRevoked() external {
        revoke(terms);
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_LicenceRevoked.selector, licence));
    }

    function test_RevertWhen_TheOriginHasExpired() external {
        vm.warp(END);
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_LicenceExpired.selector, licence, END));
    }

    function test_RevertWhen_TheOriginIsUnknown() external {
        terms.salt = keccak256("another");
        statement.licence = hashOf(terms);
        _refuses(abi.encodeWithSelector(IPrintLedger.PrintLedger_UnknownLicence.selector, statement.licence));
    }

    function _not(uint32 prints, uint32 left) private view returns (bytes memory) {
        return abi.encodeWithSelector(IPrintLedger.PrintLedger_NotTransferable.selector, licence, prints, left);
    }

    function _refuses(bytes memory reason) private {
        bytes memory signature = sign(PROVIDER_KEY, hashOf(statement));
        bytes memory consented = consent(terms);
        expectRefusal(reason);
        _transfer(terms, statement, signature, consented);
    }

    function _refusesPrint(uint256 key, bytes32 licence_, uint32 sequence, uint32 allowed) private {
        IPrintLedger.PrintClaim memory asked = claim(licence_, sequence);
        IPrintLedger.PrinterSignature memory signature = signedBy(key, hashOf(asked));
        expectRefusal(
            abi.encodeWithSelector(IPrintLedger.PrintLedger_CountExhausted.selector, licence_, sequence, allowed)
        );
        ledger.recordPrint(asked, signature);
    }
}
