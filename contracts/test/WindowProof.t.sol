// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {Counters, Terms, WINDOW, packTerms} from "../src/LicenceWords.sol";

/// @dev Calls the rule for numbers, so that a refusal can be told from a result.
contract Rule {
    function consume(Counters counters, uint32 sequence) external pure returns (Counters) {
        return counters.consume(0, sequence);
    }
}

/// @dev What halmos proves of the rule for numbers, for every state and every number (see ../ANALYSIS.md). A state is
/// sound if the lowest unused number is `base + 1` and no number is consumed that is beyond the count or beyond the 32
/// bits a number has. A granted licence's is, and every step here ends in a sound one again, so all states that can
/// occur are.
contract WindowProof {
    Rule private immutable RULE = new Rule();

    /// @dev A new licence is sound, and nothing of it is consumed.
    function check_AGrantIsSound(uint32 prints, uint32 reprints, uint32 number) external pure {
        Counters counters = Counters.wrap(uint256(prints) | (uint256(reprints) << 32));
        assert(_sound(counters));
        assert(!counters.isConsumed(number));
    }

    /// @dev Consuming a number consumes that number and no other, once, within the count, and leaves the terms alone.
    function check_ConsumingIsExact(uint256 word, uint32 sequence, uint32 other) external view {
        Counters counters = Counters.wrap(word);
        if (!_sound(counters)) return;
        try RULE.consume(counters, sequence) returns (Counters next) {
            assert(sequence != 0 && sequence <= _allowed(counters));
            assert(!counters.isConsumed(sequence) && next.isConsumed(sequence));
            assert(other == sequence || next.isConsumed(other) == counters.isConsumed(other));
            assert(uint96(Counters.unwrap(next)) == uint96(word));
        } catch {}
    }

    /// @dev It ends in a sound state.
    function check_ConsumingStaysSound(uint256 word, uint32 sequence) external view {
        Counters counters = Counters.wrap(word);
        if (!_sound(counters)) return;
        try RULE.consume(counters, sequence) returns (Counters next) {
            assert(_sound(next));
        } catch {}
    }

    /// @dev Every number within the count and within 128 of the lowest unused one is taken, whatever came before it.
    function check_AFreeNumberIsNeverRefused(uint256 word, uint32 sequence) external view {
        Counters counters = Counters.wrap(word);
        if (!_sound(counters) || sequence == 0 || sequence > _allowed(counters)) return;
        if (counters.isConsumed(sequence) || uint256(sequence) > uint256(counters.base()) + WINDOW) return;
        try RULE.consume(counters, sequence) {}
        catch {
            assert(false);
        }
    }

    /// @dev Taking away what is transferable leaves a sound state, and no number above is lost that was consumed.
    function check_TransferStaysSound(uint256 word, uint32 prints, uint32 number) external pure {
        Counters counters = Counters.wrap(word);
        if (!_sound(counters) || prints == 0 || prints > counters.transferable()) return;
        // I2: a print is credited after it was printed, so credits are at most the highest number consumed
        if (counters.prints() < prints) return;
        Counters next = counters.take(prints);
        assert(_sound(next) && next.prints() + prints == counters.prints());
        assert(next.isConsumed(number) == counters.isConsumed(number));
        assert(!counters.isConsumed(number) || number <= _allowed(next));
    }

    /// @dev A credit adds one to the count and consumes nothing.
    function check_CreditIsOne(uint256 word, uint32 number) external pure {
        Counters counters = Counters.wrap(word);
        if (!_sound(counters) || counters.credited() >= counters.reprints()) return;
        Counters next = counters.credit();
        assert(_sound(next) && _allowed(next) == _allowed(counters) + 1);
        assert(next.isConsumed(number) == counters.isConsumed(number));
        assert(next.credited() <= next.reprints() && next.prints() == counters.prints());
    }

    /// @dev The terms come back as they were packed.
    function check_TermsComeBack(address provider, uint40 startsAt, uint40 expiresAt, bool listed) external pure {
        Terms terms = packTerms(provider, uint256(startsAt) | (uint256(expiresAt) << 40), listed);
        assert(terms.provider() == provider && terms.startsAt() == startsAt && terms.expiresAt() == expiresAt);
        assert(terms.isListed() == listed && !terms.isRevoked());
        Terms revoked = terms.asRevoked();
        assert(revoked.isRevoked() && revoked.provider() == provider && revoked.expiresAt() == expiresAt);
    }

    function _sound(Counters counters) private pure returns (bool) {
        uint256 bits = counters.window();
        uint256 room = _allowed(counters);
        if (room > type(uint32).max) room = type(uint32).max;
        uint256 below = counters.base();
        if (bits & 1 != 0 || below > room) return false;
        return room - below >= WINDOW || bits >> (room - below) == 0;
    }

    function _allowed(Counters counters) private pure returns (uint256) {
        return uint256(counters.prints()) + counters.credited();
    }
}
