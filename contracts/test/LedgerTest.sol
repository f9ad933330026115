// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IPrintLedger} from "../src/IPrintLedger.sol";
import {PrintLedger} from "../src/PrintLedger.sol";
import {Vm} from "./Vm.sol";

/// @dev A ledger, an owner with a published revision, a provider with an enrolled printer and a licence of three prints
/// and two reprints. The types are hashed here a second time, from their text, not with the code of the contract.
abstract contract LedgerTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;
    uint256 internal constant SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    uint256 internal constant OWNER_KEY = 0xA11CE;
    uint256 internal constant PROVIDER_KEY = 0xB0B;
    uint256 internal constant STRANGER_KEY = 0xBAD;
    uint256 internal constant PRINTER_KEY = 0x9121;
    uint256 internal constant SECOND_PRINTER_KEY = 0x9122;

    uint64 internal constant START = 1_800_000_000;
    uint64 internal constant END = 1_900_000_000;

    bytes32 internal constant TOKEN = keccak256("token");
    bytes32 internal constant REPORT = keccak256("report");

    PrintLedger internal ledger;
    address internal owner;
    address internal provider;
    bytes32 internal revision;
    bytes32 internal printer;
    IPrintLedger.Licence internal terms;
    bytes32 internal licence;

    function setUp() public virtual {
        vm.warp(START);
        ledger = new PrintLedger();
        owner = vm.addr(OWNER_KEY);
        provider = vm.addr(PROVIDER_KEY);
        revision = publish(OWNER_KEY, keccak256("commitment"));
        printer = enrol(PROVIDER_KEY, PRINTER_KEY);
        terms = IPrintLedger.Licence({
            revision: revision,
            owner: owner,
            provider: provider,
            printers: 0,
            prints: 3,
            reprints: 2,
            startsAt: START,
            expiresAt: END,
            terms: keccak256("terms"),
            salt: keccak256("salt")
        });
        licence = grant(terms);
    }

    // Actions that must succeed

    function publish(uint256 key, bytes32 commitment) internal returns (bytes32) {
        IPrintLedger.Publication memory statement = IPrintLedger.Publication(vm.addr(key), commitment);
        ledger.publish(statement, sign(key, hashOf(statement)));
        return hashOf(statement);
    }

    function grant(IPrintLedger.Licence memory statement) internal returns (bytes32) {
        ledger.grant(statement, sign(OWNER_KEY, hashOf(statement)));
        return hashOf(statement);
    }

    function revoke(IPrintLedger.Licence memory statement) internal {
        ledger.revoke(statement, sign(OWNER_KEY, hashOfRevocation(hashOf(statement))));
    }

    function enrol(uint256 providerKey, uint256 printerKey) internal returns (bytes32) {
        IPrintLedger.Enrolment memory statement = enrolment(vm.addr(providerKey), printerKey);
        (bytes32 r, bytes32 s) = signP256(printerKey, hashOf(statement));
        ledger.enrol(statement, sign(providerKey, hashOf(statement)), r, s);
        return hashOf(statement);
    }

    function retire(bytes32 printer_) internal {
        bytes memory signature = sign(PROVIDER_KEY, hashOfRetirement(printer_));
        ledger.retire(IPrintLedger.Retirement(printer_), signature);
    }

    function print(uint32 sequence) internal {
        recordPrint(PRINTER_KEY, licence, sequence);
    }

    function recordPrint(uint256 printerKey, bytes32 licence_, uint32 sequence) internal {
        IPrintLedger.PrintClaim memory statement = claim(licence_, sequence);
        ledger.recordPrint(statement, signedBy(printerKey, hashOf(statement)));
    }

    function report(uint32 sequence, uint8 result) internal {
        recordOutcome(PRINTER_KEY, licence, sequence, result);
    }

    function recordOutcome(uint256 printerKey, bytes32 licence_, uint32 sequence, uint8 result) internal {
        ledger.recordOutcome(licence_, sequence, result, REPORT, signedOutcome(printerKey, licence_, sequence, result));
    }

    function passOn(IPrintLedger.Licence memory origin, IPrintLedger.PrintTransfer memory statement)
        internal
        returns (bytes32)
    {
        _transfer(origin, statement, sign(PROVIDER_KEY, hashOf(statement)), consent(origin));
        return hashOf(transferred(origin, statement));
    }

    function _transfer(
        IPrintLedger.Licence memory origin,
        IPrintLedger.PrintTransfer memory statement,
        bytes memory providerSignature,
        bytes memory ownerSignature
    ) internal {
        ledger.transfer(
            origin, statement.provider, statement.prints, statement.salt, providerSignature, ownerSignature
        );
    }

    // Statements

    /// @dev The licence that transferred prints become.
    function transferred(IPrintLedger.Licence memory origin, IPrintLedger.PrintTransfer memory statement)
        internal
        pure
        returns (IPrintLedger.Licence memory)
    {
        return IPrintLedger.Licence({
            revision: origin.revision,
            owner: origin.owner,
            provider: statement.provider,
            printers: origin.printers,
            prints: statement.prints,
            reprints: 0,
            startsAt: origin.startsAt,
            expiresAt: origin.expiresAt,
            terms: origin.terms,
            salt: statement.salt
        });
    }

    function enrolment(address provider_, uint256 printerKey) internal pure returns (IPrintLedger.Enrolment memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(printerKey);
        return IPrintLedger.Enrolment(provider_, bytes32(x), bytes32(y));
    }

    function claim(bytes32 licence_, uint32 sequence) internal pure returns (IPrintLedger.PrintClaim memory) {
        return IPrintLedger.PrintClaim({licence: licence_, sequence: sequence, token: TOKEN, deadline: END});
    }

    function noProof() internal pure returns (bytes32[] memory) {
        return new bytes32[](0);
    }

    function noProofs(uint256 count) internal pure returns (bytes32[][] memory) {
        return new bytes32[][](count);
    }

    // Signatures

    function sign(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digestOf(structHash));
        return abi.encodePacked(r, s, v);
    }

    function consent(IPrintLedger.Licence memory origin) internal view returns (bytes memory) {
        return sign(OWNER_KEY, hashOfConsent(hashOf(origin)));
    }

    function signP256(uint256 key, bytes32 structHash) internal view returns (bytes32 r, bytes32 s) {
        (r, s) = vm.signP256(key, digestOf(structHash));
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
    }

    function signedBy(uint256 key, bytes32 structHash) internal view returns (IPrintLedger.PrinterSignature memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        (bytes32 r, bytes32 s) = signP256(key, structHash);
        return IPrintLedger.PrinterSignature({keyX: bytes32(x), keyY: bytes32(y), r: r, s: s});
    }

    function signedOutcome(uint256 key, bytes32 licence_, uint32 sequence, uint8 result)
        internal
        view
        returns (IPrintLedger.PrinterSignature memory)
    {
        return signedBy(key, hashOfOutcome(keccak256(abi.encode(licence_, sequence)), result, REPORT));
    }

    // EIP-712

    function digestOf(bytes32 structHash) internal view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("PartVault PrintLedger"),
                keccak256("1"),
                block.chainid,
                address(ledger)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    function hashOf(IPrintLedger.Publication memory statement) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Publication(address owner,bytes32 commitment)"), statement));
    }

    function hashOf(IPrintLedger.Licence memory statement) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Licence(bytes32 revision,address owner,address provider,bytes32 printers,uint32 prints,uint32 reprints,"
            "uint64 startsAt,uint64 expiresAt,bytes32 terms,bytes32 salt)"
        );
        return keccak256(abi.encode(typeHash, statement));
    }

    function hashOf(IPrintLedger.Enrolment memory statement) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Enrolment(address provider,bytes32 keyX,bytes32 keyY)"), statement));
    }

    function hashOf(IPrintLedger.PrintClaim memory statement) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("PrintClaim(bytes32 licence,uint32 sequence,bytes32 token,uint64 deadline)");
        return keccak256(abi.encode(typeHash, statement));
    }

    function hashOf(IPrintLedger.PrintClaim[] memory claims) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Plate(PrintClaim[] claims)PrintClaim(bytes32 licence,uint32 sequence,bytes32 token,uint64 deadline)"
        );
        bytes memory hashes;
        for (uint256 index = 0; index < claims.length; ++index) {
            hashes = bytes.concat(hashes, hashOf(claims[index]));
        }
        return keccak256(abi.encode(typeHash, keccak256(hashes)));
    }

    function hashOfRevocation(bytes32 licence_) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Revocation(bytes32 licence)"), licence_));
    }

    function hashOfConsent(bytes32 licence_) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("TransferConsent(bytes32 licence)"), licence_));
    }

    function hashOf(IPrintLedger.PrintTransfer memory statement) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("PrintTransfer(bytes32 licence,address provider,uint32 prints,bytes32 salt)");
        return keccak256(abi.encode(typeHash, statement));
    }

    function hashOfRetirement(bytes32 printer_) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Retirement(bytes32 printer)"), printer_));
    }

    function hashOfOutcome(bytes32 print_, uint8 result, bytes32 report_) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("PrintOutcome(bytes32 print,uint8 result,bytes32 report)");
        return keccak256(abi.encode(typeHash, print_, result, report_));
    }

    // Batches

    /// @dev Packs calls as plain items, one after the other.
    function packed(bytes[] memory calls) internal pure returns (bytes memory items) {
        for (uint256 index = 0; index < calls.length; ++index) {
            items = bytes.concat(items, hex"00", bytes2(uint16(calls[index].length)), calls[index]);
        }
    }

    /// @dev Packs a print whose licence and key stand at these places of the batch's words.
    function packedPrint(
        uint16 licencePlace,
        uint16 keyPlace,
        IPrintLedger.PrintClaim memory statement,
        IPrintLedger.PrinterSignature memory signature
    ) internal pure returns (bytes memory) {
        return abi.encodePacked(
            hex"01",
            licencePlace,
            keyPlace,
            statement.sequence,
            statement.deadline,
            statement.token,
            signature.r,
            signature.s
        );
    }

    function noWords() internal pure returns (bytes32[] memory) {
        return new bytes32[](0);
    }

    // Expectations

    function expectRefusal(bytes memory reason) internal {
        vm.expectRevert(reason);
    }

    /// @dev The next call must emit exactly the event that follows this line.
    function expectEvent() internal {
        vm.expectEmit(true, true, true, true, address(ledger));
    }

    function state() internal view returns (IPrintLedger.LicenceState memory) {
        return ledger.licenceState(licence);
    }
}

/// @dev A wallet that is a contract: accepts what `key`'s account signed, or answers as told (ERC-1271).
contract Wallet {
    address private immutable signer;
    bool private immutable burns;

    constructor(address signer_, bool burns_) {
        signer = signer_;
        burns = burns_;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        while (burns) {}
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        return ecrecover(digest, uint8(signature[64]), r, s) == signer ? this.isValidSignature.selector : bytes4(0);
    }
}
