"""What was appended a moment ago: handed out once, bounded, never believed over the database."""

from __future__ import annotations

from ledger.recent import Recent


class TestRecent:
    def test_hands_an_entry_out_once(self) -> None:
        recent = Recent[int]()
        recent.put("one", 1)
        assert (recent.take("one"), recent.take("one")) == (1, None)

    def test_drops_the_oldest(self) -> None:
        recent = Recent[int]()
        for number in range(5000):
            recent.put(str(number), number)
        assert (recent.take("0"), recent.take("4999")) == (None, 4999)

    def test_forgets_everything(self) -> None:
        recent = Recent[int]()
        recent.put("one", 1)
        recent.clear()
        assert recent.take("one") is None
