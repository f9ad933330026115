"""The compiled contract, as `contracts/build.py` wrote it.

It lies in `contracts/artifacts/PrintLedger.json` in a checkout and in `ledger/artifacts/PrintLedger.json` in
a wheel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ledger.errors import ArtifactError


@dataclass(frozen=True)
class Artifact:
    """The compiled contract. `immutables` are the (start, length) ranges of the code that its constructor
    fills.
    """

    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    deployed_bytecode: bytes
    immutables: tuple[tuple[int, int], ...]
    compiler_version: str


@cache
def artifact() -> Artifact:
    """Return the compiled contract of this installation; ArtifactError if it is missing or damaged."""
    here = Path(__file__).resolve().parent
    packaged = here / "artifacts" / "PrintLedger.json"
    return read_artifact(
        packaged if packaged.is_file() else here.parent / "contracts" / packaged.relative_to(here)
    )


def read_artifact(path: Path) -> Artifact:
    """Return the compiled contract in a file; ArtifactError if it is missing or damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        places = [place for group in data["immutableReferences"].values() for place in group]
        return Artifact(
            abi=tuple(data["abi"]),
            bytecode=bytes.fromhex(data["bytecode"][2:]),
            deployed_bytecode=bytes.fromhex(data["deployedBytecode"][2:]),
            immutables=tuple(sorted((place["start"], place["length"]) for place in places)),
            compiler_version=data["compiler"]["version"],
        )
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing; run `python contracts/build.py`") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is no artifact of the print ledger: {error!r}") from error


def is_print_ledger(code: bytes) -> bool:
    """Tell whether code found on chain is this contract's, whatever chain and address its constructor saw."""
    expected = artifact().deployed_bytecode
    if len(code) != len(expected):
        return False
    found = bytearray(code)
    for start, length in artifact().immutables:
        found[start : start + length] = bytes(length)
    return bytes(found) == expected


def signature_of(entry: Mapping[str, Any]) -> str:
    """Return the canonical signature of a function, event or error: its name and its inputs' types."""
    return f"{entry['name']}({','.join(type_of(member) for member in entry['inputs'])})"


def type_of(member: Mapping[str, Any]) -> str:
    """Return the canonical type of an input, output or component; a struct is a tuple."""
    kind = str(member["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(type_of(part) for part in member["components"])
    return f"({inner}){kind.removeprefix('tuple')}"
