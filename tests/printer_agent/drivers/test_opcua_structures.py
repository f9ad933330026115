"""The structures of OPC 10031-4 as bytes.

The vectors were made by asyncua from the OPC Foundation's own nodeset (ISA95-JOBCONTROL_V2 2.0.0 of
2024-01-31), with every kind of field set; they hold the order, types and masks of our fields against it.
"""

from __future__ import annotations

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from printer_agent.drivers.opcua.job_control import (
    JOB_ORDER,
    JOB_RESPONSE,
    ORDER_AND_STATE,
    JobOrder,
    JobResponse,
    JobState,
    OrderAndState,
    State,
    node_id,
    packed,
    top_state,
    unpacked,
)
from printer_agent.errors import DriverError

ORDER = (
    "ff030000020000006a310100000003020000006465040000006465736301000000030000000200000077310202000000"
    "776401000000070000000200000070310703000000010000000302000000656e01000000640100000075070000000202"
    "0000006d6d020a0000006d696c6c696d6574726501000000030000000200000070310704000000010000000302000000"
    "656e010000006401000000750700000002020000006d6d020a0000006d696c6c696d6574726580004074947bdc018000"
    "4074947bdc01fdff01000000030000000200000070310705000000010000000302000000656e01000000640100000075"
    "0700000002020000006d6d020a0000006d696c6c696d65747265010000001f0000000100000072010000000201000000"
    "780300000075736503000000322e3501000000750700000002020000006d6d020a0000006d696c6c696d657472650100"
    "00000000000001000000710c0100000076010000001f0000000100000072010000000201000000780300000075736503"
    "000000322e3501000000750700000002020000006d6d020a0000006d696c6c696d657472650100000000000000010000"
    "00710c0100000076010000001f0000000100000072010000000201000000780300000075736503000000322e35010000"
    "00750700000002020000006d6d020a0000006d696c6c696d65747265010000000000000001000000710c010000007601"
    "000000650000000100000063030000006c6f74020000006d750100000031"
)
STATE = "0100000000000000020700000052756e6e696e6703000000"
RESPONSE = (
    "8f0000000200000072310203000000776879020000006a3180004074947bdc0180004074947bdc010100000000000000"
    "020700000052756e6e696e67030000000100000000000000090000004a6f62526573756c740602000000010000006500"
    "00000100000063030000006c6f74020000006d750100000031"
)
KINDS = ((JobOrder, JOB_ORDER), (OrderAndState, ORDER_AND_STATE), (JobResponse, JOB_RESPONSE))


def received(content: bytes, encoding: int, index: int = 3) -> ua.ExtensionObject:
    return ua.ExtensionObject(node_id(encoding, index), ua.ByteString(content))


class TestVectors:
    @pytest.mark.parametrize(
        ("kind", "encoding", "text"),
        [
            (JobOrder, JOB_ORDER, ORDER),
            (OrderAndState, ORDER_AND_STATE, ORDER + STATE),
            (JobResponse, JOB_RESPONSE, RESPONSE),
        ],
    )
    def test_are_read_and_written_byte_by_byte(self, kind: type, encoding: int, text: str) -> None:
        content = bytes.fromhex(text)
        read = unpacked(received(content, encoding), kind, encoding, 3)
        assert packed(read, encoding, 3) == received(content, encoding)

    def test_mean_what_the_nodeset_says(self) -> None:
        given = received(bytes.fromhex(ORDER + STATE), ORDER_AND_STATE)
        read = unpacked(given, OrderAndState, ORDER_AND_STATE, 3)
        order = read.order
        assert (order.id, order.priority, order.materials[0].lot_id) == ("j1", -3, "lot")
        assert order.work_masters[0].parameters[0].inner[0].value.Value == 4
        assert (order.equipment[0].quantity, order.assets[0].properties[0].value.Value) == ("2.5", "v")
        assert top_state(read.states) is State.RUNNING
        answer = unpacked(received(bytes.fromhex(RESPONSE), JOB_RESPONSE), JobResponse, JOB_RESPONSE, 3)
        assert (answer.order_id, answer.data[0].id, answer.data[0].value.Value) == ("j1", "JobResult", 2)
        assert answer.description.Text == "why"

    def test_leave_out_what_is_not_set(self) -> None:
        assert struct_to_binary(JobOrder(id=ua.String("j2"))) == bytes.fromhex("00000000020000006a32")


class TestUnpacked:
    def test_refuses_another_structure(self) -> None:
        content = bytes.fromhex(RESPONSE)
        for value in (None, "text", received(content, JOB_ORDER), received(content, JOB_RESPONSE, 4)):
            with pytest.raises(DriverError, match="no JobResponse"):
                unpacked(value, JobResponse, JOB_RESPONSE, 3)

    @given(st.sampled_from(KINDS), st.binary(max_size=200))
    def test_reads_or_refuses_any_bytes(self, kind: tuple[type, int], content: bytes) -> None:
        try:
            read = unpacked(received(content, kind[1]), kind[0], kind[1], 3)
        except DriverError as error:
            kinds = error.kind, None
        else:
            kinds = None, type(read)
        assert kinds in {("host_garbled", None), (None, kind[0])}

    @given(st.integers(0, len(RESPONSE) // 2 - 1))
    def test_refuses_what_was_cut_off(self, length: int) -> None:
        cut = bytes.fromhex(RESPONSE)[:length]
        with pytest.raises(DriverError, match="broken"):
            unpacked(received(cut, JOB_RESPONSE), JobResponse, JOB_RESPONSE, 3)


class TestTopState:
    @pytest.mark.parametrize("numbers", [[], [0], [7], [99, 3]])
    def test_refuses_what_the_specification_does_not_know(self, numbers: list[int]) -> None:
        states = [
            JobState(path=ua.RelativePath(), text=ua.LocalizedText("?"), number=ua.UInt32(number))
            for number in numbers
        ]
        with pytest.raises(DriverError, match="unknown state"):
            top_state(states)
