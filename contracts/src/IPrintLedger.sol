// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

/// @title The public face of the print ledger
/// @notice Counts prints of licensed designs. Nobody owns it, nobody administers it, nobody can upgrade it: it checks
/// signatures, windows and counts, and anyone may relay a signed statement.
/// @dev Identifiers are EIP-712 struct hashes, so nobody can squat one: a revision is the hash of its `Publication`, a
/// licence the hash of its `Licence`, a printer the hash of its `Enrolment`.
interface IPrintLedger {
    /// @notice What an owner signs to put a revision's salted commitment on record.
    struct Publication {
        address owner;
        bytes32 commitment;
    }

    /// @notice What an owner signs to permit prints.
    /// @param revision struct hash of the owner's publication
    /// @param printers Merkle root over `keccak256(abi.encode(printer))` of the printers allowed, sorted pairs; zero
    /// permits every printer the provider has enrolled
    /// @param prints how many prints it permits
    /// @param reprints how many failed prints may be credited back
    /// @param startsAt first second of the window, Unix time
    /// @param expiresAt first second after the window, Unix time
    /// @param terms salted commitment to the conditions kept off chain
    /// @param salt makes equal permissions distinct
    struct Licence {
        bytes32 revision;
        address owner;
        address provider;
        bytes32 printers;
        uint32 prints;
        uint32 reprints;
        uint64 startsAt;
        uint64 expiresAt;
        bytes32 terms;
        bytes32 salt;
    }

    /// @notice What an owner signs to withdraw a licence. Prints already recorded stand, their outcomes are still taken.
    struct Revocation {
        bytes32 licence;
    }

    /// @notice What a provider and the printer itself sign to enrol a P-256 key; the printer's signature proves
    /// possession of it.
    struct Enrolment {
        address provider;
        bytes32 keyX;
        bytes32 keyY;
    }

    /// @notice What a provider signs to retire a printer for good.
    struct Retirement {
        bytes32 printer;
    }

    /// @notice What a printer signs to consume one sequence number of a licence.
    /// @param sequence 1-based number of the print; at most `prints` plus the prints credited so far
    /// @param token SHA-256 of the print token
    /// @param deadline last second in which the claim may be recorded, Unix time
    struct PrintClaim {
        bytes32 licence;
        uint32 sequence;
        bytes32 token;
        uint64 deadline;
    }

    /// @notice What a printer signs to report how a print ended.
    /// @param print `keccak256(abi.encode(licence, sequence))`
    /// @param result 1 completed, 2 failed, 3 cancelled
    /// @param report salted commitment to the printer's report
    struct PrintOutcome {
        bytes32 print;
        uint8 result;
        bytes32 report;
    }

    /// @notice A P-256 public key with a signature by it; `s` in the lower half of the order.
    struct PrinterSignature {
        bytes32 keyX;
        bytes32 keyY;
        bytes32 r;
        bytes32 s;
    }

    /// @notice What the ledger keeps of a licence.
    /// @param used how many sequence numbers are consumed
    /// @param base how many consumed numbers lie below the window without a gap
    /// @param window bit i set: number `base + 1 + i` is consumed
    struct LicenceState {
        address provider;
        uint64 startsAt;
        uint64 expiresAt;
        uint32 prints;
        uint32 reprints;
        uint32 credited;
        uint32 used;
        uint32 base;
        uint128 window;
        bool revoked;
        bytes32 printers;
    }

    event RevisionPublished(bytes32 indexed revision, address indexed owner, bytes32 commitment);
    event LicenceGranted(
        bytes32 indexed licence,
        bytes32 indexed revision,
        address indexed provider,
        address owner,
        bytes32 printers,
        uint32 prints,
        uint32 reprints,
        uint64 startsAt,
        uint64 expiresAt,
        bytes32 terms,
        bytes32 salt
    );
    event LicenceRevoked(bytes32 indexed licence);
    event PrinterEnrolled(bytes32 indexed printer, address indexed provider, bytes32 keyX, bytes32 keyY);
    event PrinterRetired(bytes32 indexed printer);
    event PrintRecorded(bytes32 indexed licence, bytes32 indexed printer, uint32 sequence, bytes32 token);
    event OutcomeRecorded(
        bytes32 indexed licence,
        bytes32 indexed printer,
        uint32 sequence,
        uint8 result,
        bytes32 report,
        bool credited
    );
    /// @notice An item of a batch was skipped; `reason` is the error it would have reverted with.
    event OperationRejected(uint256 indexed index, bytes reason);

