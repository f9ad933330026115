"""Tests of the print token as the printer holds it."""

from __future__ import annotations

import hashlib

import pytest

from printer_agent.errors import ReleaseRefused
from printer_agent.print_token import PrintToken


class TestPrintToken:
    def test_takes_text_with_a_line_end(self) -> None:
        assert PrintToken(" abc\n").reveal() == "abc"

    def test_gives_the_digest_a_claim_carries(self) -> None:
        assert PrintToken("abc").digest() == hashlib.sha256(b"abc").digest()

    def test_always_retries_under_the_same_key(self) -> None:
        assert PrintToken("abc").idempotency_key() == PrintToken("abc").idempotency_key()
        assert PrintToken("abc").idempotency_key() != PrintToken("abd").idempotency_key()

    def test_shows_nothing(self) -> None:
        assert repr(PrintToken("abc")) == "PrintToken(***)"
        assert "abc" not in PrintToken("abc").idempotency_key()

    @pytest.mark.parametrize("text", ["", "  ", "a b", "tökén", "a\x00b", "x" * 513])
    def test_refuses_what_is_no_token(self, text: str) -> None:
        with pytest.raises(ReleaseRefused) as caught:
            PrintToken(text)
        assert caught.value.kind == "malformed_token"
        assert not text.strip() or text not in str(caught.value)
