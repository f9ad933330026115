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

    /// @notice What an owner signs to withdraw a licence. Prints recorded before stand, their outcomes are still taken.
    struct Revocation {
        bytes32 licence;
    }

    /// @notice What a provider signs to pass prints it has not used on to another provider.
    /// @param licence the licence they are taken from
    /// @param provider who gets them
    /// @param prints how many
    /// @param salt makes equal transfers distinct
    struct PrintTransfer {
        bytes32 licence;
        address provider;
        uint32 prints;
        bytes32 salt;
    }

    /// @notice What an owner signs to let the provider of a licence transfer prints of it, to whom it likes.
    struct TransferConsent {
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

    /// @notice What a printer signs to consume numbers of several licences, or several of one, for one build: all of
    /// them or none. No claim in it can be recorded without the others.
    struct Plate {
        PrintClaim[] claims;
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

    /// @notice A commitment is on record.
    /// @param revision its identifier, the struct hash of the publication
    /// @param owner who published it
    /// @param commitment the salted commitment
    event RevisionPublished(bytes32 indexed revision, address indexed owner, bytes32 commitment);

    /// @notice A licence is granted; the event holds all of the signed `Licence` but its owner, who is the revision's.
    /// @param licence its identifier, the struct hash of the licence
    /// @param revision what may be printed
    /// @param provider who may print
    /// @param printers Merkle root of the printers allowed; zero for any
    /// @param limits four members in one word, from the lowest bit up: prints 32 bits, reprints 32, startsAt 40,
    /// expiresAt 40
    /// @param terms salted commitment to the conditions kept off chain
    /// @param salt makes equal permissions distinct
    event LicenceGranted(
        bytes32 indexed licence,
        bytes32 indexed revision,
        address indexed provider,
        bytes32 printers,
        uint256 limits,
        bytes32 terms,
        bytes32 salt
    );

    /// @notice Unused prints of a licence are now another provider's. The licence they became is the origin with its
    /// provider, prints and salt replaced by these and no reprints.
    /// @param licence the licence they became, the struct hash of that
    /// @param origin the licence they were taken from
    /// @param provider who got them
    /// @param prints how many
    /// @param salt what the transfer's signer chose
    event PrintsTransferred(
        bytes32 indexed licence, bytes32 indexed origin, address indexed provider, uint32 prints, bytes32 salt
    );

    /// @notice A licence takes no more prints.
    /// @param licence the licence
    event LicenceRevoked(bytes32 indexed licence);

    /// @notice A provider enrolled a printer.
    /// @param printer its identifier, the struct hash of the enrolment
    /// @param provider who enrolled it
    /// @param keyX first coordinate of its P-256 key
    /// @param keyY second coordinate
    event PrinterEnrolled(bytes32 indexed printer, address indexed provider, bytes32 keyX, bytes32 keyY);

    /// @notice A printer prints no more.
    /// @param printer the printer
    event PrinterRetired(bytes32 indexed printer);

    /// @notice A print is counted.
    /// @param licence the licence it consumed a number of
    /// @param printer the printer that claimed it
    /// @param sequence the number
    /// @param token SHA-256 of the print token
    event PrintRecorded(bytes32 indexed licence, bytes32 indexed printer, uint32 sequence, bytes32 token);

    /// @notice All prints of a plate are counted; their `PrintRecorded` stand right before this, in the plate's order.
    /// @param printer the printer that claimed it
    /// @param plate the struct hash of the `Plate`
    event PlateRecorded(bytes32 indexed printer, bytes32 plate);

    /// @notice A printer reported how a print ended.
    /// @param licence the licence of the print
    /// @param printer the printer that reported it
    /// @param sequence the print's number
    /// @param result 1 completed, 2 failed, 3 cancelled
    /// @param report salted commitment to the printer's report
    /// @param credited whether the licence got the print back
    event OutcomeRecorded(
        bytes32 indexed licence, bytes32 indexed printer, uint32 sequence, uint8 result, bytes32 report, bool credited
    );

    /// @notice An item of a batch was skipped.
    /// @param index its place in the batch, from zero
    /// @param reason the error it would have reverted with
    event OperationRejected(uint256 indexed index, bytes reason);

    /// @notice The signature over the statement is not this account's.
    error PrintLedger_InvalidSignature(address signer);
    /// @notice The signature over the statement is not by this printer's key, or its `s` is in the upper half.
    error PrintLedger_InvalidPrinterSignature(bytes32 printer);
    /// @notice The publication is on record already.
    error PrintLedger_AlreadyPublished(bytes32 revision);
    /// @notice The licence is for a revision that is not on record.
    error PrintLedger_UnknownRevision(bytes32 revision);
    /// @notice The licence is for a revision of somebody else.
    error PrintLedger_NotRevisionOwner(bytes32 revision, address owner);
    /// @notice The licence is granted already.
    error PrintLedger_AlreadyGranted(bytes32 licence);
    /// @notice The licence permits no print, or names no provider.
    error PrintLedger_EmptyLicence();
    /// @notice The window is empty, or ends beyond 2^40 - 1.
    error PrintLedger_InvalidWindow(uint64 startsAt, uint64 expiresAt);
    /// @notice The licence is not granted.
    error PrintLedger_UnknownLicence(bytes32 licence);
    /// @notice The licence was revoked.
    error PrintLedger_LicenceRevoked(bytes32 licence);
    /// @notice The licence's window has not begun.
    error PrintLedger_LicenceNotStarted(bytes32 licence, uint64 startsAt);
    /// @notice The licence's window has ended.
    error PrintLedger_LicenceExpired(bytes32 licence, uint64 expiresAt);
    /// @notice More prints are to be transferred, or none, than lie above the highest number consumed.
    error PrintLedger_NotTransferable(bytes32 licence, uint32 prints, uint32 transferable);
    /// @notice The printer is enrolled already, or was before it was retired.
    error PrintLedger_AlreadyEnrolled(bytes32 printer);
    /// @notice The licence's provider has not enrolled this printer.
    error PrintLedger_UnknownPrinter(bytes32 printer);
    /// @notice The printer was retired.
    error PrintLedger_PrinterRetired(bytes32 printer);
    /// @notice The proof does not show the printer in the licence's list, or there is a proof and no list.
    error PrintLedger_PrinterNotAllowed(bytes32 licence, bytes32 printer);
    /// @notice The claim's deadline has passed.
    error PrintLedger_ClaimExpired(uint64 deadline);
    /// @notice The number is beyond the prints permitted, those credited back so far included.
    error PrintLedger_CountExhausted(bytes32 licence, uint32 sequence, uint32 allowed);
    /// @notice The number is zero, or more than 128 beyond the numbers consumed without a gap.
    error PrintLedger_SequenceOutOfWindow(bytes32 licence, uint32 sequence);
    /// @notice The number is consumed.
    error PrintLedger_SequenceUsed(bytes32 licence, uint32 sequence);
    /// @notice A plate holds no claim or more than 16, or not one proof for each.
    error PrintLedger_InvalidPlate(uint256 claims, uint256 proofs);
    /// @notice The key is this printer for a licence of the plate, and another one for its first: a plate is one
    /// provider's.
    error PrintLedger_AnotherPrinter(bytes32 licence, bytes32 printer);
    /// @notice An outcome is about a print that is not recorded.
    error PrintLedger_NotPrinted(bytes32 licence, uint32 sequence);
    /// @notice An outcome's result is none of the three.
    error PrintLedger_InvalidResult(uint8 result);
    /// @notice The print has an outcome.
    error PrintLedger_OutcomeRecorded(bytes32 licence, uint32 sequence);
    /// @notice Item `index` of a batch is cut off, of no known kind, or names a word that is not there; nothing of the
    /// batch is recorded.
    error PrintLedger_MalformedBatch(uint256 index);
    /// @notice A batch holds a batch.
    error PrintLedger_NestedBatch();
    /// @notice What is left of the gas does not guarantee item `index` its share; nothing of the batch is recorded.
    error PrintLedger_BatchGasTooLow(uint256 index);

    /// @notice Puts an owner's commitment on record.
    /// @param publication what the owner signed
    /// @param ownerSignature 65 bytes of an account's key, or what its wallet (ERC-1271) accepts
    function publish(Publication calldata publication, bytes calldata ownerSignature) external;

    /// @notice Grants a licence for a revision of the same owner.
    /// @param licence what the owner signed
    /// @param ownerSignature 65 bytes of an account's key, or what its wallet (ERC-1271) accepts
    function grant(Licence calldata licence, bytes calldata ownerSignature) external;

    /// @notice Ends a licence: later prints are refused, outcomes of earlier ones are still taken.
    /// @param licence the licence to end, whole, from which its identifier and its owner follow
    /// @param ownerSignature the owner's signature over `Revocation{licence}`
    function revoke(Licence calldata licence, bytes calldata ownerSignature) external;

    /// @notice Passes unused prints of a licence on to another provider, as a licence of its own.
    /// @dev Only prints above the highest number consumed can be passed on, so no number recorded is ever beyond the
    /// count. Reprints stay behind. A number the provider authorised and has not recorded may fall beyond the count
    /// and is then refused. The new licence needs a consent of its own to be passed on, and a revocation of its own.
    /// @param origin the licence to take from, whole, from which its owner and the new licence follow
    /// @param provider who gets them
    /// @param prints how many
    /// @param salt makes equal transfers distinct
    /// @param providerSignature the origin's provider's signature over `PrintTransfer{origin, provider, prints, salt}`
    /// @param ownerSignature the owner's signature over `TransferConsent{origin}`
    function transfer(
        Licence calldata origin,
        address provider,
        uint32 prints,
        bytes32 salt,
        bytes calldata providerSignature,
        bytes calldata ownerSignature
    ) external;

    /// @notice Enrols a printer.
    /// @param enrolment what the provider and the printer signed
    /// @param providerSignature 65 bytes of an account's key, or what its wallet (ERC-1271) accepts
    /// @param printerR first half of the printer's signature over the same enrolment, its proof of possession
    /// @param printerS second half, in the lower half of the order
    function enrol(Enrolment calldata enrolment, bytes calldata providerSignature, bytes32 printerR, bytes32 printerS)
        external;

    /// @notice Retires a printer for good: later prints by it are refused, its reports of outcomes are still taken.
    /// @param retirement what the provider signed
    /// @param providerSignature 65 bytes of an account's key, or what its wallet (ERC-1271) accepts
    function retire(Retirement calldata retirement, bytes calldata providerSignature) external;

    /// @notice Counts one print of a licence without a list of printers, or with a list of this one alone.
    /// @param claim what the printer signed
    /// @param signature the printer's key and its signature
    function recordPrint(PrintClaim calldata claim, PrinterSignature calldata signature) external;

    /// @notice Counts one print of a licence with a list of printers.
    /// @param claim what the printer signed
    /// @param signature the printer's key and its signature
    /// @param proof Merkle proof that the printer is in the licence's list
    function recordListedPrint(
        PrintClaim calldata claim,
        PrinterSignature calldata signature,
        bytes32[] calldata proof
    ) external;

    /// @notice Counts the prints of a plate, 1 to 16 of them by one printer: all, or none where one is refused.
    /// @dev Reverts with the error of the first claim refused. The limit lets a plate be an item of a batch on any
    /// chain, with the P-256 precompile or without.
    /// @param claims what the printer signed, in the order it signed
    /// @param signature the printer's key and its signature over the `Plate` of these claims
    /// @param proofs for each claim the Merkle proof that the printer is in its licence's list; empty without a list
    function recordPlate(
        PrintClaim[] calldata claims,
        PrinterSignature calldata signature,
        bytes32[][] calldata proofs
    ) external;

    /// @notice Records how a print ended, once. A failed one is credited back while the licence's reprints last.
    /// @param licence the licence of the print
    /// @param sequence the print's number
    /// @param result 1 completed, 2 failed, 3 cancelled
    /// @param report salted commitment to the printer's report
    /// @param signature key of a printer of the licence's provider, and its signature over the `PrintOutcome`
    function recordOutcome(
        bytes32 licence,
        uint32 sequence,
        uint8 result,
        bytes32 report,
        PrinterSignature calldata signature
    ) external;

    /// @notice Runs calls of this contract in order; one that fails is skipped with `OperationRejected`.
    /// @dev `items` are laid end to end, numbers big-endian:
    ///
    /// - a call: `0x00`, its length (2 bytes), the ABI-encoded call. An encoded `batch` is rejected.
    /// - a print: `0x01`, licence (2 bytes), key (2), sequence (4), deadline (8), token (32), r (32), s (32). It stands
    ///   for the call of `recordPrint` with `words[licence]` as its licence and with the printer's key `words[key]` and
    ///   `words[key + 1]`.
    ///
    /// Reverts with `PrintLedger_MalformedBatch` for anything else, and with `PrintLedger_BatchGasTooLow` unless
    /// 1,050,000 gas are left when an item starts, so that no item is rejected for how a relayer packed it or for want
    /// of gas that another one, or the relayer, took from it. `eth_estimateGas` finds a limit that does.
    /// @param words what prints of the batch share: licences, and the two coordinates of printers' keys
    /// @param items the items
    function batch(bytes32[] calldata words, bytes calldata items) external;

    /// @notice Who published a revision.
    /// @param revision the revision
    /// @return owner zero for an unknown revision
    function revisionOwner(bytes32 revision) external view returns (address owner);

    /// @notice What the ledger keeps of a licence.
    /// @param licence the licence
    /// @return state all zero for an unknown licence
    function licenceState(bytes32 licence) external view returns (LicenceState memory state);

    /// @notice Whether a number of a licence is consumed.
    /// @param licence the licence
    /// @param sequence the number
    /// @return recorded false for an unknown licence
    function isRecorded(bytes32 licence, uint32 sequence) external view returns (bool recorded);

    /// @notice Whether a print has an outcome.
    /// @param licence the licence
    /// @param sequence the print's number
    /// @return reported false for an unknown print
    function isReported(bytes32 licence, uint32 sequence) external view returns (bool reported);

    /// @notice What the ledger keeps of a printer.
    /// @param printer the printer
    /// @return provider who enrolled it; zero for an unknown printer
    /// @return retired whether it was retired
    function printerState(bytes32 printer) external view returns (address provider, bool retired);
}
