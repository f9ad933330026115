// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IPrintLedger} from "./IPrintLedger.sol";

/// @title The print ledger
/// @notice Counts prints of licensed designs; see `IPrintLedger` for what each statement means and `../README.md` for
/// the numbered invariants (I1, I2, …).
/// @dev No owner, no role, no upgrade, no external call but `staticcall` to a wallet (ERC-1271) and to precompiles, so
/// nothing can be re-entered. Storage a print touches: two slots of the licence, one of the printer, a third of the
/// licence where printers are listed; none of them new, so the first print costs what the last one does.
contract PrintLedger is IPrintLedger, EIP712 {
    /// @dev What a licence fixes when it is granted, and whether it was revoked. One slot.
    struct Terms {
        address provider;
        uint40 startsAt;
        uint40 expiresAt;
        bool listed;
        bool revoked;
    }

    /// @dev What a licence counts. One slot, never zero once granted.
    struct Counters {
        uint32 prints;
        uint32 reprints;
        uint32 credited;
        uint32 base;
        uint128 window;
    }

    struct LicenceRecord {
        Terms terms;
        Counters counters;
        bytes32 printers;
    }

    struct PrinterRecord {
        address provider;
        bool retired;
    }

    bytes32 private constant PUBLICATION_TYPEHASH = keccak256("Publication(address owner,bytes32 commitment)");
    bytes32 private constant LICENCE_TYPEHASH =
        keccak256(
            "Licence(bytes32 revision,address owner,address provider,bytes32 printers,uint32 prints,uint32 reprints,"
            "uint64 startsAt,uint64 expiresAt,bytes32 terms,bytes32 salt)"
        );
    bytes32 private constant REVOCATION_TYPEHASH = keccak256("Revocation(bytes32 licence)");
    bytes32 private constant ENROLMENT_TYPEHASH = keccak256("Enrolment(address provider,bytes32 keyX,bytes32 keyY)");
    bytes32 private constant RETIREMENT_TYPEHASH = keccak256("Retirement(bytes32 printer)");
    bytes32 private constant CLAIM_TYPEHASH =
        keccak256("PrintClaim(bytes32 licence,uint32 sequence,bytes32 token,uint64 deadline)");
    bytes32 private constant OUTCOME_TYPEHASH = keccak256("PrintOutcome(bytes32 print,uint8 result,bytes32 report)");

    /// @dev How far ahead of the lowest unconsumed number a claim may run.
    uint256 private constant WINDOW = 128;
    uint8 private constant FAILED = 2;
    uint8 private constant CANCELLED = 3;
    /// @dev Gas every item of a batch may use, and what the loop itself needs after one that used it all.
    uint256 private constant ITEM_GAS = 1_000_000;
    uint256 private constant LOOP_GAS = 30_000;

    mapping(bytes32 revision => address owner) private _revisionOwners;
    mapping(bytes32 licence => LicenceRecord record) private _licences;
    mapping(bytes32 printer => PrinterRecord record) private _printers;
    mapping(bytes32 licence => mapping(uint256 word => uint256 bits)) private _reported;

    constructor() EIP712("PartVault PrintLedger", "1") {}

    /// @inheritdoc IPrintLedger
    function publish(Publication calldata publication, bytes calldata ownerSignature) external {
        bytes32 revision = keccak256(abi.encode(PUBLICATION_TYPEHASH, publication.owner, publication.commitment));
        if (_revisionOwners[revision] != address(0)) revert PrintLedger_AlreadyPublished(revision);
        _requireAccountSignature(publication.owner, revision, ownerSignature);

        _revisionOwners[revision] = publication.owner;
        emit RevisionPublished(revision, publication.owner, publication.commitment);
    }

    /// @inheritdoc IPrintLedger
    function grant(Licence calldata licence, bytes calldata ownerSignature) external {
        bytes32 id = _hashLicence(licence);
        LicenceRecord storage record = _licences[id];
        if (record.terms.provider != address(0)) revert PrintLedger_AlreadyGranted(id);
        _requireRevisionOwner(licence.revision, licence.owner);
        if (licence.prints == 0 || licence.provider == address(0)) revert PrintLedger_EmptyLicence();
        if (licence.startsAt >= licence.expiresAt || licence.expiresAt > type(uint40).max) {
            revert PrintLedger_InvalidWindow(licence.startsAt, licence.expiresAt);
        }
        _requireAccountSignature(licence.owner, id, ownerSignature);

        record.terms = Terms({
            provider: licence.provider,
            startsAt: uint40(licence.startsAt),
            expiresAt: uint40(licence.expiresAt),
            listed: licence.printers != 0,
            revoked: false
        });
        record.counters = Counters({
            prints: licence.prints,
            reprints: licence.reprints,
            credited: 0,
            base: 0,
            window: 0
        });
        if (licence.printers != 0) record.printers = licence.printers;
        _emitLicenceGranted(id, licence);
    }

    /// @inheritdoc IPrintLedger
    function revoke(Licence calldata licence, bytes calldata ownerSignature) external {
        bytes32 id = _hashLicence(licence);
        Terms storage terms = _licences[id].terms;
        if (terms.provider == address(0)) revert PrintLedger_UnknownLicence(id);
        if (terms.revoked) revert PrintLedger_LicenceRevoked(id);
        _requireAccountSignature(licence.owner, keccak256(abi.encode(REVOCATION_TYPEHASH, id)), ownerSignature);

        terms.revoked = true;
        emit LicenceRevoked(id);
    }

    /// @inheritdoc IPrintLedger
    function enrol(
        Enrolment calldata enrolment,
        bytes calldata providerSignature,
        bytes32 printerR,
        bytes32 printerS
    ) external {
        bytes32 printer = _hashEnrolment(enrolment.provider, enrolment.keyX, enrolment.keyY);
        if (_printers[printer].provider != address(0)) revert PrintLedger_AlreadyEnrolled(printer);
        _requireAccountSignature(enrolment.provider, printer, providerSignature);
        _requirePrinterSignature(
            printer,
            printer,
            PrinterSignature({keyX: enrolment.keyX, keyY: enrolment.keyY, r: printerR, s: printerS})
        );

        _printers[printer] = PrinterRecord({provider: enrolment.provider, retired: false});
        emit PrinterEnrolled(printer, enrolment.provider, enrolment.keyX, enrolment.keyY);
    }

    /// @inheritdoc IPrintLedger
    function retire(Retirement calldata retirement, bytes calldata providerSignature) external {
        bytes32 printer = retirement.printer;
        PrinterRecord memory record = _printers[printer];
        if (record.provider == address(0)) revert PrintLedger_UnknownPrinter(printer);
        if (record.retired) revert PrintLedger_PrinterRetired(printer);
        bytes32 statement = keccak256(abi.encode(RETIREMENT_TYPEHASH, printer));
        _requireAccountSignature(record.provider, statement, providerSignature);

        _printers[printer].retired = true;
        emit PrinterRetired(printer);
    }

    /// @inheritdoc IPrintLedger
    /// @dev Steps: (1) the licence permits printing now, (2) its provider enrolled this printer, (3) the licence's list
    /// names it, (4) the printer signed this claim, (5) the number is free and within the count.
    function recordPrint(
        PrintClaim calldata claim,
        PrinterSignature calldata signature,
        bytes32[] calldata proof
    ) external {
        LicenceRecord storage record = _licences[claim.licence];
        Terms memory terms = record.terms;
        // (1)
        _requireOpen(claim.licence, terms);
        if (block.timestamp > claim.deadline) revert PrintLedger_ClaimExpired(claim.deadline);
        // (2) the id contains the provider, so another provider's printer is simply unknown
        bytes32 printer = _hashEnrolment(terms.provider, signature.keyX, signature.keyY);
        PrinterRecord memory enrolled = _printers[printer];
        if (enrolled.provider == address(0)) revert PrintLedger_UnknownPrinter(printer);
        if (enrolled.retired) revert PrintLedger_PrinterRetired(printer);
        // (3)
        bool allowed = terms.listed
            ? MerkleProof.verifyCalldata(proof, record.printers, keccak256(abi.encode(printer)))
            : proof.length == 0;
        if (!allowed) revert PrintLedger_PrinterNotAllowed(claim.licence, printer);
        // (4)
        bytes32 statement = keccak256(
            abi.encode(CLAIM_TYPEHASH, claim.licence, claim.sequence, claim.token, claim.deadline)
        );
        _requirePrinterSignature(printer, statement, signature);
        // (5)
        record.counters = _consume(claim.licence, record.counters, claim.sequence);
        emit PrintRecorded(claim.licence, printer, claim.sequence, claim.token);
    }

    /// @inheritdoc IPrintLedger
    /// @dev Neither the window nor a revocation nor a retirement stops an outcome: the print happened. Any printer the
    /// provider enrolled may report it; see I7.
    function recordOutcome(
        bytes32 licence,
        uint32 sequence,
        uint8 result,
        bytes32 report,
        PrinterSignature calldata signature
    ) external {
        LicenceRecord storage record = _licences[licence];
        address provider = record.terms.provider;
        Counters memory counters = record.counters;
        if (provider == address(0)) revert PrintLedger_UnknownLicence(licence);
        if (!_isConsumed(counters, sequence)) revert PrintLedger_NotPrinted(licence, sequence);
        if (result == 0 || result > CANCELLED) revert PrintLedger_InvalidResult(result);
        bytes32 printer = _hashEnrolment(provider, signature.keyX, signature.keyY);
        if (_printers[printer].provider == address(0)) revert PrintLedger_UnknownPrinter(printer);
        bytes32 print = keccak256(abi.encode(licence, sequence));
        _requirePrinterSignature(printer, keccak256(abi.encode(OUTCOME_TYPEHASH, print, result, report)), signature);

        _markReported(licence, sequence);
        bool credited = result == FAILED && counters.credited < counters.reprints;
        if (credited) record.counters.credited = counters.credited + 1;
        emit OutcomeRecorded(licence, printer, sequence, result, report, credited);
    }

    /// @inheritdoc IPrintLedger
    /// @dev Every item gets the same gas, whatever the others used. Without that floor a relayer could starve an item
    /// and have the chain call it rejected, and `eth_estimateGas` would settle for such a batch.
    function batch(bytes[] calldata calls) external {
        for (uint256 index = 0; index < calls.length; ++index) {
            bytes calldata item = calls[index];
            if (bytes4(item) == this.batch.selector) {
                emit OperationRejected(index, abi.encodeWithSelector(PrintLedger_NestedBatch.selector));
                continue;
            }
            if (gasleft() < (ITEM_GAS * 64) / 63 + LOOP_GAS) revert PrintLedger_BatchGasTooLow(index);
            // solhint-disable-next-line avoid-low-level-calls
            (bool done, bytes memory reason) = address(this).delegatecall{gas: ITEM_GAS}(item);
            if (!done) emit OperationRejected(index, reason);
        }
    }

    /// @inheritdoc IPrintLedger
    function revisionOwner(bytes32 revision) external view returns (address owner) {
        return _revisionOwners[revision];
    }

    /// @inheritdoc IPrintLedger
    function licenceState(bytes32 licence) external view returns (LicenceState memory state) {
        LicenceRecord storage record = _licences[licence];
        Terms memory terms = record.terms;
        Counters memory counters = record.counters;
        return
            LicenceState({
                provider: terms.provider,
                startsAt: terms.startsAt,
                expiresAt: terms.expiresAt,
                prints: counters.prints,
                reprints: counters.reprints,
                credited: counters.credited,
                used: counters.base + _countBits(counters.window),
                base: counters.base,
                window: counters.window,
                revoked: terms.revoked,
                printers: record.printers
            });
    }

    /// @inheritdoc IPrintLedger
    function isRecorded(bytes32 licence, uint32 sequence) external view returns (bool recorded) {
        return _isConsumed(_licences[licence].counters, sequence);
    }

    /// @inheritdoc IPrintLedger
    function isReported(bytes32 licence, uint32 sequence) external view returns (bool reported) {
        if (sequence == 0) return false;
        (uint256 word, uint256 bit) = _reportPosition(sequence);
        return _reported[licence][word] & bit != 0;
    }

    /// @inheritdoc IPrintLedger
    function printerState(bytes32 printer) external view returns (address provider, bool retired) {
        PrinterRecord memory record = _printers[printer];
        return (record.provider, record.retired);
    }

    function _markReported(bytes32 licence, uint32 sequence) private {
        (uint256 word, uint256 bit) = _reportPosition(sequence);
        uint256 bits = _reported[licence][word];
        if (bits & bit != 0) revert PrintLedger_OutcomeRecorded(licence, sequence);
        _reported[licence][word] = bits | bit;
    }

    function _emitLicenceGranted(bytes32 id, Licence calldata licence) private {
        emit LicenceGranted(
            id,
            licence.revision,
            licence.provider,
            licence.owner,
            licence.printers,
            licence.prints,
            licence.reprints,
            licence.startsAt,
            licence.expiresAt,
            licence.terms,
            licence.salt
        );
    }

    function _requireRevisionOwner(bytes32 revision, address owner) private view {
        address published = _revisionOwners[revision];
        if (published == address(0)) revert PrintLedger_UnknownRevision(revision);
        if (published != owner) revert PrintLedger_NotRevisionOwner(revision, owner);
    }

    function _requireOpen(bytes32 licence, Terms memory terms) private view {
        if (terms.provider == address(0)) revert PrintLedger_UnknownLicence(licence);
        if (terms.revoked) revert PrintLedger_LicenceRevoked(licence);
        if (block.timestamp < terms.startsAt) revert PrintLedger_LicenceNotStarted(licence, terms.startsAt);
        if (block.timestamp >= terms.expiresAt) revert PrintLedger_LicenceExpired(licence, terms.expiresAt);
    }

    /// @dev An account's own key first, which spares the look at its code; a wallet (ERC-1271) after that.
    function _requireAccountSignature(address signer, bytes32 statement, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(statement);
        (address recovered, ECDSA.RecoverError failure, ) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && recovered == signer) return;
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature)) {
            revert PrintLedger_InvalidSignature(signer);
        }
    }

    function _requirePrinterSignature(
        bytes32 printer,
        bytes32 statement,
        PrinterSignature memory signature
    ) private view {
        bytes32 digest = _hashTypedDataV4(statement);
        if (!P256.verify(digest, signature.r, signature.s, signature.keyX, signature.keyY)) {
            revert PrintLedger_InvalidPrinterSignature(printer);
        }
    }

    /// @dev Consumes `sequence` and slides the window over the numbers that are now consumed without a gap.
    function _consume(
        bytes32 licence,
        Counters memory counters,
        uint32 sequence
    ) private pure returns (Counters memory) {
        uint256 allowed = Math.min(uint256(counters.prints) + counters.credited, type(uint32).max);
        if (sequence > allowed) revert PrintLedger_CountExhausted(licence, sequence, uint32(allowed));
        uint256 base = counters.base;
        if (sequence == 0 || sequence > base + WINDOW) revert PrintLedger_SequenceOutOfWindow(licence, sequence);
        if (sequence <= base) revert PrintLedger_SequenceUsed(licence, sequence);
        uint256 window = counters.window;
        uint256 bit = 1 << (sequence - base - 1);
        if (window & bit != 0) revert PrintLedger_SequenceUsed(licence, sequence);

        window |= bit;
        // the lowest zero bit of the window; everything below it is consumed
        uint256 slide = Math.log2(~window & (window + 1));
        counters.base = uint32(base + slide);
        counters.window = uint128(window >> slide);
        return counters;
    }

    function _isConsumed(Counters memory counters, uint32 sequence) private pure returns (bool) {
        uint256 base = counters.base;
        if (sequence <= base) return sequence != 0;
        return sequence - base <= WINDOW && (counters.window >> (sequence - base - 1)) & 1 == 1;
    }

    function _countBits(uint256 bits) private pure returns (uint32 count) {
        for (; bits != 0; bits &= bits - 1) ++count;
    }

    function _reportPosition(uint32 sequence) private pure returns (uint256 word, uint256 bit) {
        uint256 index = uint256(sequence) - 1;
        return (index >> 8, 1 << (index & 0xff));
    }

    function _hashLicence(Licence calldata licence) private pure returns (bytes32) {
        return keccak256(abi.encode(LICENCE_TYPEHASH, licence));
    }

    function _hashEnrolment(address provider, bytes32 keyX, bytes32 keyY) private pure returns (bytes32) {
        return keccak256(abi.encode(ENROLMENT_TYPEHASH, provider, keyX, keyY));
    }
}
