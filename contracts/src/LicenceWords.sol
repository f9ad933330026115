// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IPrintLedger} from "./IPrintLedger.sol";

/// @dev What a licence fixes when it is granted, and whether it was revoked, in one slot: provider 160 bits, startsAt
/// 40, expiresAt 40, listed 8, revoked 8, from the lowest bit up. Zero for a licence that is not granted.
type Terms is uint256;

/// @dev What a licence counts, in one slot: prints 32 bits, reprints 32, credited 32, base 32, window 128, from the
/// lowest bit up. Never zero once granted, so the first print costs what the last one does.
type Counters is uint256;

using {provider, startsAt, expiresAt, isListed, isRevoked, asRevoked, withProvider} for Terms global;

using {
    prints,
    reprints,
    credited,
    base,
    window,
    used,
    isConsumed,
    transferable,
    consume,
    credit,
    take
} for Counters global;

/// @dev How far beyond the numbers consumed without a gap a claim may run.
uint256 constant WINDOW = 128;

uint256 constant STARTS_AT = 160;
uint256 constant EXPIRES_AT = 200;
uint256 constant LISTED = 240;
uint256 constant REVOKED = 248;

uint256 constant REPRINTS = 32;
uint256 constant CREDITED = 64;
uint256 constant BASE = 96;
uint256 constant WINDOW_BITS = 128;

/// @dev `times`: startsAt in the lower 40 bits, expiresAt in the 40 above.
function packTerms(address provider_, uint256 times, bool listed) pure returns (Terms) {
    uint256 flag = listed ? 1 : 0;
    return Terms.wrap(uint160(provider_) | (times << STARTS_AT) | (flag << LISTED));
}

function provider(Terms terms) pure returns (address) {
    return address(uint160(Terms.unwrap(terms)));
}

function startsAt(Terms terms) pure returns (uint64) {
    return uint40(Terms.unwrap(terms) >> STARTS_AT);
}

function expiresAt(Terms terms) pure returns (uint64) {
    return uint40(Terms.unwrap(terms) >> EXPIRES_AT);
}

function isListed(Terms terms) pure returns (bool) {
    return uint8(Terms.unwrap(terms) >> LISTED) != 0;
}

function isRevoked(Terms terms) pure returns (bool) {
    return Terms.unwrap(terms) >> REVOKED != 0;
}

function asRevoked(Terms terms) pure returns (Terms) {
    return Terms.wrap(Terms.unwrap(terms) | (1 << REVOKED));
}

function withProvider(Terms terms, address provider_) pure returns (Terms) {
    return Terms.wrap(((Terms.unwrap(terms) >> STARTS_AT) << STARTS_AT) | uint160(provider_));
}

/// @dev `limits`: prints in the lower 32 bits, reprints in the 32 above.
function packCounters(uint256 limits) pure returns (Counters) {
    return Counters.wrap(uint64(limits));
}

function prints(Counters counters) pure returns (uint32) {
    return uint32(Counters.unwrap(counters));
}

function reprints(Counters counters) pure returns (uint32) {
    return uint32(Counters.unwrap(counters) >> REPRINTS);
}

function credited(Counters counters) pure returns (uint32) {
    return uint32(Counters.unwrap(counters) >> CREDITED);
}

function base(Counters counters) pure returns (uint32) {
    return uint32(Counters.unwrap(counters) >> BASE);
}

function window(Counters counters) pure returns (uint128) {
    return uint128(Counters.unwrap(counters) >> WINDOW_BITS);
}

/// @dev How many numbers are consumed: those below the window and those in it.
function used(Counters counters) pure returns (uint32) {
    uint32 count = counters.base();
    for (uint256 bits = counters.window(); bits != 0; bits &= bits - 1) {
        ++count;
    }
    return count;
}

function isConsumed(Counters counters, uint256 sequence) pure returns (bool) {
    uint256 below = counters.base();
    if (sequence <= below) return sequence != 0;
    uint256 ahead = sequence - below - 1;
    return ahead < WINDOW && (counters.window() >> ahead) & 1 == 1;
}

/// @dev How many prints lie above the highest number consumed. Never more than `prints`: what is credited was printed
/// before, so `credited` is at most that number.
function transferable(Counters counters) pure returns (uint32) {
    unchecked {
        uint256 bits = counters.window();
        uint256 highest = counters.base() + (bits == 0 ? 0 : Math.log2(bits) + 1);
        return uint32(uint256(counters.prints()) + counters.credited() - highest);
    }
}

/// @dev Consumes a number and slides the window over the numbers that are now consumed without a gap. No sum here
/// overflows: all terms are below 2^33.
function consume(Counters counters, bytes32 licence, uint32 sequence) pure returns (Counters) {
    unchecked {
        uint256 word = Counters.unwrap(counters);
        uint256 allowed = uint256(counters.prints()) + counters.credited();
        if (sequence > allowed) {
            revert IPrintLedger.PrintLedger_CountExhausted(licence, sequence, uint32(allowed));
        }
        uint256 below = counters.base();
        uint256 ahead = sequence - below - 1; // wraps round to far beyond the window where it is negative
        if (ahead >= WINDOW) {
            if (sequence != 0 && sequence <= below) revert IPrintLedger.PrintLedger_SequenceUsed(licence, sequence);
            revert IPrintLedger.PrintLedger_SequenceOutOfWindow(licence, sequence);
        }
        uint256 bit = 1 << (WINDOW_BITS + ahead);
        if (word & bit != 0) revert IPrintLedger.PrintLedger_SequenceUsed(licence, sequence);
        if (ahead != 0) return Counters.wrap(word | bit);

        uint256 rest = word >> (WINDOW_BITS + 1);
        uint256 run = rest & 1 == 0 ? 0 : Math.log2(~rest & (rest + 1));
        uint256 counts = uint256(uint128(word)) + ((run + 1) << BASE);
        return Counters.wrap(counts | ((rest >> run) << WINDOW_BITS));
    }
}

/// @dev Gives one print back. Only below `reprints`, so 32 bits hold the sum.
function credit(Counters counters) pure returns (Counters) {
    unchecked {
        return Counters.wrap(Counters.unwrap(counters) + (1 << CREDITED));
    }
}

/// @dev Takes prints away, at most `transferable`.
function take(Counters counters, uint32 prints_) pure returns (Counters) {
    unchecked {
        return Counters.wrap(Counters.unwrap(counters) - prints_);
    }
}
