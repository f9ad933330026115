"""Is this file the approved part? Geometric comparison of a print file with its approved master.

A file that was exported again, meshed anew or repaired has other bytes and is still the part; one with a
void, a shaved joint or a hole that moved is not. `compare` tells them apart and says where they differ.
"""

from __future__ import annotations

from mesh_tools.comparison.compare import compare
from mesh_tools.comparison.result import Comparison, Kind
from mesh_tools.comparison.solid import Solid

__all__ = ["Comparison", "Kind", "Solid", "compare"]
