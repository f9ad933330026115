"""Server nonces: who they are for, how long they live, and that any process of the service knows them."""

from __future__ import annotations

import pytest

from app.auth.nonces import SLOT_S, Nonces

SECRET = bytes(range(32))
START = 1_800_000_000 // SLOT_S * SLOT_S


class TestNonces:
    def test_of_another_process_are_known(self) -> None:
        nonce = Nonces(SECRET).give("prt_1", START)
        assert Nonces(SECRET).good_until(nonce, "prt_1", START) == START + 2 * SLOT_S - 1

    @pytest.mark.parametrize("given_at", [START, START + 1, START + SLOT_S - 1])
    def test_live_for_their_slot_and_the_next(self, given_at: int) -> None:
        nonces = Nonces(SECRET)
        nonce, last = nonces.give("prt_1", given_at), START + 2 * SLOT_S - 1
        assert nonces.good_until(nonce, "prt_1", given_at) == last
        assert nonces.good_until(nonce, "prt_1", last) == last
        assert nonces.good_until(nonce, "prt_1", last + 1) is None

    def test_of_a_clock_a_little_ahead_are_taken(self) -> None:
        nonces = Nonces(SECRET)
        assert nonces.good_until(nonces.give("prt_1", START), "prt_1", START - 1) is not None
        assert nonces.good_until(nonces.give("prt_1", START), "prt_1", START - SLOT_S - 1) is None

    def test_are_one_printers_and_one_secrets(self) -> None:
        nonce = Nonces(SECRET).give("prt_1", START)
        assert Nonces(SECRET).good_until(nonce, "prt_2", START) is None
        assert Nonces(bytes(32)).good_until(nonce, "prt_1", START) is None

    def test_show_neither_secret_nor_time(self) -> None:
        nonces = Nonces(SECRET)
        given = {
            nonces.give(f"prt_{number}", START + slot * SLOT_S) for number in range(9) for slot in range(9)
        }
        assert len(given) == 81
        assert {len(nonce) for nonce in given} == {43}
