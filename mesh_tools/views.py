"""The names of the pictures, and of the files they come as. Importing this loads no renderer."""

from __future__ import annotations

from typing import Final

FILES: Final = {
    "thumbnail": "thumbnail.png",
    "sheet": "sheet.png",
    "findings": "findings.png",
    "section": "section.png",
    "preview": "preview.glb",
}
