"""Names in any script stand on the page as themselves, or as what they are; never as a question mark."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from app.certificates.sheet import new_sheet, write
from tests.app.certificates.embedded import lines_of
from tests.app.certificates.printed import drawing, printed, streams
from tests.app.service import Service

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
LEFT_TO_RIGHT = [
    "Łódź żółć",
    "Φλάντζα Ελλάδα",
    "Крышка опоры «Деталь»",
    "Tấm đỡ",
    "深圳市增材制造 支架",
    "東京製作所 ブラケット",
    "한국 적층 제조",
    "ქართული",
]


def page(*names: str, width: float = 174.0) -> bytes:
    sheet = new_sheet("a page", MOMENT, "".join(names))
    for name in names:
        write(sheet, name, size=9, width=width)
    written = io.BytesIO()
    sheet.output(written)
    return written.getvalue()


class TestPage:
    @pytest.mark.parametrize("name", LEFT_TO_RIGHT)
    def test_holds_the_name_as_text_and_its_font(self, name: str) -> None:
        pdf = page(name)
        assert name in lines_of(pdf)
        assert b"/FontFile" in pdf

    @pytest.mark.parametrize("name", ["חברת הדפסה", "شركة"])
    def test_draws_from_the_right_what_is_read_from_there(self, name: str) -> None:
        """The letters of a right-to-left line are drawn in the reverse of the order they are read in."""
        assert lines_of(page(name))[0] == name[::-1]

    def test_needs_no_font_for_western_names(self) -> None:
        pdf = page("Ærø 14 µm ÿ")
        assert b"/FontFile" not in pdf
        assert b"/Helvetica" in pdf

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("part 😀", "part [U+1F600]"),
            ("Հայ", "[U+0540][U+0561][U+0575]"),
            ("Łata\u202egnp.exe", "Łata[U+202E]gnp.exe"),
            ("Ł\x07", "Ł[U+0007]"),
        ],
    )
    def test_says_which_letters_it_cannot_draw(self, name: str, said: str) -> None:
        assert said in lines_of(page(name))

    def test_says_so_without_fonts_too(self) -> None:
        content = [each for each in streams(page("bell \x07, soft \xad")) if b"BT" in each]
        assert b"(bell [U+0007], soft [U+00AD]) Tj" in content[0]

    def test_cuts_what_is_too_long(self) -> None:
        (line,) = [each for each in lines_of(page("Łódź" * 50, width=60)) if each]
        assert line.endswith("...")
        assert ("Łódź" * 50).startswith(line[:-3])
        assert len(line) > 20

    def test_is_the_same_each_time(self) -> None:
        assert page(*LEFT_TO_RIGHT) == page(*LEFT_TO_RIGHT)

    def test_is_small(self) -> None:
        assert len(page(*LEFT_TO_RIGHT)) < 60_000


class TestCertificate:
    def test_shows_what_the_printer_said_in_its_words(self, service: Service) -> None:
        case = printed(service, detail="Полка 支架, Łódź 😀")
        lines = lines_of(case.owner.call("GET", f"{case.path}.pdf").content)
        for word in ("Полка 支架, Łódź [U+1F600]", case.serial, "Leg cap", "Completed"):
            assert word in lines
        assert not [line for line in lines if "?" in line]

    def test_is_set_in_the_built_in_font_where_that_is_enough(self, service: Service) -> None:
        case = printed(service, detail="größer")
        assert "größer" in drawing(case.owner.call("GET", f"{case.path}.pdf").content)
