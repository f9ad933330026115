// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";

/// @dev Calls the ledger as anybody might, in any order, and keeps the plainest account of what should stand there.
contract Handler is LedgerTest {
    uint32 private constant PRINTS = 5;
    uint32 private constant REPRINTS = 2;
    uint32 private constant NUMBERS = PRINTS + REPRINTS + 2;
    uint256 private constant OTHER_KEY = 0x07E2;
    uint256 private constant OTHER_PRINTER_KEY = 0x9123;

    mapping(uint32 sequence => bool) public printed;
    mapping(uint32 sequence => bool) public reported;
    uint32 public printCount;
    uint32 public credited;
    uint32 public moved;
    uint32 public highest;
    IPrintLedger.PrintTransfer[] private transfers;
    bool public revoked;
    mapping(uint256 printerKey => bool) public retired;

    constructor() {
        setUp();
        enrol(PROVIDER_KEY, SECOND_PRINTER_KEY);
        enrol(OTHER_KEY, OTHER_PRINTER_KEY);
        (terms.prints, terms.reprints) = (PRINTS, REPRINTS);
        licence = grant(terms);
    }

    function tryPrint(uint256 seed) external {
        (uint32 sequence, uint256 key) = (uint32(seed % (NUMBERS + 1)), _key(seed));
        IPrintLedger.PrintClaim memory statement = claim(licence, sequence);
        bytes memory call = abi.encodeCall(ledger.recordPrint, (statement, signedBy(key, hashOf(statement))));
        _run(call, _printDue(sequence, key));
    }

    /// @dev Three prints in a packed batch, by one printer; the batch itself always ends well.
    function tryBatch(uint256 seed) external {
        uint256 key = _key(seed);
        IPrintLedger.Enrolment memory device = enrolment(provider, key);
        bytes32[] memory words = new bytes32[](3);
        (words[0], words[1], words[2]) = (licence, device.keyX, device.keyY);
        bytes memory items;
        for (uint256 item = 0; item < 3; ++item) {
            uint32 sequence = uint32((seed >> (8 * item)) % (NUMBERS + 1));
            IPrintLedger.PrintClaim memory statement = claim(licence, sequence);
            items = bytes.concat(items, packedPrint(0, 1, statement, signedBy(key, hashOf(statement))));
            _printDue(sequence, key);
        }
        _run(abi.encodeCall(ledger.batch, (words, items)), true);
    }

    /// @dev Two prints on one plate: both or none, whichever of them the ledger would refuse.
    function tryPlate(uint256 seed) external {
        uint256 key = _key(seed);
        IPrintLedger.PrintClaim[] memory claims = new IPrintLedger.PrintClaim[](2);
        (uint32 one, uint32 other) = (uint32(seed % (NUMBERS + 1)), uint32((seed >> 8) % (NUMBERS + 1)));
        (claims[0], claims[1]) = (claim(licence, one), claim(licence, other));
        bytes memory call = abi.encodeCall(ledger.recordPlate, (claims, signedBy(key, hashOf(claims)), noProofs(2)));
        bool due = one != other && _isDue(one, key) && _isDue(other, key);
        _run(call, due);
        if (due) assert(_printDue(one, key) && _printDue(other, key));
    }

    function tryTransfer(uint256 seed) external {
        uint32 count = uint32(seed % (PRINTS + 2));
        IPrintLedger.PrintTransfer memory statement =
            IPrintLedger.PrintTransfer(licence, vm.addr(OTHER_KEY), count, bytes32(transfers.length));
        uint256 signer = (seed >> 64) % 4 == 0 ? STRANGER_KEY : PROVIDER_KEY;
        bytes memory signature = sign(signer, hashOf(statement));
        bytes memory call = _transferCall(statement, signature);
        bool due = signer == PROVIDER_KEY && !revoked && block.timestamp < END && count != 0
            && count + moved + highest <= PRINTS + credited;
        _run(call, due);
        if (!due) return;
        moved += count;
        transfers.push(statement);
    }

    /// @dev The other provider prints on what it got; the origin's revocation is not its own.
    function tryPrintTransferred(uint256 seed) external {
        if (transfers.length == 0) return;
        IPrintLedger.PrintTransfer memory statement = transfers[seed % transfers.length];
        bytes32 id = hashOf(transferred(terms, statement));
        uint32 sequence = uint32((seed >> 64) % (PRINTS + 2));
        IPrintLedger.PrintClaim memory asked = claim(id, sequence);
        bool due =
            sequence != 0 && sequence <= statement.prints && !ledger.isRecorded(id, sequence) && block.timestamp < END;
        bytes memory call = abi.encodeCall(ledger.recordPrint, (asked, signedBy(OTHER_PRINTER_KEY, hashOf(asked))));
        _run(call, due);
        assert(!due || ledger.isRecorded(id, sequence));
    }

    function tryReport(uint256 seed, uint8 result) external {
        uint32 sequence = uint32(seed % (NUMBERS + 1));
        result = result % 5;
        uint256 key = _key(seed);
        IPrintLedger.PrinterSignature memory signature = signedOutcome(key, licence, sequence, result);
        bytes memory call = abi.encodeCall(ledger.recordOutcome, (licence, sequence, result, REPORT, signature));
        bool due = printed[sequence] && !reported[sequence] && result >= 1 && result <= 3 && key != STRANGER_KEY;
        _run(call, due);
        if (!due) return;
        reported[sequence] = true;
        if (result == 2 && credited < REPRINTS) ++credited;
    }

    function tryGrantAgain() external {
        _run(abi.encodeCall(ledger.grant, (terms, sign(OWNER_KEY, licence))), false);
    }

    function tryEnrolAgain(uint256 seed) external {
        uint256 key = seed % 2 == 0 ? PRINTER_KEY : SECOND_PRINTER_KEY;
        IPrintLedger.Enrolment memory statement = enrolment(provider, key);
        (bytes32 r, bytes32 s) = signP256(key, hashOf(statement));
        _run(abi.encodeCall(ledger.enrol, (statement, sign(PROVIDER_KEY, hashOf(statement)), r, s)), false);
    }

    function tryRevoke(uint256 seed) external {
        if (seed % 8 != 0) return;
        _run(abi.encodeCall(ledger.revoke, (terms, sign(OWNER_KEY, hashOfRevocation(licence)))), !revoked);
        revoked = true;
    }

    function tryRevokeAsProvider() external {
        _run(abi.encodeCall(ledger.revoke, (terms, sign(PROVIDER_KEY, hashOfRevocation(licence)))), false);
    }

    function tryRetire(uint256 seed) external {
        if (seed % 8 != 0) return;
        bytes memory signature = sign(PROVIDER_KEY, hashOfRetirement(printer));
        _run(abi.encodeCall(ledger.retire, (IPrintLedger.Retirement(printer), signature)), !retired[PRINTER_KEY]);
        retired[PRINTER_KEY] = true;
    }

    function pass(uint32 time) external {
        vm.warp(block.timestamp + time % 8_000_000);
    }

    /// @dev I1 to I5 and I12 of the README, against the account kept here.
    function check() external view {
        IPrintLedger.LicenceState memory kept = ledger.licenceState(licence);
        assert(kept.used == printCount && kept.used <= kept.prints + kept.credited);
        assert(kept.credited == credited && kept.credited <= kept.reprints);
        assert(kept.prints + moved == PRINTS && kept.reprints == REPRINTS && kept.provider == provider);
        _checkTransferred(kept);
        assert(kept.startsAt == START && kept.expiresAt == END && kept.revoked == revoked);
        for (uint32 sequence = 0; sequence <= NUMBERS; ++sequence) {
            assert(ledger.isRecorded(licence, sequence) == printed[sequence]);
            assert(ledger.isReported(licence, sequence) == reported[sequence]);
        }
    }

    /// @dev All prints of a licence and of what was transferred from it are those the owner granted.
    function _checkTransferred(IPrintLedger.LicenceState memory kept) private view {
        uint256 prints = kept.prints;
        uint256 used = kept.used;
        for (uint256 index = 0; index < transfers.length; ++index) {
            IPrintLedger.LicenceState memory made = ledger.licenceState(hashOf(transferred(terms, transfers[index])));
            assert(made.used <= made.prints && made.credited == 0 && made.reprints == 0 && !made.revoked);
            (prints, used) = (prints + made.prints, used + made.used);
        }
        assert(prints == PRINTS && used <= PRINTS + credited);
    }

    function _transferCall(IPrintLedger.PrintTransfer memory statement, bytes memory signature)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(
            ledger.transfer, (terms, statement.provider, statement.prints, statement.salt, signature, consent(terms))
        );
    }

    /// @dev Whether a print is due, and the account of it if it is.
    function _printDue(uint32 sequence, uint256 key) private returns (bool due) {
        due = _isDue(sequence, key);
        if (!due) return false;
        (printed[sequence], printCount) = (true, printCount + 1);
        if (sequence > highest) highest = sequence;
    }

    function _isDue(uint32 sequence, uint256 key) private view returns (bool) {
        return !revoked && !retired[key] && key != STRANGER_KEY && block.timestamp < END && sequence != 0
            && sequence <= PRINTS - moved + credited && !printed[sequence];
    }

    function _run(bytes memory call, bool due) private {
        (bool done,) = address(ledger).call(call);
        assert(done == due);
    }

    function _key(uint256 seed) private pure returns (uint256) {
        uint256 choice = (seed >> 64) % 4;
        if (choice == 0) return STRANGER_KEY;
        return choice == 1 ? PRINTER_KEY : SECOND_PRINTER_KEY;
    }
}

contract InvariantsTest {
    struct Selectors {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() external {
        handler = new Handler();
    }

    function targetSelectors() external view returns (Selectors[] memory targets) {
        bytes4[] memory selectors = new bytes4[](12);
        selectors[0] = Handler.tryPrint.selector;
        selectors[1] = Handler.tryReport.selector;
        selectors[2] = Handler.tryGrantAgain.selector;
        selectors[3] = Handler.tryEnrolAgain.selector;
        selectors[4] = Handler.tryRevoke.selector;
        selectors[5] = Handler.tryRevokeAsProvider.selector;
        selectors[6] = Handler.tryRetire.selector;
        selectors[7] = Handler.pass.selector;
        selectors[8] = Handler.tryBatch.selector;
        selectors[9] = Handler.tryTransfer.selector;
        selectors[10] = Handler.tryPrintTransferred.selector;
        selectors[11] = Handler.tryPlate.selector;
        targets = new Selectors[](1);
        targets[0] = Selectors(address(handler), selectors);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_TheLedgerHoldsWhatWasDueAndNothingElse() external view {
        handler.check();
    }
}
