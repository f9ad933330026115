"""Mutated files of every format through the sandbox: no crash of the parent, no unsound part passes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_tools.sandbox import Sandbox
from mesh_tools.warm_up import samples
from tests.mesh_tools.conftest import Gate

_SAMPLES = samples()
_EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.binary(min_size=0, max_size=6), st.integers(0, 8)), max_size=4
)


def _mutated(data: bytes, edits: list[tuple[float, bytes, int]]) -> bytes:
    for share, inserted, removed in edits:
        place = int(share * len(data))
        data = data[:place] + inserted + data[place + removed :]
    return data


def _try(sandbox: Sandbox, name: str, edits: list[tuple[float, bytes, int]]) -> None:
    inspection = Gate(sandbox).inspect(_mutated(_SAMPLES[name], edits), name)
    if inspection.verdict == "pass":
        assert inspection.geometry is not None
        assert inspection.geometry.watertight
        assert inspection.geometry.volume_mm3 > 0
    else:
        assert inspection.reasons
        assert not {found.code for found in inspection.reasons} & {"sandbox.crashed", "sandbox.unavailable"}


class TestMutatedFiles:
    @given(name=st.sampled_from(sorted(_SAMPLES)), edits=_EDITS)
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_never_break_the_gate(
        self, sandbox: Sandbox, name: str, edits: list[tuple[float, bytes, int]]
    ) -> None:
        _try(sandbox, name, edits)

    @pytest.mark.slow
    @given(name=st.sampled_from(sorted(_SAMPLES)), edits=_EDITS)
    @settings(
        max_examples=100_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_never_break_the_gate_in_a_long_campaign(
        self, sandbox: Sandbox, name: str, edits: list[tuple[float, bytes, int]]
    ) -> None:
        _try(sandbox, name, edits)
