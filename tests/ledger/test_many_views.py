"""Many views in one call: what is asked together is answered as what is asked singly."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.chain import ChainError
from ledger.many_views import answers
from tests.ledger.stage import embedded_stage


class TestTogether:
    def test_is_answered_as_singly(self, tmp_path: Path) -> None:
        with embedded_stage(tmp_path) as stage:
            runtime, licence = stage.runtime, stage.open_licence()
            enrolled = stage.cast.enrol().statement.struct_hash()
            licences, printers = [licence.struct_hash(), bytes(32)], [enrolled, bytes(32)]
            told = runtime.states(licences, printers)
            assert told[0] == [runtime.licence_state(each) for each in licences]
            assert told[1] == [runtime.printer_state(each) for each in printers]
        assert [each is None for each in (*told[0], *told[1])] == [False, True, False, True]


class TestAnswers:
    def test_are_taken_apart(self) -> None:
        memory = (2).to_bytes(32, "big") + b"ab" + bytes(32) + (1).to_bytes(32, "big") + b"c"
        assert answers(memory, 3) == [b"ab", b"", b"c"]

    @pytest.mark.parametrize("memory", [b"", bytes(32), (2).to_bytes(32, "big") + b"a", bytes(96)])
    def test_must_be_as_many_as_asked(self, memory: bytes) -> None:
        with pytest.raises(ChainError, match="to 2 views"):
            answers(memory, 2)
