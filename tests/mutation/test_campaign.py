"""No defect in the checks of commitment, context, final chunk and lengths goes unnoticed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.mutation.campaign import CRITICAL, ROOT, TESTS, WHOLE, critical, equivalents, survivors, whole
from tests.mutation.mutants import Mutant


def check(candidates: Sequence[Mutant]) -> None:
    """The survivors are exactly those in the table that are among the candidates."""
    left = survivors(candidates)
    known = {row.name for row in equivalents()}
    unnoticed = [mutant for mutant in left if mutant.name not in known]
    assert not unnoticed, "\n".join(map(str, unnoticed))
    noticed = {mutant.name for mutant in candidates} - {mutant.name for mutant in left}
    assert not known & noticed, "the table holds mutants that a test notices"


class TestCriticalChecks:
    """Every eighth mutant each time, all of them in the long campaigns and by `make mutation`."""

    @pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.slow)])
    def test_leave_no_survivor(self, step: int) -> None:
        check(critical()[::step])


class TestModules:
    @pytest.mark.slow
    @pytest.mark.parametrize("path", WHOLE)
    def test_leave_no_survivor(self, path: str) -> None:
        check(whole([path]))


class TestSurvivors:
    def test_are_those_that_no_test_notices(self) -> None:
        """A campaign that could not fail would prove nothing."""
        path = "storage/secret.py"
        source = (ROOT / path).read_text(encoding="utf-8")
        harmless, deadly, endless = (
            Mutant(path, 1, "<module>", "", more, f"{source}\n{more}\n")
            for more in ("UNUSED = 1", "raise SystemExit(0)", "while True: pass")
        )
        assert survivors([endless, harmless, deadly]) == [harmless]

    def test_need_tests_that_pass_without_a_defect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(TESTS, "storage/secret.py", ("tests/storage/no_such_test.py",))
        with pytest.raises(RuntimeError, match="without a defect"):
            survivors(whole(["storage/secret.py"])[:1])


class TestEquivalents:
    def test_are_mutants_that_exist_and_have_a_reason(self) -> None:
        existing = {mutant.name for mutant in whole()}
        for row in equivalents():
            assert row.name in existing, f"no such mutant any more: {row.name}"
            assert len(row.reason) > 20

    def test_are_each_listed_once(self) -> None:
        names = [row.name for row in equivalents()]
        assert len(names) == len(set(names))


class TestCritical:
    def test_names_modules_that_have_tests(self) -> None:
        assert set(CRITICAL) <= set(TESTS)
