// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IPrintLedger} from "./IPrintLedger.sol";
import {Counters, Terms, packCounters, packTerms} from "./LicenceWords.sol";

/// @title The print ledger
/// @notice Counts prints of licensed designs; see `IPrintLedger` for what each statement means and `../README.md` for
/// the numbered invariants (I1, I2, …).
/// @dev No owner, no role, no upgrade, no external call but `staticcall` to a wallet (ERC-1271) and to precompiles, so
/// nothing can be re-entered. Storage a print touches: two slots of the licence, one of the printer, a third of the
/// licence where printers are listed; none of them new, so the first print costs what the last one does.
contract PrintLedger is IPrintLedger, EIP712 {
    struct LicenceRecord {
        Terms terms;
        Counters counters;
        bytes32 printers;
    }

    bytes32 private constant PUBLICATION_TYPEHASH = keccak256("Publication(address owner,bytes32 commitment)");
    bytes32 private constant LICENCE_TYPEHASH = keccak256(
        "Licence(bytes32 revision,address owner,address provider,bytes32 printers,uint32 prints,uint32 reprints,"
        "uint64 startsAt,uint64 expiresAt,bytes32 terms,bytes32 salt)"
    );
    bytes32 private constant REVOCATION_TYPEHASH = keccak256("Revocation(bytes32 licence)");
    bytes32 private constant ENROLMENT_TYPEHASH = keccak256("Enrolment(address provider,bytes32 keyX,bytes32 keyY)");
    bytes32 private constant RETIREMENT_TYPEHASH = keccak256("Retirement(bytes32 printer)");
    bytes32 private constant CLAIM_TYPEHASH =
        keccak256("PrintClaim(bytes32 licence,uint32 sequence,bytes32 token,uint64 deadline)");
    bytes32 private constant OUTCOME_TYPEHASH = keccak256("PrintOutcome(bytes32 print,uint8 result,bytes32 report)");

    uint8 private constant FAILED = 2;
    uint8 private constant CANCELLED = 3;
    uint256 private constant RETIRED = 1 << 160;
    /// @dev Gas every item of a batch may use, and what the loop itself needs after one that used it all.
    uint256 private constant ITEM_GAS = 1_000_000;
    uint256 private constant LOOP_GAS = 30_000;

    mapping(bytes32 revision => address owner) private _revisionOwners;
    mapping(bytes32 licence => LicenceRecord record) private _licences;
    /// @dev The provider's address, and `RETIRED` above it.
    mapping(bytes32 printer => uint256 record) private _printers;
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
        if (Terms.unwrap(record.terms) != 0) revert PrintLedger_AlreadyGranted(id);
        address owner = licence.owner;
        _requireRevisionOwner(licence.revision, owner);
        Terms terms = _terms(licence);
        Counters counters = packCounters(licence.prints, licence.reprints);
        if (counters.prints() == 0 || terms.provider() == address(0)) revert PrintLedger_EmptyLicence();
        _requireAccountSignature(owner, id, ownerSignature);

        record.terms = terms;
        record.counters = counters;
        if (terms.isListed()) record.printers = licence.printers;
        _emitLicenceGranted(id, terms.provider(), licence);
    }

    /// @inheritdoc IPrintLedger
    function revoke(Licence calldata licence, bytes calldata ownerSignature) external {
        bytes32 id = _hashLicence(licence);
        Terms terms = _licences[id].terms;
        if (terms.provider() == address(0)) revert PrintLedger_UnknownLicence(id);
        if (terms.isRevoked()) revert PrintLedger_LicenceRevoked(id);
        _requireAccountSignature(licence.owner, keccak256(abi.encode(REVOCATION_TYPEHASH, id)), ownerSignature);

        _licences[id].terms = terms.asRevoked();
        emit LicenceRevoked(id);
    }

    /// @inheritdoc IPrintLedger
    function enrol(Enrolment calldata enrolment, bytes calldata providerSignature, bytes32 printerR, bytes32 printerS)
        external
    {
        bytes32 printer = _hashEnrolment(enrolment.provider, enrolment.keyX, enrolment.keyY);
        if (_printers[printer] != 0) revert PrintLedger_AlreadyEnrolled(printer);
        _requireAccountSignature(enrolment.provider, printer, providerSignature);
        bytes32 digest = _hashTypedDataV4(printer);
        if (!P256.verify(digest, printerR, printerS, enrolment.keyX, enrolment.keyY)) {
            revert PrintLedger_InvalidPrinterSignature(printer);
        }

        _printers[printer] = uint160(enrolment.provider);
        emit PrinterEnrolled(printer, enrolment.provider, enrolment.keyX, enrolment.keyY);
    }

    /// @inheritdoc IPrintLedger
    function retire(Retirement calldata retirement, bytes calldata providerSignature) external {
        bytes32 printer = retirement.printer;
        uint256 record = _requireActive(printer);
        bytes32 statement = keccak256(abi.encode(RETIREMENT_TYPEHASH, printer));
        _requireAccountSignature(address(uint160(record)), statement, providerSignature);

        _printers[printer] = record | RETIRED;
        emit PrinterRetired(printer);
    }

    /// @inheritdoc IPrintLedger
    /// @dev Steps: (1) the licence permits printing now, (2) its provider enrolled this printer, (3) the licence's list
    /// names it, (4) the printer signed this claim, (5) the number is free and within the count.
    function recordPrint(PrintClaim calldata claim, PrinterSignature calldata signature, bytes32[] calldata proof)
        external
    {
        bytes32 licence = claim.licence;
        LicenceRecord storage record = _licences[licence];
        Terms terms = record.terms;
        // (1)
        _requireOpen(licence, terms);
        if (block.timestamp > claim.deadline) revert PrintLedger_ClaimExpired(claim.deadline);
        // (2) the id contains the provider, so another provider's printer is simply unknown
        bytes32 printer = _hashEnrolment(terms.provider(), signature.keyX, signature.keyY);
        _requireActive(printer);
        // (3)
        bool allowed = terms.isListed()
            ? MerkleProof.verifyCalldata(proof, record.printers, keccak256(abi.encode(printer)))
            : proof.length == 0;
        if (!allowed) revert PrintLedger_PrinterNotAllowed(licence, printer);
        // (4)
        _requirePrinterSignature(printer, _hashClaim(claim), signature);
        // (5)
        uint32 sequence = claim.sequence;
        record.counters = record.counters.consume(licence, sequence);
        emit PrintRecorded(licence, printer, sequence, claim.token);
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
        address provider = record.terms.provider();
        Counters counters = record.counters;
        if (provider == address(0)) revert PrintLedger_UnknownLicence(licence);
        if (!counters.isConsumed(sequence)) revert PrintLedger_NotPrinted(licence, sequence);
        if (result == 0 || result > CANCELLED) revert PrintLedger_InvalidResult(result);
        bytes32 printer = _hashEnrolment(provider, signature.keyX, signature.keyY);
        if (_printers[printer] == 0) revert PrintLedger_UnknownPrinter(printer);
        bytes32 print = keccak256(abi.encode(licence, sequence));
        _requirePrinterSignature(printer, keccak256(abi.encode(OUTCOME_TYPEHASH, print, result, report)), signature);

        _markReported(licence, sequence);
        bool credited = result == FAILED && counters.credited() < counters.reprints();
        if (credited) record.counters = counters.credit();
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
        Terms terms = record.terms;
        Counters counters = record.counters;
        return LicenceState({
            provider: terms.provider(),
            startsAt: terms.startsAt(),
            expiresAt: terms.expiresAt(),
            prints: counters.prints(),
            reprints: counters.reprints(),
            credited: counters.credited(),
            used: counters.used(),
            base: counters.base(),
            window: counters.window(),
            revoked: terms.isRevoked(),
            printers: record.printers
        });
    }

    /// @inheritdoc IPrintLedger
    function isRecorded(bytes32 licence, uint32 sequence) external view returns (bool recorded) {
        return _licences[licence].counters.isConsumed(sequence);
    }

    /// @inheritdoc IPrintLedger
    function isReported(bytes32 licence, uint32 sequence) external view returns (bool reported) {
        if (sequence == 0) return false;
        (uint256 word, uint256 bit) = _reportPosition(sequence);
        return _reported[licence][word] & bit != 0;
    }

    /// @inheritdoc IPrintLedger
    function printerState(bytes32 printer) external view returns (address provider, bool retired) {
        uint256 record = _printers[printer];
        return (address(uint160(record)), record & RETIRED != 0);
    }

    function _markReported(bytes32 licence, uint32 sequence) private {
        (uint256 word, uint256 bit) = _reportPosition(sequence);
        uint256 bits = _reported[licence][word];
        if (bits & bit != 0) revert PrintLedger_OutcomeRecorded(licence, sequence);
        _reported[licence][word] = bits | bit;
    }

    /// @dev The event's data are the licence's words but for its revision and provider, which are topics. They are
    /// copied from calldata: what `_terms` and the caller read there was checked to be clean.
    function _emitLicenceGranted(bytes32 id, address provider, Licence calldata licence) private {
        bytes32 topic = LicenceGranted.selector;
        bytes32 revision = licence.revision;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            calldatacopy(pointer, add(licence, 0x20), 0x20)
            calldatacopy(add(pointer, 0x20), add(licence, 0x60), 0xe0)
            log4(pointer, 0x100, topic, id, revision, shr(0x60, shl(0x60, provider)))
        }
    }

    function _terms(Licence calldata licence) private pure returns (Terms) {
        uint64 startsAt = licence.startsAt;
        uint64 expiresAt = licence.expiresAt;
        if (startsAt >= expiresAt || expiresAt > type(uint40).max) {
            revert PrintLedger_InvalidWindow(startsAt, expiresAt);
        }
        return packTerms(licence.provider, startsAt, expiresAt, licence.printers != 0);
    }

    function _requireRevisionOwner(bytes32 revision, address owner) private view {
        address published = _revisionOwners[revision];
        if (published == address(0)) revert PrintLedger_UnknownRevision(revision);
        if (published != owner) revert PrintLedger_NotRevisionOwner(revision, owner);
    }

    /// @dev A licence that is not granted is all zero, so it gets past the first two checks and stops at the third.
    function _requireOpen(bytes32 licence, Terms terms) private view {
        if (terms.isRevoked()) revert PrintLedger_LicenceRevoked(licence);
        if (block.timestamp < terms.startsAt()) revert PrintLedger_LicenceNotStarted(licence, terms.startsAt());
        if (block.timestamp >= terms.expiresAt()) {
            if (terms.provider() == address(0)) revert PrintLedger_UnknownLicence(licence);
            revert PrintLedger_LicenceExpired(licence, terms.expiresAt());
        }
    }

    function _requireActive(bytes32 printer) private view returns (uint256 record) {
        record = _printers[printer];
        if (record == 0) revert PrintLedger_UnknownPrinter(printer);
        if (record & RETIRED != 0) revert PrintLedger_PrinterRetired(printer);
    }

    /// @dev An account's own key first, which spares the look at its code; a wallet (ERC-1271) after that.
    function _requireAccountSignature(address signer, bytes32 statement, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(statement);
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && recovered == signer) return;
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature)) {
            revert PrintLedger_InvalidSignature(signer);
        }
    }

    /// @dev Asks the precompile (EIP-7951) first. Only where it does not say yes does OpenZeppelin's P256 decide, which
    /// also works without the precompile; its look at the key is spared because only sound keys get enrolled (I6).
    function _requirePrinterSignature(bytes32 printer, bytes32 statement, PrinterSignature calldata signature)
        private
        view
    {
        bytes32 digest = _hashTypedDataV4(statement);
        bool valid = uint256(signature.s) <= P256.N / 2;
        if (valid) {
            assembly ("memory-safe") {
                let pointer := mload(0x40)
                mstore(pointer, digest)
                calldatacopy(add(pointer, 0x20), add(signature, 0x40), 0x40)
                calldatacopy(add(pointer, 0x60), signature, 0x40)
                mstore(0x00, 0)
                let answered := staticcall(gas(), 0x100, pointer, 0xa0, 0x00, 0x20)
                valid := and(answered, eq(mload(0x00), 1))
            }
            valid = valid || P256.verify(digest, signature.r, signature.s, signature.keyX, signature.keyY);
        }
        if (!valid) revert PrintLedger_InvalidPrinterSignature(printer);
    }

    function _reportPosition(uint32 sequence) private pure returns (uint256 word, uint256 bit) {
        uint256 index = uint256(sequence) - 1;
        return (index >> 8, 1 << (index & 0xff));
    }

    /// @dev A calldata struct of static members lies there as EIP-712 encodes it. Padding that is not clean changes the
    /// hash, and members that are read are checked by the compiler, so no two calldata stand for one licence.
    function _hashLicence(Licence calldata licence) private pure returns (bytes32 result) {
        bytes32 typeHash = LICENCE_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typeHash)
            calldatacopy(add(pointer, 0x20), licence, 0x140)
            result := keccak256(pointer, 0x160)
        }
    }

    function _hashClaim(PrintClaim calldata claim) private pure returns (bytes32 result) {
        bytes32 typeHash = CLAIM_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typeHash)
            calldatacopy(add(pointer, 0x20), claim, 0x80)
            result := keccak256(pointer, 0xa0)
        }
    }

    /// @dev Assembly sees a short value with whatever bits stand above it, so the shifts clear those of the address.
    function _hashEnrolment(address provider, bytes32 keyX, bytes32 keyY) private pure returns (bytes32 result) {
        bytes32 typeHash = ENROLMENT_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typeHash)
            mstore(add(pointer, 0x20), shr(0x60, shl(0x60, provider)))
            mstore(add(pointer, 0x40), keyX)
            mstore(add(pointer, 0x60), keyY)
            result := keccak256(pointer, 0x80)
        }
    }
}
