"""Answers of fixed length are read as eth_abi reads them, and refused where they are none."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from ledger.artifact import artifact, type_of
from ledger.errors import TypedDataError
from ledger.words import reader

VIEWS = {
    entry["name"]: entry["outputs"]
    for entry in artifact().abi
    if entry["type"] == "function" and entry["name"] in {"licenceState", "printerState", "revisionOwner"}
}
OF_KIND: dict[str, st.SearchStrategy[object]] = {
    "address": st.integers(0, 2**160 - 1).map(lambda value: f"0x{value:040x}"),
    "bool": st.booleans(),
    "bytes32": st.binary(min_size=32, max_size=32),
}


def value_of(kind: str) -> st.SearchStrategy[object]:
    if kind.startswith("("):
        return st.tuples(*(value_of(part) for part in kind[1:-1].split(",")))
    return OF_KIND[kind] if kind in OF_KIND else st.integers(0, 2 ** int(kind[4:]) - 1)


class TestReader:
    def test_knows_the_views_of_every_print(self) -> None:
        assert len(VIEWS) == 3
        assert all(reader(name, outputs) is not None for name, outputs in VIEWS.items())

    @given(data=st.data())
    def test_reads_as_eth_abi_does(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(VIEWS)))
        types = [type_of(output) for output in VIEWS[name]]
        answer = encode(types, [data.draw(value_of(kind)) for kind in types])
        read = reader(name, VIEWS[name])
        assert read is not None
        assert read(answer) == decode(types, answer)

    def test_leaves_alone_what_has_no_fixed_length(self) -> None:
        assert reader("named", [{"type": "string"}]) is None
        assert reader("listed", [{"type": "tuple", "components": [{"type": "uint8[]"}]}]) is None

    @pytest.mark.parametrize("answer", [b"", bytes(63), bytes(96), bytes(31) + b"\x02" + bytes(32)])
    def test_refuses_what_is_no_such_answer(self, answer: bytes) -> None:
        read = reader("flags", [{"type": "bool"}, {"type": "uint64"}])
        assert read is not None
        with pytest.raises(TypedDataError):
            read(answer)
