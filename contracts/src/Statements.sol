// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "./IPrintLedger.sol";

/// @dev EIP-712 types of what is signed.
bytes32 constant PUBLICATION_TYPEHASH = keccak256("Publication(address owner,bytes32 commitment)");
bytes32 constant LICENCE_TYPEHASH = keccak256(
    "Licence(bytes32 revision,address owner,address provider,bytes32 printers,uint32 prints,uint32 reprints,"
    "uint64 startsAt,uint64 expiresAt,bytes32 terms,bytes32 salt)"
);
bytes32 constant REVOCATION_TYPEHASH = keccak256("Revocation(bytes32 licence)");
bytes32 constant TRANSFER_TYPEHASH =
    keccak256("PrintTransfer(bytes32 licence,address provider,uint32 prints,bytes32 salt)");
bytes32 constant CONSENT_TYPEHASH = keccak256("TransferConsent(bytes32 licence)");
bytes32 constant ENROLMENT_TYPEHASH = keccak256("Enrolment(address provider,bytes32 keyX,bytes32 keyY)");
bytes32 constant RETIREMENT_TYPEHASH = keccak256("Retirement(bytes32 printer)");
bytes32 constant CLAIM_TYPEHASH =
    keccak256("PrintClaim(bytes32 licence,uint32 sequence,bytes32 token,uint64 deadline)");
bytes32 constant PLATE_TYPEHASH =
    keccak256("Plate(PrintClaim[] claims)PrintClaim(bytes32 licence,uint32 sequence,bytes32 token,uint64 deadline)");
bytes32 constant OUTCOME_TYPEHASH = keccak256("PrintOutcome(bytes32 print,uint8 result,bytes32 report)");

/// @dev A calldata struct of static members lies there as EIP-712 encodes it. Padding that is not clean changes the
/// hash, and members that are read are checked by the compiler, so no two calldata stand for one licence.
function hashLicence(IPrintLedger.Licence calldata licence) pure returns (bytes32 result) {
    bytes32 typeHash = LICENCE_TYPEHASH;
    assembly ("memory-safe") {
        let pointer := mload(0x40)
        mstore(pointer, typeHash)
        calldatacopy(add(pointer, 0x20), licence, 0x140)
        result := keccak256(pointer, 0x160)
    }
}

function hashClaim(IPrintLedger.PrintClaim calldata claim) pure returns (bytes32 result) {
    bytes32 typeHash = CLAIM_TYPEHASH;
    assembly ("memory-safe") {
        let pointer := mload(0x40)
        mstore(pointer, typeHash)
        calldatacopy(add(pointer, 0x20), claim, 0x80)
        result := keccak256(pointer, 0xa0)
    }
}

/// @dev EIP-712 encodes an array of structs as the hash of its members' struct hashes, one after the other.
function hashPlate(IPrintLedger.PrintClaim[] calldata claims) pure returns (bytes32) {
    bytes32[] memory hashes = new bytes32[](claims.length);
    for (uint256 index = 0; index < claims.length; ++index) {
        hashes[index] = hashClaim(claims[index]);
    }
    return keccak256(abi.encode(PLATE_TYPEHASH, keccak256(abi.encodePacked(hashes))));
}

/// @dev Assembly sees a short value with whatever bits stand above it, so the shifts clear those of the address.
function hashEnrolment(address provider, bytes32 keyX, bytes32 keyY) pure returns (bytes32 result) {
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

/// @dev Reads a licence's members once, the numbers packed as `LicenceGranted` has them. Reverts where there is dirt
/// above one, as the compiler's reading would, and for a window that is empty or does not fit.
function readLicence(IPrintLedger.Licence calldata licence)
    pure
    returns (bytes32 revision, address owner, address provider, bytes32 printers, uint256 limits)
{
    uint256 startsAt;
    uint256 expiresAt;
    bool misfit;
    assembly ("memory-safe") {
        revision := calldataload(licence)
        owner := calldataload(add(licence, 0x20))
        provider := calldataload(add(licence, 0x40))
        printers := calldataload(add(licence, 0x60))
        let prints := calldataload(add(licence, 0x80))
        let reprints := calldataload(add(licence, 0xa0))
        startsAt := calldataload(add(licence, 0xc0))
        expiresAt := calldataload(add(licence, 0xe0))
        let dirt := or(shr(32, or(prints, reprints)), shr(64, or(startsAt, expiresAt)))
        if or(dirt, shr(160, or(owner, provider))) { revert(0, 0) }
        misfit := or(iszero(lt(startsAt, expiresAt)), shr(40, expiresAt))
        limits := or(or(prints, shl(32, reprints)), or(shl(64, startsAt), shl(104, expiresAt)))
    }
    if (misfit) revert IPrintLedger.PrintLedger_InvalidWindow(uint64(startsAt), uint64(expiresAt));
}
