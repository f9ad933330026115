// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {unpack} from "./BatchItems.sol";
import {IPrintLedger} from "./IPrintLedger.sol";
import {Counters, Terms, packCounters, packTerms} from "./LicenceWords.sol";
import {
    CONSENT_TYPEHASH,
    LICENCE_TYPEHASH,
    OUTCOME_TYPEHASH,
    PUBLICATION_TYPEHASH,
    RETIREMENT_TYPEHASH,
    REVOCATION_TYPEHASH,
    TRANSFER_TYPEHASH,
    hashClaim,
    hashEnrolment,
    hashLicence,
    hashPlate,
    readLicence
} from "./Statements.sol";

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

    uint256 private constant SECP256K1_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    uint8 private constant FAILED = 2;
    uint8 private constant CANCELLED = 3;
    uint256 private constant RETIRED = 1 << 160;
    /// @dev Prints of a plate at the most; they and one signature checked in Solidity stay far below `ITEM_GAS`.
    uint256 private constant PLATE_PRINTS_MAX = 16;
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
        bytes32 id = hashLicence(licence);
        LicenceRecord storage record = _licences[id];
        if (Terms.unwrap(record.terms) != 0) revert PrintLedger_AlreadyGranted(id);
        (bytes32 revision, address owner, address provider, bytes32 printers, uint256 limits) = readLicence(licence);
        address published = _revisionOwners[revision];
        if (published != owner) {
            if (published == address(0)) revert PrintLedger_UnknownRevision(revision);
            revert PrintLedger_NotRevisionOwner(revision, owner);
        }
        if (uint32(limits) == 0 || provider == address(0)) revert PrintLedger_EmptyLicence();
        _requireAccountSignature(owner, id, ownerSignature);

        record.terms = packTerms(provider, limits >> 64, printers != 0);
        record.counters = packCounters(limits);
        if (printers != 0) record.printers = printers;
        emit LicenceGranted(id, revision, provider, printers, limits, licence.terms, licence.salt);
    }

    /// @inheritdoc IPrintLedger
    function revoke(Licence calldata licence, bytes calldata ownerSignature) external {
        bytes32 id = hashLicence(licence);
        Terms terms = _licences[id].terms;
        if (terms.provider() == address(0)) revert PrintLedger_UnknownLicence(id);
        if (terms.isRevoked()) revert PrintLedger_LicenceRevoked(id);
        _requireAccountSignature(licence.owner, keccak256(abi.encode(REVOCATION_TYPEHASH, id)), ownerSignature);

        _licences[id].terms = terms.asRevoked();
        emit LicenceRevoked(id);
    }

    /// @inheritdoc IPrintLedger
    /// @dev Steps: (1) the origin is in force, (2) its provider signed the transfer, (3) its owner consents, (4) that
    /// many prints are left to transfer, (5) what they become is a licence that was never granted.
    function transfer(
        Licence calldata origin,
        address provider,
        uint32 prints,
        bytes32 salt,
        bytes calldata providerSignature,
        bytes calldata ownerSignature
    ) external {
        bytes32 from = hashLicence(origin);
        LicenceRecord storage source = _licences[from];
        // (1)
        Terms terms = source.terms;
        _requireInForce(from, terms);
        // (2)
        bytes32 statement = keccak256(abi.encode(TRANSFER_TYPEHASH, from, provider, prints, salt));
        _requireAccountSignature(terms.provider(), statement, providerSignature);
        // (3)
        _requireAccountSignature(origin.owner, keccak256(abi.encode(CONSENT_TYPEHASH, from)), ownerSignature);
        // (4)
        Counters counters = source.counters;
        uint32 most = counters.transferable();
        if (prints == 0 || prints > most) revert PrintLedger_NotTransferable(from, prints, most);
        if (provider == address(0)) revert PrintLedger_EmptyLicence();
        // (5)
        Licence memory licence = origin;
        (licence.provider, licence.prints, licence.reprints, licence.salt) = (provider, prints, 0, salt);
        bytes32 id = keccak256(abi.encode(LICENCE_TYPEHASH, licence));
        if (Terms.unwrap(_licences[id].terms) != 0) revert PrintLedger_AlreadyGranted(id);

        source.counters = counters.take(prints);
        _licences[id] = LicenceRecord({
            terms: terms.withProvider(provider), counters: packCounters(prints), printers: licence.printers
        });
        emit PrintsTransferred(id, from, provider, prints, salt);
    }

    /// @inheritdoc IPrintLedger
    function enrol(Enrolment calldata enrolment, bytes calldata providerSignature, bytes32 printerR, bytes32 printerS)
        external
    {
        bytes32 printer = hashEnrolment(enrolment.provider, enrolment.keyX, enrolment.keyY);
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
    function recordPrint(PrintClaim calldata claim, PrinterSignature calldata signature) external {
        bytes32[] calldata none;
        assembly ("memory-safe") {
            none.offset := 0
            none.length := 0
        }
        _recordPrint(claim, signature, none);
    }

    /// @inheritdoc IPrintLedger
    function recordListedPrint(
        PrintClaim calldata claim,
        PrinterSignature calldata signature,
        bytes32[] calldata proof
    ) external {
        _recordPrint(claim, signature, proof);
    }

    /// @inheritdoc IPrintLedger
    /// @dev The steps of `_recordPrint`, the signature (4) last: whatever fails undoes all of it.
    function recordPlate(
        PrintClaim[] calldata claims,
        PrinterSignature calldata signature,
        bytes32[][] calldata proofs
    ) external {
        uint256 count = claims.length;
        if (count == 0 || count > PLATE_PRINTS_MAX || proofs.length != count) {
            revert PrintLedger_InvalidPlate(count, proofs.length);
        }
        bytes32 printer = _requirePermitted(claims[0], signature, proofs[0]);
        _count(claims[0], printer);
        for (uint256 index = 1; index < count; ++index) {
            bytes32 another = _requirePermitted(claims[index], signature, proofs[index]);
            if (another != printer) revert PrintLedger_AnotherPrinter(claims[index].licence, another);
            _count(claims[index], printer);
        }
        bytes32 plate = hashPlate(claims);
        _requirePrinterSignature(printer, plate, signature);
        emit PlateRecorded(printer, plate);
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
        bytes32 printer = hashEnrolment(provider, signature.keyX, signature.keyY);
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
    function batch(bytes32[] calldata words, bytes calldata items) external {
        bytes4 selector = this.batch.selector;
        uint256 place = 0;
        for (uint256 index = 0; place < items.length; ++index) {
            uint256 pointer;
            uint256 length;
            (place, pointer, length) = unpack(words, items, place, index);
            if (gasleft() < (ITEM_GAS * 64) / 63 + LOOP_GAS) revert PrintLedger_BatchGasTooLow(index);
            bool done;
            bool nested;
            assembly ("memory-safe") {
                nested := and(gt(length, 3), eq(shr(0xe0, mload(pointer)), shr(0xe0, selector)))
                if iszero(nested) { done := delegatecall(ITEM_GAS, address(), pointer, length, 0, 0) }
                mstore(0x40, pointer) // nothing of a call is needed once it was made
            }
            if (nested) emit OperationRejected(index, abi.encodeWithSelector(PrintLedger_NestedBatch.selector));
            else if (!done) emit OperationRejected(index, _returned());
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

    /// @dev Steps: (1) the licence permits printing now, (2) its provider enrolled this printer, (3) the licence's list
    /// names it, (4) the printer signed this claim, (5) the number is free and within the count.
    function _recordPrint(PrintClaim calldata claim, PrinterSignature calldata signature, bytes32[] calldata proof)
        private
    {
        // (1), (2), (3)
        bytes32 printer = _requirePermitted(claim, signature, proof);
        // (4)
        _requirePrinterSignature(printer, hashClaim(claim), signature);
        // (5)
        _count(claim, printer);
    }

    /// @dev (1), (2), (3) of a print; gives the printer.
    function _requirePermitted(
        PrintClaim calldata claim,
        PrinterSignature calldata signature,
        bytes32[] calldata proof
    ) private view returns (bytes32 printer) {
        bytes32 licence = claim.licence;
        LicenceRecord storage record = _licences[licence];
        Terms terms = record.terms;
        // (1)
        _requireInForce(licence, terms);
        if (block.timestamp < terms.startsAt()) revert PrintLedger_LicenceNotStarted(licence, terms.startsAt());
        uint64 deadline = claim.deadline;
        if (block.timestamp > deadline) revert PrintLedger_ClaimExpired(deadline);
        // (2) the id contains the provider, so another provider's printer is simply unknown
        printer = hashEnrolment(terms.provider(), signature.keyX, signature.keyY);
        _requireActive(printer);
        // (3)
        bool allowed = terms.isListed()
            ? MerkleProof.verifyCalldata(proof, record.printers, keccak256(abi.encode(printer)))
            : proof.length == 0;
        if (!allowed) revert PrintLedger_PrinterNotAllowed(licence, printer);
    }

    /// @dev (5) of a print.
    function _count(PrintClaim calldata claim, bytes32 printer) private {
        bytes32 licence = claim.licence;
        uint32 sequence = claim.sequence;
        LicenceRecord storage record = _licences[licence];
        record.counters = record.counters.consume(licence, sequence);
        emit PrintRecorded(licence, printer, sequence, claim.token);
    }

    /// @dev What the last call returned.
    function _returned() private pure returns (bytes memory data) {
        assembly ("memory-safe") {
            data := mload(0x40)
            mstore(data, returndatasize())
            returndatacopy(add(data, 0x20), 0, returndatasize())
            mstore(0x40, and(add(add(data, 0x3f), returndatasize()), not(0x1f)))
        }
    }

    function _requireInForce(bytes32 licence, Terms terms) private view {
        if (terms.isRevoked()) revert PrintLedger_LicenceRevoked(licence);
        if (block.timestamp >= terms.expiresAt()) {
            // a licence that is not granted is all zero, so it stops here
            if (terms.provider() == address(0)) revert PrintLedger_UnknownLicence(licence);
            revert PrintLedger_LicenceExpired(licence, terms.expiresAt());
        }
    }

    function _requireActive(bytes32 printer) private view returns (uint256 record) {
        record = _printers[printer];
        if (record == 0) revert PrintLedger_UnknownPrinter(printer);
        if (record & RETIRED != 0) revert PrintLedger_PrinterRetired(printer);
    }

    /// @dev An account's own key first, which spares the look at its code; a wallet (ERC-1271) after that. A signature
    /// has one spelling: 65 bytes, `s` in the lower half of the order.
    function _requireAccountSignature(address signer, bytes32 statement, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(statement);
        if (signature.length == 65 && _recover(digest, signature) == signer && signer != address(0)) return;
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature)) {
            revert PrintLedger_InvalidSignature(signer);
        }
    }

    /// @dev Whose key made a signature of 65 bytes; zero for none, and where `s` is in the upper half of the order.
    function _recover(bytes32 digest, bytes calldata signature) private view returns (address account) {
        uint256 half = SECP256K1_HALF_ORDER;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            let s := calldataload(add(signature.offset, 0x20))
            mstore(pointer, digest)
            mstore(add(pointer, 0x20), byte(0, calldataload(add(signature.offset, 0x40))))
            mstore(add(pointer, 0x40), calldataload(signature.offset))
            mstore(add(pointer, 0x60), s)
            mstore(0x00, 0)
            if iszero(gt(s, half)) { pop(staticcall(gas(), 1, pointer, 0x80, 0x00, 0x20)) }
            account := mload(0x00)
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
}
