"""`python -m mesh_tools check FILE…`."""

from __future__ import annotations

import sys

from mesh_tools.check import main

if __name__ == "__main__":
    sys.exit(main())
