"""Progress by the layers that OPC 40540 lets a machine tell."""

from __future__ import annotations

import pytest
from asyncua import ua

from printer_agent.drivers.opcua.job_control import JobState, Parameter, packed, parameter
from printer_agent.drivers.opcua.layers import RUN_INFO, RunInfo, percent_of

INDEX = 5
STATE = JobState(path=ua.RelativePath(), text=ua.LocalizedText("Running", "en"), number=ua.UInt32(3))


def said(planned: object, *layers: int | None, index: int = INDEX) -> list[Parameter]:
    runs = [
        packed(
            RunInfo(
                layer=None if layer is None else ua.UInt32(layer),
                identifier=ua.String("run"),
                state=STATE,
                remaining=ua.Double(7.5),
            ),
            RUN_INFO,
            index,
        )
        for layer in layers
    ]
    return [
        parameter("LayersPlanned", planned, ua.VariantType.UInt32),
        parameter("Runs", runs, ua.VariantType.ExtensionObject),
    ]


class TestPercentOf:
    @pytest.mark.parametrize(
        ("given", "percent"),
        [
            (said(200, 50), 25.0),
            (said(200, 200, 10), 5.0),
            (said(200, 0), 0.0),
            (said(200, 200), 99.9),
            (said(200, 250), 99.9),
            (said(200, None), None),
            (said(200), None),
            (said(0, 5), None),
            (said("many", 5), None),
            (said(200, 50, index=INDEX + 1), None),
            (said(200, 50)[:1], None),
            (said(200, 50)[1:], None),
            ([], None),
        ],
    )
    def test_counts_the_last_run_where_all_is_said(
        self, given: list[Parameter], percent: float | None
    ) -> None:
        assert percent_of(given, INDEX) == percent

    def test_reads_the_fields_in_the_order_of_the_specification(self) -> None:
        """Mask with both optional fields, CurrentLayer, Identifier, State, RemainingTime."""
        content = (
            "03000000" "0a000000" "0300000072756e"
            "00000000" "03" "02000000656e" "0700000052756e6e696e67" "03000000"
            "0000000000001e40"
        )  # fmt: skip
        (run,) = said(200, 10)[1].value.Value
        assert run.Body.hex() == content
