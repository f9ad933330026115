from __future__ import annotations

import subprocess
import sys

_CODE = """
import sys, mesh_tools.sandbox, mesh_tools.inspect, mesh_tools.gate, mesh_tools.views
print(*sorted({"numpy", "PIL", "trimesh", "scipy", "lib3mf", "xml.parsers.expat"} & set(sys.modules)))
"""


class TestPublicFace:
    def test_loads_no_reader_into_the_caller(self) -> None:
        done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""
