"""`partvault keys`: the versions of the key that wraps every data key, on the operator's machine."""

from __future__ import annotations

from app.cli.options import group

commands = group("keys", "Versions of the key that wraps every data key; works on the data folder")
