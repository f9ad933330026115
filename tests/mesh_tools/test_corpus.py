"""The gate over the corpus of real and hostile files: verdicts, cost, and agreement with trimesh."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import trimesh

from mesh_tools.inspect import Inspection
from tests.mesh_tools.corpus import NOTES, Row, inspected_alone, past_the_package_checks, read_table
from tests.mesh_tools.fuzz.judge import Instance, instances_of

_GIB = 1 << 30
_WRONG = {"invalid", "reject"}
_RIGHT = {"valid", "accept"}

DISAGREEMENTS: dict[str, str] = {}
"""Sound files on which trimesh says otherwise, with the reason; a test holds the list exact."""


@pytest.fixture(scope="module")
def measured(corpus: Path) -> tuple[list[tuple[Row, Inspection]], int]:
    """As `inspected_alone` gives them, from a process that had no other children."""
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        return alone.submit(inspected_alone, corpus).result()


@pytest.fixture(scope="module")
def results(measured: tuple[list[tuple[Row, Inspection]], int]) -> list[tuple[Row, Inspection]]:
    return measured[0]


class TestCorpus:
    def test_verdicts_are_those_of_the_table(self, results: list[tuple[Row, Inspection]]) -> None:
        assert [row for row, _ in results] == read_table()

    def test_every_invalid_file_is_refused(self, results: list[tuple[Row, Inspection]]) -> None:
        assert [row.path for row, _ in results if row.label in _WRONG and row.verdict == "pass"] == []

    def test_every_valid_file_gets_past_the_package_checks(
        self, results: list[tuple[Row, Inspection]]
    ) -> None:
        refused = [row for row, _ in results if row.label in _RIGHT and not past_the_package_checks(row)]
        assert refused == []

    def test_no_file_breaks_its_reader_or_comes_to_a_limit(
        self, results: list[tuple[Row, Inspection]]
    ) -> None:
        """Neither the time limits nor the memory limit, refusals of their own, are ever needed."""
        assert [row for row, _ in results if "sandbox." in row.reasons] == []

    def test_no_file_takes_more_than_a_gibibyte(
        self, measured: tuple[list[tuple[Row, Inspection]], int]
    ) -> None:
        assert measured[1] <= _GIB


class TestAgreement:
    def test_with_trimesh_on_every_sound_file(
        self, corpus: Path, results: list[tuple[Row, Inspection]]
    ) -> None:
        """Watertight, and the volume to a millionth; 3MF is read by the judge and measured by trimesh."""
        differing, compared = set(), 0
        for row, inspection in results:
            geometry = inspection.geometry
            if geometry is None or not geometry.watertight:
                continue
            instances = instances_of((corpus / row.path).read_bytes(), row.format)
            closed, volume = _measured_by_trimesh(instances)
            compared += 1
            if not closed or volume != pytest.approx(geometry.volume_mm3, rel=1e-6):
                differing.add(row.path)
        assert differing == set(DISAGREEMENTS)
        assert compared > 100


def _measured_by_trimesh(instances: Iterator[Instance]) -> tuple[bool, float]:
    """Whether every mesh is watertight and consistently wound, and the volume of all."""
    closed, volume = True, 0.0
    for instance in instances:
        corners = np.array(instance.facets).reshape(-1, 3) + 0.0
        points, places = np.unique(corners, axis=0, return_inverse=True)
        facets = places.reshape(-1, 3)
        whole = (facets != np.roll(facets, 1, axis=1)).all(axis=1)
        mesh = trimesh.Trimesh(points, facets[whole], process=False)
        closed &= bool(mesh.is_watertight and mesh.is_winding_consistent)
        volume += float(mesh.volume) * instance.scale
    return closed, volume


class TestTable:
    def test_holds_no_wrong_verdict(self) -> None:
        rows = read_table()
        assert len(rows) == 490
        assert not [row for row in rows if row.label in _WRONG and row.verdict == "pass"]
        assert all(past_the_package_checks(row) for row in rows if row.label in _RIGHT)

    def test_has_a_note_on_every_valid_file_that_is_refused(self) -> None:
        refused = {row.path for row in read_table() if row.label in _RIGHT and row.verdict == "refuse"}
        assert refused == set(NOTES)
