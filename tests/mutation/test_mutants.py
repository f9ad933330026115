from __future__ import annotations

import pytest

from tests.mutation.mutants import mutants


def afters(source: str) -> list[str]:
    return [mutant.after for mutant in mutants("m.py", source)]


class TestMutants:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("a < b", ["a <= b", "a >= b"]),
            ("a not in b", ["a in b"]),
            ("a < b <= c", ["a <= b <= c", "a >= b <= c", "a < b < c", "a < b > c"]),
            ("a and b", ["a or b"]),
            ("not a", ["(a)"]),
            ("a + b", ["a - b", "(a)", "(b)"]),
            ("a // b", ["a * b"]),
            ("x = 7", ["x = 8", "x = 6"]),
            ("x = 0", ["x = 1"]),
            ("x = False", ["x = True"]),
            ("x = b'ab'", ["x = b'a'"]),
            ("x = 'big'", ["x = 'little'"]),
            ("x = 'any'", []),
            ("x[a:b]", ["x[:b]", "x[a:]"]),
            ("check()", ["pass"]),
            ("x = min(a, b)", ["x = max(a, b)"]),
            ("x = hmac.compare_digest(a, b)", ["x = True"]),
            ("x: int = a", []),
            ("x = f'{1}'", []),
            ("raise E('truncated', 1)", ["pass", "raise E('mistaken', 1)"]),
        ],
    )
    def test_change_one_place(self, line: str, expected: list[str]) -> None:
        assert afters(line) == expected

    def test_turn_conditions(self) -> None:
        assert afters("if a:\n    b\nelse:\n    c") == ["if not (a):"]
        assert afters("x = a if b else c") == ["x = a if not (b) else c"]

    def test_drop_what_is_returned(self) -> None:
        assert afters("def f():\n    '''Doc.'''\n    return a") == ["return None"]

    def test_keep_the_rest_of_the_module(self) -> None:
        source = (
            "# a comment with ‖\nclass C:\n    def f(self, x=1):\n        if x > 2:  # why\n            g()\n"
        )
        found = list(mutants("m.py", source, ["C.f"]))
        assert {(mutant.function, mutant.line) for mutant in found} == {("C.f", 4), ("C.f", 5)}
        assert found[0].source == source.replace("x > 2", "x >= 2")
        assert found[0].before == "if x > 2: # why"

    def test_name_a_function_that_is_not_there(self) -> None:
        with pytest.raises(ValueError, match="gone"):
            list(mutants("m.py", "x = 1", ["gone"]))