    error PrintLedger_InvalidSignature(address signer);
    error PrintLedger_InvalidPrinterSignature(bytes32 printer);
    error PrintLedger_AlreadyPublished(bytes32 revision);
    error PrintLedger_UnknownRevision(bytes32 revision);
    error PrintLedger_NotRevisionOwner(bytes32 revision, address owner);
    error PrintLedger_AlreadyGranted(bytes32 licence);
    error PrintLedger_EmptyLicence();
    error PrintLedger_InvalidWindow(uint64 startsAt, uint64 expiresAt);
    error PrintLedger_UnknownLicence(bytes32 licence);
    error PrintLedger_LicenceRevoked(bytes32 licence);
    error PrintLedger_LicenceNotStarted(bytes32 licence, uint64 startsAt);
    error PrintLedger_LicenceExpired(bytes32 licence, uint64 expiresAt);
    error PrintLedger_AlreadyEnrolled(bytes32 printer);
    error PrintLedger_UnknownPrinter(bytes32 printer);
    error PrintLedger_PrinterRetired(bytes32 printer);
    error PrintLedger_PrinterNotAllowed(bytes32 licence, bytes32 printer);
    error PrintLedger_ClaimExpired(uint64 deadline);
    error PrintLedger_CountExhausted(bytes32 licence, uint32 sequence, uint32 allowed);
    error PrintLedger_SequenceOutOfWindow(bytes32 licence, uint32 sequence);
    error PrintLedger_SequenceUsed(bytes32 licence, uint32 sequence);
    error PrintLedger_NotPrinted(bytes32 licence, uint32 sequence);
    error PrintLedger_InvalidResult(uint8 result);
    error PrintLedger_OutcomeRecorded(bytes32 licence, uint32 sequence);
    error PrintLedger_NestedBatch();
    /// @notice What is left of the gas limit does not guarantee item `index` its share; nothing of the batch is recorded.
    error PrintLedger_BatchGasTooLow(uint256 index);

    function publish(Publication calldata publication, bytes calldata ownerSignature) external;
    function grant(Licence calldata licence, bytes calldata ownerSignature) external;
    function revoke(Licence calldata licence, bytes calldata ownerSignature) external;
    function enrol(
        Enrolment calldata enrolment,
        bytes calldata providerSignature,
        bytes32 printerR,
        bytes32 printerS
    ) external;
    function retire(Retirement calldata retirement, bytes calldata providerSignature) external;
    /// @param proof Merkle proof that the printer is in the licence's list; empty where the list is open
    function recordPrint(
        PrintClaim calldata claim,
        PrinterSignature calldata signature,
        bytes32[] calldata proof
    ) external;
    function recordOutcome(
        bytes32 licence,
        uint32 sequence,
        uint8 result,
        bytes32 report,
        PrinterSignature calldata signature
    ) external;
    /// @notice Runs each encoded call of this contract; one that fails is skipped with `OperationRejected`.
    /// @dev Reverts with `PrintLedger_BatchGasTooLow` unless 1,050,000 gas are left when an item starts, so that no item
    /// is rejected for want of gas that another one, or the relayer, took from it. `eth_estimateGas` accounts for that.
    function batch(bytes[] calldata calls) external;

    function revisionOwner(bytes32 revision) external view returns (address);
    function licenceState(bytes32 licence) external view returns (LicenceState memory);
    function isRecorded(bytes32 licence, uint32 sequence) external view returns (bool);
    function isReported(bytes32 licence, uint32 sequence) external view returns (bool);
    function printerState(bytes32 printer) external view returns (address provider, bool retired);
}
